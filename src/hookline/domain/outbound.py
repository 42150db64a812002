"""A message to send, in one form for all platforms: what the CRM posts, checked against our contract.

    {"accountId", "to", "type", "<type>": …, "replyTo"?, "tag"?, "quickReplies"?, "previewUrl"?}

What a platform can carry is not decided here (domain/capability.py), nor what it is called there (the providers).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from hookline.domain.errors import InvalidRequest
from hookline.domain.message import MessageType
from hookline.domain.outbound_interactive import Interactive
from hookline.domain.outbound_media import (
    Audio,
    CaptionedFile,
    Card,
    Cards,
    Document,
    File,
    Free,
    Id,
    Location,
    Part,
    Text,
)
from hookline.domain.outbound_template import Template, in_our_words


class OutboundType(StrEnum):
    """What can be sent; the content stands under the same name."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACTS = "contacts"
    REACTION = "reaction"
    INTERACTIVE = "interactive"
    TEMPLATE = "template"
    READ = "read"
    TYPING = "typing"
    RAW = "raw"


# What is shown or marked, and stands in no log.
ACTIONS: Final = frozenset({OutboundType.READ, OutboundType.TYPING})

HUMAN_AGENT: Final = "HUMAN_AGENT"


class Reaction(Part, frozen=True, kw_only=True):
    """An emoji on a message, by our id or the platform's; the empty one takes it back."""

    message_id: Id
    emoji: Annotated[str, msgspec.Meta(max_length=32)]


class Read(Part, frozen=True, kw_only=True):
    """Tell the platform that a message (default: the person's latest) and those before it have been read."""

    message_id: Id | None = None


class Typing(Part, frozen=True, kw_only=True):
    """Show, for a moment, that somebody writes; `on` false ends it. WhatsApp names the message that is answered."""

    message_id: Id | None = None
    on: bool = True


class QuickReply(Part, frozen=True, kw_only=True):
    """A suggestion below a message; whoever takes it sends back its payload."""

    title: Text
    payload: Text
    image_url: Text | None = None


Content = (
    str
    | CaptionedFile
    | Audio
    | Document
    | File
    | Location
    | tuple[Card, ...]
    | Reaction
    | Interactive
    | Template
    | Read
    | Typing
    | Free
)


class OutboundMessage(Part, frozen=True, kw_only=True):
    """A message to send. `to` is the person, by the platform's id or phone number.

    reply_to: the message it answers, by our id or the platform's.
    tag: HUMAN_AGENT, where a person answers later than the window allows to others.
    """

    account_id: UUID
    to: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    type: OutboundType
    text: Text | None = None
    image: CaptionedFile | None = None
    video: CaptionedFile | None = None
    audio: Audio | None = None
    document: Document | None = None
    sticker: File | None = None
    location: Location | None = None
    contacts: Cards | None = None
    reaction: Reaction | None = None
    interactive: Interactive | None = None
    template: Template | None = None
    read: Read | None = None
    typing: Typing | None = None
    raw: Free | None = None
    reply_to: Id | None = None
    tag: Literal["HUMAN_AGENT"] | None = None
    quick_replies: tuple[QuickReply, ...] = ()
    preview_url: bool | None = None

    def __post_init__(self) -> None:
        given = [name for name in OutboundType if getattr(self, name) is not None]
        if given != [self.type]:
            others = ", ".join(name for name in given if name != self.type)
            raise ValueError(
                f"type {self.type} has no room for {others}" if others else f"type {self.type} needs {self.type}"
            )
        if self.text is not None and not self.text.strip():
            raise ValueError("text must hold more than spaces")

    @property
    def content(self) -> Content:
        """What stands under the type's name."""
        content: Content = getattr(self, self.type)
        return content

    @property
    def is_action(self) -> bool:
        """Whether nothing is said by it: it marks or shows something, and stands in no log."""
        return self.type in ACTIONS

    @property
    def message_type(self) -> MessageType:
        """What it is in the log."""
        try:
            return MessageType(self.type)
        except ValueError:
            return MessageType.OTHER

    @property
    def searchable_text(self) -> str:
        """The words by which people find it again."""
        content = self.content
        if isinstance(content, str):
            return content
        if isinstance(content, Reaction):
            return content.emoji
        return getattr(content, "caption", None) or getattr(content, "body", None) or ""


class InvalidMessage(InvalidRequest):
    """A message that our contract does not know; `location` is the place in the body, such as `body.image.url`."""

    def __init__(self, location: str, message: str) -> None:
        super().__init__(f"{location}: {message}")
        self.location = location
        self.message = message

    @property
    def more(self) -> Mapping[str, Any]:
        """The place, as for every body that does not fit."""
        return {"errors": [{"location": self.location, "message": self.message}]}


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(OutboundMessage)


def read_message(body: Any) -> OutboundMessage:
    """Check a decoded JSON body and read it.

    Raises: InvalidMessage, which names the first place that does not fit and what is allowed there; no value is quoted.
    """
    if not isinstance(body, dict):
        raise InvalidMessage("body", "must be a JSON object")
    if "template" in body:
        body = {**body, "template": in_our_words(body["template"])}
    if body.get("type") in ACTIONS and body["type"] not in body:
        body = {**body, body["type"]: {}}
    try:
        message = msgspec.convert(body, OutboundMessage)
        if b"\\u0000" in _encoder.encode(message):
            raise InvalidMessage("body", "must not hold NUL characters")
    except msgspec.ValidationError as error:
        raise _in_words(str(error)) from None
    except (UnicodeEncodeError, OverflowError):
        raise InvalidMessage("body", "must hold valid Unicode, and numbers of at most 64 bits") from None
    return message


def write_message(message: OutboundMessage) -> str:
    """Write a message as JSON text: equal messages give equal texts."""
    return _encoder.encode(message).decode()


def stored_message(text: str | bytes) -> OutboundMessage:
    """Read what `write_message` wrote."""
    return _decoder.decode(text)


_PLACE = re.compile(r"^(?P<message>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?$", re.DOTALL)
_CHOICES: Final = {
    "type": ", ".join(OutboundType),
    "interactive.type": "buttons, list, cta_url, flow, location_request, product, product_list, catalog, carousel, "
    "call_permission, address, order_details",
    "tag": HUMAN_AGENT,
}


def _in_words(complaint: str) -> InvalidMessage:
    """Put msgspec's complaint into a place and words, without the value."""
    found = _PLACE.match(complaint)
    message, place = (found["message"], found["place"] or "") if found else (complaint, "")
    location = ".".join(filter(None, ("body", place.lstrip(".")))).replace(".[", "[")
    if message.startswith(("Invalid value", "Invalid enum value")):
        choices = _CHOICES.get(place)
        message = f"must be one of {choices}" if choices else "is not one of the values allowed here"
    elif message.startswith("Object missing required field"):
        return InvalidMessage(f"{location}.{_quoted(message)}", "is required")
    elif message.startswith("Object contains unknown field"):
        return InvalidMessage(f"{location}.{_printable(_quoted(message))}", "is not known here")
    return InvalidMessage(location, (message[:1].lower() + message[1:]).replace(" | null", ""))


def _quoted(message: str) -> str:
    return message.split("`")[1] if message.count("`") >= 2 else ""


def _printable(name: str) -> str:
    """A field's name is the caller's choice: keep it short and harmless."""
    return "".join(character if character.isprintable() else "?" for character in name[:64])
