"""/api/webhook-events: what the platforms sent, as they signed it, and what became of it."""

from typing import Annotated, Literal

import fastapi
from fastapi import APIRouter, Request
from pydantic import Field

from hookline.domain.event import WebhookEventStatus
from hookline.services import shapes
from hookline.services.bulk import replay_of
from hookline.services.replay import replay_event
from hookline.store import events
from hookline.store.events import EventFilter, WebhookEvent
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json, page
from hookline.web.caller import Context, Manager, Member
from hookline.web.described import answers, body_of, bulk_answers
from hookline.web.query import PageQuery, Text
from hookline.web.records import BulkBody, Records, bulk
from hookline.web.validation import read_body

router = APIRouter(prefix="/api/webhook-events", tags=["Webhook events"])

_RECORDS = Records("webhook event", events.get)
_TYPE = "Only this type: the webhook's field, or the kind of its item."


class WebhookEventQuery(PageQuery):
    """What a list of webhook events can be narrowed to."""

    status: WebhookEventStatus | None = Field(None, description="Only in this status.")
    event_type: Text | None = Field(None, description=_TYPE)


class ReplayEvents(BulkBody):
    """Which webhook events to replay."""

    status: Literal["FAILED", "PROCESSED"] = Field("FAILED", description="FAILED, or PROCESSED, after an upgrade.")
    event_type: Text | None = Field(None, description=_TYPE)


def _filter(chosen: WebhookEventQuery | ReplayEvents) -> EventFilter:
    return EventFilter(
        provider=chosen.provider,
        account_id=chosen.account_id,
        since=chosen.since,
        until=chosen.until,
        status=None if chosen.status is None else WebhookEventStatus(chosen.status),
        event_type=chosen.event_type,
    )


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
    organization_id, wanted = caller.organization_id, query.limit + 1
    async with organization_transaction(context.pool, organization_id) as connection:
        rows = await events.list_page(connection, organization_id, _filter(query), before=query.cursor, limit=wanted)
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
    return Json(shapes.webhook_event(await _RECORDS.read(context, caller, eventId)))


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
    return Json(shapes.webhook_event(await _RECORDS.act(context, caller, eventId, replay_event)), 202)


@router.post(
    "/replay",
    summary="Replay many webhook events",
    responses=bulk_answers("The events are queued"),
    response_class=Json,
    openapi_extra=body_of(ReplayEvents, examples.BULK_REPLAY),
)
async def replay_many(request: Request, context: Context, caller: Manager) -> Json:
    """Process all FAILED events again that fit the filters, or all PROCESSED ones; each has its effects once.

    Needs the role OWNER, ADMIN or MANAGER. With `dryRun` they are only counted. What takes longer than about a second
    is left to a job of type BULK, which the answer names (202): its `payloadJson.count` says how far it is. If not all
    could be counted in time, `exact` is false and there are more than `count`.
    """
    body = await read_body(request, ReplayEvents)
    asked = replay_of(_filter(body), caller.principal.subject, body.limit)
    return await bulk(context, caller, asked, dry_run=body.dry_run)
