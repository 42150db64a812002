"""/api/events: the feed, what happened in the order in which it became true."""

from typing import Annotated

import fastapi
from fastapi import APIRouter
from pydantic import Field

from hookline.services import shapes
from hookline.services.facts import VERSION
from hookline.store import outbox
from hookline.store.outbox import FeedRow
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json
from hookline.web.caller import Context, Member
from hookline.web.described import answers
from hookline.web.query import (
    DEFAULT_LIMIT,
    FEED_START,
    MAX_LIMIT,
    FeedCursor,
    FeedPlace,
    Query,
    RecordId,
    Text,
    decode_feed_cursor,
    encode_feed_cursor,
)

router = APIRouter(prefix="/api/events", tags=["Events"])


class FeedQuery(Query):
    """Where to go on from, and which facts."""

    cursor: FeedCursor | None = Field(
        None, description="The `nextCursor` of the answer before; without it, the feed from its beginning."
    )
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many at most.")
    type: list[Text] | None = Field(None, max_length=50, description="Only these types of facts; may be repeated.")
    account_id: RecordId | None = Field(None, description="Only about this connected account.")


@router.get(
    "",
    summary="Read the feed",
    responses=answers(200, models.Feed, examples.FEED, "Facts, oldest first", 422),
    response_class=Json,
)
async def read_feed(context: Context, caller: Member, query: Annotated[FeedQuery, fastapi.Query()]) -> Json:
    """Read what happened, oldest first: the same facts that the stream and the signed webhooks carry.

    To follow the feed, ask again and again with the `nextCursor` of the answer before. It is always given, also when
    there was nothing; nothing is ever added before it. A fact's `id` is the same however often it is read.
    """
    after = FEED_START if query.cursor is None else decode_feed_cursor(query.cursor)
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        # Asked before the facts are read: whatever lies below it is then among them, or never will be.
        settled = await outbox.settled(connection)
        rows = await outbox.read(
            connection,
            caller.organization_id,
            after=after,
            limit=query.limit,
            types=query.type,
            account_id=query.account_id,
        )
    following = _place(rows[-1]) if rows else after
    if len(rows) < query.limit:
        following = max(following, settled, key=_order)
    return Json({"items": [_item(row) for row in rows], "nextCursor": encode_feed_cursor(following)})


def _place(row: FeedRow) -> FeedPlace:
    return row.tx_id, row.seq


def _order(place: FeedPlace) -> tuple[int, int]:
    return int(place[0]), place[1]


def _item(row: FeedRow) -> shapes.Shape:
    return {
        "id": row.id,
        "type": row.type,
        "version": VERSION,
        "cursor": encode_feed_cursor(_place(row)),
        "organizationId": row.organization_id,
        "connectedAccountId": row.connected_account_id,
        "messageId": row.message_id,
        "occurredAt": row.occurred_at,
        "data": shapes.raw(row.data),
    }
