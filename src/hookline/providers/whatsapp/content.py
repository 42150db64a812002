"""What a WhatsApp message holds, by its type: our type for it, its text, its files."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from hookline.domain.event import Media
from hookline.domain.message import MessageType
from hookline.providers.meta import lenient
from hookline.providers.meta.envelope import MAX_DEPTH, nested_beyond

# The vendor's type → ours. A type that is not here is one we do not know yet: stored as `unsupported`, with its raw
# content in `meta`. Source: protocol reference 2.1, 2.3.
TYPES = {
    "text": MessageType.TEXT,
    "image": MessageType.IMAGE,
    "video": MessageType.VIDEO,
    "audio": MessageType.AUDIO,
    "voice": MessageType.AUDIO,  # before voice notes became audio with `voice: true`
    "document": MessageType.DOCUMENT,
    "sticker": MessageType.STICKER,
    "location": MessageType.LOCATION,
    "contacts": MessageType.CONTACTS,
    "interactive": MessageType.INTERACTIVE,
    "button": MessageType.BUTTON,
    "order": MessageType.ORDER,
    "reaction": MessageType.REACTION,
    "system": MessageType.SYSTEM,
    "template": MessageType.TEMPLATE,
    "request_welcome": MessageType.OTHER,  # a chat was opened, nothing written
    "media_placeholder": MessageType.OTHER,  # history: the file follows in a later webhook
    "unsupported": MessageType.UNSUPPORTED,
    "unknown": MessageType.UNSUPPORTED,  # what `unsupported` was called before
}
_WITHOUT_CONTENT = frozenset({"unsupported", "unknown", "request_welcome", "media_placeholder"})
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_MEDIA_TYPES = frozenset({"image", "video", "audio", "voice", "document", "sticker"})


class Content(NamedTuple):
    """What a message holds. `meta` is what our reading adds to the platform's own words."""

    type: MessageType
    text: str = ""
    media: tuple[Media, ...] = ()
    reacts_to: str | None = None
    meta: Mapping[str, Any] = _NOTHING


def read(message: dict[str, Any]) -> Content:
    """Read a message's content: the member that is named like its type."""
    name = lenient.string(message.get("type"))
    kind = TYPES.get(name, MessageType.UNSUPPORTED)
    value = message.get(name)
    text_of = _TEXTS.get(name)
    text = text_of(value) if text_of is not None else ""
    if name in _MEDIA_TYPES and isinstance(value, dict):
        return Content(kind, text, (_media(kind, value),))
    if kind is MessageType.REACTION:
        return Content(kind, text, reacts_to=lenient.identifier(lenient.mapping(value).get("message_id")))
    return Content(kind, text, meta=_meta(name, kind, value))


def is_missing(message: Any) -> bool:
    """Say whether a message lacks the content of its type: the change's errors then say why.

    Source: protocol reference 2.1 (interactive).
    """
    if not isinstance(message, dict):
        return False
    name = message.get("type")
    return isinstance(name, str) and name not in message and name not in _WITHOUT_CONTENT


def _media(kind: MessageType, value: dict[str, Any]) -> Media:
    return Media(
        type=kind.value,
        id=lenient.optional_string(value.get("id")),
        url=lenient.optional_string(value.get("url")),
        mime_type=lenient.optional_string(value.get("mime_type")),
        sha256=lenient.optional_string(value.get("sha256")),
        filename=lenient.optional_string(value.get("filename")),
    )


def _meta(name: str, kind: MessageType, value: Any) -> Mapping[str, Any]:
    if kind is MessageType.UNSUPPORTED or kind is MessageType.OTHER:
        return {"type": name}
    if kind is MessageType.INTERACTIVE:
        response = _flow_response(value)
        return _NOTHING if response is None else {"response": response}
    return _NOTHING


def _flow_response(value: Any) -> Any:
    """Read the JSON that a flow's answer carries as text; None if there is none or it is not JSON.

    Source: protocol reference 2.1 (nfm_reply).
    """
    text = lenient.mapping(lenient.mapping(value).get("nfm_reply")).get("response_json")
    if not isinstance(text, str) or nested_beyond(text.encode(), MAX_DEPTH):
        return None
    try:
        return lenient.decode(text)
    except ValueError:
        return None


def _member(*names: str) -> Callable[[Any], str]:
    """Make a reader of the first of these members that has a text."""

    def text_of(value: Any) -> str:
        for name in names:
            found = lenient.string(lenient.mapping(value).get(name))
            if found:
                return found
        return ""

    return text_of


def _body(value: Any) -> str:
    return lenient.string(value.get("body") if isinstance(value, dict) else value)


def _location(value: Any) -> str:
    place = lenient.mapping(value)
    return ", ".join(filter(None, (lenient.string(place.get("name")), lenient.string(place.get("address")))))


def _contacts(value: Any) -> str:
    """Name the people of a contact card; a card without names shows its numbers."""
    cards = [lenient.mapping(card) for card in lenient.sequence(value)]
    names = [lenient.string(lenient.mapping(card.get("name")).get("formatted_name")) for card in cards]
    if not any(names):
        phones = [phone for card in cards for phone in lenient.sequence(card.get("phones"))]
        names = [lenient.string(lenient.mapping(phone).get("phone")) for phone in phones]
    return ", ".join(filter(None, names))


def _interactive(value: Any) -> str:
    """Read what the person chose or answered. Source: protocol reference 2.1 (interactive)."""
    reply = lenient.mapping(value)
    for name, member in (
        ("button_reply", "title"),
        ("list_reply", "title"),
        ("nfm_reply", "body"),
        ("call_permission_reply", "response"),
    ):
        text = lenient.string(lenient.mapping(reply.get(name)).get(member))
        if text:
            return text
    return ""


_caption = _member("caption")
_TEXTS: dict[str, Callable[[Any], str]] = {
    "text": _body,
    "image": _caption,
    "video": _caption,
    "audio": _caption,
    "document": _caption,
    "button": _member("text", "payload"),
    "interactive": _interactive,
    "location": _location,
    "contacts": _contacts,
    "order": _member("text"),
    "system": _member("body"),
    "reaction": _member("emoji"),
}
