"""The table messages, as far as sending is concerned: from QUEUED to what the platform said, many rows a statement.

What a message said when it was accepted stays in its `meta_json`, under `request`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.message import MessageStatus
from hookline.store.arrays import columns
from hookline.store.messages import Message
from hookline.store.pool import Connection

_COLUMNS = ", ".join(Message.__struct_fields__)


def _message(record: Any) -> Message:
    return msgspec.convert(dict(record), Message, strict=False)


_QUEUE = f"""
INSERT INTO messages
    (id, organization_id, connected_account_id, provider, direction, type, origin, contact, sender, recipient, text,
     status, reply_to, meta_json, idempotency_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (organization_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only, here and below


async def queue(connection: Connection, row: Message, idempotency_key: str | None) -> Message | None:
    """Add a message to send; None if the organization has one under this key already.

    A transaction that adds one under the same key at the same time is waited for.
    """
    record = await connection.fetchrow(
        _QUEUE,
        row.id,
        row.organization_id,
        row.connected_account_id,
        row.provider,
        row.direction,
        row.type,
        row.origin,
        row.contact,
        row.sender,
        row.recipient,
        row.text,
        row.status,
        row.reply_to,
        row.meta_json,
        idempotency_key,
    )
    return None if record is None else _message(record)


_BY_KEY = f"""
SELECT {_COLUMNS} FROM messages WHERE organization_id = $1 AND idempotency_key = $2
"""  # noqa: S608


async def by_key(connection: Connection, organization_id: str, idempotency_key: str) -> Message | None:
    """Find the message that an Idempotency-Key stands for."""
    record = await connection.fetchrow(_BY_KEY, organization_id, idempotency_key)
    return None if record is None else _message(record)


_LOCK = f"""
SELECT {", ".join("m." + name for name in Message.__struct_fields__)}
FROM unnest($1::text[], $2::uuid[]) AS k(organization_id, id)
JOIN messages m ON m.organization_id = k.organization_id AND m.id = k.id
ORDER BY m.id FOR UPDATE OF m
"""  # noqa: S608


async def lock(connection: Connection, keys: Sequence[tuple[str, UUID]]) -> dict[UUID, Message]:
    """Lock and read messages by organization and id, in the order in which everybody locks them."""
    records = await connection.fetch(_LOCK, [organization for organization, _ in keys], [id_ for _, id_ in keys])
    return {record["id"]: _message(record) for record in records}


_UPDATE = """
UPDATE messages m SET
    status = c.status, external_id = c.external_id, contact = c.contact, sent_at = c.sent_at, failed_at = c.failed_at,
    error_code = c.error_code, error_text = c.error_text, meta_json = c.meta_json::json, updated_at = now()
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[],
    $9::text[], $10::text[]
) AS c(organization_id, id, status, external_id, contact, sent_at, failed_at, error_code, error_text, meta_json)
WHERE m.organization_id = c.organization_id AND m.id = c.id
"""
_UPDATED = (
    "organization_id", "id", "status", "external_id", "contact", "sent_at", "failed_at", "error_code", "error_text",
    "meta_json",
)  # fmt: skip


async def update(connection: Connection, messages: Sequence[Message]) -> None:
    """Write back what sending changes in locked messages.

    Raises: asyncpg.UniqueViolationError, if another message of the account has the external id.
    """
    if messages:
        await connection.execute(_UPDATE, *columns(messages, _UPDATED))


_MARK_SENDING = """
UPDATE messages m SET status = 'SENDING', error_code = NULL, error_text = NULL, failed_at = NULL, updated_at = now()
FROM unnest($1::text[], $2::uuid[]) AS k(organization_id, id)
WHERE m.organization_id = k.organization_id AND m.id = k.id
"""


async def mark_sending(connection: Connection, messages: Sequence[Message]) -> None:
    """Mark locked messages as being sent."""
    await connection.execute(_MARK_SENDING, *columns(messages, ("organization_id", "id")))


# A job that waits for its message's outcome looks at once when that is known.
_WAKE = """
UPDATE integration_jobs j SET run_at = now(), updated_at = now()
FROM unnest($1::text[], $2::uuid[]) AS k(organization_id, id)
WHERE j.organization_id = k.organization_id AND j.id = k.id AND j.status = 'PENDING' AND j.run_at > now()
"""


async def wake(connection: Connection, jobs: Sequence[tuple[str, UUID]]) -> None:
    """Let waiting jobs (organization, id) run now."""
    if jobs:
        await connection.execute(_WAKE, [organization for organization, _ in jobs], [id_ for _, id_ in jobs])


# What a claim has in hand at this moment is left to it.
_WAKE_ACCOUNT = """
UPDATE integration_jobs j SET run_at = now(), updated_at = now()
FROM (
    SELECT organization_id, id FROM integration_jobs
    WHERE organization_id = $1 AND connected_account_id = $2 AND job_type = 'SEND_MESSAGE' AND status = 'PENDING'
      AND run_at > now() AND run_at <= now() + $3::interval
    FOR UPDATE SKIP LOCKED
) AS w
WHERE j.organization_id = w.organization_id AND j.id = w.id AND j.status = 'PENDING'
"""


async def wake_account(connection: Connection, organization_id: str, account_id: UUID, within: timedelta) -> None:
    """Let those jobs of an account that send, and are due within so long, run now."""
    await connection.execute(_WAKE_ACCOUNT, organization_id, account_id, within)


_TWIN = """
INSERT INTO messages
    (id, organization_id, connected_account_id, provider, direction, type, origin, external_id, contact, sender,
     recipient, text, status, sent_at, reply_to, meta_json, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (connected_account_id, external_id) DO NOTHING
"""


async def add_twin(connection: Connection, row: Message) -> None:
    """Add a message that another one was taken for."""
    names = (
        *("id", "organization_id", "connected_account_id", "provider", "direction", "type", "origin", "external_id"),
        *("contact", "sender", "recipient", "text", "status", "sent_at", "reply_to", "meta_json", "created_at"),
    )
    await connection.execute(_TWIN, *(getattr(row, name) for name in names))


_REMOVE_ECHO = f"""
DELETE FROM messages
WHERE connected_account_id = $1 AND external_id = $2 AND id <> $3 AND origin = 'echo' AND direction = 'OUTBOUND'
RETURNING {_COLUMNS}
"""  # noqa: S608


async def remove_echo(connection: Connection, account_id: UUID, external_id: str, but: UUID) -> Message | None:
    """Take an echo out of the log that stands there beside the message that it is of (`but`)."""
    record = await connection.fetchrow(_REMOVE_ECHO, account_id, external_id, but)
    return None if record is None else _message(record)


_OPEN = f"""
SELECT {_COLUMNS} FROM messages
WHERE connected_account_id = $1 AND contact = $2 AND direction = 'OUTBOUND' AND external_id IS NULL
  AND status IN ('SENDING', 'UNKNOWN')
ORDER BY id FOR UPDATE
"""  # noqa: S608


async def lock_open(connection: Connection, account_id: UUID, contact: str) -> list[Message]:
    """Lock and read what was or may have been sent to a contact, and has no id of the platform's yet, oldest first."""
    return [_message(record) for record in await connection.fetch(_OPEN, account_id, contact)]


_CLAIM_KEYS = """
SELECT m.organization_id, m.id, m.external_id
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS k(account, organization, id)
JOIN messages m ON m.organization_id = k.organization AND m.id = k.id
    AND (m.connected_account_id = k.account) IS TRUE  -- no index is to be tempted by it
"""


async def unnamed(connection: Connection, named: Sequence[tuple[UUID, str, UUID]]) -> list[tuple[str, UUID]]:
    """Of messages (account, organization, id), list those that have no id of the platform's yet."""
    records = await connection.fetch(
        _CLAIM_KEYS, [one[0] for one in named], [one[1] for one in named], [one[2] for one in named]
    )
    return [(record["organization_id"], record["id"]) for record in records if record["external_id"] is None]


def fail(row: Message, code: str | None, text: str, at: datetime) -> None:
    """Change a locked row in memory: it was not sent, and will not be."""
    row.status, row.failed_at, row.error_code, row.error_text = MessageStatus.FAILED, at, code, text
