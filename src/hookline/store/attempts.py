"""The table send_attempts: each call, or run of quick calls, that was made to send a message, and what came of it.

Written before the call; ended by its reply, whoever holds the job by then. One without end may have been carried out.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from hookline.store.arrays import columns
from hookline.store.pool import Connection


class AttemptOutcome(StrEnum):
    """How an attempt ended: the platform took the message, refused it, was not reached, or nobody knows."""

    SENT = "sent"
    REFUSED = "refused"
    UNREACHED = "unreached"
    UNKNOWN = "unknown"


class NewAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that begins. `lease` is that of the job's claim."""

    id: UUID
    organization_id: str
    message_id: UUID
    job_id: UUID
    lease: int


class EndedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, after how many calls."""

    id: UUID
    organization_id: str
    message_id: UUID
    ended_at: datetime
    outcome: AttemptOutcome
    calls: int = 1
    external_id: str | None = None
    error_class: str | None = None
    error_code: str | None = None
    error_text: str | None = None
    http_status: int | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    id: UUID
    message_id: UUID
    job_id: UUID
    lease: int
    started_at: datetime
    ended_at: datetime | None
    calls: int
    outcome: AttemptOutcome | None
    external_id: str | None
    error_class: str | None
    error_code: str | None
    error_text: str | None
    http_status: int | None


_BEGUN = NewAttempt.__struct_fields__


async def begin(connection: Connection, attempts: Sequence[NewAttempt]) -> None:
    """Write attempts down before their calls."""
    if attempts:
        records = map(msgspec.structs.astuple, attempts)
        await connection.copy_records_to_table("send_attempts", records=records, columns=_BEGUN)


_END = """
UPDATE send_attempts a SET
    ended_at = e.ended_at, outcome = e.outcome, calls = e.calls, external_id = e.external_id,
    error_class = e.error_class, error_code = e.error_code, error_text = e.error_text, http_status = e.http_status
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[], $6::integer[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::integer[]
) AS e(id, organization_id, message_id, ended_at, outcome, calls, external_id, error_class, error_code, error_text,
       http_status)
WHERE a.organization_id = e.organization_id AND a.message_id = e.message_id AND a.id = e.id
"""
_ENDED = EndedAttempt.__struct_fields__


async def end(connection: Connection, attempts: Sequence[EndedAttempt]) -> None:
    """Write down how attempts ended."""
    if attempts:
        await connection.execute(_END, *columns(attempts, _ENDED))


# What an open attempt did is found out later, by a status or an echo that names the message.
_SETTLE = """
UPDATE send_attempts SET ended_at = now(), outcome = 'sent', external_id = $3
WHERE (organization_id, message_id, id) IN (
    SELECT organization_id, message_id, id FROM send_attempts
    WHERE organization_id = $1 AND message_id = $2 AND external_id IS NULL
      AND (outcome IS NULL OR outcome = 'unknown')
    ORDER BY id LIMIT 1)
RETURNING job_id
"""


async def settle(connection: Connection, organization_id: str, message_id: UUID, external_id: str) -> list[UUID]:
    """Note on a message's oldest attempt whose end is not known that it was sent under this id; the job it was of."""
    records = await connection.fetch(_SETTLE, organization_id, message_id, external_id)
    return [record["job_id"] for record in records]


_OF_MESSAGE = f"""
SELECT {", ".join(Attempt.__struct_fields__)} FROM send_attempts
WHERE organization_id = $1 AND message_id = $2 ORDER BY started_at, id
"""  # noqa: S608 - constants only


async def of_message(connection: Connection, organization_id: str, message_id: UUID) -> list[Attempt]:
    """List a message's attempts, oldest first."""
    records: Sequence[Any] = await connection.fetch(_OF_MESSAGE, organization_id, message_id)
    return [msgspec.convert(dict(record), Attempt, strict=False) for record in records]
