"""Pruning: what has ended and is old goes, all of it and nothing else, by one process at a time."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.journeys.processes import run
from tests.services.desk import Desk
from tests.services.test_upkeep import job_of_a_dead_worker
from tests.web.rows import Rows, id_at

from hookline.domain.job import IntegrationJobStatus
from hookline.domain.message import MessageStatus
from hookline.services import prune
from hookline.services.prune import Retention, prune_a_little, prune_all
from hookline.services.upkeep import keep_up
from hookline.store import retention

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
KEPT = Retention(jobs=7 * DAY, events=30 * DAY, failed=90 * DAY, messages=365 * DAY, feed=30 * DAY)


@pytest.fixture
def rows(pool: asyncpg.Pool) -> Rows:
    """Puts rows into the tables."""
    return Rows(pool)  # type: ignore[arg-type]


async def prune_now(pool: asyncpg.Pool, kept: Retention = KEPT) -> dict[str, int]:
    """Delete everything that is old; how many rows of which table."""
    return {table: rows async for table, rows in prune_all(pool, kept)}


async def left(pool: asyncpg.Pool, table: str) -> set[Any]:
    """The ids that are left."""
    return {row["id"] for row in await pool.fetch(f"SELECT id FROM {table}")}


async def job(rows: Rows, status: str, ended: float, created: float | None = None, organization: str = "org-1") -> Any:
    """Add a job that was created and ended so many days ago."""
    created_at = NOW - DAY * (ended if created is None else created)
    return await rows.job(organization, status=status, created_at=created_at, updated_at=NOW - DAY * ended)


async def event(rows: Rows, status: str, days: float, organization: str | None = "org-1") -> Any:
    """Add an event that came, and ended if it did, so many days ago."""
    at = NOW - DAY * days
    ended = None if status == "PENDING" else at
    return await rows.event(organization, status=status, received_at=at, processed_at=ended)


async def test_jobs_go_when_they_ended_long_ago(rows: Rows, pool: asyncpg.Pool) -> None:
    """DONE jobs go after their days, failed ones after theirs, by when they ended; what waits or runs never goes."""
    gone = [await job(rows, "DONE", 8), await job(rows, "DONE", 7.1, 300), await job(rows, "FAILED", 91)]
    kept = [
        await job(rows, "DONE", 6.9),
        await job(rows, "DONE", 0, 300),
        await job(rows, "FAILED", 89),
        await job(rows, "PENDING", 1000),
        await job(rows, "PROCESSING", 1000),
    ]
    assert (await prune_now(pool))["integration_jobs"] == len(gone)
    assert await left(pool, "integration_jobs") == set(kept)


async def test_events_go_when_they_are_processed(rows: Rows, pool: asyncpg.Pool) -> None:
    """Processed events go, nobody's too; failed ones stay longer; what is open never goes, however old."""
    gone = [
        await event(rows, "PROCESSED", 31),
        await event(rows, "FAILED", 91),
        await event(rows, "PROCESSED", 31, None),
        await event(rows, "FAILED", 91, None),
    ]
    kept = [
        await event(rows, "PROCESSED", 29),
        await event(rows, "FAILED", 89),
        await event(rows, "PENDING", 1000),
        await event(rows, "PENDING", 1000, None),
        await event(rows, "PROCESSED", 29, None),
    ]
    assert (await prune_now(pool))["webhook_events"] == len(gone)
    assert await left(pool, "webhook_events") == set(kept)


async def test_messages_that_are_on_their_way_stay(rows: Rows, pool: asyncpg.Pool) -> None:
    """Old messages go if the settings say so, but none that is queued, being sent or of unknown fate."""
    old = NOW - 400 * DAY
    way = {MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNKNOWN}
    ids = {
        status: await rows.message(
            status=status.value, created_at=old, failed_at=old if status is MessageStatus.FAILED else None
        )
        for status in MessageStatus
    }
    young = await rows.message()
    assert (await prune_now(pool, Retention(jobs=DAY))) == {"integration_jobs": 0}
    assert len(await left(pool, "messages")) == len(MessageStatus) + 1
    await prune_now(pool)
    assert await left(pool, "messages") == {ids[status] for status in way} | {young}


async def test_a_sent_message_may_be_reported_delivered_for_a_month(rows: Rows, pool: asyncpg.Pool) -> None:
    """However short messages are kept, one that is SENT stays for thirty days."""
    waiting = await rows.message(status="SENT", created_at=NOW - 29 * DAY)
    await rows.message(status="SENT", created_at=NOW - 31 * DAY)
    await prune_now(pool, Retention(messages=DAY))
    assert await left(pool, "messages") == {waiting}


async def test_the_feed_goes_by_when_a_fact_was_told(rows: Rows, pool: asyncpg.Pool) -> None:
    """A fact told long ago goes; one told lately of something old stays."""
    await rows.fact(id=id_at(NOW - 31 * DAY), occurred_at=NOW)
    kept = [await rows.fact(id=id_at(NOW - 29 * DAY)), await rows.fact(occurred_at=NOW - 1000 * DAY)]
    assert (await prune_now(pool))["outbox"] == 1
    assert await left(pool, "outbox") == set(kept)


async def test_nothing_goes_that_is_kept_for_ever(rows: Rows, pool: asyncpg.Pool) -> None:
    """Without a setting, a table is left alone; with one for what is done only, what failed stays."""
    failed = await job(rows, "FAILED", 5000)
    await job(rows, "DONE", 5000)
    assert await prune_now(pool, Retention()) == {}
    await prune_now(pool, Retention(jobs=DAY))
    assert await left(pool, "integration_jobs") == {failed}


