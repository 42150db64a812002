"""/api/messages, where something is sent: take a message, show what was tried, decide what nobody knows."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from hookline.domain.errors import NotFound
from hookline.domain.ids import parse_id
from hookline.domain.outbound import read_message
from hookline.services import shapes
from hookline.services.send import accept
from hookline.services.undecided import Decision, resolve
from hookline.services.wakeup import Work
from hookline.store import attempts, messages
from hookline.store.messages import Message
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json
from hookline.web.caller import Context, Member
from hookline.web.described import answers, body_of
from hookline.web.outbound_docs import SEND
from hookline.web.records import Records
from hookline.web.validation import read_body, read_object

router = APIRouter(prefix="/api/messages", tags=["Messages"])

_RECORDS = Records("message", messages.get)


@router.post(
    "",
    summary="Send a message",
    status_code=202,
    responses=answers(202, models.Message, examples.QUEUED, "Accepted, and QUEUED", 404, 409, 413, 422),
    response_class=Json,
    openapi_extra=SEND,
)
async def send_message(request: Request, context: Context, caller: Member) -> Json:
    """Send a message to a person: it is queued with its job, goes out in order, and its status tells what became of it.

    What the platform cannot carry, or policy does not allow now, is refused at once: `type` names the reason. With an
    Idempotency-Key, the same body is answered by the same message, and another body by 409. A read mark or a typing
    indicator stands in no log: it is answered by its job (`jobId`).
    """
    said = read_message(await read_object(request))
    key = request.headers.get("Idempotency-Key")
    inside = not context.settings.production
    taken = await accept(context.pool, context.providers, caller.organization_id, said, key, links_inside=inside)
    context.bell.ring(Work.JOBS)
    return Json(shapes.message(taken) if isinstance(taken, Message) else shapes.action(taken), status_code=202)


@router.get(
    "/{messageId}/attempts",
    summary="List the attempts to send a message",
    responses=answers(200, models.AttemptList, {"items": [examples.ATTEMPT], "nextCursor": None}, "Oldest first", 404),
    response_class=Json,
)
async def list_attempts(messageId: str, context: Context, caller: Member) -> Json:
    """List what was tried to send a message, oldest first. An attempt without end may have been carried out."""
    row = await _RECORDS.read(context, caller, messageId)
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        rows = await attempts.of_message(connection, caller.organization_id, row.id)
    return Json({"items": [shapes.attempt(one) for one in rows], "nextCursor": None})


class Resolution(BaseModel):
    """What somebody decided."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["resend", "failed"] = Field(description="`resend`, or `failed`: it is taken as not sent.")


@router.post(
    "/{messageId}/resolve",
    summary="Decide about a message whose outcome is not known",
    responses=answers(200, models.Message, examples.QUEUED, "The message as it is now", 404, 409, 413, 422),
    response_class=Json,
    openapi_extra=body_of(Resolution, {"decision": "resend"}),
)
async def resolve_message(messageId: str, request: Request, context: Context, caller: Member) -> Json:
    """Send an UNKNOWN message again, or take it as failed. It may have been sent: look into the conversation first."""
    body = await read_body(request, Resolution)
    message_id = parse_id(messageId)
    if message_id is None:
        raise NotFound("there is no such message in this organization")
    row = await resolve(context.pool, caller.organization_id, message_id, Decision(body.decision))
    context.bell.ring(Work.JOBS)
    return Json(shapes.message(row))
