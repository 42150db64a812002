"""Fetching a file from an address that somebody else has named: only where files are expected, and never inside.

What is refused: addresses that are no https URL of an expected host, hosts that resolve to an address which is not
public (looked at when the connection is made, so no second answer of the name server counts), redirects, and more bytes
than agreed, counted as they come. Nothing is decompressed.
"""

import fnmatch
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from hookline.domain.addresses import is_address, is_public
from hookline.domain.provider_error import NotReached
from hookline.providers.http import USER_AGENT
from hookline.settings import split_commas

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import ResolveResult

TOTAL_SECONDS: Final = 300.0
QUIET_SECONDS: Final = 20.0
_CHUNK_BYTES: Final = 256 * 1024


class DownloadRefused(Exception):
    """A file that is not fetched, or not any further. The text says why, and holds no address."""


class DownloadGone(DownloadRefused):
    """The address serves no file any more: it has expired, or what stood there is deleted."""


class Origins(msgspec.Struct, frozen=True):
    """Where files may be. hosts: patterns of public https hosts. roots: beginnings of URLs that may also be inside."""

    hosts: Sequence[str]
    roots: Sequence[str] = ()

    @classmethod
    def read(cls, setting: str) -> "Origins":
        """Read a comma-separated list of both."""
        given = split_commas(setting)
        return cls([one.lower() for one in given if "://" not in one], [one for one in given if "://" in one])

    def check(self, url: str) -> None:
        """Raises: DownloadRefused, if no file may be fetched from there."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise DownloadRefused("the file's address is no URL") from None
        if self.inside(url):
            return
        if parts.scheme != "https" or port not in (None, 443) or parts.username is not None:
            raise DownloadRefused("the file's address is no plain https URL")
        if not any(fnmatch.fnmatchcase(host, pattern) for pattern in self.hosts):
            raise DownloadRefused("the file's address is at an unexpected host")
        if is_address(host):
            raise DownloadRefused("the file's address names no host")

    def inside(self, url: str) -> bool:
        """Whether a URL is below one of the roots, which the operator has named."""
        return not _climbs(url) and any(url.startswith(root.rstrip("/") + "/") for root in self.roots)


def _climbs(url: str) -> bool:
    """Whether a path leads upwards, in whichever notation the client would follow it."""
    path = urlsplit(url).path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace("\\", "/")
    return any(piece in (".", "..") for piece in path.split("/"))


# Anything public, for files whose address people give us themselves.
ANYWHERE: Final = Origins(["*"])


class Download(msgspec.Struct):
    """A file on its way: what the other side says of it, and its bytes."""

    content_type: str | None
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def download(
    url: str, origins: Origins, *, max_bytes: int, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Download]:
    """Open a file. Reading its bytes raises as this does.

    Raises: DownloadRefused; DownloadGone; NotReached, if it can be tried again: it is a read, so its outcome is known.
    """
    import aiohttp

    origins.check(url)
    timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=QUIET_SECONDS, sock_read=QUIET_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(
                connector=_connector(public_only=not origins.inside(url)),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                timeout=timeout,
                trust_env=False,
            ) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            _check(response, max_bytes)
            yield Download(response.headers.get("Content-Type"), _bytes(response, max_bytes))
    except _NotPublic as error:
        raise DownloadRefused("the file's host has no public address") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _failure(error) from None


def _failure(error: BaseException) -> Exception:
    """Say what a failed connection is; a resolver's refusal comes wrapped by the library."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _NotPublic):
            return DownloadRefused("the file's host has no public address")
        cause = cause.__cause__ or cause.__context__
    return NotReached(f"a file could not be fetched: {type(error).__name__}")


def _check(response: "aiohttp.ClientResponse", max_bytes: int) -> None:
    if response.status in (403, 404, 410):
        raise DownloadGone("the file's address has expired")
    if 300 <= response.status < 400:
        raise DownloadRefused("the file's address leads elsewhere")
    if response.status != 200:
        raise NotReached(f"a file could not be fetched: status {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise DownloadRefused("the file comes compressed")
    if response.content_length is not None and response.content_length > max_bytes:
        raise _too_large(max_bytes)


async def _bytes(response: "aiohttp.ClientResponse", max_bytes: int) -> AsyncIterator[bytes]:
    import aiohttp

    size = 0
    try:
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            yield chunk
    except (aiohttp.ClientError, OSError) as error:
        raise _failure(error) from None


def _too_large(max_bytes: int) -> DownloadRefused:
    return DownloadRefused(f"the file is larger than {max_bytes:,} bytes")


class _NotPublic(OSError):
    """A name that resolves to an address inside."""


def _connector(*, public_only: bool) -> "aiohttp.TCPConnector":
    import aiohttp
    from aiohttp.abc import AbstractResolver
    from aiohttp.resolver import ThreadedResolver

    class PublicResolver(AbstractResolver):
        """Resolves names; every address must be public, or none is used."""

        def __init__(self) -> None:
            self._resolver = ThreadedResolver()

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> "list[ResolveResult]":
            found = await self._resolver.resolve(host, port, family)
            if not all(is_public(one["host"]) for one in found):
                raise _NotPublic
            return found

        async def close(self) -> None:
            await self._resolver.close()

    return aiohttp.TCPConnector(resolver=PublicResolver() if public_only else None, use_dns_cache=False, limit=1)
