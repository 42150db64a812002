"""The direct way of ordinary webhooks, and what must not go it: HTTP as it comes over a socket, byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest
from tests.services import bodies
from tests.services.desk import Desk
from tests.web.platform import SECRET, Open, Platform

from hookline.providers.meta.signature import sign
from hookline.web.direct import LARGEST_BYTES, LARGEST_HEAD_BYTES, DirectCycle

RECEIVED = b'{"status":"received"}'


@pytest.fixture
def desk(pool: asyncpg.Pool) -> Desk:
    """What was stored."""
    return Desk(pool)


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> list[DirectCycle]:
    """The requests that went the direct way."""
    gone: list[DirectCycle] = []
    begin = DirectCycle.set

    def noted(cycle: DirectCycle) -> None:
        if not cycle.more_body and cycle not in gone:
            gone.append(cycle)
        begin(cycle)

    monkeypatch.setattr(DirectCycle, "set", noted)
    return gone


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: status, headers, body."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def ends(self) -> bool:
        """Say whether the server closes the connection."""
        return await asyncio.wait_for(self.reader.read(), 5) == b""


@asynccontextmanager
async def wire(platform: Platform) -> AsyncIterator[Wire]:
    """Open a connection to the server."""
    url = urlsplit(platform.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def hello(number: int) -> bytes:
    """A message's webhook."""
    return bodies.messages(bodies.text_message(f"wamid.{number}", sender=str(1000 + number)))


def post(
    body: bytes,
    *more: str,
    path: str = "/api/webhooks/WHATSAPP",
    version: str = "1.1",
    length: bool = True,
    secret: str = SECRET,
) -> bytes:
    """Write a request: its head, and the body unless it has no length."""
    lines = [f"POST {path} HTTP/{version}", "Host: here", f"X-Hub-Signature-256: {sign(body, secret)}", *more]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body if length else b"")


async def test_a_connection_is_used_again_and_again(platform: Platform, desk: Desk, direct: list[DirectCycle]) -> None:
    """Webhook after webhook is answered on one connection, and each is stored."""
    async with wire(platform) as line:
        for number in range(5):
            line.send(post(hello(number)))
            status, headers, body = await line.answer()
            assert (status, body, headers["content-type"]) == (200, RECEIVED, "application/json")
            assert "connection" not in headers
    assert len(direct) == len(await desk.events()) == 5


async def test_a_request_may_come_in_any_pieces(platform: Platform, desk: Desk, direct: list[DirectCycle]) -> None:
    """Wherever the network cuts, the body is received once it is whole, and as it was sent."""
    request = post(hello(0))
    async with wire(platform) as line:
        for cut in range(1, len(request), 97):
            line.send(request[:cut])
            await line.writer.drain()
            await asyncio.sleep(0.002)
            line.send(request[cut:])
            assert (await line.answer())[0] == 200
    events = await desk.events()
    assert {event["payload_json"].encode() for event in events} == {hello(0)}
    assert len(direct) == len(events)


async def test_pipelined_requests_are_answered_in_order(
    platform: Platform, desk: Desk, direct: list[DirectCycle]
) -> None:
    """What is sent without waiting for answers gets them in the order in which it was sent, whichever way it goes."""
    async with wire(platform) as line:
        line.send(
            post(hello(0)),
            post(hello(1)),
            b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n",
            post(hello(2), secret="wrong"),
            post(hello(3)),
        )
        statuses = [(await line.answer())[0] for _ in range(5)]
    assert statuses == [200, 200, 200, 401, 200]
    assert len(await desk.events()) == 3
    assert len(direct) == 1


ELSEWHERE: dict[str, Callable[[], bytes]] = {
    "query": lambda: post(hello(0), path="/api/webhooks/WHATSAPP?from=here"),
    "escaped": lambda: post(hello(0), path="/api/webhooks/%57HATSAPP"),
    "other case": lambda: post(hello(0), path="/api/webhooks/WhatsApp"),
    "chunked": lambda: (
        post(hello(0), "Transfer-Encoding: chunked", length=False)
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(hello(0)), hello(0))
    ),
    "HTTP/1.0": lambda: post(hello(0), version="1.0"),
}


