"""/api/webhook-events: what the platforms sent, as they signed it, and what became of it."""

from typing import Annotated

import fastapi
from fastapi import APIRouter
from pydantic import Field

from hookline.domain.errors import NotFound
from hookline.domain.event import WebhookEventStatus
from hookline.domain.ids import parse_id
from hookline.services import shapes
from hookline.services.replay import replay_event
from hookline.store import events
from hookline.store.events import WebhookEvent
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json, page
from hookline.web.caller import Context, Manager, Member
from hookline.web.described import answers
from hookline.web.query import PageQuery, Text

router = APIRouter(prefix="/api/webhook-events", tags=["Webhook events"])

_NOT_FOUND = "there is no such webhook event in this organization"


class WebhookEventQuery(PageQuery):
    """What a list of webhook events can be narrowed to."""

    status: WebhookEventStatus | None = Field(None, description="Only in this status.")
    event_type: Text | None = Field(None, description="Only this type: the webhook's field, or the kind of its item.")


@router.get(
    "",
    summary="List webhook events",
    responses=answers(200, models.WebhookEventPage, examples.page(examples.LISTED_EVENT), "Newest first", 422),
    response_class=Json,
)
async def list_webhook_events(
    context: Context, caller: Member, query: Annotated[WebhookEventQuery, fastapi.Query()]
) -> Json:
    """List webhook events, newest first, without their payloads; `since` and `until` are about `receivedAt`."""
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        rows = await events.list_page(
            connection,
            caller.organization_id,
            before=query.cursor,
            provider=query.provider,
            status=query.status,
            event_type=query.event_type,
            account_id=query.account_id,
            since=query.since,
            until=query.until,
            limit=query.limit + 1,
        )
    return page(rows, query.limit, _listed, lambda row: row.id)


def _listed(row: WebhookEvent) -> shapes.Shape:
    return shapes.webhook_event(row, whole=False)


@router.get(
    "/{eventId}",
    summary="Read a webhook event",
    responses=answers(200, models.WebhookEvent, examples.EVENT, "The event", 404),
    response_class=Json,
)
async def read_webhook_event(eventId: str, context: Context, caller: Member) -> Json:
    """Read one webhook event: `payloadJson` exactly as it was signed, `result` saying what became of each item."""
    event_id = parse_id(eventId)
    row = None
    if event_id is not None:
        async with organization_transaction(context.pool, caller.organization_id) as connection:
            row = await events.get(connection, caller.organization_id, event_id)
    if row is None:
        raise NotFound(_NOT_FOUND)
    return Json(shapes.webhook_event(row))


@router.post(
    "/{eventId}/replay",
    summary="Replay a webhook event",
    status_code=202,
    responses=answers(202, models.WebhookEvent, examples.EVENT | {"status": "PENDING"}, "It is queued", 404, 409),
    response_class=Json,
)
async def replay_webhook_event(eventId: str, context: Context, caller: Manager) -> Json:
    """Process an event again. Needs the role OWNER, ADMIN or MANAGER.

    What it says has its effect once, however often it is replayed. One that is PENDING already stays as it is.
    """
    event_id = parse_id(eventId)
    if event_id is None:
        raise NotFound(_NOT_FOUND)
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        row = await replay_event(connection, caller.organization_id, event_id)
    return Json(shapes.webhook_event(row), 202)
