"""WhatsApp's media: upload, look-up, deletion. Source: protocol reference 2.5."""

import mimetypes
from collections.abc import Mapping
from typing import Any

import aiohttp

from hookline.simulator import access, cdn
from hookline.simulator.errors import Refusal
from hookline.simulator.files import keep
from hookline.simulator.records import Media, PhoneNumber
from hookline.simulator.routes import Answer, Asked, Route
from hookline.simulator.world import Kind

_MB = 1024 * 1024
AUDIO = ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus")
IMAGES = ("image/jpeg", "image/png")
VIDEOS = ("video/mp4", "video/3gpp")
STICKER = "image/webp"
DOCUMENTS = (
    "text/plain",
    "application/pdf",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
)
# The largest of each, in bytes. A sticker may be 500 KB if it is animated.
LIMITS: Mapping[str, int] = {
    **dict.fromkeys(AUDIO, 16 * _MB),
    **dict.fromkeys(IMAGES, 5 * _MB),
    **dict.fromkeys(VIDEOS, 16 * _MB),
    **dict.fromkeys(DOCUMENTS, 100 * _MB),
    STICKER: 500 * 1024,
}


async def upload(asked: Asked) -> Answer:
    """`POST /{phone-number-id}/media`, multipart: `messaging_product`, `file`, `type`.

    Raises: Refusal.
    """
    request = asked.call.request
    if request.content_type != "multipart/form-data":
        raise Refusal(100, "The parameter file is required.")
    fields: dict[str, str] = {}
    content, mime_type, filename = None, "", ""
    try:
        async for part in await request.multipart():
            if not isinstance(part, aiohttp.BodyPartReader):
                raise Refusal(100, "The body is not valid multipart.")
            if part.name == "file":
                content = bytes(await part.read())
                mime_type, filename = part.headers.get("Content-Type", ""), part.filename or ""
            elif part.name:
                fields[part.name] = await part.text()
    except ValueError:
        raise Refusal(100, "The body is not valid multipart.") from None
    if fields.get("messaging_product") != "whatsapp":
        raise Refusal(100, "The parameter messaging_product is required.")
    if content is None:
        raise Refusal(100, "The parameter file is required.")
    mime_type = _mime_type(mime_type, fields.get("type", ""), filename)
    _check(content, mime_type)
    phone = asked.node.as_(PhoneNumber)
    days = asked.sim.conduct.upload_days
    media = keep(asked.sim.world, asked.sim.files, phone.id, content, mime_type, filename=filename, days=days)
    return {"id": media.id}


def _mime_type(of_part: str, of_form: str, filename: str) -> str:
    """What kind a file is: as its part says, else as the form says, else as its name says."""
    for stated in (of_part, of_form):
        plain = stated.partition(";")[0].strip().lower()
        if "/" in plain and plain != "application/octet-stream":
            return plain
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"


def _check(content: bytes, mime_type: str) -> None:
    limit = LIMITS.get(mime_type)
    if limit is None:
        raise Refusal(
            100,
            f"Param file must be a file with one of the following types: {', '.join(LIMITS)}. "
            f"Received file of type '{mime_type[:100]}'.",
        )
    if not content:
        raise Refusal(131053, "The file is empty.")
    if len(content) > limit:
        raise Refusal(131053, f"The file has {len(content)} bytes; {mime_type} may have {limit}.")


async def look_up(asked: Asked) -> Answer:
    """`GET /{media-id}[?phone_number_id=…]`: a URL that lives five minutes.

    Raises: Refusal.
    """
    media = _live(asked)
    return {
        "messaging_product": "whatsapp",
        "url": cdn.whatsapp_url(asked.sim, media),
        "mime_type": media.mime_type,
        "sha256": media.sha256,
        "file_size": media.size,
        "id": media.id,
    }


async def delete(asked: Asked) -> Answer:
    """`DELETE /{media-id}`.

    Raises: Refusal.
    """
    media = _live(asked)
    asked.sim.world.remove(media.id)
    asked.sim.files.remove(media.id)
    return {"success": True}


def _live(asked: Asked) -> Media:
    """The media, if it is WhatsApp's, has not expired, and is that number's which is named."""
    media = asked.node.as_(Media)
    named: Any = asked.call.params.get("phone_number_id")
    whatsapp = media.account_id in asked.sim.world.records.phone_numbers
    if not whatsapp or media.expires_at <= asked.sim.world.clock.now() or named not in (None, media.account_id):
        raise Refusal(100, subcode=access.NO_ACCESS_SUBCODE, message=access.unsupported(media.id))
    return media


_SCOPES = ("whatsapp_business_messaging",)
ROUTES = (
    Route("POST", Kind.PHONE_NUMBER, "media", upload, scopes=_SCOPES),
    Route("GET", Kind.MEDIA, "", look_up, scopes=_SCOPES),
    Route("DELETE", Kind.MEDIA, "", delete, scopes=_SCOPES),
)
