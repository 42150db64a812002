"""Comments under what a business has published, in one shape for Facebook's feed and Instagram's."""

from datetime import datetime
from typing import Any

from hookline.domain.event import Contact, Media, MessageItem, Origin
from hookline.domain.message import MessageDirection, MessageType
from hookline.providers.meta import lenient


def comment_item(
    value: dict[str, Any],
    index: int,
    account: str,
    author: Contact,
    *,
    external_id: str | None,
    text: str,
    reply_to: str | None,
    at: datetime | None,
    media: tuple[Media, ...] = (),
) -> MessageItem:
    """Make a message of a comment. One that the account itself wrote is an echo."""
    outbound = author.external_id is not None and author.external_id == account
    person = author.external_id or ""
    return MessageItem(
        index=index,
        kind="comment",
        external_id=external_id or lenient.fingerprint(value),
        direction=MessageDirection.OUTBOUND if outbound else MessageDirection.INBOUND,
        type=MessageType.COMMENT,
        sender=person,
        recipient="" if outbound else account,
        text=text,
        contact=Contact() if outbound else author,
        sent_at=at,
        reply_to=reply_to,
        media=media,
        meta=value,
        origin=Origin.ECHO if outbound else Origin.LIVE,
    )
