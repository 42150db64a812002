"""Rows as columns: a batch travels as one array a column, into `unnest`."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any


def columns(rows: Sequence[Any], names: Iterable[str]) -> list[list[Any] | None]:
    """Give the named attributes of all rows, an array each; None for a column that is empty in every row.

    `unnest` fills a missing array up with NULLs, and encoding thousands of them is what a batch's time goes into.
    The first column must not be empty: it tells how many rows there are.
    """
    return [_column(list(map(attrgetter(name), rows))) for name in names]


def _column(values: list[Any]) -> list[Any] | None:
    return values if values.count(None) < len(values) else None
