"""Sweeps go on beside the claims, take as many lanes at once as are done in a moment, and outlive the database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from tests.services.proxy import DatabaseProxy
from tests.store.queue import Queue

from hookline.store.lanes import OTHER_LANES, WEBHOOK_LANES, Lanes
from hookline.store.pool import Connection, open_pool
from hookline.worker import sweeper
from hookline.worker.sweeper import Sweeper

HOUR = timedelta(hours=1)


class Counted(Lanes):
    """A view that notes how many lanes each sweep took; a sweep may be made to take its time in the database."""

    def __init__(self) -> None:
        super().__init__(OTHER_LANES)
        self.asked: list[int] = []
        self.swept: list[int] = []
        self.seconds_a_lane = 0.0
        self._more = asyncio.Event()

    async def sweep(self, connection: Connection, count: int) -> bool:
        """Sweep, and note it."""
        self.asked.append(count)
        await connection.execute("SELECT pg_sleep($1)", self.seconds_a_lane * count)
        found = await super().sweep(connection, count)
        self.swept.append(count)
        self._more.set()
        return found

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds after a sweep."""
        async with asyncio.timeout(20):
            while not holds():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def sweeping(pool: asyncpg.Pool, lanes: Lanes, found: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """Sweep for the length of a block."""
    running = asyncio.create_task(Sweeper(pool, {lanes: found}).run())
    try:
        yield
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def looked(pool: asyncpg.Pool) -> Counted:
    """A view whose marks have come to the present."""
    lanes = Counted()
    async with pool.acquire() as connection, connection.transaction():
        assert not (await lanes.lock(connection)).busy
    return lanes


async def test_what_is_found_is_told(pool: asyncpg.Pool) -> None:
    """A job that was committed late is found within moments, and whoever claims is told once."""
    lanes, told = await looked(pool), []
    await Queue(pool).add(1, delay=-HOUR)
    async with sweeping(pool, lanes, lambda: told.append(len(lanes.swept))):
        await lanes.until(lambda: bool(told))
        await lanes.until(lambda: sum(lanes.swept) > 3 * len(OTHER_LANES))
    assert len(told) == 1
    async with pool.acquire() as connection, connection.transaction():
        assert (await lanes.lock(connection)).busy


async def test_parts_are_as_large_as_are_swept_in_a_moment(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins with a lane, goes on to all of them where that is quick, and back to one where it is not."""
    monkeypatch.setattr(sweeper, "REST", 0)
    lanes = await looked(pool)
    async with sweeping(pool, lanes):
        await lanes.until(lambda: 64 in lanes.swept)
        assert lanes.swept == [1, 2, 4, 8, 16, 32, 64]
        lanes.seconds_a_lane = 2 * sweeper.PART_SECONDS
        await lanes.until(lambda: lanes.swept[-1] == 1)
    assert [swept for swept in lanes.swept[7:] if swept < 64] == [32, 16, 8, 4, 2, 1]


async def test_it_rests_for_longer_than_it_sweeps(pool: asyncpg.Pool) -> None:
    """However quick it is there are rests between rounds; and where it is slow they are many times what it took."""
    lanes = await looked(pool)
    async with sweeping(pool, lanes):
        await lanes.until(lambda: 64 in lanes.swept)
        before = len(lanes.swept)
        await asyncio.sleep(1)
        assert 0 < len(lanes.swept) - before <= 1 / sweeper.ROUND_SECONDS + 1
        lanes.seconds_a_lane = 0.2 / 64
        before = len(lanes.swept)
        await asyncio.sleep(2)
        assert 0 < len(lanes.swept) - before <= 2


async def test_what_took_long_once_holds_up_no_more_than_so(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have waited for a lock, or the machine have stood still."""
    monkeypatch.setattr(sweeper, "REST", 10**9)
    monkeypatch.setattr(sweeper, "LONGEST_REST_SECONDS", 0.1)
    lanes = await looked(pool)
    lanes.seconds_a_lane = 0.1
    async with sweeping(pool, lanes):
        await lanes.until(lambda: len(lanes.swept) > 3)


async def test_every_kind_has_its_turn(pool: asyncpg.Pool) -> None:
    """What is found of one kind is told to whoever claims that kind."""
    await Queue(pool).register()
    others, webhooks = Lanes(OTHER_LANES), Lanes(WEBHOOK_LANES)
    async with pool.acquire() as connection, connection.transaction():
        assert not (await others.lock(connection)).busy
        assert not (await webhooks.lock(connection)).busy
    told = {"TEST": asyncio.Event(), "PROCESS_WEBHOOK": asyncio.Event()}
    running = asyncio.create_task(
        Sweeper(pool, {others: told["TEST"].set, webhooks: told["PROCESS_WEBHOOK"].set}).run()
    )
    for kind, other in (("TEST", "PROCESS_WEBHOOK"), ("PROCESS_WEBHOOK", "TEST")):
        await Queue(pool).add(1, job_type=kind, delay=-HOUR)
        await asyncio.wait_for(told[kind].wait(), 20)
        assert not told[other].is_set()
        told[kind].clear()
    running.cancel()


async def test_what_takes_longer_than_a_statement_may_is_swept_in_smaller_parts(
    pool: asyncpg.Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that is broken off is not asked for again as it was."""
    monkeypatch.setattr(sweeper, "REST", 0)
    monkeypatch.setattr(sweeper, "AWAY_SECONDS", 0)
    lanes = await looked(pool)
    async with (
        await open_pool(database_url, size=2, application_name="tests", statement_seconds=0.4) as impatient,
        sweeping(impatient, lanes),
    ):
        await lanes.until(lambda: 64 in lanes.swept)
        asked = len(lanes.asked)
        lanes.seconds_a_lane = 0.02
        await lanes.until(lambda: lanes.swept[-1] < 64)
    assert lanes.asked[asked:][:3] in ([64, 32, 16], [32, 16, 8]), "half as many, until that was quick enough"


async def test_sweeps_go_on_when_the_database_is_back(pool: asyncpg.Pool, database_url: str) -> None:
    """While it is away nothing is swept, and nothing ends."""
    lanes = await looked(pool)
    async with (
        DatabaseProxy(database_url) as proxy,
        await open_pool(proxy.url, size=2, application_name="tests") as far,
        sweeping(far, lanes),
    ):
        await lanes.until(lambda: bool(lanes.swept))
        await proxy.cut()
        await Queue(pool).add(1, delay=-HOUR)
        swept = len(lanes.swept)
        await asyncio.sleep(2 * sweeper.ROUND_SECONDS)
        assert len(lanes.swept) <= swept + 1
        await proxy.mend()
        await lanes.until(lambda: sum(lanes.swept[swept + 1 :]) >= len(OTHER_LANES))
    async with pool.acquire() as connection, connection.transaction():
        assert (await lanes.lock(connection)).busy
