"""One call as the fakes see it, and the answers they give. Nothing of any platform's rules is here."""

from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from hookline.simulator.errors import Refusal

Reply: TypeAlias = web.StreamResponse
_JSON_HEADERS = {"Content-Type": "application/json; charset=UTF-8", "Cache-Control": "private, no-store"}
_READS_QUERY_ONLY = frozenset({"GET", "HEAD"})


class Call:
    """A request below one of the platforms' hosts.

    segments: the path's pieces after the host's prefix and the version. params: the query and the body's fields, if
    the body is JSON or a form; a multipart body is left unread for whoever expects one (`request.multipart()`).
    reply_headers: go out with the answer, if it is no refusal.
    """

    __slots__ = (
        "host",
        "json",
        "method",
        "params",
        "query",
        "reply_headers",
        "request",
        "segments",
        "token",
        "version",
    )

    def __init__(
        self, request: web.BaseRequest, host: str, version: str, segments: tuple[str, ...], query: dict[str, str]
    ) -> None:
        self.request = request
        self.method = request.method
        self.host = host
        self.version = version
        self.segments = segments
        self.query = query
        self.params: dict[str, Any] = query
        self.json: Any = None
        self.reply_headers: dict[str, str] = {}
        self.token = _bearer(request.headers) or query.get("access_token", "")

    async def read(self) -> None:
        """Read the body, if there is one to read.

        Raises: Refusal, if what is called JSON is none.
        """
        if self.method in _READS_QUERY_ONLY or not self.request.can_read_body:
            return
        kind = self.request.content_type
        if kind == "multipart/form-data":
            return
        body = await self.request.read()
        if kind == "application/x-www-form-urlencoded":
            self.params = {**self.query, **dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))}
        elif body:
            self.json = _json(body)
            if isinstance(self.json, dict):
                self.params = {**self.query, **self.json} if self.query else self.json
        if not self.token:
            given = self.params.get("access_token", "")
            self.token = given if isinstance(given, str) else ""

    def text(self, name: str) -> str:
        """A parameter as text; empty if it is not there or no text or number."""
        value = self.params.get(name, "")
        return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""

    def required(self, name: str) -> str:
        """A parameter that must be there.

        Raises: Refusal.
        """
        value = self.text(name)
        if not value:
            raise Refusal(100, f"The parameter {name} is required.")
        return value

    def names(self, name: str) -> list[str]:
        """A list of names: `a,b`, or a JSON list; what stands in braces is kept with its field (`a{b,c}`)."""
        value = self.params.get(name)
        if isinstance(value, list):
            return [str(one) for one in value]
        text = value.strip() if isinstance(value, str) else ""
        if text.startswith("["):
            listed = _json(text.encode())
            return [str(one) for one in listed] if isinstance(listed, list) else []
        return split_names(text)


def split_names(text: str) -> list[str]:
    """Split `a,b{c,d},e` at the commas outside of braces."""
    names, depth, name = [], 0, ""
    for sign in text:
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 0:
            names.append(name.strip())
            name = ""
        else:
            name += sign
    return [one for one in [*names, name.strip()] if one]


def json_reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer JSON."""
    return web.Response(
        body=msgspec.json.encode(content),
        status=status,
        headers={**_JSON_HEADERS, **headers} if headers else _JSON_HEADERS,
    )


def text_reply(text: str, status: int = 200, content_type: str = "text/plain") -> web.Response:
    """Answer text, or with another content type a page."""
    return web.Response(text=text, status=status, content_type=content_type)


def _bearer(headers: Mapping[str, str]) -> str:
    value = headers.get("Authorization", "")
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "oauth") else ""


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal(100, "The body is not valid JSON.") from None
