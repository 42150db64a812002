"""The table messages: the log of everything said, in and out, by the platform's id at most once an account."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Origin
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.store.arrays import columns, joined
from hookline.store.pages import Listed, fetch_page
from hookline.store.pool import Connection


class Message(msgspec.Struct, kw_only=True):
    """A row. `media`, `reactions` and `meta_json` are JSON text. Times but the last two are the platform's clock.

    A locked row is changed in memory and written back by `update`.
    """

    id: UUID
    organization_id: str
    connected_account_id: UUID
    provider: IntegrationProvider
    direction: MessageDirection
    type: MessageType
    origin: Origin
    external_id: str | None
    contact: str | None
    sender: str
    recipient: str
    text: str
    status: MessageStatus
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    failed_at: datetime | None = None
    edited_at: datetime | None = None
    edit_version: int | None = None
    unsent_at: datetime | None = None
    error_code: str | None = None
    error_text: str | None = None
    reply_to: str | None = None
    media: str | None = None
    reactions: str | None = None
    meta_json: str | None = None
    webhook_event_id: UUID | None = None
    created_at: datetime
    updated_at: datetime


_COLUMNS = ", ".join(Message.__struct_fields__)


def _message(record: Any) -> Message:
    return msgspec.convert(dict(record), Message, strict=False)


Key = tuple[UUID, str]  # (connected account, the platform's id of the message)


def joined_keys(keys: Collection[Key]) -> tuple[str, ...]:
    """Write keys as a separator and two texts (see arrays.py)."""
    return joined([str(account) for account, _ in keys], [external_id for _, external_id in keys])


# IS TRUE keeps the comparison from any index that begins with the account: only the one by external id is left.
BY_KEY = "m.external_id = k.external_id AND (m.connected_account_id = k.account) IS TRUE"

_KNOWN = f"""
SELECT m.connected_account_id, m.external_id
FROM unnest(string_to_array($2, $1)::uuid[], string_to_array($3, $1)) AS k(account, external_id)
JOIN messages m ON {BY_KEY}
"""  # noqa: S608 - constants only, here and below


# What changes a message comes later; the columns of that start empty.
_LATER = {"edited_at", "edit_version", "unsent_at", "reactions", "updated_at"}
_INSERTED = tuple(name for name in Message.__struct_fields__ if name not in _LATER)
_inserted = attrgetter(*_INSERTED)


async def insert(connection: Connection, rows: Mapping[Key, Message]) -> dict[Key, Message]:
    """Add the messages that are not there yet, by (account, external id); returns those added.

    Two transactions that add the same message at once: the later one raises asyncpg.UniqueViolationError, and may try
    again. The rows go in sorted by key, so that two batches wait for each other and never in a circle.
    """
    if not rows:
        return {}
    records = await connection.fetch(_KNOWN, *joined_keys(rows))
    known = {(record[0], record[1]) for record in records}
    added = {key: row for key, row in sorted(rows.items()) if key not in known}
    if added:
        await connection.copy_records_to_table("messages", records=map(_inserted, added.values()), columns=_INSERTED)
    return added


_LOCK = f"""
SELECT {", ".join("m." + name for name in Message.__struct_fields__)}
FROM unnest(string_to_array($2, $1)::uuid[], string_to_array($3, $1)) AS k(account, external_id)
JOIN messages m ON {BY_KEY}
ORDER BY m.id FOR UPDATE OF m
"""  # noqa: S608


async def lock(connection: Connection, keys: Iterable[Key]) -> dict[Key, Message]:
    """Lock and read the messages with these ids, so that they can be changed and written back."""
    pairs = sorted(set(keys))
    if not pairs:
        return {}
    records = await connection.fetch(_LOCK, *joined_keys(pairs))
    return {(record["connected_account_id"], record["external_id"]): _message(record) for record in records}


_UPDATE = """
UPDATE messages m SET
    text = c.text, status = c.status, sent_at = c.sent_at, delivered_at = c.delivered_at, read_at = c.read_at,
    failed_at = c.failed_at, edited_at = c.edited_at, edit_version = c.edit_version, unsent_at = c.unsent_at,
    error_code = c.error_code, error_text = c.error_text, reactions = c.reactions::json, meta_json = c.meta_json::json,
    type = c.type, media = c.media::json, updated_at = now()
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::integer[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[],
    $15::text[], $16::text[], $17::text[]
) AS c(id, text, status, sent_at, delivered_at, read_at, failed_at, edited_at, edit_version, unsent_at, error_code,
       error_text, reactions, meta_json, organization_id, type, media)
