"""The JSON envelope of the vendor's webhooks: what counts as one, and its decoding. Routing is not here.

    {"object": "page|instagram|whatsapp_business_account|…",
     "entry": [{"id": …, "time": …, "changes|messaging|standby": […]}]}

Source: protocol reference 1.3.
"""

from itertools import accumulate
from typing import Any, Final

import msgspec

from hookline.domain.errors import MalformedWebhook
from hookline.providers.meta import lenient

MAX_DEPTH: Final = 200

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", bytes([1, 1, 255, 255]))  # as signed bytes: +1 and −1
_STEPS_AT_ONCE = 65_536


class Webhook(msgspec.Struct, frozen=True):
    """A POST's body: its text without byte-order mark, and what the text says, safe to store."""

    text: str
    tree: dict[str, Any]


def decode(body: bytes) -> Webhook:
    """Decode a body that has the outline of an envelope, the vendor's or the generic one.

    Raises: MalformedWebhook, if it is not UTF-8, not JSON, nested beyond 200, or of another outline.
    """
    if body.startswith(_BYTE_ORDER_MARK):
        body = body[len(_BYTE_ORDER_MARK) :]
    if nested_beyond(body, MAX_DEPTH):
        raise MalformedWebhook(f"nested beyond {MAX_DEPTH}")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedWebhook(f"not UTF-8: at byte {error.start}") from None
    try:
        tree = lenient.decode(text)
    except ValueError as error:
        where = getattr(error, "pos", None)
        raise MalformedWebhook("not JSON" if where is None else f"not JSON: at character {where}") from None
    if not isinstance(tree, dict):
        raise MalformedWebhook("not a JSON object")
    if not (_is_vendors(tree) or is_generic(tree)):
        raise MalformedWebhook("not a webhook envelope: neither object and entry, nor eventType and data")
    return Webhook(text, tree)


def _is_vendors(tree: dict[str, Any]) -> bool:
    return isinstance(tree.get("object"), str) and isinstance(tree.get("entry"), list)


def is_generic(tree: dict[str, Any]) -> bool:
    """Say whether this is the generic envelope `{"eventType": …, "data": {…}}`."""
    return "object" not in tree and isinstance(tree.get("eventType"), str) and isinstance(tree.get("data"), dict)


def nested_beyond(data: bytes, depth: int) -> bool:
    """Say whether JSON is nested deeper than `depth`, without parsing it: a parser would exhaust the stack.

    Counting brackets suffices for nearly every body. Otherwise strings are cut out (once escaped backslashes and
    quotes are gone, every quote begins or ends one) and the remaining brackets are summed up, a block at a time.
    """
    if data.count(b"[") + data.count(b"{") <= depth:
        return False
    outside = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    steps = memoryview(outside.translate(_STEPS, _NOT_BRACKETS)).cast("b")
    level = 0
    for start in range(0, len(steps), _STEPS_AT_ONCE):
        levels = list(accumulate(steps[start : start + _STEPS_AT_ONCE], initial=level))
        if max(levels) > depth:
            return True
        level = levels[-1]
    return False
