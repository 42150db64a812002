"""Downloads from hostile servers: cut off where they exceed what was agreed, and never led inside."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from hookline.domain.provider_error import NotReached
from hookline.providers import download as downloading
from hookline.providers.download import DownloadGone, DownloadRefused, Origins, download

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]
HOSTS = Origins(["*.fbcdn.net", "lookaside.fbsbx.com"])


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server on this machine; its URL."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/{tail:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def fetched(url: str, origins: Origins, max_bytes: int = 1000) -> bytes:
    async with download(url, origins, max_bytes=max_bytes) as incoming:
        return b"".join([chunk async for chunk in incoming.chunks])


async def test_a_file_is_read(serve: Serve) -> None:
    """All of it, with what the server says of it."""

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1000, content_type="image/png")

    url = await serve(file)
    async with download(f"{url}/a", Origins([], [url]), max_bytes=1000) as incoming:
        assert incoming.content_type == "image/png"
        assert b"".join([chunk async for chunk in incoming.chunks]) == b"x" * 1000


async def test_a_length_that_is_too_large_is_not_waited_for(serve: Serve) -> None:
    """The announced length alone is reason enough."""

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1001)

    url = await serve(file)
    with pytest.raises(DownloadRefused, match="larger"):
        await fetched(f"{url}/a", Origins([], [url]))


async def test_a_body_without_end_is_cut_off(serve: Serve) -> None:
    """No length is announced: it is counted as it comes."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1_000_000):
            await response.write(b"x" * 4096)
        return response

    url = await serve(endless)
    with pytest.raises(DownloadRefused, match="larger"):
        await asyncio.wait_for(fetched(f"{url}/a", Origins([], [url])), 10)


async def test_a_bomb_stays_packed(serve: Serve) -> None:
    """A compressed body, which was not asked for, is refused before it is unpacked."""

    async def bomb(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b" + b"x" * 100, headers={"Content-Encoding": "gzip"})

    url = await serve(bomb)
    with pytest.raises(DownloadRefused, match="compressed"):
        await fetched(f"{url}/a", Origins([], [url]))


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    """Wherever it leads."""
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/secret"})

    url = await serve(elsewhere)
    with pytest.raises(DownloadRefused, match="leads elsewhere"):
        await fetched(f"{url}/a", Origins([], [url]))
    assert asked == ["/a"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, DownloadGone), (410, DownloadGone), (403, DownloadGone), (500, NotReached), (429, NotReached)],
)
async def test_statuses(serve: Serve, status: int, error: type[Exception]) -> None:
    """What is gone is gone; what may pass is tried again."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    url = await serve(answer)
    with pytest.raises(error):
        await fetched(f"{url}/a", Origins([], [url]))


async def test_a_body_that_breaks_off_is_tried_again(serve: Serve) -> None:
    """Less than was announced is no file."""

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "500"})
        await response.prepare(request)
        await response.write(b"x" * 100)
        assert request.transport is not None
        request.transport.abort()
        return response

    url = await serve(broken)
    with pytest.raises(NotReached):
        await fetched(f"{url}/a", Origins([], [url]))


@pytest.mark.parametrize(
    "url",
    [
        "http://lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com:8443/a",
        "https://lookaside.fbsbx.com.evil.example/a",
        "https://evil.example/lookaside.fbsbx.com",
        "https://fbcdn.net/a",
        "https://user@lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com\\@evil.example/a",
        "https:///a",
        "https://[::1/a",
        "gopher://lookaside.fbsbx.com/a",
    ],
)
async def test_only_expected_hosts(url: str) -> None:
    """Anything but plain https at a host of the list is refused before a name is resolved."""
    with pytest.raises(DownloadRefused):
        HOSTS.check(url)


def test_the_expected_hosts() -> None:
    """The platforms' own addresses pass."""
    HOSTS.check("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1")
    HOSTS.check("https://scontent-ams2-1.xx.fbcdn.net/v/a.jpg?x=1")
    Origins.read("a.example, http://127.0.0.1:3001/cdn").check("http://127.0.0.1:3001/cdn/x")


def test_a_root_is_no_prefix_of_a_name() -> None:
    """What is allowed below a URL is not allowed beside it."""
    origins = Origins.read("http://127.0.0.1:3001/cdn")
    for url in ("http://127.0.0.1:3001/cdnx/a", "http://127.0.0.1:30010/cdn/a", "http://127.0.0.1:3001/"):
        with pytest.raises(DownloadRefused):
            origins.check(url)


async def test_a_name_that_leads_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that resolves to an address inside is refused, also where another of its addresses is public."""

    async def resolve(self: Any, host: str, port: int = 0, family: Any = 0) -> list[dict[str, Any]]:
        found = {"hostname": host, "port": port, "family": 2, "proto": 0, "flags": 0}
        return [{**found, "host": "93.184.216.34"}, {**found, "host": "127.0.0.1"}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve)
    with pytest.raises(DownloadRefused, match="no public address"):
        await fetched("https://rebound.fbcdn.net/a", HOSTS)
    with pytest.raises(DownloadRefused, match="no public address"):
        await fetched("https://rebound.example/a", downloading.ANYWHERE)
