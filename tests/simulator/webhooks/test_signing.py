"""A webhook's bytes: escaped as the vendor escapes, and signed as they are."""

import hashlib
import hmac
import json

import pytest

from hookline.simulator.signing import Escaping, signatures, write_body

CONTENT = {"text": "ä 👋 https://x.example/a?b=50%&c=<d>@e", "list": [1, None, True]}


@pytest.mark.parametrize("escaping", list(Escaping))
def test_every_way_of_writing_means_the_same(escaping: Escaping) -> None:
    """Whatever is escaped, JSON reads the same content."""
    assert json.loads(write_body(CONTENT, escaping)) == CONTENT


def test_what_is_escaped() -> None:
    """Beyond ASCII in lower-case hex and the slash; for old Messenger documents also < % @; plainly, nothing."""
    standard = write_body(CONTENT)
    assert standard.isascii()
    assert b"\\u00e4 \\ud83d\\udc4b https:\\/\\/x.example\\/a?b=50%" in standard
    assert b"\\u003Cd>\\u0040e" in write_body(CONTENT, Escaping.OLD_MESSENGER)
    assert b"50\\u0025" in write_body(CONTENT, Escaping.OLD_MESSENGER)
    assert "ä 👋 https://" in write_body(CONTENT, Escaping.PLAIN).decode()


def test_the_signature_is_over_exactly_these_bytes() -> None:
    """HMAC-SHA256 in 64 lower-case hex digits, and the legacy SHA-1 beside it."""
    body = write_body(CONTENT)
    made = signatures(body, "secret")
    expected = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert made["X-Hub-Signature-256"] == f"sha256={expected}"
    assert made["X-Hub-Signature"].startswith("sha1=")
    assert json.dumps(CONTENT).encode() != body
