"""Questions across tables that only an operator asks, one message at a time. They may read much, and write nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.store.events import WebhookEvent
from hookline.store.jobs import Job
from hookline.store.messages import Message
from hookline.store.pool import Connection


def _columns(row: type[msgspec.Struct]) -> str:
    return ", ".join(row.__struct_fields__)


# Without the account, the index on (account, external id) is read whole: acceptable for one question by a person.
_MESSAGES = f"""
SELECT {_columns(Message)} FROM messages WHERE external_id = $1 OR id = $2 ORDER BY id
"""  # noqa: S608 - constants only, here and below

_EVENTS = f"""
SELECT {_columns(WebhookEvent)} FROM webhook_events
WHERE received_at >= $2 AND (payload_json::text LIKE ANY ($1::text[]) OR id = ANY ($3::uuid[]))
ORDER BY id LIMIT $4
"""  # noqa: S608

_JOBS = f"""
SELECT {_columns(Job)} FROM integration_jobs
WHERE organization_id = $1 AND created_at >= $2 AND payload_json::text = ANY ($3::text[]) ORDER BY seq
"""  # noqa: S608

_HELD = """
SELECT change::text AS change, created_at FROM held_changes WHERE external_id = $1 ORDER BY created_at
"""

_FACTS = "SELECT type, occurred_at, id FROM outbox WHERE organization_id = $1 AND message_id = $2 ORDER BY tx_id, seq"


async def messages_named(connection: Connection, external_id: str, message_id: UUID | None) -> list[Message]:
    """Find messages of any organization by the platform's id, or by ours."""
    records = await connection.fetch(_MESSAGES, external_id, message_id)
    return [msgspec.convert(dict(record), Message, strict=False) for record in records]


async def events_naming(
    connection: Connection, needles: Sequence[str], since: datetime, event_ids: Sequence[UUID], limit: int
) -> list[WebhookEvent]:
    """Find events received since a moment whose payload holds one of these texts."""
    patterns = ["%" + needle.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for needle in needles]
    records = await connection.fetch(_EVENTS, patterns, since, list(event_ids), limit)
    return [msgspec.convert(dict(record), WebhookEvent, strict=False) for record in records]


async def jobs_of_events(
    connection: Connection, organization_id: str, since: datetime, event_ids: Sequence[UUID]
) -> list[Job]:
    """Find the jobs that processed these events."""
    payloads = [f'{{"webhookEventId":"{event_id}"}}' for event_id in event_ids]
    records = await connection.fetch(_JOBS, organization_id, since, payloads)
    return [msgspec.convert(dict(record), Job, strict=False) for record in records]


_SENDING = f"""
SELECT {_columns(Job)} FROM integration_jobs
WHERE organization_id = $1 AND created_at >= $2 AND job_type = 'SEND_MESSAGE' AND payload_json::text LIKE $3
ORDER BY seq
"""  # noqa: S608


async def jobs_sending(connection: Connection, organization_id: str, since: datetime, message_id: UUID) -> list[Job]:
    """Find the jobs that send a message."""
    pattern = f'{{"messageId":"{message_id}"%'
    records = await connection.fetch(_SENDING, organization_id, since, pattern)
    return [msgspec.convert(dict(record), Job, strict=False) for record in records]


async def held_for(connection: Connection, external_id: str) -> list[tuple[str, datetime]]:
    """List what waits for a message: the change as JSON text, and since when."""
    return [(record["change"], record["created_at"]) for record in await connection.fetch(_HELD, external_id)]


async def facts_of(connection: Connection, organization_id: str, message_id: UUID) -> list[dict[str, Any]]:
    """List the facts that the feed told of a message."""
    return [dict(record) for record in await connection.fetch(_FACTS, organization_id, message_id)]
