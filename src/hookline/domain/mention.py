"""Who is named in JSON of any shape: found by their ids, and taken out without their neighbours."""

from collections.abc import Collection
from typing import Any, Final

_MOST_COUNTED: Final = 99_999
GONE: Final = object()  # in place of a value that names the person itself


def same_id(value: Any, ids: Collection[str]) -> bool:
    """Say whether a value is one of the ids: as text or number, with or without a phone number's plus."""
    if isinstance(value, str):
        return value in ids or value.removeprefix("+") in ids
    # A small number counts something; ids are long.
    return isinstance(value, int) and not isinstance(value, bool) and value > _MOST_COUNTED and str(value) in ids


def names(value: Any, ids: Collection[str]) -> bool:
    """Say whether one of the ids stands anywhere in a JSON value. A text that only contains one does not count."""
    if isinstance(value, dict):
        return any(same_id(key, ids) or names(one, ids) for key, one in value.items())
    if isinstance(value, list):
        return any(names(one, ids) for one in value)
    return same_id(value, ids)


def without(value: Any, ids: Collection[str]) -> Any:
    """Give a JSON value without the elements of lists that name the person; GONE if it names the person outside a list.

    An element that holds lists of its own goes only if it names the person beside them: of an envelope's entry, the
    person's messages go, and not the whole of it.
    """
    if isinstance(value, dict):
        if any(same_id(key, ids) for key in value):
            return GONE
        kept = {key: without(one, ids) for key, one in value.items()}
        return GONE if any(one is GONE for one in kept.values()) else kept
    if isinstance(value, list):
        return [kept for one in value if (kept := without(one, ids)) is not GONE]
    return GONE if same_id(value, ids) else value