@pytest.mark.parametrize("hops", [1, 2, 200])
async def test_every_organization_is_reached(
    rows: Rows, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, hops: int
) -> None:
    """However many organizations there are, and whatever they are called, with and without old rows, in small steps."""
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(retention, "HOPS", hops)
    kept = set()
    for name in ["%", "'", "A", "a", "org-1", "org-2", "ä", "日本", "😀", "\x7f"]:
        kept |= {await job(rows, "PENDING", 50, organization=name), await job(rows, "DONE", 1, organization=name)}
        for _ in range(0 if name in ("A", "ä") else 7):
            await job(rows, "DONE", 20, organization=name)
            await rows.fact(name, id=id_at(NOW - 31 * DAY))
    done = await prune_now(pool)
    assert (done["integration_jobs"], done["outbox"]) == (56, 56)
    assert await left(pool, "integration_jobs") == kept
    assert await left(pool, "outbox") == set()


async def test_upkeep_prunes_in_short_turns_and_goes_on_where_it_was(
    rows: Rows, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounds of any process go on with the same sweep; when it is through, it rests."""
    monkeypatch.setattr(retention, "BATCH", 5)
    monkeypatch.setattr(prune, "_TRANSACTION_SECONDS", 0)
    monkeypatch.setattr(retention, "advance", advancing := Steps(retention.advance))
    for number in range(40):
        await job(rows, "DONE", 20, organization=f"org-{number % 3}")
    rounds = 0
    while await left(pool, "integration_jobs"):
        rounds += 1
        await prune_a_little(pool, Retention(jobs=DAY), seconds=0.01)
        assert rounds < 100
    assert rounds > 2
    counted = advancing.calls
    for _ in range(3):
        await prune_a_little(pool, Retention(jobs=DAY))
    assert advancing.calls <= counted + 1, "it rests"


class Steps:
    """Counts the steps that are taken."""

    def __init__(self, step: Any) -> None:
        self.step, self.calls = step, 0

    async def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        return await self.step(*arguments)


async def test_one_process_prunes_at_a_time(rows: Rows, pool: asyncpg.Pool) -> None:
    """While one is at a table, another neither deletes there nor waits for it."""
    await job(rows, "DONE", 20)
    async with pool.acquire() as connection, connection.transaction():
        assert await retention.take(connection, retention.JOBS) is not None
        await connection.execute("SELECT 1")
        await asyncio.wait_for(prune_a_little(pool, Retention(jobs=DAY)), 5)
        assert len(await left(pool, "integration_jobs")) == 1
    await prune_a_little(pool, Retention(jobs=DAY))
    assert await left(pool, "integration_jobs") == set()


async def test_every_table_that_is_pruned_has_its_place_kept(pool: asyncpg.Pool) -> None:
    """A table without a row in retention_sweeps would never be pruned."""
    known = {tuple(row) for row in await pool.fetch("SELECT table_name, organization FROM retention_sweeps")}
    assert known == {(one.table, retention.beginning(one).organization) for one in retention.TABLES}


async def test_a_row_that_changes_meanwhile_stays(rows: Rows, pool: asyncpg.Pool) -> None:
    """A failed job that is retried while pruning is about to delete it runs again."""
    retried = await job(rows, "FAILED", 100)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE integration_jobs SET status = 'PENDING', updated_at = now()")
        pruning = asyncio.create_task(prune_now(pool))
        await asyncio.sleep(0.3)
        await transaction.commit()
        await pruning
    assert await left(pool, "integration_jobs") == {retried}
    status = await pool.fetchval("SELECT status FROM integration_jobs")
    assert status == IntegrationJobStatus.PENDING


async def test_upkeep_goes_on_when_pruning_fails(desk: Desk, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of pruning is logged, and nothing else of upkeep depends on it."""

    async def fails(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(retention, "take", fails)
    await job_of_a_dead_worker(desk.pool)
    await keep_up(desk.pool, unowned_for=7 * DAY, retention=KEPT)
    assert [one["status"] for one in await desk.jobs()] == ["PENDING"], "it was rescued"


async def test_the_command_counts_and_deletes(
    rows: Rows, pool: asyncpg.Pool, database_url: str, tmp_path: Path
) -> None:
    """`hookline prune --dry-run` says what would go, and `hookline prune` deletes exactly that; --json for machines."""
    for _ in range(3):
        await job(rows, "DONE", 20)
    await job(rows, "DONE", 1)
    await event(rows, "PROCESSED", 40)
    settings = {"DATABASE_URL": database_url}
    expected = {"integration_jobs": 3, "webhook_events": 1, "outbox": 0}
    dry = await asyncio.to_thread(run, ["prune", "--dry-run", "--json"], tmp_path, settings)
    assert (dry.returncode, json.loads(dry.stdout)) == (0, {"dryRun": True, "rows": expected}), dry.stderr
    assert len(await left(pool, "integration_jobs")) == 4
    done = await asyncio.to_thread(run, ["prune", "--json"], tmp_path, settings)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"dryRun": False, "rows": expected}), done.stderr
    assert len(await left(pool, "integration_jobs")) == 1
    again = await asyncio.to_thread(run, ["prune"], tmp_path, settings | {"RETAIN_JOBS_DAYS": "0"})
    assert again.stdout.splitlines() == ["0 jobs deleted", "0 webhook events deleted", "0 facts of the feed deleted"]


@pytest.mark.parametrize("days", ["-1", "36501", "1.5", "seven"])
def test_a_retention_that_does_not_fit_is_refused(tmp_path: Path, days: str) -> None:
    """The setting is named, and nothing is deleted."""
    done = run(["prune"], tmp_path, {"RETAIN_JOBS_DAYS": days, "DATABASE_URL": "postgresql://x@127.0.0.1:1/x"})
    assert done.returncode == 2
    assert "HOOKLINE_RETAIN_JOBS_DAYS" in done.stderr
