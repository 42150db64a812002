"""Exact slices of JSON text: open a value one level at a time, and put chosen slices back into their outline.

Every slice is the text as it was received, byte for byte. The text has been decoded before, so it is known to be JSON.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from hookline.providers.meta.lenient import PYTHON_DECODER

# Which items of an outline are wanted: names of an object, positions of an array; nothing below means all of it.
Selection = dict[str | int, "Selection"]

SMALL_BYTES: Final = 2048
_IDENTIFYING = frozenset({"id", "field"})
# By level: envelope 0, its entries 1, an entry 2, its changes 3, a change 4, its value 5.
_DIVIDED = {
    2: frozenset({"changes", "messaging", "standby"}),
    5: frozenset({"messages", "statuses", "message_echoes", "contacts", "errors"}),
}
_UNDIVIDED: frozenset[str] = frozenset()
_METADATA: Final[Selection] = {"phone_number_id": {}, "display_phone_number": {}}

_SPACE = re.compile(r"[ \t\r\n]*")
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_T = TypeVar("_T")


class Slice:
    """A JSON value's exact text, opened on demand and only once. `key` is what precedes it in an object."""

    __slots__ = ("_elements", "_members", "cut_before", "data", "key")

    def __init__(self, data: bytes, name: str | None = None) -> None:
        self.data = data
        self.key = b"" if name is None else json.dumps(name).encode() + b":"
        self.cut_before = False
        self._members: dict[str, Slice] | None = None
        self._elements: list[Slice] | None = None

    @property
    def members(self) -> "dict[str, Slice]":
        """The members of an object, by name; of two with one name the last, as every parser has it."""
        if self._members is None:
            self._members = _open(self.data, _fast_members, _walk_members)
        return self._members

    @property
    def elements(self) -> "list[Slice]":
        """The elements of an array."""
        if self._elements is None:
            self._elements = _open(self.data, _fast_elements, _walk_elements)
        return self._elements


def cut(whole: Slice, chosen: Selection, level: int = 0) -> bytes:
    """Give a value's text, holding of the divided arrays only what is chosen, and all that surrounds them.

    What is not divided (metadata, time, keys yet unknown) goes with every cut while it is small; a large value goes
    with the first cut only, so that dividing a body never multiplies it.
    """
    if not chosen:
        return whole.data
    if whole.data.startswith(b"["):
        elements = whole.elements
        return b"[" + b",".join([cut(elements[at], below, level + 1) for at, below in _positions(chosen)]) + b"]"
    first, whole.cut_before = not whole.cut_before, True
    divided = _DIVIDED.get(level, _UNDIVIDED)
    kept: list[bytes] = []
    for name, member in whole.members.items():
        if name in chosen:
            kept.append(member.key + cut(member, chosen[name], level + 1))
        elif name in divided:
            continue
        elif first or name in _IDENTIFYING or len(member.data) <= SMALL_BYTES:
            kept.append(member.key + member.data)
        elif name == "metadata" and member.data.startswith(b"{"):
            member.cut_before = True  # by being copied whole
            kept.append(member.key + cut(member, _METADATA, level + 1))
    return b"{" + b",".join(kept) + b"}"


def _positions(chosen: Selection) -> Iterator[tuple[int, Selection]]:
    return ((int(at), below) for at, below in chosen.items())


def _open(data: bytes, fast: Callable[[bytes], _T], walk: Callable[[str], _T]) -> _T:
    """Open a value by msgspec, or by Python's parser where msgspec refuses what Python accepts: lone surrogates."""
    try:
        return fast(data)
    except msgspec.DecodeError:
        return walk(data.decode())


def _fast_members(data: bytes) -> dict[str, Slice]:
    return {name: Slice(bytes(raw), name) for name, raw in _decode_members(data).items()}


def _fast_elements(data: bytes) -> list[Slice]:
    return [Slice(bytes(raw)) for raw in _decode_elements(data)]


def _walk_members(text: str) -> dict[str, Slice]:
    members: dict[str, Slice] = {}
    at = _after_space(text, 1)
    while text[at] != "}":
        name, at = PYTHON_DECODER.raw_decode(text, at)
        start = _after_space(text, _after_space(text, at) + 1)  # over the colon
        _, at = PYTHON_DECODER.raw_decode(text, start)
        members[name] = Slice(text[start:at].encode(), name)
        at = _after_comma(text, at)
    return members


def _walk_elements(text: str) -> list[Slice]:
    elements: list[Slice] = []
    at = _after_space(text, 1)
    while text[at] != "]":
        start = at
        _, at = PYTHON_DECODER.raw_decode(text, start)
        elements.append(Slice(text[start:at].encode()))
        at = _after_comma(text, at)
    return elements


def _after_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _after_comma(text: str, at: int) -> int:
    at = _after_space(text, at)
    return _after_space(text, at + 1) if text[at] == "," else at
