"""The body of `POST /{phone-number-id}/messages`: accepted as an `Outgoing`, or refused with the reason. Pure.

Source: protocol reference 7.1, 2.6.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hookline.simulator.errors import Refusal
from hookline.simulator.whatsapp import content, interactive
from hookline.simulator.whatsapp.checks import CHECK, Json

LONGEST_OWN_ID = 512
_LONGEST_ADDRESS = 256
# How people write a number; the platform reads the digits.
_WRITTEN_PHONE = re.compile(r"^\+?[\d\s().-]+$")
_NOT_A_DIGIT = re.compile(r"\D")
_PHONE = re.compile(r"^\d{5,20}$")
_BUSINESS_SCOPED = re.compile(r"^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,240}$")


class Outgoing(msgspec.Struct, frozen=True):
    """A message that is well formed. Exactly one of `phone` (digits) and `user_id` says to whom it goes."""

    kind: str
    content: Json
    written: str  # the recipient as it was written, which the reply repeats
    phone: str
    user_id: str
    reply_to: str
    own_id: str
    raw: Json


class Reading(msgspec.Struct, frozen=True):
    """A message of a person that the business has read, and whether it shows that it is typing."""

    message_id: str
    typing: bool


def read_body(body: Json) -> Outgoing | Reading:
    """Check a body as far as it can be known to be right without looking anything up.

    Raises: Refusal.
    """
    if body.get("messaging_product") != "whatsapp":
        if "messaging_product" not in body:
            raise Refusal(100, "The parameter messaging_product is required.")
        raise Refusal(100, 'Param messaging_product must be one of {"whatsapp"}.')
    if "status" in body:
        return _reading(body)
    return _message(body)


def _reading(body: Json) -> Reading:
    if body["status"] != "read":
        raise Refusal(100, 'Param status must be one of {"read"}.')
    message_id = CHECK.text(body, "message_id", longest=_LONGEST_ADDRESS)
    indicator = CHECK.optional_object(body, "typing_indicator")
    if indicator is not None:
        CHECK.choice(indicator, "type", "typing_indicator", among=("text",))
    return Reading(message_id, indicator is not None)


def _message(body: Json) -> Outgoing:
    kind = body.get("type", "text")
    kind = kind.lower() if isinstance(kind, str) else ""
    if kind not in _CONTENT:
        raise Refusal(131051, "Message type is not currently supported.")
    written, phone, user_id = _recipient(body)
    reply_to = ""
    context = CHECK.optional_object(body, "context")
    if context is not None:
        reply_to = CHECK.text(context, "message_id", "context", longest=_LONGEST_ADDRESS)
    own_id = CHECK.text(body, "biz_opaque_callback_data", longest=LONGEST_OWN_ID, required=False)
    found = _CONTENT[kind](body)
    return Outgoing(kind, found, written, phone, user_id, reply_to, own_id, body)


def _recipient(body: Json) -> tuple[str, str, str]:
    """Read to whom it goes: as it was written, the digits of a phone, a business-scoped id. A phone wins over an id."""
    if CHECK.choice(body, "recipient_type", among=("individual", "group"), default="individual") == "group":
        raise Refusal(131020, "The simulator has no groups.")
    written = CHECK.text(body, "to", longest=_LONGEST_ADDRESS, required=False)
    if written:
        digits = _NOT_A_DIGIT.sub("", written)
        if not (_WRITTEN_PHONE.match(written) and _PHONE.match(digits)):
            raise CHECK.wrong("", "to", "must be a phone number with its country code")
        return written, digits, ""
    user_id = CHECK.text(body, "recipient", longest=_LONGEST_ADDRESS, required=False)
    if not user_id:
        raise Refusal(100, "The parameter to is required.")
    if not _BUSINESS_SCOPED.match(user_id):
        raise CHECK.wrong("", "recipient", "must be a business-scoped user id")
    return user_id, "", user_id


def _template(body: Json) -> Json:
    """Read a template's name and language. What its components must be, only the stored template can say."""
    template = CHECK.object(body, "template", only=("name", "language", "components", "namespace"))
    CHECK.text(template, "name", "template", longest=512)
    language = CHECK.object(template, "language", "template", only=("code", "policy"))
    CHECK.text(language, "code", "template['language']", longest=64)
    CHECK.choice(language, "policy", "template['language']", among=("deterministic",), default="deterministic")
    CHECK.objects(template, "components", "template", most=20, least=0)
    return template


_CONTENT: Mapping[str, Callable[[Json], Mapping[str, Any]]] = {
    "text": content.text,
    "image": content.image,
    "video": content.video,
    "audio": content.audio,
    "document": content.document,
    "sticker": content.sticker,
    "location": content.location,
    "contacts": content.contacts,
    "reaction": content.reaction,
    "interactive": interactive.interactive,
    "template": _template,
}
