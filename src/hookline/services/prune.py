"""Prune: what has ended, and is older than the settings keep it, is deleted; never what waits, runs or is on its way.

Upkeep does a little of it in every round, in short transactions with pauses as long as they took, so that it never has
more than half of one connection's work; a sweep through all that is old is followed by a rest.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter

from hookline.store import retention
from hookline.store.pool import Connection
from hookline.store.retention import ATTEMPTS, EVENTS, FEED, JOBS, MEDIA, MESSAGES, NEVER, Age, Retained, Sweep

REST = timedelta(minutes=10)
ROUND_SECONDS = 1.0
_TRANSACTION_SECONDS = 0.1

PRUNED = Counter("hookline_pruned_rows_total", "Old rows that were deleted", ["table"])

log = structlog.get_logger(__name__)


class Retention(msgspec.Struct, frozen=True):
    """How long rows are kept after they have ended; None: for ever. `failed` is for jobs and events that failed."""

    jobs: timedelta | None = None
    events: timedelta | None = None
    failed: timedelta | None = None
    messages: timedelta | None = None
    feed: timedelta | None = None

    def ages(self, now: datetime) -> Iterator[tuple[Retained, Age]]:
        """Give the tables from which something may go, and from what age on."""
        for retained, kept, failed in (
            (JOBS, self.jobs, self.failed),
            (EVENTS, self.events, self.failed),
            (MESSAGES, self.messages, None),
            (MEDIA, self.messages, None),
            (ATTEMPTS, self.messages, None),
            (FEED, self.feed, None),
        ):
            if kept is not None or failed is not None:
                yield retained, Age(_before(now, kept), _before(now, failed))


def _before(now: datetime, kept: timedelta | None) -> datetime:
    return NEVER if kept is None else now - kept


async def prune_a_little(pool: asyncpg.Pool, kept: Retention, *, seconds: float = ROUND_SECONDS) -> None:
    """Go on with the sweeps that are due and that no other process is at, for about a second."""
    deadline = time.monotonic() + seconds
    for retained, age in kept.ages(await _now(pool)):
        pause: float | None = 0.0
        while pause is not None and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = await _go_on(pool, retained, age)


async def _now(pool: asyncpg.Pool) -> datetime:
    """Ask the clock by which rows end: another that is wrong must not delete what is young."""
    now: datetime = await pool.fetchval("SELECT now()")
    return now


async def _go_on(pool: asyncpg.Pool, retained: Retained, age: Age) -> float | None:
    """Do some of a table's sweep in one transaction; for how long to pause then, or None if there is no more to do."""
    started = time.monotonic()
    async with pool.acquire() as connection, connection.transaction():
        sweep = before = await retention.take(connection, retained)
        if sweep is None or before is None:
            return None
        sweep = await _advance(connection, retained, sweep, age)
        pause = time.monotonic() - started
        await retention.keep(connection, retained, sweep, REST if sweep.ended else timedelta(seconds=pause))
    PRUNED.labels(retained.table).inc(sweep.deleted - before.deleted)
    if sweep.ended and sweep.deleted:
        log.info("old rows are deleted", table=retained.table, rows=sweep.deleted)
    return None if sweep.ended else pause


async def _advance(connection: Connection, retained: Retained, sweep: Sweep, age: Age) -> Sweep:
    """Take a step, and more of them for about as long as a transaction may be."""
    deadline = time.monotonic() + _TRANSACTION_SECONDS
    sweep = await retention.advance(connection, retained, sweep, age)
    while not sweep.ended and time.monotonic() < deadline:
        sweep = await retention.advance(connection, retained, sweep, age)
    return sweep


async def prune_all(pool: asyncpg.Pool, kept: Retention) -> AsyncIterator[tuple[str, int]]:
    """Delete everything that is old now, at full speed; gives table and rows, again and again."""
    for retained, age in kept.ages(await _now(pool)):
        sweep = retention.beginning(retained)
        while not sweep.ended:
            async with pool.acquire() as connection, connection.transaction():
                sweep = await _advance(connection, retained, sweep, age)
            yield retained.table, sweep.deleted


async def count_old(pool: asyncpg.Pool, kept: Retention) -> AsyncIterator[tuple[str, int]]:
    """Count what `prune_all` would delete; gives table and rows."""
    for retained, age in kept.ages(await _now(pool)):
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute("SET LOCAL statement_timeout = 0")
            yield retained.table, await retention.count(connection, retained, age)