WHERE m.organization_id = c.organization_id AND m.id = c.id
"""


_UPDATED = (
    "id", "text", "status", "sent_at", "delivered_at", "read_at", "failed_at", "edited_at", "edit_version", "unsent_at",
    "error_code", "error_text", "reactions", "meta_json", "organization_id", "type", "media",
)  # fmt: skip


async def update(connection: Connection, messages: Sequence[Message]) -> None:
    """Write back what may change in locked messages."""
    if not messages:
        return
    await connection.execute(_UPDATE, *columns(messages, _UPDATED))


# One that is being sent is waited for: it may have been sent before that, and nobody would look at it again.
_LOCK_SENT_BEFORE = f"""
SELECT {", ".join("m." + name for name in Message.__struct_fields__)}
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS k(account, contact, until)
JOIN messages m ON m.connected_account_id = k.account AND m.contact = k.contact
WHERE m.direction = 'OUTBOUND' AND (m.sent_at <= k.until OR m.status = 'SENDING') AND m.status = ANY ($4)
ORDER BY m.id FOR UPDATE OF m
"""  # noqa: S608


async def lock_sent_before(
    connection: Connection, until: Mapping[tuple[UUID, str], datetime], statuses: Sequence[MessageStatus]
) -> dict[tuple[UUID, str], list[Message]]:
    """Lock and read what was sent to people (account, contact) up to a moment each, and is in one of these statuses.

    What is being sent is among it, without a time.
    """
    if not until:
        return {}
    accounts, contacts = [account for account, _ in until], [contact for _, contact in until]
    records = await connection.fetch(_LOCK_SENT_BEFORE, accounts, contacts, list(until.values()), list(statuses))
    found: dict[tuple[UUID, str], list[Message]] = {}
    for row in map(_message, records):
        found.setdefault((row.connected_account_id, row.contact or ""), []).append(row)
    return found


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of messages is narrowed to; None does not narrow. Times are `created_at`, until is exclusive.

    text: what `text` must contain, case ignored; for few messages only, `search_page` is for many.
    """

    account_id: UUID | None = None
    account_ids: list[UUID] | None = None
    provider: IntegrationProvider | None = None
    direction: MessageDirection | None = None
    contact: str | None = None
    type: MessageType | None = None
    status: MessageStatus | None = None
    external_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


_GET = f"SELECT {_COLUMNS} FROM messages WHERE id = $1 AND organization_id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, message_id: UUID) -> Message | None:
    """Read one message of an organization."""
    record = await connection.fetchrow(_GET, message_id, organization_id)
    return None if record is None else _message(record)


_BY_IDS = f"SELECT {_COLUMNS} FROM messages WHERE organization_id = $1 AND id = ANY ($2::uuid[])"  # noqa: S608


async def by_ids(connection: Connection, organization_id: str, ids: Sequence[UUID]) -> dict[UUID, Message]:
    """Read messages of an organization."""
    return {record["id"]: _message(record) for record in await connection.fetch(_BY_IDS, organization_id, list(ids))}


# With the accounts named, the indices that begin with the account serve on every version of the server.
_OF_ACCOUNTS = "connected_account_id = ANY (ARRAY(SELECT id FROM connected_accounts WHERE organization_id = $1)) AND "
_LISTED = Listed(
    "messages",
    {
        "account_id": "connected_account_id = {}",
        "account_ids": "connected_account_id = ANY ({}::uuid[])",
        "provider": "provider = {}",
        "direction": "direction = {}",
        "contact": _OF_ACCOUNTS + "contact = {}",
        "type": "type = {}",
        "status": "status = {}",
        "external_id": _OF_ACCOUNTS + "external_id = {}",
        "since": "created_at >= {}",
        "until": "created_at < {}",
        "text": "strpos(lower(text), lower({})) > 0",
    },
    # By messages_failed; statuses are in no index, as their updates then touch none.
    implied={MessageStatus.FAILED: "failed_at IS NOT NULL"},
)


_ACCOUNTS_OF = "SELECT id FROM connected_accounts WHERE organization_id = $1 AND provider = $2"


async def list_page(
    connection: Connection, organization_id: str, chosen: Filter, *, before: UUID | None, limit: int
) -> list[Message]:
    """List an organization's messages, newest first, before the message `before`."""
    if chosen.provider is not None:
        # With the accounts named, statistics tell whether theirs are few, to be read by account, or many.
        accounts = await connection.fetch(_ACCOUNTS_OF, organization_id, chosen.provider)
        chosen = msgspec.structs.replace(chosen, account_ids=[record[0] for record in accounts])
    records = await fetch_page(
        connection, _LISTED, _COLUMNS, chosen, organization_id=organization_id, before=before, limit=limit
    )
    return [_message(record) for record in records]


_SEARCH = f"""
SELECT {_COLUMNS} FROM search_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) WHERE organization_id = $1
"""  # noqa: S608


async def search_page(
    connection: Connection, organization_id: str, query: str, chosen: Filter, *, before: UUID | None, limit: int
) -> list[Message]:
    """List an organization's messages that contain `query`, case ignored, newest first.

    A query of one or two characters finds any text among the newest 5,000 messages, beginnings of words beyond.
    """
    if chosen.external_id is not None:  # at most one message an account
        narrowed = msgspec.structs.replace(chosen, text=query)
        return await list_page(connection, organization_id, narrowed, before=before, limit=limit)
    records = await connection.fetch(
        _SEARCH,
        organization_id,
        query,
        before,
        limit,
        chosen.account_id,
        chosen.provider,
        chosen.direction,
        chosen.contact,
        chosen.type,
        chosen.status,
        chosen.since,
        chosen.until,
    )
    return [_message(record) for record in records]


_PATIENCE = "SELECT set_config('statement_timeout', $1, true)"
_SORT_IN = "SELECT gin_clean_pending_list('messages_search')"


async def sort_in(connection: Connection, seconds: float) -> None:
    """Sort what the search's index has gathered into it, so that neither a batch nor a search has to (as the owner).

    Needs a transaction. What is sorted stays so, whatever becomes of the transaction.
    Raises: asyncpg.QueryCanceledError, if there is still more after so many seconds.
    """
    await connection.execute(_PATIENCE, f"{int(seconds * 1000)}")
    await connection.execute(_SORT_IN)
