"""The items of `messaging` and `standby`, shaped alike on Messenger and Instagram: messages and what becomes of them.

    {"sender": {"id": …}, "recipient": {"id": …}, "timestamp": …, "<event>": {…}}

Events about people and accounts rather than messages are in `notices`.
Source: protocol reference 3, 4.
"""

from collections.abc import Iterator
from typing import Any

from hookline.domain.event import (
    Contact,
    EditItem,
    Item,
    Media,
    MessageItem,
    Origin,
    StatusItem,
    UnsendItem,
    WatermarkItem,
)
from hookline.domain.ids import stored_external_id
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.providers.meta import attachments, lenient, notices
from hookline.providers.meta.exchange import Exchange, Reader
from hookline.providers.meta.routing import MESSAGING_EVENTS, unknown_event
from hookline.providers.meta.source import Source, unsupported

_OF_MESSAGE = frozenset({"mid", "text", "is_echo"})


def read(found: Source, index: int) -> Iterator[Item]:
    """Read one item: each event in it, an unknown one as unsupported."""
    item = found.item
    known = [name for name in MESSAGING_EVENTS if name in item]
    if not known:
        name = unknown_event(item)
        yield unsupported(index, name, f"messaging event {name} is not known")
        return
    exchange = Exchange.of(found, index)
    for name in known:
        yield from _READERS[name](exchange, item[name])


def _read_message(exchange: Exchange, message: Any) -> Iterator[Item]:
    """Read a message, an echo, or the unsending of one.

    {"mid", "text"?, "attachments"?, "quick_reply"?, "reply_to"?, "is_echo"?, "is_deleted"?, "is_unsupported"?, …}
    """
    if not isinstance(message, dict):
        yield unsupported(exchange.index, "message", "a message that is not an object")
        return
    if message.get("is_deleted"):
        yield _unsend_item(exchange, message)
        return
    found = attachments.attachments(message)
    text = lenient.string(message.get("text"))
    meta = lenient.without(message, _OF_MESSAGE)
    if "prior_message" in exchange.item:
        meta["prior_message"] = exchange.item["prior_message"]
    yield _message_item(
        exchange,
        "echo" if exchange.outbound else "message",
        _message_type(message, found, text),
        external_id=lenient.identifier(message.get("mid")),
        text=text,
        reply_to=lenient.identifier(lenient.mapping(message.get("reply_to")).get("mid")),
        media=attachments.media(found),
        meta=meta,
    )


def _message_type(message: dict[str, Any], found: list[dict[str, Any]], text: str) -> MessageType:
    if message.get("is_unsupported"):
        return MessageType.UNSUPPORTED
    if "quick_reply" in message:
        return MessageType.INTERACTIVE
    return attachments.message_type(found, text)


def _unsend_item(exchange: Exchange, message: dict[str, Any]) -> Item:
    mid = lenient.identifier(message.get("mid"))
    if mid is None:
        return unsupported(exchange.index, "unsend", "an unsending that names no message")
    return UnsendItem(index=exchange.index, kind="unsend", external_id=mid, at=exchange.at)


def _read_postback(exchange: Exchange, postback: Any) -> Iterator[Item]:
    """Read a pressed button: `{mid?, title?, payload?, referral?}`; on standby it has no payload."""
    pressed = lenient.mapping(postback)
    yield _message_item(
        exchange,
        "postback",
        MessageType.POSTBACK,
        external_id=lenient.identifier(pressed.get("mid")),
        text=lenient.string(pressed.get("title")) or lenient.string(pressed.get("payload")),
        meta=lenient.without(pressed, _OF_MESSAGE),
    )


def _read_reaction(exchange: Exchange, reaction: Any) -> Iterator[Item]:
    """Read a reaction: `{mid, action: react|unreact, reaction?, emoji?}`; taken back, its text is empty."""
    given = lenient.mapping(reaction)
    mid = lenient.identifier(given.get("mid"))
    action = lenient.label(given.get("action"), "react")
    moment = lenient.string(exchange.item.get("timestamp"))
    sender = exchange.account if exchange.outbound else exchange.contact or ""
    emoji = lenient.string(given.get("emoji")) or lenient.string(given.get("reaction"))
    yield _message_item(
        exchange,
        "reaction",
        MessageType.REACTION,
        external_id=stored_external_id(f"reaction:{mid or ''}:{sender}:{action}:{moment}"),
        text="" if action == "unreact" else emoji,
        reacts_to=mid,
        meta=given,
    )


