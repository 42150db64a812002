"""What the bodies of Messenger and Instagram have in common: to whom, an action or a message, quick replies. Pure.

Source: protocol reference 7.2, 7.3.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.simulator.checking import Check, Json
from hookline.simulator.errors import Refusal

CHECK = Check(missing=100, invalid=100)
MOST_QUICK_REPLIES = 13
LONGEST_TITLE = 20
LONGEST_PAYLOAD = 1000
LONGEST_METADATA = 1000
LONGEST_ID = 512
HUMAN_AGENT = "HUMAN_AGENT"
ACTIONS = ("typing_on", "typing_off", "mark_seen", "react", "unreact")
_OBJECTS = ("recipient", "message", "payload", "reply_to")


class Outgoing(msgspec.Struct, frozen=True):
    """A message that is well formed. Either `person_id` or `comment_id` is set.

    reusable: the reply names the attachment's id.
    """

    kind: str
    person_id: str
    comment_id: str
    message: Json
    tag: str
    reply_to: str
    own_id: str
    reusable: bool = False


class Action(msgspec.Struct, frozen=True):
    """A sender action. Of a reaction: the message, and the reaction's name or emoji."""

    name: str
    person_id: str
    message_id: str = ""
    reaction: str = ""


def unfold(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read parameters that came as a form or a query, where an object is JSON in a text.

    Raises: Refusal.
    """
    if not any(isinstance(params.get(key), str) for key in _OBJECTS):
        return params
    return {key: _object(key, value) if key in _OBJECTS else value for key, value in params.items()}


def _object(key: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal(100, f"Param {key} must be valid JSON.") from None


def address(body: Json) -> tuple[str, str]:
    """Read to whom a message goes: a person's id for this account, or a comment's.

    Raises: Refusal; also for the other ways to name somebody, by which the simulator knows nobody.
    """
    recipient = CHECK.object(body, "recipient")
    ways = ("id", "comment_id", "post_id", "user_ref", "phone_number", "notification_messages_token")
    way = CHECK.either(recipient, ways, "recipient")
    if way not in ("id", "comment_id"):
        raise Refusal(100, subcode=2018001)
    found = recipient[way]
    if not isinstance(found, str | int) or isinstance(found, bool):
        raise CHECK.wrong("recipient", way, "must be a string")
    return (str(found), "") if way == "id" else ("", str(found))


def action(body: Json) -> Action:
    """Check a sender action, which has a body of its own.

    Raises: Refusal.
    """
    name = CHECK.choice(body, "sender_action", among=ACTIONS)
    person_id, _ = address(body)
    if not person_id:
        raise CHECK.lacking("recipient", "id")
    if body.get("message") is not None:
        raise Refusal(100, "A sender action and a message must be sent apart.")
    if name not in ("react", "unreact"):
        return Action(name, person_id)
    payload = CHECK.object(body, "payload")
    message_id = CHECK.text(payload, "message_id", "payload", longest=LONGEST_ID)
    reaction = CHECK.text(payload, "reaction", "payload", longest=64, required=name == "react")
    return Action(name, person_id, message_id, reaction)


def quick_replies(message: Json) -> None:
    """Check what can be tapped below a message.

    Raises: Refusal.
    """
    replies = CHECK.objects(message, "quick_replies", "message", most=MOST_QUICK_REPLIES, least=0)
    for index, reply in enumerate(replies):
        at = f"message['quick_replies'][{index}]"
        kind = CHECK.choice(reply, "content_type", at, among=("text", "user_phone_number", "user_email"))
        CHECK.text(reply, "title", at, longest=LONGEST_TITLE, required=kind == "text")
        CHECK.text(reply, "payload", at, longest=LONGEST_PAYLOAD, required=kind == "text")
        CHECK.url(reply, "image_url", at, required=False)


def reply_to(body: Json) -> str:
    """Read which message this one answers, if it says so.

    Raises: Refusal.
    """
    found = CHECK.optional_object(body, "reply_to", only=("mid",))
    return "" if found is None else CHECK.text(found, "mid", "reply_to", longest=LONGEST_ID)


def metadata(message: Json) -> str:
    """Read what comes back in the echo.

    Raises: Refusal.
    """
    return CHECK.text(message, "metadata", "message", longest=LONGEST_METADATA, required=False)


def said(message: Json, among: tuple[str, ...]) -> str:
    """Find the one thing that a message says.

    Raises: Refusal.
    """
    found = [key for key in among if message.get(key) not in (None, "")]
    if not found:
        raise Refusal(100, subcode=2018034)
    if len(found) > 1:
        raise Refusal(100, f"Message cannot have both {found[0]} and {found[1]}.")
    return found[0]
