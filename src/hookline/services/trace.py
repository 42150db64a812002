"""Trace: the whole story of one message, from the webhook that brought it to the facts that were told of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.ids import parse_id
from hookline.services import shapes
from hookline.services.shapes import Shape
from hookline.store import attempts, traces
from hookline.store.events import WebhookEvent
from hookline.store.jobs import Job
from hookline.store.messages import Message
from hookline.store.pool import Connection

LOOK_BACK = timedelta(days=30)
MAX_EVENTS = 200


async def trace(pool: asyncpg.Pool, name: str) -> Shape:
    """Tell what is known of a message by the platform's id, or by ours. Message texts are left out.

    {"externalId", "messages": [{…, "attempts": […], "jobs": […], "facts": […]}],
     "events": [{…, "outcomes": […], "jobs": […]}], "held": […]}
    """
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        rows = await traces.messages_named(connection, name, parse_id(name))
        external_id = next((row.external_id for row in rows if row.external_id), name)
        origins = [row.webhook_event_id for row in rows if row.webhook_event_id]
        since = datetime.now(UTC) - LOOK_BACK
        found = await traces.events_naming(connection, _spellings(external_id), since, origins, MAX_EVENTS)
        return {
            "externalId": external_id,
            "messages": [await _message(connection, row) for row in rows],
            "events": [await _event(connection, event, external_id, since) for event in found],
            "held": [
                {"change": shapes.raw(change), "since": at}
                for change, at in await traces.held_for(connection, external_id)
            ],
        }


def _spellings(external_id: str) -> list[str]:
    """How a payload may spell an id: the platforms escape some characters (protocol reference 1.2)."""
    return sorted({external_id, external_id.replace("/", "\\/"), external_id.replace("=", "\\u003d")})


async def _message(connection: Connection, row: Message) -> Shape:
    shape = {name: value for name, value in shapes.message(row).items() if name not in ("text", "metaJson", "media")}
    sends = await attempts.of_message(connection, row.organization_id, row.id)
    jobs = await traces.jobs_sending(connection, row.organization_id, row.created_at, row.id)
    return shape | {
        "attempts": [shapes.attempt(one) for one in sends],
        "jobs": [_job(job) for job in jobs],
        "facts": await traces.facts_of(connection, row.organization_id, row.id),
    }


async def _event(connection: Connection, event: WebhookEvent, external_id: str, since: datetime) -> Shape:
    results: list[dict[str, Any]] = msgspec.json.decode(event.result) if event.result else []
    shape = shapes.webhook_event(event, whole=False)
    del shape["result"]
    return shape | {
        "outcomes": [one for one in results if one.get("externalId") == external_id] or results,
        "jobs": await _jobs(connection, event.organization_id, since, event.id),
    }


async def _jobs(connection: Connection, organization_id: str | None, since: datetime, event_id: UUID) -> list[Shape]:
    if organization_id is None:
        return []
    return [_job(job) for job in await traces.jobs_of_events(connection, organization_id, since, [event_id])]


def _job(job: Job) -> Shape:
    shape = shapes.job(job)
    return {name: shape[name] for name in ("id", "status", "attempts", "lastError", "runAt", "createdAt", "updatedAt")}
