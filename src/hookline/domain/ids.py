"""Identifiers: our own (UUIDv7) and the form in which the platforms' are stored."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, SafeUUID

import uuid_utils

MAX_EXTERNAL_ID_BYTES = 512

# UUID's own constructor takes as long as splitting a webhook does, and each webhook gets several ids.
_set_number = UUID.__dict__["int"].__set__
_set_safety = UUID.__dict__["is_safe"].__set__
_UNKNOWN = SafeUUID.unknown


def new_id() -> UUID:
    """Make a UUIDv7: unique everywhere, in time order within one process only."""
    made = UUID.__new__(UUID)
    _set_number(made, uuid_utils.uuid7().int)
    _set_safety(made, _UNKNOWN)
    return made


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MILLISECOND = 2**48 - 1


def id_bound(moment: datetime, later: timedelta = timedelta(0)) -> UUID:
    """Give the bound between ids made before a moment (to the millisecond), which lie below it, and all others.

    later: moves the moment, however near it is to the end of time.
    """
    milliseconds = (moment - _EPOCH) // _MILLISECOND + later // _MILLISECOND
    return UUID(int=min(max(milliseconds, 0), _LAST_MILLISECOND) << 80)


def parse_id(text: str) -> UUID | None:
    """Read an id in its canonical form (36 characters, hyphens), else None."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def stored_external_id(value: str) -> str:
    """Give the form in which a platform's id is stored: itself, or `sha256:<hex>` when it is over 512 bytes of UTF-8.

    An index entry must stay small; two different long ids still stay different.
    """
    if len(value) * 4 <= MAX_EXTERNAL_ID_BYTES:
        return value
    encoded = value.encode()
    if len(encoded) <= MAX_EXTERNAL_ID_BYTES:
        return value
    return "sha256:" + hashlib.sha256(encoded).hexdigest()
