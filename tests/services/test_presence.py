"""Presence: a worker that lives is never taken for dead, and one that was silent never claims to have lived on."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import pytest
from tests.services.proxy import DatabaseProxy

from hookline.services import presence
from hookline.services.presence import Presence
from hookline.store.pool import open_pool


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats, leases and hung loops six times faster than in life."""
    monkeypatch.setattr(presence, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(presence, "LEASE", timedelta(seconds=1.5))
    monkeypatch.setattr(presence, "_CLAIMS_STAND_SECONDS", 1.0)


async def age(pool: asyncpg.Pool, worker: Presence) -> float:
    """For how many seconds a worker has not been heard of."""
    return float(
        await pool.fetchval(
            "SELECT extract(epoch FROM clock_timestamp() - heartbeat_at) FROM job_workers WHERE id = $1", worker.id
        )
    )


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_handler_that_blocks_the_loop_keeps_its_claims(pool: asyncpg.Pool) -> None:
    """Work that lets nothing else in the process happen, for longer than a lease, is no silence."""
    async with Presence(pool, "test") as worker:
        mine = worker.id
        time.sleep(2.5)  # noqa: ASYNC251 - that is the point
        assert worker.holds(mine)
        assert await age(pool, worker) < 1.5


async def test_a_pool_without_a_free_connection_keeps_the_claims(database_url: str, pool: asyncpg.Pool) -> None:
    """The heartbeat has a connection of its own."""
    async with (
        await open_pool(database_url, size=1, application_name="tests") as full,
        Presence(full, "test") as worker,
    ):
        mine = worker.id
        async with full.acquire():
            await asyncio.sleep(2.5)
            assert worker.holds(mine)
            assert await age(pool, worker) < 1.5


async def test_a_hung_loop_loses_its_claims(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose loop never turns again is given up, although its threads live."""
    monkeypatch.setattr(presence, "_HUNG_SECONDS", 0.6)
    async with Presence(pool, "test") as worker:
        mine = worker.id
        time.sleep(3)  # noqa: ASYNC251
        assert not worker.holds(mine)
        assert await age(pool, worker) > 1.5

        async def lives_again() -> bool:
            return worker.may_claim

        await until(lives_again)
        assert worker.id != mine


async def test_an_outage_longer_than_a_lease_makes_another_worker(database_url: str, pool: asyncpg.Pool) -> None:
    """Claims of before do not stand any more, whoever has them; a short outage costs nothing."""
    async with (
        DatabaseProxy(database_url) as proxy,
        await open_pool(proxy.url, size=2, application_name="tests") as far,
        Presence(far, "test") as worker,
    ):
        first = worker.id
        await proxy.cut()
        await asyncio.sleep(0.3)
        await proxy.mend()
        await asyncio.sleep(1)
        assert worker.holds(first)
        await proxy.cut()
        await asyncio.sleep(2)
        assert not worker.may_claim
        assert not worker.holds(first)
        await proxy.mend()

        async def lives_again() -> bool:
            return worker.may_claim

        await until(lives_again)
        assert not worker.holds(first)
        assert worker.holds(worker.id)
        names = await pool.fetch("SELECT name FROM job_workers")
        assert [row["name"] for row in names] == ["test", "test"]


async def test_a_worker_that_was_given_up_begins_another_life(pool: asyncpg.Pool) -> None:
    """What the others think counts: a heartbeat that comes too late by the database's clock does not revive."""
    async with Presence(pool, "test") as worker:
        first = worker.id
        await pool.execute("UPDATE job_workers SET heartbeat_at = now() - interval '1 minute'")

        async def another() -> bool:
            return worker.id != first

        await until(another)
        assert not worker.holds(first)
    assert await pool.fetchval("SELECT count(*) FROM job_workers WHERE id <> $1", first) == 0


async def test_it_can_be_entered_again(pool: asyncpg.Pool) -> None:
    """A worker that drains several times is known each time, and leaves no trace in between."""
    worker = Presence(pool, "test")
    for _ in range(2):
        async with worker:
            assert worker.may_claim
            assert await pool.fetchval("SELECT count(*) FROM job_workers") == 1
        assert await pool.fetchval("SELECT count(*) FROM job_workers") == 0
