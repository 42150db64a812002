"""A webhook's exact bytes, and their signature.

Source: protocol reference 1.2: the vendor escapes and then signs what it has escaped.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec


class Escaping(StrEnum):
    """How a body is written. All are JSON with the same meaning; only the bytes differ."""

    PLAIN = "plain"  # UTF-8 as it is
    STANDARD = "standard"  # beyond ASCII as \u00e4 in lower case, and / as \/
    OLD_MESSENGER = "old_messenger"  # and < % @ as \u003C \u0025 \u0040


def write_body(content: Any, escaping: Escaping = Escaping.STANDARD) -> bytes:
    """Write the bytes to sign and to send. The signs that are escaped occur inside of JSON's texts alone."""
    if escaping is Escaping.STANDARD:
        body = msgspec.json.encode(content)
        if body.isascii():  # the quick way, where there is nothing beyond ASCII to escape
            return body.replace(b"/", b"\\/")
    text = json.dumps(content, ensure_ascii=escaping is not Escaping.PLAIN, separators=(",", ":"))
    if escaping is Escaping.PLAIN:
        return text.encode("utf-8", "surrogatepass")
    text = text.replace("/", "\\/")
    if escaping is Escaping.OLD_MESSENGER:
        text = text.replace("<", "\\u003C").replace("%", "\\u0025").replace("@", "\\u0040")
    return text.encode()


def signatures(body: bytes, secret: str) -> dict[str, str]:
    """The signature headers: SHA-256, and the legacy SHA-1 beside it."""
    key = secret.encode()
    return {
        "X-Hub-Signature": f"sha1={_hex(key, body, hashlib.sha1)}",
        "X-Hub-Signature-256": f"sha256={_hex(key, body, hashlib.sha256)}",
    }


def _hex(key: bytes, body: bytes, algorithm: Callable[..., Any]) -> str:
    return hmac.new(key, body, algorithm).hexdigest()
