"""The tables send_paces and pair_paces: when the next message may leave, for all workers together.

Each row is an evenly flowing limit (GCRA). Times are the database's clock; waits go out as seconds from now, so that no
worker's own clock counts.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from hookline.store.arrays import columns
from hookline.store.pool import Connection


def account_key(account_id: UUID, lane: str = "") -> str:
    """Name the limit of an account, or of what is counted apart there."""
    return f"account:{account_id}:{lane}" if lane else f"account:{account_id}"


class Ask(NamedTuple):
    """A wish for slots: of which limit, and how much of its time they take together."""

    key: str
    span_seconds: float


class PaceState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a limit.

    wait_seconds: until slots can be had (again). blocked_by: why the platform stopped it, if it did.
    usage_percent: how much of a budget of calls is used, as the platform last said.
    """

    wait_seconds: float = 0.0
    blocked_seconds: float = 0.0
    blocked_by: str | None = None
    usage_percent: int | None = None


# Where too much is reserved ahead, or the platform stopped it, nothing is reserved: the row does not come back.
_RESERVE = """
INSERT INTO send_paces AS p (key, due_at)
SELECT key, statement_timestamp() + span * interval '1 second'
FROM unnest($1::text[], $2::float8[]) AS a(key, span) ORDER BY key
ON CONFLICT (key) DO UPDATE
    SET due_at = excluded.due_at + greatest(p.due_at - statement_timestamp(), interval '0')
    WHERE p.due_at <= statement_timestamp() + $3::interval
      AND (p.blocked_until IS NULL OR p.blocked_until <= statement_timestamp())
RETURNING p.key, extract(epoch FROM p.due_at - statement_timestamp())::float8 AS until
"""


async def reserve(connection: Connection, asks: Sequence[Ask], ahead: timedelta) -> dict[str, float]:
    """Reserve slots, one ask a key; in how many seconds each reservation begins. None for keys that must wait.

    ahead: how far into the future slots may be given out.
    """
    records = await connection.fetch(_RESERVE, [one.key for one in asks], [one.span_seconds for one in asks], ahead)
    spans = {one.key: one.span_seconds for one in asks}
    return {record["key"]: record["until"] - spans[record["key"]] for record in records}


_READ = """
SELECT key, extract(epoch FROM greatest(due_at - $2::interval, blocked_until) - clock_timestamp())::float8 AS wait,
       coalesce(extract(epoch FROM blocked_until - clock_timestamp()), 0)::float8 AS blocked, blocked_by,
       CASE WHEN usage_at > now() - interval '10 minutes' THEN usage_percent END AS usage_percent
FROM send_paces WHERE key = ANY ($1::text[])
"""


async def read(connection: Connection, keys: Sequence[str], ahead: timedelta) -> dict[str, PaceState]:
    """Read what is known of limits."""
    return {
        record["key"]: PaceState(
            wait_seconds=max(record["wait"], 0.0),
            blocked_seconds=max(record["blocked"], 0.0),
            blocked_by=record["blocked_by"],
            usage_percent=record["usage_percent"],
        )
        for record in await connection.fetch(_READ, list(keys), ahead)
    }


_BLOCK = """
INSERT INTO send_paces AS p (key, blocked_until, blocked_by) VALUES ($1, now() + $2::interval, $3)
ON CONFLICT (key) DO UPDATE SET
    blocked_until = greatest(p.blocked_until, excluded.blocked_until), blocked_by = excluded.blocked_by
RETURNING (SELECT coalesce(o.blocked_until < now(), true) OR o.blocked_by IS DISTINCT FROM $3
           FROM (SELECT 1) AS one LEFT JOIN send_paces o ON o.key = $1) AS news
"""


async def block(connection: Connection, key: str, wait: timedelta, reason: str) -> bool:
    """Stop a limit for a while, as the platform asked; True if it was not stopped for that reason already."""
    return bool(await connection.fetchval(_BLOCK, key, wait, reason))


_USE = """
INSERT INTO send_paces AS p (key, usage_percent, usage_at) VALUES ($1, $2, now())
ON CONFLICT (key) DO UPDATE SET usage_percent = excluded.usage_percent, usage_at = excluded.usage_at
"""


async def use(connection: Connection, key: str, percent: int) -> None:
    """Keep how much of a budget the platform says is used."""
    await connection.execute(_USE, key, percent)


class Pair(msgspec.Struct, kw_only=True):
    """How fast one person is written to. A locked row is changed in memory and written back by `keep_pairs`."""

    connected_account_id: UUID
    contact: str
    organization_id: str
    due_at: datetime
    blocked_until: datetime | None = None
    strikes: int = 0


PairKey = tuple[UUID, str]

_LOCK_PAIRS = """
SELECT p.connected_account_id, p.contact, p.organization_id, p.due_at, p.blocked_until, p.strikes
FROM unnest($1::uuid[], $2::text[]) AS k(account, contact)
JOIN pair_paces p ON p.connected_account_id = k.account AND p.contact = k.contact
ORDER BY p.connected_account_id, p.contact FOR UPDATE OF p
"""


async def lock_pairs(connection: Connection, keys: Sequence[PairKey]) -> dict[PairKey, Pair]:
    """Lock and read pairs; those that nothing was sent to lately are not there."""
    pairs = sorted(set(keys))
    records: Sequence[Any] = await connection.fetch(_LOCK_PAIRS, [a for a, _ in pairs], [c for _, c in pairs])
    return {(record[0], record[1]): Pair(**dict(record)) for record in records}


_KEEP_PAIRS = """
INSERT INTO pair_paces AS p (connected_account_id, contact, organization_id, due_at, blocked_until, strikes)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::integer[])
ON CONFLICT (connected_account_id, contact) DO UPDATE SET
    due_at = greatest(p.due_at, excluded.due_at), blocked_until = excluded.blocked_until, strikes = excluded.strikes
"""
_PAIR = Pair.__struct_fields__


async def keep_pairs(connection: Connection, pairs: Mapping[PairKey, Pair]) -> None:
    """Write pairs back, and those that are new."""
    if pairs:
        rows = [pair for _, pair in sorted(pairs.items())]
        await connection.execute(_KEEP_PAIRS, *columns(rows, _PAIR))


# A few pages, taken at random, instead of an index that every message would have to move.
_FORGET_PAIRS = """
DELETE FROM pair_paces WHERE due_at < now() - interval '1 hour' AND ctid = ANY (ARRAY(
    SELECT ctid FROM pair_paces TABLESAMPLE SYSTEM ($1)
    WHERE due_at < now() - interval '1 hour' AND coalesce(blocked_until < now(), true) LIMIT 10000))
"""


async def forget_pairs(connection: Connection, percent: float) -> None:
    """Look at so much of the pairs, and forget those that nothing was sent to for an hour: they are as good as new."""
    await connection.execute(_FORGET_PAIRS, percent)
