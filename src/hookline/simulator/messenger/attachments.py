"""`POST /{page-id|me}/message_attachments`: a file to send later, by its id. Source: protocol reference 7.2."""

import json
from typing import Any

import aiohttp

from hookline.simulator.errors import Refusal
from hookline.simulator.files import keep, read_up_to
from hookline.simulator.messenger.body import FILES, attachment
from hookline.simulator.messenger.envelope import CHECK, unfold
from hookline.simulator.records import Page
from hookline.simulator.routes import Answer, Asked, Route
from hookline.simulator.world import Kind

MOST_BYTES = 25 * 1024 * 1024
_FETCH_SECONDS = 20.0
_DAYS = 90.0


async def upload(asked: Asked) -> Answer:
    """Keep a file that comes along (multipart, `filedata`), or is fetched from `payload.url`.

    Raises: Refusal.
    """
    params, content, mime_type, filename = dict(asked.call.params), b"", "", ""
    if asked.call.request.content_type == "multipart/form-data":
        params, content, mime_type, filename = await _read(asked)
    message = CHECK.object(unfold(params), "message")
    url = _check(message, content)
    if url:
        content, mime_type = await _fetch(asked, url)
    if len(content) > MOST_BYTES:
        raise Refusal(100, subcode=2018109)
    page = asked.node.as_(Page)
    media = keep(
        asked.sim.world,
        asked.sim.files,
        page.id,
        content,
        mime_type or "application/octet-stream",
        filename=filename,
        days=_DAYS,
    )
    return {"attachment_id": media.id}


def _check(message: Any, content: bytes) -> str:
    """See what is uploaded; the URL to fetch it from, if it did not come along."""
    found = CHECK.object(message, "attachment", "message")
    if content:
        CHECK.choice(found, "type", "message['attachment']", among=FILES)
        return ""
    kind, _ = attachment(message)
    url = found["payload"].get("url")
    if kind == "template" or not url:
        raise Refusal(100, "Param message['attachment']['payload']['url'] is required.")
    return str(url)


async def _read(asked: Asked) -> tuple[dict[str, Any], bytes, str, str]:
    """Read a multipart body: its fields; and the file, its type and its name."""
    params: dict[str, Any] = dict(asked.call.query)
    content, mime_type, filename = b"", "", ""
    try:
        async for part in await asked.call.request.multipart():
            if not isinstance(part, aiohttp.BodyPartReader):
                raise Refusal(100, "The body is not valid multipart.")
            if part.name == "filedata":
                content = bytes(await part.read())
                mime_type, filename = part.headers.get("Content-Type", ""), part.filename or ""
            elif part.name:
                params[part.name] = await part.text()
    except (ValueError, json.JSONDecodeError):
        raise Refusal(100, "The body is not valid multipart.") from None
    return params, content, mime_type.partition(";")[0].strip(), filename


async def _fetch(asked: Asked, url: str) -> tuple[bytes, str]:
    """Fetch a file from where it lies, no further than the largest may be.

    Raises: Refusal.
    """
    try:
        timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with asked.sim.session.get(url, timeout=timeout) as answer:
            if answer.status != 200:
                raise Refusal(100, "Failed to fetch the file from the url.")
            return await read_up_to(answer.content, MOST_BYTES), answer.content_type
    except (TimeoutError, aiohttp.ClientError, ValueError):
        raise Refusal(100, "Failed to fetch the file from the url.") from None


ROUTES = (Route("POST", Kind.PAGE, "message_attachments", upload, scopes=("pages_messaging",)),)
