"""Upkeep: one process at a time, nobody waits for it, and a step that fails stops no other."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog
from tests.services import bodies
from tests.services.desk import Desk
from tests.web.rows import Rows

from hookline.domain.ids import new_id
from hookline.services import upkeep
from hookline.services.prune import Retention
from hookline.services.upkeep import keep_up
from hookline.store import messages, takes
from hookline.store.pool import Connection, open_pool

WEEK = timedelta(days=7)


async def job_of_a_dead_worker(pool: asyncpg.Pool) -> UUID:
    """Add a job that a worker has claimed who has been silent for a minute."""
    worker_id = new_id()
    await pool.execute(
        "INSERT INTO job_workers (id, name, heartbeat_at) VALUES ($1, 'dead', now() - interval '1 minute')", worker_id
    )
    return await Rows(pool).job(status="PROCESSING", lease=1, worker_id=worker_id)  # type: ignore[arg-type]


class Step:
    """A step of upkeep that takes its time, and knows how many are in it at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.runs, self.inside, self.most = seconds, 0, 0, 0

    async def __call__(self, _connection: Connection, _unowned_for: timedelta) -> bool:
        self.runs += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(self.seconds)
        self.inside -= 1
        return False


async def test_one_process_does_the_upkeep(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many processes are at their rounds, a step runs in one of them at a time, and the others pass it over."""
    step = Step(0.3)
    monkeypatch.setattr(upkeep, "_adopt", step)
    pools = [await open_pool(database_url, size=2, application_name=f"process {number}") for number in range(4)]
    try:
        for _ in range(3):
            await asyncio.gather(*(keep_up(pool, unowned_for=WEEK) for pool in pools))
    finally:
        await asyncio.gather(*(pool.close() for pool in pools))
    assert step.most == 1
    assert 3 <= step.runs < 12, "in each round one does it, and not all"


async def test_nobody_waits_for_upkeep(pool: asyncpg.Pool, database_url: str) -> None:
    """A process that is stopped in the middle of its round holds up no other's work, and no other's round."""
    async with (
        await open_pool(database_url, size=1, application_name="stopped") as stopped,
        stopped.acquire() as connection,
        connection.transaction(),
    ):
        for place in range(4):
            assert await connection.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", upkeep._LOCKS, place)
        await asyncio.wait_for(keep_up(pool, unowned_for=WEEK), 5)
        async with pool.acquire() as other, other.transaction():
            await asyncio.wait_for(takes.take(other, limit=1), 5)


async def test_a_step_that_fails_stops_no_other(
    desk: Desk, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with one step, the jobs of dead workers are rescued, and the round ends well."""

    async def fails(*_: Any) -> bool:
        raise ValueError("a bug")

    for name in ("_adopt", "_settle", "_expire"):
        monkeypatch.setattr(upkeep, name, fails)
    job_id = await Rows(pool).job(status="PROCESSING", lease=1, worker_id=new_id())  # type: ignore[arg-type]
    await keep_up(desk.pool, unowned_for=WEEK)
    assert await pool.fetchval("SELECT status FROM integration_jobs WHERE id = $1", job_id) == "PENDING"


async def test_every_step_works(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step of a round fails, whatever there is to do; a failure would only be logged, and never be seen."""
    told: list[Any] = []
    monkeypatch.setattr(upkeep, "_tell", lambda *what: told.append(what))
    day = timedelta(days=1)
    kept = Retention(jobs=day, events=day, failed=day, messages=day, feed=day)
    rows = Rows(pool)  # type: ignore[arg-type]
    for _ in range(2):
        await keep_up(pool, unowned_for=WEEK, retention=kept)
        await job_of_a_dead_worker(pool)
        await rows.account(external_id=str(new_id()))
        await rows.event(None, status="PENDING")
        await pool.execute("INSERT INTO job_pauses (organization_id, resuming) VALUES ('org-1', true)")
    assert told == []


PENDING = "SELECT pending_tuples FROM pgstatginindex('messages_search')"


async def test_the_search_s_index_is_kept_in_order(desk: Desk, pool: asyncpg.Pool) -> None:
    """What new messages add to it is sorted in by upkeep, and can be found before and after."""
    await pool.execute("CREATE EXTENSION pgstattuple")
    await desk.connect()
    await desk.take_in(bodies.messages(*(bodies.text_message(f"wamid.{n}", f"needle {n}") for n in range(50))))
    assert await pool.fetchval(PENDING) > 0
    await desk.keep_up()
    assert await pool.fetchval(PENDING) == 0
    assert await pool.fetchval("SELECT count(*) FROM messages WHERE text ILIKE '%needle%'") == 50


async def test_there_may_always_be_more_to_sort(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round waits a moment for it and no longer, and has not failed."""
    monkeypatch.setattr(messages, "_SORT_IN", "SELECT pg_sleep(10)")
    monkeypatch.setattr(upkeep, "SORT_IN_SECONDS", 0.05)
    with structlog.testing.capture_logs() as logs:
        await asyncio.wait_for(desk.keep_up(), 5)
    assert [one for one in logs if one["event"] == "upkeep failed"] == []
