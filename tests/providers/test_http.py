"""The HTTP client: what arrived, what came back, and which failures leave a doubt."""

import logging

import pytest
from tests.providers.talkative import Answer, exactly, reply, reset, silence, talking
from tests.servers import free_port

from hookline.domain.provider_error import NotReached, OutcomeUnknown
from hookline.providers.http import HttpClient, HttpReply

SECRET = "a-secret-of-the-test"


async def send(url: str, **given: object) -> HttpReply:
    """Send one request that is full of secrets."""
    async with HttpClient() as http:
        return await http.request(
            "POST",
            url,
            params={"token": SECRET},
            json={"token": SECRET},
            headers={"Authorization": f"Bearer {SECRET}"},
            timeout_seconds=2,
            **given,  # type: ignore[arg-type]
        )


async def test_a_reply_comes_back_whole() -> None:
    """Status, headers in any case of letters, and body come back, whatever the status."""
    async with talking(reply(418, b"short and stout", "X-Kind: teapot")) as server:
        answer = await send(server.url)
    assert (answer.status, answer.headers["x-kind"], answer.body) == (418, "teapot", b"short and stout")


async def test_json_form_and_bytes_arrive() -> None:
    """Each kind of content arrives as what it is."""
    async with talking(reply(200)) as server, HttpClient() as http:
        await http.request("POST", server.url + "/a", params={"q": "ä b"}, json={"text": "ü", "n": 2**70})
        await http.request("POST", server.url + "/b", form={"grant": "a&b"})
        await http.request("PUT", server.url + "/c", data=b"\x00\x01")
    first, second, third = server.requests
    assert first.startswith(b"POST /a?q=%C3%A4+b ")
    assert first.endswith('{"text":"ü","n":1180591620717411303424}'.encode())
    assert b"application/json" in first
    assert second.endswith(b"grant=a%26b")
    assert b"application/x-www-form-urlencoded" in second
    assert third.endswith(b"\x00\x01")


async def test_a_redirect_is_not_followed() -> None:
    """A redirect comes back as it is: a token must not go where nobody meant it to."""
    async with talking(reply(302, b"", "Location: http://127.0.0.1:9/")) as server:
        assert (await send(server.url)).status == 302
        assert len(server.requests) == 1


async def test_cookies_are_not_kept() -> None:
    """What one reply sets, no later request brings."""
    async with talking(reply(200, b"", "Set-Cookie: who=somebody")) as server, HttpClient() as http:
        await http.request("GET", server.url)
        await http.request("GET", server.url)
    assert b"somebody" not in server.requests[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_refused_connection_did_not_arrive(scheme: str) -> None:
    """Where nobody listens, nothing was done."""
    with pytest.raises(NotReached):
        await send(f"{scheme}://127.0.0.1:{free_port()}/")


async def test_an_unknown_host_did_not_arrive() -> None:
    """A name without an address did nothing."""
    with pytest.raises(NotReached):
        await send("http://nobody.invalid/")


@pytest.mark.parametrize("url", ["http://", "nonsense", "file:///etc/passwd", "http://host:notaport/"])
async def test_what_is_no_address_did_not_arrive(url: str) -> None:
    """An address that cannot be called did nothing."""
    with pytest.raises(NotReached):
        await send(url)


@pytest.mark.parametrize("answer", [silence, reset, exactly(b"not TLS at all\r\n\r\n")])
async def test_a_failed_handshake_did_not_arrive(answer: Answer) -> None:
    """TLS that is not agreed on, whether refused, broken off or never answered, carried nothing."""
    async with talking(answer) as server, HttpClient() as http:
        with pytest.raises(NotReached):
            await http.request("POST", server.url.replace("http:", "https:"), json={}, timeout_seconds=0.5)


@pytest.mark.parametrize(
    "answer",
    [
        silence,
        reset,
        exactly(b""),
        exactly(b"nonsense\r\n\r\n"),
        exactly(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntoo short"),
        exactly(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        exactly(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz"),
    ],
    ids=["silence", "reset", "close", "no HTTP", "short", "chunk missing", "no gzip"],
)
async def test_what_was_sent_may_have_been_done(answer: Answer) -> None:
    """Once the request was written, a failure of any kind leaves the outcome unknown."""
    async with talking(answer) as server, HttpClient() as http:
        with pytest.raises(OutcomeUnknown):
            await http.request("POST", server.url, json={"a": 1}, timeout_seconds=3)
        assert server.requests


async def test_a_connection_that_died_while_idle_leaves_a_doubt() -> None:
    """A kept connection may take the request and break: that is a doubt, not a certainty."""
    answers = [reply(200, b"fine"), reset]

    async def answer(writer: object) -> None:
        await answers.pop(0)(writer)  # type: ignore[arg-type]

    async with talking(answer) as server, HttpClient() as http:
        await http.request("POST", server.url)
        with pytest.raises(OutcomeUnknown):
            await http.request("POST", server.url)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
async def test_nothing_is_sent_twice(method: str) -> None:
    """A request whose connection breaks is not sent again, whatever its method."""
    answers = [reply(200, b"fine"), reset, reply(200, b"again")]

    async def answer(writer: object) -> None:
        await answers.pop(0)(writer)  # type: ignore[arg-type]

    async with talking(answer) as server, HttpClient() as http:
        await http.request(method, server.url)
        with pytest.raises(OutcomeUnknown):
            await http.request(method, server.url)
        assert len(server.requests) == 2


async def test_a_body_without_end_is_not_read() -> None:
    """A body over the limit is given up, and the client goes on."""
    async with talking(reply(200, b"x" * 100_000)) as server, HttpClient() as http:
        with pytest.raises(OutcomeUnknown):
            await http.request("GET", server.url, max_bytes=1000)
        assert len((await http.request("GET", server.url, max_bytes=100_000)).body) == 100_000


@pytest.mark.parametrize("answer", [reset, exactly(b"nonsense\r\n\r\n")])
async def test_no_failure_tells_a_secret(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an error nor a log holds a query, a header or a body."""
    caplog.set_level(logging.DEBUG)
    async with talking(answer) as server:
        for url in (server.url, f"http://127.0.0.1:{free_port()}/", "http://nobody.invalid/"):
            with pytest.raises((NotReached, OutcomeUnknown)) as raised:
                await send(f"{url}?code={SECRET}")
            assert SECRET not in str(raised.value)
            assert raised.value.__cause__ is None
            assert raised.value.__suppress_context__
    assert SECRET not in caplog.text
