"""Rows as columns: a batch travels as one array a column, into `unnest`.

The driver asks every element of an array whether it is an array itself, which costs more than writing it. Where batches
are large and many, a column goes as one text, which the server splits: `joined`.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from operator import attrgetter
from typing import Any

# Control characters that stand in no JSON text, and hardly ever in a text taken from one.
_SEPARATORS = "\x1f\x1e\x1d\x1c"


def columns(rows: Sequence[Any], names: Iterable[str]) -> list[list[Any] | None]:
    """Give the named attributes of all rows, an array each; None for a column that is empty in every row.

    `unnest` fills a missing array up with NULLs, and encoding thousands of them is what a batch's time goes into.
    The first column must not be empty: it tells how many rows there are.
    """
    return [array(list(map(attrgetter(name), rows))) for name in names]


def array(values: list[Any]) -> list[Any] | None:
    """Give a column as the driver takes it: None if it is empty in every row."""
    return values if values.count(None) < len(values) else None


def joined(*texts: Sequence[str]) -> tuple[str, ...]:
    """Give a separator that stands in none of the texts, then each column joined by it.

    Into `unnest(string_to_array($2, $1, ''), …)`: an empty text means NULL. Columns have the same number of rows, one
    at least, and the first of them no empty text.
    """
    rows = len(texts[0])
    for separator in _separators():
        written = [separator.join(column) for column in texts]
        if all(one.count(separator) == rows - 1 for one in written):
            return separator, *written
    raise AssertionError("separators never end")


def _separators() -> Iterator[str]:
    yield from _SEPARATORS
    for number in count():
        yield f"\x1f{number}\x1f"
