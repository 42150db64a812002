"""/api/conversations: who is being talked to, until when freely, and what is unread."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import fastapi
from fastapi import APIRouter
from pydantic import AfterValidator, Field

from hookline.domain.errors import NotFound
from hookline.domain.ids import parse_id, stored_external_id
from hookline.services import shapes
from hookline.store import conversations, messages
from hookline.store.conversations import Conversation, Filter, Place
from hookline.store.pool import Connection, organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json
from hookline.web.caller import Context, Member
from hookline.web.described import answers
from hookline.web.query import DEFAULT_LIMIT, MAX_LIMIT, ProviderName, Query, RecordId, Text

router = APIRouter(prefix="/api/conversations", tags=["Conversations"])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _encode(row: Conversation) -> str:
    """Make the cursor that continues the list after a conversation."""
    at = row.last_message_at or _EPOCH
    text = f"talk:{(at - _EPOCH) // _MICROSECOND}:{row.id.hex}"
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode(cursor: str) -> Place:
    """Read a cursor of this list. Raises: ValueError, if it is none of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        kind, micros, id_ = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(":")
        if kind != "talk" or len(micros) > 18 or len(id_) != 32:
            raise ValueError
        return _EPOCH + int(micros) * _MICROSECOND, UUID(id_)
    except (binascii.Error, ValueError, OverflowError):
        raise ValueError("is not a cursor of this list") from None


def _checked(cursor: str) -> str:
    _decode(cursor)
    return cursor


Cursor = Annotated[str, AfterValidator(_checked)]


class ConversationQuery(Query):
    """What a list of conversations can be narrowed to."""

    provider: ProviderName | None = Field(None, description="Only this platform; either case.")
    account_id: RecordId | None = Field(None, description="Only this connected account.")
    contact: Text | None = Field(None, description="Only with this person, by the platform's id.")
    unread: bool | None = Field(None, description="Only with unread messages, or only without.")
    open: bool | None = Field(None, description="Only those whose window is open, or only the others.")
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many at most.")
    cursor: Cursor | None = Field(None, description="The `nextCursor` of the page before.")


@router.get(
    "",
    summary="List conversations",
    responses=answers(
        200, models.ConversationPage, examples.page(examples.CONVERSATION), "Conversations, the latest first", 422
    ),
    response_class=Json,
)
async def list_conversations(
    context: Context, caller: Member, query: Annotated[ConversationQuery, fastapi.Query()]
) -> Json:
    """List conversations by their latest message, with the window's end and the count of what is unread."""
    chosen = Filter(
        account_id=query.account_id,
        provider=query.provider,
        contact=None if query.contact is None else stored_external_id(query.contact),
        unread=query.unread,
        open=query.open,
    )
    before = None if query.cursor is None else _decode(query.cursor)
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        rows = await conversations.list_page(
            connection, caller.organization_id, chosen, before=before, limit=query.limit + 1
        )
        shown = rows[: query.limit]
        items = await _with_last_messages(connection, caller.organization_id, shown)
    following = _encode(shown[-1]) if len(rows) > query.limit else None
    return Json({"items": items, "nextCursor": following})


async def _with_last_messages(
    connection: Connection, organization_id: str, rows: list[Conversation]
) -> list[shapes.Shape]:
    ids = [row.last_message_id for row in rows if row.last_message_id is not None]
    last = await messages.by_ids(connection, organization_id, ids)
    return [shapes.conversation(row, last.get(row.last_message_id or UUID(int=0))) for row in rows]


@router.post(
    "/{conversationId}/read",
    summary="Mark a conversation as read",
    responses=answers(200, models.Conversation, examples.CONVERSATION | {"unreadCount": 0}, "The conversation", 404),
    response_class=Json,
)
async def read_conversation(conversationId: str, context: Context, caller: Member) -> Json:
    """Count nothing in it as unread. (To tell the person, send a message of type `read`.)"""
    conversation_id = parse_id(conversationId)
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        row = None
        if conversation_id is not None:
            row = await conversations.mark_read(connection, caller.organization_id, conversation_id)
        if row is None:
            raise NotFound("there is no such conversation in this organization")
        (shape,) = await _with_last_messages(connection, caller.organization_id, [row])
    return Json(shape)
