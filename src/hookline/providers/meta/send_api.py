"""The Send API that Messenger and Instagram share: from a message to its call's body, and from the answer to its id.

    {"recipient": {"id": …}, "messaging_type"?, "tag"?, "message": {…}, "reply_to"?: {"mid": …}}
    {"recipient": {"id": …}, "sender_action": …, "payload"?: {…}}

Pure. What each of the two can carry is in its own table. Source: protocol reference 7.2, 7.3; templates: the vendor's
pages on the button and the generic template.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from hookline.domain.errors import InvalidRequest
from hookline.domain.outbound import InvalidMessage, OutboundMessage, QuickReply, Reaction
from hookline.domain.outbound_interactive import Buttons, Carousel, CarouselCard, CtaUrl, Interactive, UrlButton
from hookline.domain.outbound_media import File
from hookline.domain.sending import Reply
from hookline.providers.meta import lenient

_PERSON = re.compile(r"[^\s\x00-\x1f]{1,256}")
# What a raw body may not bring along: it is ours to set.
_OURS: Final = frozenset({"recipient", "messaging_type", "tag"})
# Our kind of file → the vendor's.
_ATTACHMENTS: Final = {"image": "image", "video": "video", "audio": "audio", "document": "file"}


def check_person(to: str) -> str:
    """Take a person's id, whatever it looks like.

    Raises: InvalidMessage.
    """
    if not _PERSON.fullmatch(to):
        raise InvalidMessage("body.to", "must be the person's id on the platform, without spaces")
    return to


def check(message: OutboundMessage) -> None:
    """Check what no table says: a raw body's essentials, and cards that show something.

    Raises: InvalidMessage.
    """
    if message.raw is not None:
        _check_raw(message.raw)
    if message.quick_replies and message.raw is not None:
        raise InvalidMessage("body.quickReplies", "have no place beside raw")
    if isinstance(message.interactive, Carousel):
        for index, card in enumerate(message.interactive.cards):
            if card.image is not None and card.image.url is None:
                raise InvalidMessage(f"body.interactive.cards[{index}].image", "must be given by url")


def _check_raw(raw: Mapping[str, Any]) -> None:
    for name in raw:
        if name in _OURS:
            raise InvalidMessage(f"body.raw.{name}", "is set by Hookline")
    if ("message" in raw) == ("sender_action" in raw):
        raise InvalidMessage("body.raw", "must hold either message or sender_action")
    said = raw.get("message", {})
    if not isinstance(said, dict) or ("message" in raw and not said):
        raise InvalidMessage("body.raw.message", "must be an object that is not empty")
    if "metadata" in said:
        raise InvalidMessage("body.raw.message.metadata", "is set by Hookline")


def build(message: OutboundMessage, message_id: UUID | None, *, typed: bool, metadata: bool) -> dict[str, Any]:
    """Build the body of a message or an action.

    typed: whether the platform wants to be told what kind of answer it is (`messaging_type`).
    metadata: whether it gives back a text of ours in the echo.
    """
    body: dict[str, Any] = {"recipient": {"id": message.to}}
    if message.is_action or message.reaction is not None:
        return body | _action(message)
    if message.tag is not None:
        body |= {"messaging_type": "MESSAGE_TAG", "tag": message.tag} if typed else {"tag": message.tag}
    elif typed:
        body["messaging_type"] = "RESPONSE"
    body |= message.raw if message.raw is not None else {"message": _message(message)}
    if metadata and message_id is not None and isinstance(body.get("message"), dict):
        body["message"] = {**body["message"], "metadata": str(message_id)}
    if message.reply_to is not None:
        body["reply_to"] = {"mid": message.reply_to}
    return body


def _action(message: OutboundMessage) -> dict[str, Any]:
    if message.reaction is not None:
        return _reaction(message.reaction)
    if message.read is not None:
        return {"sender_action": "mark_seen"}
    on = message.typing is None or message.typing.on
    return {"sender_action": "typing_on" if on else "typing_off"}


def _reaction(reaction: Reaction) -> dict[str, Any]:
    if not reaction.emoji:
        return {"sender_action": "unreact", "payload": {"message_id": reaction.message_id}}
    payload = {"message_id": reaction.message_id, "reaction": reaction.emoji}
    return {"sender_action": "react", "payload": payload}


def _message(message: OutboundMessage) -> dict[str, Any]:
    built = _content(message)
    if message.quick_replies:
        built["quick_replies"] = [_quick_reply(one) for one in message.quick_replies]
    return built


def _content(message: OutboundMessage) -> dict[str, Any]:
    content = message.content
    if isinstance(content, str):
        return {"text": content}
    if message.sticker is not None:
        return _sticker(message.sticker)
    if isinstance(content, File):
        return {"attachment": {"type": _ATTACHMENTS[message.type], "payload": _file(content)}}
    if message.interactive is not None:
        return {"attachment": {"type": "template", "payload": _template(message.interactive)}}
    raise InvalidRequest(f"type {message.type} has no form here")


def _file(file: File) -> dict[str, Any]:
    return {"attachment_id": file.media_id} if file.url is None else {"url": file.url}


def _sticker(sticker: File) -> dict[str, Any]:
    """A sticker by its number; `like_heart` is one that has none."""
    if sticker.media_id == "like_heart":
        return {"attachment": {"type": "like_heart"}}
    return {"sticker_id": sticker.media_id}


def _quick_reply(reply: QuickReply) -> dict[str, Any]:
    built = {"content_type": "text", "title": reply.title, "payload": reply.payload}
    return built if reply.image_url is None else built | {"image_url": reply.image_url}


def _template(content: Interactive) -> dict[str, Any]:
    match content:
        case Buttons():
            buttons = [_postback(one.id, one.title) for one in content.buttons]
            return {"template_type": "button", "text": content.body, "buttons": buttons}
        case CtaUrl():
            return {"template_type": "button", "text": content.body, "buttons": [_open_page(content.button)]}
        case Carousel():
            return {"template_type": "generic", "elements": [_element(card) for card in content.cards]}
    raise InvalidRequest("this kind of interactive message has no form here")


def _postback(payload: str, title: str) -> dict[str, Any]:
    return {"type": "postback", "title": title, "payload": payload}


def _open_page(button: UrlButton) -> dict[str, Any]:
    return {"type": "web_url", "title": button.title, "url": button.url}


def _element(card: CarouselCard) -> dict[str, Any]:
    built: dict[str, Any] = {"title": card.title}
    if card.text is not None:
        built["subtitle"] = card.text
    if card.image is not None:
        built["image_url"] = card.image.url
    if card.url_button is not None:
        return built | {"buttons": [_open_page(card.url_button)]}
    return built | {"buttons": [_postback(one.id, one.title) for one in card.buttons]}


def read_reply(answer: Mapping[str, Any]) -> Reply:
    """Read `{"recipient_id", "message_id", "attachment_id"?}`; an action is answered without a message."""
    attachment = lenient.identifier(answer.get("attachment_id"))
    return Reply(
        lenient.identifier(answer.get("message_id")),
        lenient.identifier(answer.get("recipient_id")),
        {} if attachment is None else {"attachmentId": attachment},
    )


def contacts(to: str) -> Sequence[str]:
    """Name a person as the log knows them: by the id that the platform gives for this account."""
    return [check_person(to)]
