"""Bodies that are far too large, from clients that send all of one before they read the answer, as most do."""

import asyncio
import json
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from tests.conftest import JWT_SECRET
from tests.web.platform import Open
from tests.web.tokens import token

LARGE = b'{"text": "' + b"x" * 10_000_000 + b'"}'


def post(url: str, path: str, *, chunked: bool) -> tuple[int, str]:
    """Send a body to its end, then read; status and problem."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    headers = {
        "Authorization": f"Bearer {token(JWT_SECRET, {'org-1': 'OWNER'})}",
        "X-Organization-Id": "org-1",
        "Content-Type": "application/json",
    }
    pieces = (LARGE[start : start + 60_000] for start in range(0, len(LARGE), 60_000))
    try:
        connection.request("POST", path, pieces if chunked else LARGE, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["type"]
    finally:
        connection.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize(
    "path", ["/api/messages", "/api/integrations/WHATSAPP/connect", "/api/webhooks/WHATSAPP", "/api/webhooks/facebook"]
)
async def test_the_answer_is_not_cut_off(open_platform: Open, path: str, chunked: bool) -> None:
    """413 arrives, with its reason, instead of a broken connection."""
    platform = await open_platform()
    found = await asyncio.to_thread(post, platform.url, path, chunked=chunked)
    assert found == (413, "urn:hookline:problem:too-large")
