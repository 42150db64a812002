"""Readers of somebody else's JSON that take any value and never raise. The vendor's vocabulary does not live here."""

import hashlib
import json
import math
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from hookline.domain.ids import stored_external_id

MAX_LABEL_CHARACTERS: Final = 64
REPLACEMENT: Final = "\ufffd"

_EARLIEST_SECONDS = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST_SECONDS = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_MOST = 2**31 - 1
_MILLISECONDS_FROM = 10**12  # smaller numbers are seconds (protocol reference 1.3)
_UNSTORABLE_TEXT = re.compile("[\x00\ud800-\udfff]")
_NOT_DIGITS = re.compile(r"[^0-9]+")

_decode_fast = msgspec.json.Decoder().decode


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _read_integer(text: str) -> int | str:
    """Read an integer; one with more digits than Python converts at all stays text."""
    return int(text) if len(text) < 1000 else text


def _read_float(text: str) -> float | str:
    """Read a float; one that would become infinite stays text."""
    number = float(text)
    return number if math.isfinite(number) else text


PYTHON_DECODER: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_int=_read_integer, parse_float=_read_float
)


def decode(text: str) -> Any:
    """Decode JSON, with NUL and lone surrogates in any string replaced by U+FFFD.

    Accepts what Python's parser accepts, but for NaN and Infinity. The caller has checked the depth.
    Raises: ValueError, if it is not JSON.
    """
    try:
        value = _decode_fast(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _storable(PYTHON_DECODER.decode(text))  # a lone surrogate, an odd number, or no JSON at all
    return _storable(value) if "\\u0000" in text else value


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE_TEXT.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {_UNSTORABLE_TEXT.sub(REPLACEMENT, name): _storable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_storable(element) for element in value]
    return value


def mapping(value: Any) -> dict[str, Any]:
    """Give an object's members; nothing for any other value."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """Give an array's elements; nothing for any other value."""
    return value if isinstance(value, list) else []


def string(value: Any) -> str:
    """Give a text, or a number as text; empty for any other value."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def optional_string(value: Any) -> str | None:
    """Give a text, or a number as text; None for any other value and for the empty text."""
    return string(value) or None


def identifier(value: Any) -> str | None:
    """Give a platform's id in the form in which it is stored; None for what is no id, and for the empty text.

    Ids come as text or as integers. A float is none: its digits are already lost.
    Source: protocol reference 0.2.
    """
    if isinstance(value, str):
        return stored_external_id(value) if value else None
    if isinstance(value, int) and not isinstance(value, bool):
        return stored_external_id(str(value))
    return None


def first_identifier(*values: Any) -> str | None:
    """Give the first of `values` that is an id."""
    for value in values:
        found = identifier(value)
        if found is not None:
            return found
    return None


def integer(value: Any) -> int | None:
    """Give an integer that came as integer, float or digits; None for any other value."""
    if isinstance(value, str):
        return int(value) if len(value) <= 20 and value.isascii() and value.isdigit() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value)


def counter(value: Any) -> int | None:
    """Read a count, as `integer` does; None for what no column of counts holds: below zero, or beyond 31 bits."""
    number = integer(value)
    return number if number is not None and 0 <= number <= _MOST else None


def moment(value: Any) -> datetime | None:
    """Read a time: seconds or milliseconds, as number or digits, or ISO 8601 with an offset; None when absurd.

    Source: protocol reference 1.3.
    """
    number = integer(value)
    if number is None:
        return _iso_moment(value)
    seconds = number if number < _MILLISECONDS_FROM else number / 1000
    return datetime.fromtimestamp(seconds, UTC) if _EARLIEST_SECONDS <= seconds < _LATEST_SECONDS else None


def _iso_moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None or not _EARLIEST_SECONDS <= at.timestamp() < _LATEST_SECONDS:
            return None
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def digits(value: Any) -> str:
    """Give the digits of a phone number as people write it; empty if there are none."""
    if not isinstance(value, str):
        return str(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else ""
    return value if value.isascii() and value.isdigit() else _NOT_DIGITS.sub("", value)


def label(value: Any, default: str) -> str:
    """Give a short name that is safe to show: a text cut at 64 characters, or `default`."""
    return value[:MAX_LABEL_CHARACTERS] if isinstance(value, str) and value else default


def without(value: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Give an object's members but those in `names`."""
    return {name: member for name, member in value.items() if name not in names}


def fingerprint(value: Any) -> str:
    """Make an id for something that came without one: the same content always gets the same id."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
