"""Signatures: what opens the door, and everything that must not."""

import hashlib
import hmac

import pytest

from hookline.providers.meta.signature import sign, verify

SECRET = "app-secret"
BODY = '{"text":"caf\\u00e9 \\ud83d\\ude00","raw":"é😀"}'.encode()
GOOD = "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()


def test_a_signature_over_the_raw_bytes_opens() -> None:
    """The platform's own signature is accepted, escapes and emoji included."""
    assert verify(BODY, GOOD, [SECRET])
    assert sign(BODY, SECRET) == GOOD


@pytest.mark.parametrize("secrets", [[SECRET, "new"], ["old", SECRET], ["", SECRET]])
def test_any_of_the_secrets_opens(secrets: list[str]) -> None:
    """While a secret is rotated, the old and the new one both verify."""
    assert verify(BODY, GOOD, secrets)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        GOOD.upper(),
        "sha256=" + GOOD[7:].upper(),
        GOOD[7:],
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        " " + GOOD,
        "sha1=" + GOOD[7:47],
        "sha256=" + "z" * 64,
        "sha256=" + "é" * 64,
        "sha256=" + "٣" * 64,
        "sha256=" + "\udcff" * 64,
        "sha256=" + "0" * 64,
    ],
)
def test_anything_else_stays_out(header: str | None) -> None:
    """A missing, short, uppercase, foreign or wrong signature is refused, and none of them raises."""
    assert not verify(BODY, header, [SECRET])


def test_no_secret_is_a_closed_door() -> None:
    """Without a secret, or with an empty one, nothing verifies: not even a signature made with the empty key."""
    assert not verify(BODY, GOOD, [])
    assert not verify(BODY, sign(BODY, ""), [""])


def test_another_body_stays_out() -> None:
    """One changed byte is another body."""
    assert not verify(BODY + b" ", GOOD, [SECRET])


def test_a_secret_may_hold_any_text() -> None:
    """A secret that is not ASCII verifies like any other."""
    assert verify(BODY, sign(BODY, "gëheim"), ["gëheim"])
