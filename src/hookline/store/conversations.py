"""The table conversations: one row an account and contact, with its window, its latest message and what is unread."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.store.arrays import columns
from hookline.store.pool import Connection


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A row. window_until: when the time for free replies ends, or ended; None if it never began.

    last_inbound_id: the platform's id of the person's latest message. What is known of the person is their contact's.
    """

    id: UUID
    organization_id: str
    connected_account_id: UUID
    provider: IntegrationProvider
    contact: str
    last_message_id: UUID | None
    last_message_at: datetime | None
    last_inbound_at: datetime | None
    last_inbound_id: str | None
    window_until: datetime | None
    unread_count: int
    created_at: datetime
    updated_at: datetime
    contact_id: UUID | None
    name: str | None
    marketing_opted_out_at: datetime | None


_OF_CONTACT = {
    "contact_id": "p.id",
    "name": "coalesce(p.saved_name, p.name)",
    "marketing_opted_out_at": "p.marketing_opted_out_at",
}
_COLUMNS = ", ".join(f"{_OF_CONTACT.get(name, f'c.{name}')} AS {name}" for name in Conversation.__struct_fields__)
_PERSON = """
LEFT JOIN contact_ids i ON i.connected_account_id = c.connected_account_id AND i.external_id = c.contact
LEFT JOIN contacts p ON p.organization_id = c.organization_id AND p.id = i.contact_id
"""


def _conversation(record: Any) -> Conversation:
    return msgspec.convert(dict(record), Conversation, strict=False)


class Happened(msgspec.Struct, kw_only=True):
    """What is new in a conversation: one row for everything that a batch brings. Times never move it back."""

    id: UUID
    organization_id: str
    connected_account_id: UUID
    provider: str
    contact: str
    last_message_id: UUID | None = None
    last_message_at: datetime | None = None
    last_inbound_at: datetime | None = None
    last_inbound_id: str | None = None
    window_until: datetime | None = None
    unread_count: int = 0


_NOTE = """
INSERT INTO conversations AS c
    (id, organization_id, connected_account_id, provider, contact, last_message_id, last_message_at, last_inbound_at,
     last_inbound_id, window_until, unread_count)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::timestamptz[], $8::timestamptz[],
    $9::text[], $10::timestamptz[], $11::integer[])
ON CONFLICT (connected_account_id, contact) DO UPDATE SET
    last_message_id = CASE WHEN c.last_message_at > excluded.last_message_at OR excluded.last_message_id IS NULL
                           THEN c.last_message_id ELSE excluded.last_message_id END,
    last_message_at = greatest(c.last_message_at, excluded.last_message_at),
    last_inbound_id = CASE WHEN c.last_inbound_at > excluded.last_inbound_at OR excluded.last_inbound_id IS NULL
                           THEN c.last_inbound_id ELSE excluded.last_inbound_id END,
    last_inbound_at = greatest(c.last_inbound_at, excluded.last_inbound_at),
    window_until = greatest(c.window_until, excluded.window_until),
    unread_count = c.unread_count + excluded.unread_count,
    updated_at = now()
"""
_NOTED = Happened.__struct_fields__


async def note(connection: Connection, happened: Sequence[Happened]) -> None:
    """Bring conversations up to date; those that are new begin. At most one row an account and contact.

    They are written in one order everywhere, so that two transactions wait for each other and never in a circle.
    """
    if happened:
        ordered = sorted(happened, key=lambda one: (one.connected_account_id, one.contact))
        await connection.execute(_NOTE, *columns(ordered, _NOTED))


_FIND = f"""
SELECT {_COLUMNS} FROM conversations c {_PERSON}
WHERE c.organization_id = $1 AND c.connected_account_id = $2 AND c.contact = ANY ($3::text[])
ORDER BY c.last_inbound_at DESC NULLS LAST, c.id LIMIT 1
"""  # noqa: S608 - constants only, here and below


async def find(
    connection: Connection, organization_id: str, account_id: UUID, contacts: Sequence[str]
) -> Conversation | None:
    """Find the conversation with a person under any of these names; the one that they wrote in last."""
    record = await connection.fetchrow(_FIND, organization_id, account_id, list(contacts))
    return None if record is None else _conversation(record)


_GET = f"SELECT {_COLUMNS} FROM conversations c {_PERSON} WHERE c.organization_id = $1 AND c.id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, conversation_id: UUID) -> Conversation | None:
    """Read one conversation of an organization."""
    record = await connection.fetchrow(_GET, organization_id, conversation_id)
    return None if record is None else _conversation(record)


_READ = """
UPDATE conversations SET unread_count = 0, updated_at = CASE WHEN unread_count = 0 THEN updated_at ELSE now() END
WHERE organization_id = $1 AND id = $2
"""


async def mark_read(connection: Connection, organization_id: str, conversation_id: UUID) -> Conversation | None:
    """Count nothing as unread; None if there is no such conversation."""
    await connection.execute(_READ, organization_id, conversation_id)
    return await get(connection, organization_id, conversation_id)


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of conversations is narrowed to; None does not narrow. open: whether the window is."""

    account_id: UUID | None = None
    provider: str | None = None
    contact: str | None = None
    unread: bool | None = None
    open: bool | None = None


_CONDITIONS = {
    "account_id": "c.connected_account_id = {}",
    "provider": "c.provider = {}",
    "contact": "c.contact = {}",
    "unread": "(c.unread_count > 0) = {}",
    "open": "coalesce(c.window_until > now(), false) = {}",
}
Place = tuple[datetime, UUID]


async def list_page(
    connection: Connection, organization_id: str, chosen: Filter, *, before: Place | None, limit: int
) -> list[Conversation]:
    """List an organization's conversations in which something was said, the latest first, before a place."""
    arguments: list[Any] = [organization_id]
    clauses = ["c.organization_id = $1", "c.last_message_at IS NOT NULL"]
    for name, value in msgspec.structs.asdict(chosen).items():
        if value is not None:
            arguments.append(value)
            clauses.append(_CONDITIONS[name].format(f"${len(arguments)}"))
    if before is not None:
        arguments += before
        clauses.append(f"(c.last_message_at, c.id) < (${len(arguments) - 1}, ${len(arguments)})")
    statement = (
        f"SELECT {_COLUMNS} FROM conversations c {_PERSON} WHERE {' AND '.join(clauses)}"  # noqa: S608
        f" ORDER BY c.last_message_at DESC, c.id DESC LIMIT {limit:d}"
    )
    return [_conversation(record) for record in await connection.fetch(statement, *arguments)]