@pytest.mark.parametrize("case", ELSEWHERE)
async def test_the_unusual_goes_the_long_way(
    platform: Platform, desk: Desk, direct: list[DirectCycle], case: str
) -> None:
    """What is HTTP, but not as the platforms write it, is received all the same."""
    async with wire(platform) as line:
        line.send(ELSEWHERE[case]())
        status, _, body = await line.answer()
    assert (status, body) == (200, RECEIVED)
    assert (await desk.event())["payload_json"].encode() == hello(0)
    assert direct == []


async def test_a_sender_that_asks_first_is_told_to_go_on(platform: Platform, desk: Desk) -> None:
    """`Expect: 100-continue` is answered before the body comes."""
    async with wire(platform) as line:
        request = post(hello(0), "Expect: 100-continue")
        line.send(request.removesuffix(hello(0)))
        assert (await line.answer())[0] == 100
        line.send(hello(0))
        assert (await line.answer())[0] == 200
    assert (await desk.event())["payload_json"].encode() == hello(0)


@pytest.mark.parametrize("size", [LARGEST_BYTES, LARGEST_BYTES + 1])
async def test_large_bodies_go_the_long_way(
    platform: Platform, desk: Desk, direct: list[DirectCycle], size: int
) -> None:
    """Up to 64 KiB a body goes the direct way, beyond it the long one."""
    body = bodies.messages(bodies.text_message("wamid.1", "x" * (size - 1000))).ljust(size)
    assert len(body) == size
    async with wire(platform) as line:
        line.send(post(body))
        assert (await line.answer())[0] == 200
    assert len(direct) == (size <= LARGEST_BYTES)
    assert (await desk.event())["payload_json"].encode() == body


async def test_a_connection_is_closed_when_asked(platform: Platform, direct: list[DirectCycle]) -> None:
    """`Connection: close` is heeded, and said in the answer."""
    for secret, status in ((SECRET, 200), ("wrong", 401)):
        async with wire(platform) as line:
            line.send(post(hello(0), "Connection: close", secret=secret))
            answer = await line.answer()
            assert (answer[0], answer[1]["connection"]) == (status, "close")
            assert await line.ends()
    assert len(direct) == 2


async def test_refusals_are_problems(platform: Platform, desk: Desk, direct: list[DirectCycle]) -> None:
    """A wrong signature gets the same answer on both ways."""
    answers = []
    async with wire(platform) as line:
        for path in ("/api/webhooks/WHATSAPP", "/api/webhooks/WHATSAPP?long=way"):
            line.send(post(hello(0), path=path, secret="wrong"))
            answers.append(await line.answer())
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][1]["content-type"]) == (401, "application/problem+json")
    assert len(direct) == 1
    assert await desk.events() == []


