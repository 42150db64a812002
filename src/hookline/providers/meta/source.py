"""The source items of a payload, one after another, whatever the shape of what surrounds them."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

from hookline.domain.event import Item, Outcome, SkippedItem
from hookline.providers import generic
from hookline.providers.meta import lenient
from hookline.providers.meta.envelope import MAX_DEPTH, is_generic, nested_beyond
from hookline.providers.meta.routing import ARRAYS, OWNERLESS_OBJECTS


class Source(NamedTuple):
    """A change or messaging item with what its entry says.

    array: `changes`, `messaging` or `standby`. An entry that holds a field and value itself counts as its own change.
    field: the change's field, or the array's name.
    """

    array: str
    field: str
    item: dict[str, Any]
    entry_id: str | None
    at: datetime | None


Numbers = Iterator[int]
ReadSource = Callable[[Source, Numbers], Iterator[Item]]


def read(payload: str, own_object: str, read_source: ReadSource) -> list[Item]:
    """Read a payload into items, each source item by `read_source`; it numbers them itself as there may be several.

    What does not fit becomes a skipped item, whatever its shape.
    Raises: ValueError, if the payload is not JSON: no event holds such a one.
    """
    if nested_beyond(payload.encode(), MAX_DEPTH):
        return [unsupported(0, "envelope", f"nested beyond {MAX_DEPTH}")]
    tree = lenient.decode(payload)
    if isinstance(tree, dict) and is_generic(tree):
        return generic.items(tree)
    refused = _refusal(tree, own_object)
    if refused is not None:
        return [refused]
    numbers = count()
    found: list[Item] = []
    for entry in tree["entry"]:
        found.extend(_read_entry(entry, numbers, read_source))
    return found


def _refusal(tree: Any, own_object: str) -> Item | None:
    """Say why there is nothing to read in an envelope, if so."""
    if not isinstance(tree, dict) or not isinstance(tree.get("entry"), list):
        return unsupported(0, "envelope", "not a webhook envelope")
    name = lenient.label(tree.get("object"), "envelope")
    if name in OWNERLESS_OBJECTS:
        return ignored(0, name, f"object {name} has no owner")
    if name != own_object:
        return unsupported(0, name, f"object {name} is not this platform's")
    return None if tree["entry"] else ignored(0, "entry", "no entries")


def _read_entry(entry: Any, numbers: Numbers, read_source: ReadSource) -> Iterator[Item]:
    if not isinstance(entry, dict):
        yield unsupported(next(numbers), "entry", "an entry that is not an object")
        return
    empty = True
    for found in _sources(entry):
        empty = False
        if isinstance(found, Source):
            yield from _read_some(found, numbers, read_source)
        else:
            yield unsupported(next(numbers), *found)
    if empty:
        yield unsupported(next(numbers), "entry", "an entry without items")


def _read_some(found: Source, numbers: Numbers, read_source: ReadSource) -> Iterator[Item]:
    """Read a source item; one in which nothing is found says at least that."""
    silent = True
    for item in read_source(found, numbers):
        silent = False
        yield item
    if silent:
        yield unsupported(next(numbers), found.field, f"{found.field} without anything that can be read")


def _sources(entry: dict[str, Any]) -> Iterator[Source | tuple[str, str]]:
    """List an entry's source items; for one that has no readable shape, its array and what is wrong."""
    entry_id = lenient.identifier(entry.get("id"))
    at = lenient.moment(entry.get("time"))
    for array, items in entry.items():
        if array not in ARRAYS:
            continue
        if not isinstance(items, list):
            yield array, f"{array} is not an array"
            continue
        for item in items:
            if isinstance(item, dict):
                field = lenient.label(item.get("field"), array) if array == "changes" else array
                yield Source(array, field, item, entry_id, at)
            else:
                yield array, f"an item of {array} that is not an object"
    if "field" in entry:
        yield Source("changes", lenient.label(entry["field"], "changes"), entry, entry_id, at)


def unsupported(index: int, kind: str, reason: str) -> SkippedItem:
    """Report something that we cannot interpret."""
    return SkippedItem(index=index, kind=kind, outcome=Outcome.UNSUPPORTED, reason=reason)


def ignored(index: int, kind: str, reason: str) -> SkippedItem:
    """Report something that has no effect on purpose."""
    return SkippedItem(index=index, kind=kind, outcome=Outcome.IGNORED, reason=reason)
