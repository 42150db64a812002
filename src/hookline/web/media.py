"""Files: those that people sent, and uploads to be sent."""

import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from python_multipart.exceptions import MultipartParseError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import Response, StreamingResponse

from hookline.bootstrap import ApiContext
from hookline.domain.connect_error import NotConfigured
from hookline.domain.errors import InvalidRequest, NotFound
from hookline.domain.ids import parse_id
from hookline.domain.stored_media import ANY_TYPE, SHOWN, FileGone, MediaState, NotYetFetched
from hookline.services import shapes
from hookline.services.uploads import upload, upload_from
from hookline.store import media
from hookline.store.media import StoredMedia
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json
from hookline.web.bodies import Limited
from hookline.web.caller import Context, Member
from hookline.web.described import answers, errors
from hookline.web.validation import read_body

router = APIRouter(tags=["Media"])

_PIECE_BYTES: Final = 256 * 1024
# What stands around the file in a multipart body.
_AROUND_BYTES: Final = 64 * 1024
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_BINARY: Final = {"content": {ANY_TYPE: {"schema": {"type": "string", "format": "binary"}, "example": "…"}}}


class UploadBody(BaseModel):
    """Where a file is that is to be kept."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2048, description="A public https address.")
    filename: str | None = Field(None, max_length=255)


@router.post(
    "/api/media",
    summary="Upload a file",
    status_code=201,
    responses=answers(201, models.Media, examples.UPLOAD, "Kept; a message names it by `mediaId`", 413, 422, 501),
    response_class=Json,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    },
                    "example": {"file": "…"},
                },
                "application/json": {
                    "schema": UploadBody.model_json_schema(),
                    "example": {"url": "https://shop.example/receipt.pdf"},
                },
            },
        }
    },
)
async def upload_file(request: Request, context: Context, caller: Member) -> Json:
    """Keep a file that is to be sent: the field `file` of a form, or what stands at a public https `url`.

    Messages name it by its id: `{"type": "image", "image": {"mediaId": "…"}}`. The platforms fetch it from here, at a
    signed address that is good for a day.
    """
    if context.settings.production and context.settings.public_url is None:
        raise NotConfigured("set HOOKLINE_PUBLIC_URL: the platforms fetch files there")
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        row = await _upload_form(request, context, caller.organization_id)
    else:
        body = await read_body(request, UploadBody)
        row = await upload_from(
            context.pool,
            context.objects,
            caller.organization_id,
            body.url,
            filename=body.filename,
            max_bytes=context.settings.max_media_bytes,
        )
    return Json(shapes.media(row), 201)


async def _upload_form(request: Request, context: ApiContext, organization_id: str) -> StoredMedia:
    """Read a form: large files go through a temporary one, as the library reads forms; never more than is allowed."""
    limit = context.settings.max_media_bytes
    limited = Request(request.scope, Limited(request.receive, limit + _AROUND_BYTES, "a form with a file").receive)
    try:
        async with limited.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if file is None or isinstance(file, str):
                raise InvalidRequest("the form has no field `file` that is a file")

            async def pieces() -> AsyncIterator[bytes]:
                while piece := await file.read(_PIECE_BYTES):
                    yield piece

            return await upload(
                context.pool,
                context.objects,
                organization_id,
                pieces(),
                stated_type=file.content_type,
                filename=file.filename,
                max_bytes=limit,
            )
    except (HTTPException, MultiPartException, MultipartParseError):
        raise InvalidRequest("the body is no form with one file") from None


@router.get(
    "/api/messages/{messageId}/media/{n}",
    summary="Read a file of a message",
    responses={
        200: {"description": "The file; ranges are answered 206", **_BINARY},
        206: {"description": "A range of it", **_BINARY},
        **errors(400, 401, 403, 404, 409, 410, 503),
    },
    response_class=Response,
)
async def read_file(messageId: str, n: str, request: Request, context: Context, caller: Member) -> Response:
    """Read the n-th file of a message, counted from 0, or a range of it.

    409 while it is still to be fetched, 410 if it cannot be had; `media[n].state` and `reason` say so too. A range that
    begins beyond its end is answered 416.
    """
    message_id = parse_id(messageId)
    found: list[StoredMedia] = []
    if message_id is not None:
        async with organization_transaction(context.pool, caller.organization_id) as connection:
            found = await media.of_messages(connection, caller.organization_id, [message_id])
    row = next((one for one in found if str(one.position) == n), None)
    if row is None:
        raise NotFound("there is no such file in this organization")
    return await _serve(row, request, context)


@router.get("/api/media/{mediaId}/file", include_in_schema=False)
async def read_upload(mediaId: str, o: str, e: str, s: str, request: Request, context: Context) -> Response:
    """Give the platforms an upload that a message names, at its signed address."""
    media_id = parse_id(mediaId)
    if media_id is None or not context.links.allows(o, media_id, e, s):
        raise NotFound("there is nothing at this address, or not any more")
    async with organization_transaction(context.pool, o) as connection:
        row = await media.get(connection, o, media_id)
    if row is None:
        raise NotFound("there is nothing at this address, or not any more")
    return await _serve(row, request, context)


async def _serve(row: StoredMedia, request: Request, context: ApiContext) -> Response:
    if row.state is MediaState.WAITING:
        raise NotYetFetched("the file is still to be fetched; try again in a moment")
    if row.state is not MediaState.STORED or row.object_key is None or row.size is None:
        raise FileGone(f"the file cannot be had: {row.reason}")
    headers = _headers(row)
    if headers["ETag"] in [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("Range")
    if asked is None or request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
        return await _stream(context, row, 0, row.size, 200, headers)
    span = _span(asked, row.size)
    if span is None:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{row.size}"})
    if span == (0, 0):  # no range that we know of: the whole
        return await _stream(context, row, 0, row.size, 200, headers)
    start, end = span
    return await _stream(
        context, row, start, end, 206, headers | {"Content-Range": f"bytes {start}-{end - 1}/{row.size}"}
    )


async def _stream(
    context: ApiContext, row: StoredMedia, start: int, end: int, status: int, headers: dict[str, str]
) -> Response:
    if start == end:
        return Response(None, status, headers)
    pieces = await context.objects.read(row.object_key or "", start, end)
    return StreamingResponse(pieces, status, headers | {"Content-Length": str(end - start)})


def _headers(row: StoredMedia) -> dict[str, str]:
    """Say what a file is, so that no browser runs it: what is not plainly shown is saved."""
    shown = row.content_type in SHOWN
    name = row.filename or f"file-{row.position}"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    named = f"filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return {
        "Content-Type": (row.content_type or ANY_TYPE) if shown else ANY_TYPE,
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; {named}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Accept-Ranges": "bytes",
        "ETag": f'"{row.sha256}"',
        "Cache-Control": "private, max-age=86400, immutable",
    }


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """Read one range, as [start, end); (0, 0) for what is none that we know, None for one outside.

    Source: RFC 9110, 14.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found.group(0) == "bytes=-":
        return 0, 0
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return 0, 0
    return (start, end) if start < end else None
