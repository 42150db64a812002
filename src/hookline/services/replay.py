"""Replay: process a stored webhook event again. Its effects are idempotent, so a replay repairs and never doubles."""

from uuid import UUID

from hookline.domain.errors import Conflict, NotFound
from hookline.domain.event import WebhookEventStatus
from hookline.domain.job import IntegrationJobType
from hookline.domain.text import to_json
from hookline.store import events, jobs
from hookline.store.events import WebhookEvent
from hookline.store.pool import Connection


async def replay_event(connection: Connection, organization_id: str, event_id: UUID) -> WebhookEvent:
    """Put an event back into the queue; one that is PENDING already stays as it is. Needs a transaction.

    Raises: NotFound; Conflict, if the event holds no JSON to process.
    """
    event = await events.get(connection, organization_id, event_id)
    if event is None:
        raise NotFound("there is no such webhook event in this organization")
    if event.payload_json is None:
        raise Conflict("the event holds no JSON to process")
    if event.status is not WebhookEventStatus.PENDING and await events.reopen(connection, organization_id, event_id):
        await jobs.enqueue(
            connection,
            organization_id=organization_id,
            provider=event.provider,
            job_type=IntegrationJobType.PROCESS_WEBHOOK,
            payload_json=to_json({"webhookEventId": event.id}),
            connected_account_id=event.connected_account_id,
            ordering_key=f"in:{event.connected_account_id}:{event.ordering}",
        )
    reopened = await events.get(connection, organization_id, event_id)
    return reopened or event