def _message_item(
    exchange: Exchange,
    kind: str,
    type_: MessageType,
    *,
    external_id: str | None,
    text: str,
    meta: dict[str, Any],
    reply_to: str | None = None,
    reacts_to: str | None = None,
    media: tuple[Media, ...] = (),
) -> MessageItem:
    person = exchange.contact or ""
    origin = Origin.ECHO if exchange.outbound else Origin.STANDBY if exchange.standby else Origin.LIVE
    return MessageItem(
        index=exchange.index,
        kind=kind,
        external_id=external_id or lenient.fingerprint(exchange.item),
        direction=MessageDirection.OUTBOUND if exchange.outbound else MessageDirection.INBOUND,
        type=type_,
        sender=exchange.account if exchange.outbound else person,
        recipient=person if exchange.outbound else exchange.account,
        text=text,
        contact=Contact(external_id=exchange.contact),
        sent_at=exchange.at,
        reply_to=reply_to,
        reacts_to=reacts_to,
        media=media,
        meta=meta,
        origin=origin,
    )


def _read_delivery(exchange: Exchange, delivery: Any) -> Iterator[Item]:
    """Read `{mids?, watermark}`: these messages, or else everything up to the watermark, has been delivered."""
    said = lenient.mapping(delivery)
    mids = [mid for one in lenient.sequence(said.get("mids")) if (mid := lenient.identifier(one)) is not None]
    if not mids:
        yield _watermark_item(exchange, "delivery", MessageStatus.DELIVERED, said)
    for mid in mids:
        yield _status_item(exchange, mid, MessageStatus.DELIVERED, said)


def _read_read(exchange: Exchange, read_: Any) -> Iterator[Item]:
    """Read `{watermark}` of Messenger, or `{mid}` of Instagram: everything up to it has been read.

    Instagram names the newest message that the person saw; whoever sees it has the earlier ones above it.
    Source: protocol reference 3, 4.
    """
    said = lenient.mapping(read_)
    mid = lenient.identifier(said.get("mid"))
    if mid is None:
        yield _watermark_item(exchange, "read", MessageStatus.READ, said)
    else:
        yield _status_item(exchange, mid, MessageStatus.READ, said, covers_earlier=True)


def _status_item(
    exchange: Exchange, mid: str, status: MessageStatus, said: dict[str, Any], *, covers_earlier: bool = False
) -> Item:
    return StatusItem(
        index=exchange.index,
        kind="status",
        external_id=mid,
        status=status,
        covers_earlier=covers_earlier,
        at=exchange.at or lenient.moment(said.get("watermark")),
    )


def _watermark_item(exchange: Exchange, kind: str, status: MessageStatus, said: dict[str, Any]) -> Item:
    until = lenient.moment(said.get("watermark"))
    if exchange.contact is None or until is None:
        return unsupported(exchange.index, kind, f"a {kind} that names no message, or no person and time")
    return WatermarkItem(index=exchange.index, kind=kind, contact=exchange.contact, status=status, until=until)


def _read_edit(exchange: Exchange, edit: Any) -> Iterator[Item]:
    """Read `{mid, text, num_edit}`; the count may come as text."""
    said = lenient.mapping(edit)
    mid = lenient.identifier(said.get("mid"))
    if mid is None or "text" not in said:
        yield unsupported(exchange.index, "edit", "an edit that names no message, or no text")
        return
    yield EditItem(
        index=exchange.index,
        kind="edit",
        external_id=mid,
        text=lenient.string(said.get("text")),
        at=exchange.at,
        version=lenient.counter(said.get("num_edit")),
    )


_READERS: dict[str, Reader] = {
    "message": _read_message,
    "postback": _read_postback,
    "delivery": _read_delivery,
    "read": _read_read,
    "reaction": _read_reaction,
    "message_edit": _read_edit,
    **notices.READERS,
}
