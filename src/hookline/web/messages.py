"""/api/messages: the log of everything said, in and out. What is to be said is taken in web/sends.py."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

import fastapi
import msgspec
from fastapi import APIRouter
from pydantic import Field

from hookline.domain.errors import NotFound
from hookline.domain.ids import parse_id, stored_external_id
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.services import shapes
from hookline.services.shapes import Shape
from hookline.store import contact_lists, media, messages
from hookline.store.media import StoredMedia
from hookline.store.messages import Filter, Message
from hookline.store.pool import Connection, organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json, page
from hookline.web.caller import Context, Member
from hookline.web.described import answers
from hookline.web.query import PageQuery, Text, Words

router = APIRouter(prefix="/api/messages", tags=["Messages"])


class MessageQuery(PageQuery):
    """What a list of messages can be narrowed to."""

    direction: MessageDirection | None = Field(None, description="Only what came in, or went out.")
    contact: Text | None = Field(None, description="Only with this person, by the platform's id.")
    type: MessageType | None = Field(None, description="Only this kind.")
    status: MessageStatus | None = Field(None, description="Only in this delivery status.")
    external_id: Text | None = Field(None, description="Only the message with this id at the platform.")
    q: Words | None = Field(None, description="Only texts that contain this, case ignored.")


@router.get(
    "",
    summary="Search messages",
    responses=answers(200, models.MessagePage, examples.page(examples.MESSAGE), "Messages, newest first", 422),
    response_class=Json,
)
async def list_messages(context: Context, caller: Member, query: Annotated[MessageQuery, fastapi.Query()]) -> Json:
    """List messages, newest first, narrowed by any combination of filters.

    `since` and `until` are about `createdAt`.
    """
    organization_id, wanted = caller.organization_id, query.limit + 1
    chosen = _filter(query)
    async with organization_transaction(context.pool, organization_id) as connection:
        if query.q is None:
            rows = await messages.list_page(connection, organization_id, chosen, before=query.cursor, limit=wanted)
        else:
            rows = await messages.search_page(
                connection, organization_id, query.q, chosen, before=query.cursor, limit=wanted
            )
        known = await _known(connection, organization_id, rows)
    return page(rows, query.limit, known.shape, lambda row: row.id)


class _Known(msgspec.Struct, frozen=True):
    """What is known of messages beside their rows: the people's names by now, and the files, by message."""

    names: Mapping[UUID, str | None]
    files: Mapping[UUID, Sequence[StoredMedia]]

    def shape(self, row: Message) -> Shape:
        """Show a message with what is known of it."""
        return shapes.message_with_media(row, self.files.get(row.id, ()), self.names.get(row.id))


async def _known(connection: Connection, organization_id: str, rows: Sequence[Message]) -> _Known:
    keys = {row.id: (row.connected_account_id, row.contact) for row in rows if row.contact is not None}
    named = await contact_lists.names(connection, organization_id, keys.values())
    files: dict[UUID, list[StoredMedia]] = {}
    for one in await media.of_messages(connection, organization_id, [row.id for row in rows if row.media]):
        if one.message_id is not None:
            files.setdefault(one.message_id, []).append(one)
    return _Known({message_id: named.get(key) for message_id, key in keys.items()}, files)


def _filter(query: MessageQuery) -> Filter:
    return Filter(
        account_id=query.account_id,
        provider=query.provider,
        direction=query.direction,
        contact=None if query.contact is None else stored_external_id(query.contact),
        type=query.type,
        status=query.status,
        external_id=None if query.external_id is None else stored_external_id(query.external_id),
        since=query.since,
        until=query.until,
    )


@router.get(
    "/{messageId}",
    summary="Read a message",
    responses=answers(200, models.Message, examples.MESSAGE, "The message", 404),
    response_class=Json,
)
async def read_message(messageId: str, context: Context, caller: Member) -> Json:
    """Read one message, with its delivery status and what the platform said of it."""
    message_id = parse_id(messageId)
    row = None
    if message_id is not None:
        async with organization_transaction(context.pool, caller.organization_id) as connection:
            row = await messages.get(connection, caller.organization_id, message_id)
            known = await _known(connection, caller.organization_id, [] if row is None else [row])
    if row is None:
        raise NotFound("there is no such message in this organization")
    return Json(known.shape(row))
