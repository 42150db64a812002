"""The body of `POST /{instagram-id|page-id|me}/messages` to somebody on Instagram. Pure.

Source: protocol reference 7.3. The outer shape is Messenger's; there is less inside.
"""

from hookline.simulator.checking import Json
from hookline.simulator.errors import Refusal
from hookline.simulator.messenger.envelope import (
    CHECK,
    HUMAN_AGENT,
    LONGEST_ID,
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

LONGEST_TEXT_BYTES = 1000
FILES = ("image", "audio", "video", "file")
_TYPES = ("RESPONSE", "UPDATE", "MESSAGE_TAG")
_MESSAGE_KEYS = ("text", "attachment", "quick_replies", "metadata")
_OTHERS = ("like_heart", "media_share", "template")


def read_body(body: Json) -> Outgoing | Action:
    """Check a body as far as it can be known to be right without looking anything up.

    Raises: Refusal.
    """
    if body.get("sender_action") is not None:
        return action(body)
    person_id, comment_id = address(body)
    tag = _tag(body)
    message = CHECK.object(body, "message", only=_MESSAGE_KEYS)
    return Outgoing(_content(message), person_id, comment_id, message, tag, reply_to(body), metadata(message))


def _tag(body: Json) -> str:
    """Read the tag: there is one only."""
    kind, tag = body.get("messaging_type"), body.get("tag")
    if kind is not None and kind not in _TYPES:
        raise CHECK.wrong("", "messaging_type", f"must be one of {{{', '.join(_TYPES)}}}")
    if tag is None and kind == "MESSAGE_TAG":
        raise CHECK.lacking("", "tag")
    if tag not in (None, HUMAN_AGENT):
        raise CHECK.wrong("", "tag", f"must be one of {{{HUMAN_AGENT}}}")
    return tag or ""


def _content(message: Json) -> str:
    """Read what is said: a text or an attachment, never both; its kind."""
    what = said(message, ("text", "attachment"))
    quick_replies(message)
    if what == "attachment":
        return _attachment(message)
    text = message["text"]
    if not isinstance(text, str) or not text.strip():
        raise CHECK.wrong("message", "text", "must be a string that is not empty")
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT_BYTES:
        raise Refusal(100, f"Length of param message[text] must be less than or equal to {LONGEST_TEXT_BYTES} bytes.")
    return "text"


def _attachment(message: Json) -> str:
    at = "message['attachment']"
    found = CHECK.object(message, "attachment", "message", only=("type", "payload"))
    kind = CHECK.choice(found, "type", at, among=(*FILES, *_OTHERS))
    if kind == "like_heart":
        return kind
    payload = CHECK.object(found, "payload", at)
    place = f"{at}['payload']"
    if kind == "template":
        template(payload, place)
    elif kind == "media_share":
        CHECK.text(payload, "id", place, longest=LONGEST_ID)
    else:
        CHECK.url(payload, "url", place)
    return kind