async def test_a_mistake_of_ours_is_answered(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, direct: list[DirectCycle]
) -> None:
    """Whatever goes wrong in receiving, the platform gets an answer on either way, and the connection goes on."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret text")

    async with wire(platform) as line:
        monkeypatch.setattr(platform.context.ingest, "enqueue", broken)
        for path in ("/api/webhooks/WHATSAPP", "/api/webhooks/WHATSAPP?long=way"):
            line.send(post(hello(0), path=path))
            status, _, body = await line.answer()
            assert status == 500
            assert b"secret text" not in body
        monkeypatch.undo()
        line.send(post(hello(0)))
        assert (await line.answer())[0] == 200


@pytest.mark.parametrize("kept", [0.5, 1.0], ids=["in the body", "after the body"])
async def test_who_goes_away_early_harms_nobody(platform: Platform, desk: Desk, kept: float) -> None:
    """Half a body is no webhook; a whole one is stored, although nobody waits for the answer."""
    request = post(hello(0))
    async with wire(platform) as line:
        line.send(request[: int(len(request) * kept)])
        await line.writer.drain()
        await asyncio.sleep(0.02)
        line.writer.transport.abort()
    async with wire(platform) as line:
        line.send(post(hello(1)))
        assert (await line.answer())[0] == 200
    stored = {event["payload_json"].encode() for event in await desk.events()}
    assert stored == ({hello(0), hello(1)} if kept == 1.0 else {hello(1)})


async def test_what_is_no_http_is_refused(platform: Platform, desk: Desk) -> None:
    """Two lengths, a length that is no number, or nonsense: 400, and the connection ends."""
    for request in (
        post(hello(0), "Content-Length: 3"),
        post(hello(0), "Content-Length: many", length=False),
        post(hello(0), "Content-Length: 5", "Transfer-Encoding: chunked", length=False),
        b"\x16\x03\x01 nonsense\r\n\r\n",
    ):
        async with wire(platform) as line:
            line.send(request)
            assert (await line.answer())[0] == 400
            assert await line.ends()
    assert await desk.events() == []


@pytest.mark.parametrize("piece", [b"X-Long: ", b"X-Many: 1\r\n"], ids=["one header", "many headers"])
async def test_a_head_without_end_is_ended(platform: Platform, desk: Desk, piece: bytes) -> None:
    """A head has a limit: what goes on beyond it is answered 431, and nobody else waits meanwhile."""
    async with wire(platform) as line, wire(platform) as other:
        line.send(b"POST /api/webhooks/WHATSAPP HTTP/1.1\r\nHost: here\r\n", piece)
        for _ in range(LARGEST_HEAD_BYTES // 10_000 + 1):
            line.send(piece * 1000 if piece.endswith(b"\n") else b"x" * 10_000)
            await line.writer.drain()
            await asyncio.sleep(0.01)
        assert (await line.answer())[0] == 431
        assert await line.ends()
        other.send(post(hello(0)))
        assert (await other.answer())[0] == 200
    assert len(await desk.events()) == 1


async def test_a_large_head_is_taken(platform: Platform, desk: Desk) -> None:
    """Up to 64 KiB of headers are no concern, and a body may be as long as it may without them."""
    async with wire(platform) as line:
        for number in range(3):
            line.send(post(hello(number), *(f"X-{n}: {'x' * 1000}" for n in range(50))))
            assert (await line.answer())[0] == 200
    assert len(await desk.events()) == 3


async def test_a_stop_answers_what_is_in_hand(open_platform: Open, desk: Desk) -> None:
    """A server that is told to stop still answers the webhook that it has, and then closes the connection."""
    platform = await open_platform()
    async with wire(platform) as line:
        line.send(post(hello(0)))
        await line.writer.drain()
        platform.stop()
        status, headers, _ = await line.answer()
        assert status == 200
        assert headers.get("connection") == "close" or await line.ends()
    assert len(await desk.events()) == 1


@pytest.mark.parametrize("came", ["nothing", "half a head", "a request, and half a head"])
@pytest.mark.parametrize("way", ["direct", "uvicorn's"])
async def test_a_request_that_is_on_its_way_when_the_server_stops_is_answered(
    platform: Platform, came: str, way: str
) -> None:
    """Whoever has just connected is not refused: the answer comes, says that it is the last one, and is."""
    request = post(hello(0)) if way == "direct" else b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
    half = 0 if came == "nothing" else 20
    async with wire(platform) as line:
        await asyncio.sleep(0.05)
        if came == "a request, and half a head":
            line.send(post(hello(1)))
            assert (await line.answer())[0] == 200
        line.send(request[:half])
        await asyncio.sleep(0.05)
        platform.stop()
        await asyncio.sleep(0.2)
        line.send(request[half:])
        status, headers, _ = await line.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await line.ends()


async def test_a_connection_without_a_request_does_not_hold_up_a_stop(platform: Platform) -> None:
    """It is waited for, but not for long."""
    async with wire(platform) as line:
        await asyncio.sleep(0.05)
        platform.stop()
        assert await line.ends()
