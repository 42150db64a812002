"""The body of `POST /{page-id|me}/messages`: accepted as an `Outgoing` or an `Action`, or refused. Pure.

Source: protocol reference 7.2.
"""

from hookline.simulator.checking import Json
from hookline.simulator.messenger.envelope import (
    CHECK,
    HUMAN_AGENT,
    Action,
    Outgoing,
    action,
    address,
    metadata,
    quick_replies,
    reply_to,
    said,
)
from hookline.simulator.messenger.template import template

LONGEST_TEXT = 2000
TAGS = (HUMAN_AGENT, "CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE", "ACCOUNT_UPDATE")
FILES = ("image", "audio", "video", "file")
_TYPES = ("RESPONSE", "UPDATE", "MESSAGE_TAG")
_MESSAGE_KEYS = ("text", "attachment", "quick_replies", "metadata", "sticker_id")


def read_body(body: Json) -> Outgoing | Action:
    """Check a body as far as it can be known to be right without looking anything up.

    Raises: Refusal.
    """
    if body.get("sender_action") is not None:
        return action(body)
    person_id, comment_id = address(body)
    tag = _tag(body)
    message = CHECK.object(body, "message", only=_MESSAGE_KEYS)
    kind, reusable = _content(message)
    return Outgoing(kind, person_id, comment_id, message, tag, reply_to(body), metadata(message), reusable)


def _tag(body: Json) -> str:
    """Read the tag: a message of type MESSAGE_TAG has one, and no other may."""
    tag = body.get("tag")
    kind = body.get("messaging_type", "MESSAGE_TAG" if tag else "RESPONSE")
    if kind not in _TYPES:
        raise CHECK.wrong("", "messaging_type", f"must be one of {{{', '.join(_TYPES)}}}")
    if kind != "MESSAGE_TAG":
        if tag:
            raise CHECK.wrong("", "tag", "is only allowed with messaging_type MESSAGE_TAG")
        return ""
    if tag is None:
        raise CHECK.lacking("", "tag")
    if tag not in TAGS:
        raise CHECK.wrong("", "tag", f"must be one of {{{', '.join(TAGS)}}}")
    return str(tag)


def _content(message: Json) -> tuple[str, bool]:
    """Read what is said: its kind, and whether an attachment may be used again."""
    what = said(message, ("text", "attachment", "sticker_id"))
    quick_replies(message)
    if what == "text":
        CHECK.text(message, "text", "message", longest=LONGEST_TEXT)
        return "text", False
    if what == "sticker_id":
        return "sticker", False
    return attachment(message)


def attachment(message: Json) -> tuple[str, bool]:
    """Check `message.attachment`; its kind, and whether it may be used again.

    Raises: Refusal.
    """
    at = "message['attachment']"
    found = CHECK.object(message, "attachment", "message", only=("type", "payload"))
    kind = CHECK.choice(found, "type", at, among=(*FILES, "template"))
    payload = CHECK.object(found, "payload", at)
    place = f"{at}['payload']"
    if kind == "template":
        template(payload, place)
        return kind, False
    if CHECK.either(payload, ("url", "attachment_id"), place) == "url":
        CHECK.url(payload, "url", place)
    reusable = payload.get("is_reusable", False)
    if reusable not in (True, False, "true", "false"):
        raise CHECK.wrong(place, "is_reusable", "must be a boolean")
    return kind, reusable in (True, "true")
