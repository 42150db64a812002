"""Walks over an organization's rows, oldest first, by the primary key or an index, a bounded number of rows a step.

For what is done to many rows: no step reads more than it says, however few of a million rows fit.
"""

from typing import Any
from uuid import UUID

import msgspec

from hookline.store.pages import Listed, conditions, legs, times
from hookline.store.pool import Connection

# Rows that a step looks at: at least, and at most, where few of them fit.
SHORTEST_STRIDE = 1_000
LONGEST_STRIDE = 32_000
COUNTED = 20_000
START = UUID(int=0)


class Walk(msgspec.Struct, frozen=True):
    """What is walked over: an organization's rows of a table that fit `chosen`, up to the id `through`."""

    listed: Listed
    chosen: Any
    organization_id: str
    through: UUID


class Place(msgspec.Struct, frozen=True, rename="camel"):
    """Where a walk is: the part of it, the last id that was looked at, and how many rows to look at next, if many."""

    leg: int = 0
    after: UUID = START
    stride: int = 0


class Step(msgspec.Struct, frozen=True):
    """The ids that fit, oldest first, and where to go on; None at the end."""

    ids: list[UUID]
    following: Place | None


def _examined(walk: Walk, place: Place, rows: int) -> tuple[str, list[Any]]:
    """Give the common table of the next rows, with whether each fits, and the arguments."""
    where, arguments = conditions(walk.listed, walk.chosen, walk.organization_id)
    arguments += [place.after, walk.through]
    among = f"organization_id = $1 AND id > ${len(arguments) - 1} AND id <= ${len(arguments)}"
    among += "".join(f" AND {one}" for one in times(walk.chosen, arguments))
    among += legs(walk.listed, walk.chosen)[place.leg]
    rows_of = f"SELECT id, {where} AS fits FROM {walk.listed.table} WHERE {among} ORDER BY id LIMIT {rows:d}"  # noqa: S608
    return f"WITH examined AS MATERIALIZED ({rows_of})", arguments


async def step(connection: Connection, walk: Walk, place: Place, limit: int) -> Step:
    """Find the next ids, up to `limit`."""
    stride = max(place.stride, SHORTEST_STRIDE)
    examined, arguments = _examined(walk, place, stride)
    (found,) = await connection.fetch(
        f"{examined} SELECT ARRAY(SELECT id FROM examined WHERE fits ORDER BY id LIMIT {limit:d}) AS ids,"  # noqa: S608
        " (SELECT count(*) FROM examined) AS looked_at, (SELECT id FROM examined ORDER BY id DESC LIMIT 1) AS last",
        *arguments,
    )
    ids: list[UUID] = found["ids"]
    if len(ids) == limit:
        return Step(ids, Place(place.leg, ids[-1]))
    if found["looked_at"] == stride:
        rarely = len(ids) * 4 < limit
        return Step(ids, Place(place.leg, found["last"], min(stride * 2, LONGEST_STRIDE) if rarely else 0))
    return Step(ids, _next_leg(walk, place))


def _next_leg(walk: Walk, place: Place) -> Place | None:
    return Place(place.leg + 1) if place.leg + 1 < len(legs(walk.listed, walk.chosen)) else None


class Tally(msgspec.Struct, frozen=True):
    """How many of the next rows fit, and where to go on; None at the end."""

    count: int
    following: Place | None


async def count(connection: Connection, walk: Walk, place: Place) -> Tally:
    """Count among the next 20,000 rows."""
    examined, arguments = _examined(walk, place, COUNTED)
    (found,) = await connection.fetch(
        f"{examined} SELECT count(*) FILTER (WHERE fits) AS fitting, count(*) AS looked_at,"  # noqa: S608
        " (SELECT id FROM examined ORDER BY id DESC LIMIT 1) AS last FROM examined",
        *arguments,
    )
    more = Place(place.leg, found["last"]) if found["looked_at"] == COUNTED else _next_leg(walk, place)
    return Tally(found["fitting"], more)


async def lock(connection: Connection, walk: Walk, row_id: UUID) -> None:
    """Wait until nobody else has a row locked, and lock it."""
    statement = f"SELECT id FROM {walk.listed.table} WHERE organization_id = $1 AND id = $2 FOR UPDATE"  # noqa: S608
    await connection.execute(statement, walk.organization_id, row_id)
