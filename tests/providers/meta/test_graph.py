"""The Graph API's one call: what it sends, and what becomes of every answer."""

import pytest
from tests.providers.talkative import exactly, reply, silence, talking
from tests.servers import free_port

from hookline.domain.provider_error import ErrorClass, NotReached, OutcomeUnknown, ProviderError
from hookline.providers.http import HttpClient
from hookline.providers.meta.graph import Graph, proof

TOKEN = "EAAGtokenofthetest1234567890"


async def test_a_call_carries_token_and_proof() -> None:
    """The token travels in a header, its proof in the query, below the version."""
    async with talking(reply(200, b'{"id": 12345678901234567890}')) as server, HttpClient() as http:
        graph = Graph(http, server.url + "/", "v25.0", "secret")
        assert await graph.call("POST", "/1/messages", token=TOKEN, params={"a": "b"}, json={"c": 1}) == {
            "id": 12345678901234567890
        }
    sent = server.requests[0].decode()
    assert sent.startswith(f"POST /v25.0/1/messages?a=b&appsecret_proof={proof(TOKEN, 'secret')} ")
    assert f"Authorization: Bearer {TOKEN}\r\n" in sent
    assert TOKEN not in sent.split("\r\n", maxsplit=1)[0]


def test_the_proof_is_the_documented_one() -> None:
    """Hex of HMAC-SHA256 with the app secret as key."""
    assert proof("token", "secret") == "e941110e3d2bfe82621f0e3e1434730d7305d106c5f68c87165d0b27a4611a4a"


async def test_without_token_there_is_no_proof() -> None:
    """Where the parameters say who calls, nothing is added; without a version there is none in the path."""
    async with talking(reply(200, b"{}")) as server, HttpClient() as http:
        await Graph(http, server.url, "", "secret").call("GET", "access_token", token=None, params={"client_id": "1"})
    assert server.requests[0].startswith(b"GET /access_token?client_id=1 ")
    assert b"uthorization" not in server.requests[0]


@pytest.mark.parametrize("status", [400, 401, 200])
async def test_a_refusal_is_read(status: int) -> None:
    """An error is told by its code, whatever the status says."""
    body = b'{"error": {"message": "expired", "code": 190, "error_subcode": 463}}'
    async with talking(reply(status, body)) as server, HttpClient() as http:
        with pytest.raises(ProviderError) as raised:
            await Graph(http, server.url, "v25.0", "").call("GET", "me", token=TOKEN)
    assert raised.value.error_class is ErrorClass.REAUTHORIZE
    assert raised.value.code == "190/463"


async def test_a_redirect_is_a_refusal() -> None:
    """An answer that leads elsewhere is not followed, nor taken for success."""
    async with talking(reply(302, b"{}", "Location: /elsewhere")) as server, HttpClient() as http:
        with pytest.raises(ProviderError):
            await Graph(http, server.url, "v25.0", "").call("GET", "me", token=TOKEN)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"true", b"{" * 300, b'"\xff"', b'{"a":' * 5000])
async def test_an_unreadable_success_is_a_doubt(body: bytes) -> None:
    """A success that cannot be read may have done what was asked."""
    async with talking(reply(200, body)) as server, HttpClient() as http:
        with pytest.raises(OutcomeUnknown):
            await Graph(http, server.url, "v25.0", "").call("POST", "me", token=TOKEN)


async def test_failures_of_the_network_pass_through() -> None:
    """Whether a call may have arrived is known here as it is below."""
    async with HttpClient() as http:
        with pytest.raises(NotReached):
            await Graph(http, f"http://127.0.0.1:{free_port()}", "v25.0", "").call("GET", "me", token=TOKEN)
        for answer in (silence, exactly(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")):
            async with talking(answer) as server:
                with pytest.raises(OutcomeUnknown):
                    await Graph(http, server.url, "v25.0", "").call("GET", "me", token=TOKEN, timeout_seconds=2)


async def test_text_that_cannot_be_stored_is_mended() -> None:
    """What no database takes, NUL and lone surrogates, comes out replaced."""
    async with talking(reply(200, rb'{"name": "a\u0000b\ud800"}')) as server, HttpClient() as http:
        answer = await Graph(http, server.url, "v25.0", "").call("GET", "me", token=TOKEN)
    assert answer == {"name": "a\ufffdb\ufffd"}
