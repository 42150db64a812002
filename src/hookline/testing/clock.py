"""A clock that stands still until a test moves it: what runs later becomes due by that, and by nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from hookline.bootstrap import Hookline
from hookline.domain.errors import InvalidRequest
from hookline.store import clock


class FrozenClock:
    """The queue's clock, as `frozen_clock` stops it."""

    def __init__(self, hookline: Hookline, now: datetime) -> None:
        self._hookline = hookline
        self._now = now

    def now(self) -> datetime:
        """Where it stands."""
        return self._now

    async def move(self, by: timedelta) -> datetime:
        """Move it on; where it stands then. Raises: InvalidRequest, if that is backwards."""
        if by < timedelta(0):
            raise InvalidRequest("a clock moves forward")
        async with self._hookline.context.pool.acquire() as connection:
            self._now = await clock.move(connection, by)
        return self._now


@asynccontextmanager
async def frozen_clock(hookline: Hookline, at: datetime | None = None) -> AsyncIterator[FrozenClock]:
    """Stop the queue's clock at a moment (default: now), for the length of a block.

    It is the clock of the database, so that the times that the queue itself computes, such as when a failed job runs
    again, stand still too: they can be asserted to the second. It is not Python's: give your own code `clock.now`.
    `created_at` is the real time, and the clock is for `drain` and `run_job`, not beside a worker that runs.
    Raises: InvalidRequest in production, and if the moment has no time zone.
    """
    if hookline.context.settings.production:
        raise InvalidRequest("a production database keeps its clock")
    moment = datetime.now(UTC) if at is None else at
    if moment.tzinfo is None:
        raise InvalidRequest("the moment needs a time zone")
    pool = hookline.context.pool
    async with pool.acquire() as connection, connection.transaction():
        await clock.stop(connection, moment)
    await pool.expire_connections()
    try:
        yield FrozenClock(hookline, moment)
    finally:
        async with pool.acquire() as connection, connection.transaction():
            await clock.let_go(connection)
        await pool.expire_connections()
