"""The attachments of Messenger and Instagram messages: which message type they make, and their files."""

from typing import Any

from hookline.domain.event import Media
from hookline.domain.message import MessageType
from hookline.providers.meta import lenient

# The vendor's attachment type → our message type. What is not here makes a message `unsupported`, raw kept in `meta`.
# Source: protocol reference 3, 4.
TYPES = {
    "image": MessageType.IMAGE,
    "video": MessageType.VIDEO,
    "audio": MessageType.AUDIO,
    "file": MessageType.DOCUMENT,
    "location": MessageType.LOCATION,
    "sticker": MessageType.STICKER,
    "like_heart": MessageType.STICKER,  # has no payload
    "template": MessageType.TEMPLATE,
    # Shared things: a link or clip of somebody's post, reel or story.
    "fallback": MessageType.OTHER,
    "share": MessageType.OTHER,
    "reel": MessageType.OTHER,
    "ig_reel": MessageType.OTHER,
    "post": MessageType.OTHER,
    "ig_post": MessageType.OTHER,
    "story_mention": MessageType.OTHER,
    "ephemeral": MessageType.OTHER,  # seen once, has no URL
    "appointment_booking": MessageType.OTHER,
    "unsupported_type": MessageType.UNSUPPORTED,
}
# A link preview that comes with the text it was made from.
_PREVIEWS = frozenset({"fallback", "share"})
_WITHOUT_FILE = frozenset({"location", "template", "appointment_booking"})


def attachments(message: dict[str, Any]) -> list[dict[str, Any]]:
    """List a message's attachments, each sticker once.

    Until 30 August 2026 a sticker is sent as `sticker` and as `image`, both with the same `sticker_id`.
    Source: protocol reference 3.
    """
    found: list[dict[str, Any]] = []
    stickers: set[str] = set()
    for attachment in lenient.sequence(message.get("attachments")):
        if not isinstance(attachment, dict):
            continue
        sticker_id = lenient.identifier(_payload(attachment).get("sticker_id"))
        if sticker_id is not None and sticker_id in stickers:
            continue
        if sticker_id is not None:
            stickers.add(sticker_id)
        found.append(attachment)
    return found


def message_type(found: list[dict[str, Any]], text: str) -> MessageType:
    """Say what a message with these attachments is: what the first one is, or text if they only preview its links."""
    if text and all(_type(attachment) in _PREVIEWS for attachment in found):
        return MessageType.TEXT
    return TYPES.get(_type(found[0]), MessageType.UNSUPPORTED) if found else MessageType.UNSUPPORTED


def media(found: list[dict[str, Any]]) -> tuple[Media, ...]:
    """List the files of attachments; the URL and title may stand in the payload or beside it, or be missing.

    Source: protocol reference 3.
    """
    return tuple(_media(attachment) for attachment in found if _type(attachment) not in _WITHOUT_FILE)


def _media(attachment: dict[str, Any]) -> Media:
    payload = _payload(attachment)
    ids = (payload.get(name) for name in ("sticker_id", "reel_video_id", "ig_post_media_id", "attachment_id", "id"))
    return Media(
        type=lenient.label(_type(attachment), "unknown"),
        id=lenient.first_identifier(*ids),
        url=lenient.optional_string(payload.get("url")) or lenient.optional_string(attachment.get("url")),
        title=lenient.optional_string(payload.get("title")) or lenient.optional_string(attachment.get("title")),
    )


def _type(attachment: dict[str, Any]) -> str:
    """Name an attachment's type: an image that has a sticker's id is a sticker."""
    name = lenient.string(attachment.get("type"))
    return "sticker" if name == "image" and _payload(attachment).get("sticker_id") else name


def _payload(attachment: dict[str, Any]) -> dict[str, Any]:
    return lenient.mapping(attachment.get("payload"))
