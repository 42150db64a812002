"""The one HTTP client of the program: a request out, a reply or one of two failures back. It knows no platform.

Whoever calls a platform must know whether a thing may have been done. A failure before a connection was in hand is
`NotReached`: nothing can have arrived. From then on every failure is `OutcomeUnknown`, also one in the middle of
writing: what was written may have been enough.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import msgspec

from hookline.domain.provider_error import NotReached, OutcomeUnknown
from hookline.domain.text import to_json

if TYPE_CHECKING:  # a process that calls nobody does not load the library
    import aiohttp

TIMEOUT_SECONDS = 20.0
CONNECT_SECONDS = 8.0
MAX_REPLY_BYTES = 8 * 1024 * 1024
# Shorter than the platforms keep an idle connection: one that they close while we write makes an outcome unknown.
KEEP_ALIVE_SECONDS = 15.0
# As many calls may be on their way as a worker runs jobs side by side, and more: one that waits here waits in vain.
MAX_CONNECTIONS = 512
USER_AGENT = "Hookline"


class HttpReply(msgspec.Struct, frozen=True):
    """A complete reply. `headers` is read in any case of letters; `body` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Calls over one pool of connections, opened at the first call. Keeps no cookies, follows no redirect.

    Nothing of a request but its host is ever in a log or in an error: queries, headers and bodies hold secrets.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_REPLY_BYTES,
    ) -> HttpReply:
        """Send one request and read the whole reply, whatever its status.

        Of json, form (URL-encoded) and data (bytes, or what aiohttp takes: an iterator of bytes, its FormData) at most
        one is given. timeout_seconds: for everything together. max_bytes: a longer body is not read to its end.
        Raises: NotReached, if it certainly did not arrive; OutcomeUnknown, if it may have been carried out.
        """
        import aiohttp

        progress = _Progress()
        content, more = _body(json, form, data)
        try:
            async with self._open().request(
                method,
                url,
                params=params,
                data=content,
                headers={**more, **(headers or {})},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
                trace_request_ctx=progress,
            ) as response:
                body = await _read(response, max_bytes)
                return HttpReply(response.status, response.headers, body)
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(url, progress, error) from None  # its own text holds the URL

    def _open(self) -> "aiohttp.ClientSession":
        if self._session is None:
            import aiohttp

            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(_note_connection)
            trace.on_connection_reuseconn.append(_note_connection)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT},
                trace_configs=[trace],
                middlewares=[_once],
            )
        return self._session


async def _once(request: "aiohttp.ClientRequest", handler: "aiohttp.ClientHandlerType") -> "aiohttp.ClientResponse":
    """Send a request once: the library would send a GET, PUT or DELETE again if its connection broke.

    What it would do so for becomes an error of another class. A code that is exchanged by a GET serves but once.
    """
    import aiohttp

    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientError(type(error).__name__) from None


class _Progress:
    """How far a request got."""

    connected = False


async def _note_connection(_session: Any, context: Any, _parameters: Any) -> None:
    context.trace_request_ctx.connected = True


def _body(json: Any, form: Mapping[str, str] | None, data: Any) -> tuple[Any, dict[str, str]]:
    """Give the content to send, and the headers that it needs."""
    if json is not None:
        return to_json(json).encode(), {"Content-Type": "application/json"}
    return (dict(form), {}) if form is not None else (data, {})


class _TooLong(OSError):
    """A reply over the limit."""


async def _read(response: "aiohttp.ClientResponse", max_bytes: int) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            response.close()  # what is left of it would block the connection
            raise _TooLong
        chunks.append(chunk)
    return b"".join(chunks)


def _failure(url: str, progress: _Progress, error: BaseException) -> NotReached | OutcomeUnknown:
    what = f"{urlsplit(url).hostname}: {type(error).__name__.lstrip('_')}"
    if progress.connected:
        return OutcomeUnknown(f"no readable answer from {what}")
    return NotReached(f"could not reach {what}")
