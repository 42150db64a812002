"""Wake-up: a bell is heard at once, many rings go out as few, and nobody's work depends on it."""

import asyncio
import time
from contextlib import AsyncExitStack

import asyncpg
from tests.services import bodies
from tests.services.desk import Desk
from tests.services.proxy import DatabaseProxy

from hookline.services.ingest import Ingest
from hookline.services.wakeup import GAP_SECONDS, Bell, Listener, Work
from hookline.store.pool import API_ROLE, INGEST_ROLE, open_pool


class Ear:
    """Notes what is heard, and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[Work, float]] = []
        self._news = asyncio.Event()

    def __call__(self, work: Work) -> None:
        self.heard.append((work, time.monotonic()))
        self._news.set()

    async def hears(self, work: Work, seconds: float = 5) -> float:
        """Wait until this is heard; the moment."""
        deadline = time.monotonic() + seconds
        while True:
            for one, moment in self.heard:
                if one is work:
                    return moment
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), deadline - time.monotonic())

    async def settle(self) -> None:
        """Wait for what every connect is told, and forget it."""
        await self.hears(Work.WEBHOOKS)
        await self.hears(Work.JOBS)
        self.heard.clear()


async def test_a_bell_is_heard_at_once_and_for_what_it_is_rung(pool: asyncpg.Pool) -> None:
    """Well before any poll; only those hear it who are meant."""
    ear, bell = Ear(), Bell(pool)
    async with Listener(pool, ear):
        await ear.settle()
        rung = time.monotonic()
        bell.ring(Work.JOBS)
        assert await ear.hears(Work.JOBS) - rung < 1
        await asyncio.sleep(0.05)
        assert {work for work, _ in ear.heard} == {Work.JOBS}
        bell.ring()
        await ear.hears(Work.WEBHOOKS)
    await bell.close()


async def test_many_rings_go_out_as_few(pool: asyncpg.Pool) -> None:
    """However often it is rung, no more than one notification goes out every few milliseconds; the last one does."""
    ear, bell = Ear(), Bell(pool)
    async with Listener(pool, ear):
        await ear.settle()
        began = time.monotonic()
        for _ in range(200):
            bell.ring(Work.WEBHOOKS)
            await asyncio.sleep(0.0005)
        took, last = time.monotonic() - began, len(ear.heard)
        bell.ring(Work.WEBHOOKS)
        await asyncio.sleep(0.3)
        assert last < len(ear.heard) <= took / GAP_SECONDS + 3
    await bell.close()


async def test_ingest_rings_after_its_commit(desk: Desk, pool: asyncpg.Pool, database_url: str) -> None:
    """When a webhook's bell is heard, its job is there to be taken."""
    await desk.connect()
    jobs: list[int] = []
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            await open_pool(database_url, role=API_ROLE, size=1, application_name="tests")
        )
        writer = await stack.enter_async_context(
            await open_pool(database_url, role=INGEST_ROLE, size=1, application_name="tests")
        )
        bell, ear = Bell(api), Ear()
        desk.ingest = Ingest(writer, stored=lambda: bell.ring(Work.WEBHOOKS))
        await stack.enter_async_context(Listener(pool, ear))
        await ear.settle()
        await desk.post(bodies.messages(bodies.text_message("wamid.1")))
        await ear.hears(Work.WEBHOOKS)
        jobs.append(await pool.fetchval("SELECT count(*) FROM integration_jobs"))
        await bell.close()
    assert jobs == [1]


async def test_a_broken_connection_is_renewed_on_both_sides(pool: asyncpg.Pool, database_url: str) -> None:
    """After an outage bells are rung and heard again; ringing during it neither waits nor fails."""
    ear = Ear()
    async with (
        DatabaseProxy(database_url) as proxy,
        await open_pool(proxy.url, size=2, application_name="tests") as far,
        Listener(far, ear),
    ):
        bell = Bell(far)
        await ear.settle()
        bell.ring(Work.JOBS)
        await ear.hears(Work.JOBS)
        await proxy.cut()
        for _ in range(10):
            bell.ring(Work.JOBS)
            await asyncio.sleep(0.01)
        ear.heard.clear()
        await proxy.mend()
        await ear.hears(Work.JOBS, 10)  # what every connect is told, for what was missed
        await ear.settle()
        bell.ring(Work.JOBS)
        await ear.hears(Work.JOBS)
        await bell.close()


async def test_a_bell_that_is_switched_off_opens_no_connection(pool: asyncpg.Pool) -> None:
    """Behind a pooler that passes no notifications on, none are sent."""
    ear, bell = Ear(), Bell(pool, enabled=False)
    async with Listener(pool, ear):
        await ear.settle()
        bell.ring()
        await asyncio.sleep(0.1)
        assert ear.heard == []
    await bell.close()
