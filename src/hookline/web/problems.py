"""Problem details (RFC 9457): the one shape of every error answer, with a stable `type`."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:hookline:problem:"


def problem_body(status: int, slug: str, detail: str, **more: Any) -> bytes:
    """Write a problem. `slug` is stable; `detail` tells this caller what to do, and never repeats what was sent."""
    title = HTTPStatus(status).phrase
    return msgspec.json.encode({"type": TYPE_PREFIX + slug, "title": title, "status": status, "detail": detail, **more})


async def problem(
    send: Callable[[Mapping[str, Any]], Awaitable[None]],
    status: int,
    slug: str,
    detail: str,
    headers: Mapping[bytes, bytes] | None = None,
) -> None:
    """Answer a request with a problem, for plain ASGI code."""
    body = problem_body(status, slug, detail)
    fields = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    fields += list((headers or {}).items())
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
