"""Bulk repair: what fits is done once, counted once, and left alone where it does not fit, however many there are."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from tests.conftest import SettingsFor
from tests.services import bodies
from tests.services.desk import Desk

from hookline.bootstrap import WorkerContext
from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import Conflict, PermanentFailure
from hookline.domain.event import WebhookEventStatus
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobStatus
from hookline.providers import PROVIDERS
from hookline.services import bulk
from hookline.services.bulk import Bulk, Outcome, begin, cancel_of, count_fitting, replay_of, retry_of
from hookline.services.jobs import IntegrationJobs
from hookline.store import claims, walks
from hookline.store.events import EventFilter
from hookline.store.jobs import Job, JobFilter
from hookline.store.pool import API_ROLE, open_pool, organization_transaction
from hookline.worker import Worker

FILL = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, status, attempts, lane, run_at)
SELECT ('0198c0de-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $1,
       (ARRAY['WHATSAPP', 'INSTAGRAM', 'FACEBOOK'])[1 + n % 3], 'TEST', '{}', $2, 5, 64, now() + interval '1 day'
FROM generate_series(1, $3) AS n
"""
COUNTS = "SELECT status, count(*) FROM integration_jobs WHERE job_type = 'TEST' AND organization_id = $1 GROUP BY 1"


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps and strides so small that a few rows take many of them."""
    monkeypatch.setattr(bulk, "BATCH", 7)
    monkeypatch.setattr(walks, "SHORTEST_STRIDE", 10)
    monkeypatch.setattr(walks, "LONGEST_STRIDE", 40)
    monkeypatch.setattr(walks, "COUNTED", 25)


@pytest.fixture
async def api_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections as the API has them."""
    async with await open_pool(database_url, role=API_ROLE, size=4, application_name="bulk") as pool:
        yield pool


@pytest.fixture
def worker(pool: asyncpg.Pool, database_url: str, settings_for: SettingsFor) -> Worker:
    """A worker that runs BULK jobs."""
    return Worker(WorkerContext(settings_for(database_url), PROVIDERS, pool))


async def fill(pool: asyncpg.Pool, status: str, rows: int = 100, organization: str = "org-1") -> None:
    """Add jobs, a third of each provider."""
    await pool.execute(FILL, organization, status, rows)


async def counts(pool: asyncpg.Pool, organization: str = "org-1") -> dict[str, int]:
    """How many of an organization's test jobs are in which status."""
    return dict(await pool.fetch(COUNTS, organization))


async def do(api_pool: asyncpg.Pool, asked: Bulk) -> Outcome:
    """Do a bulk action of org-1 as the API does."""
    return await begin(partial(organization_transaction, api_pool, "org-1"), "org-1", asked)


async def count(api_pool: asyncpg.Pool, asked: Bulk) -> Outcome:
    """Count what a bulk action of org-1 is for, as the API does."""
    return await count_fitting(partial(organization_transaction, api_pool, "org-1"), "org-1", asked)


async def test_failed_jobs_run_again_and_only_they(api_pool: asyncpg.Pool, pool: asyncpg.Pool) -> None:
    """Retrying many takes FAILED ones, with a fresh count of attempts, due now; a second time there is nothing."""
    await fill(pool, "FAILED", 30)
    await pool.execute("UPDATE integration_jobs SET status = 'DONE' WHERE id::text LIKE '%1'")
    await fill(pool, "FAILED", 5, "org-2")
    before = await counts(pool)
    asked = retry_of(JobFilter(), "ann", None)
    assert await count(api_pool, asked) == Outcome(before["FAILED"], exact=True)
    assert await counts(pool) == before, "a dry run changes nothing"
    assert await do(api_pool, asked) == Outcome(before["FAILED"], exact=True)
    assert await counts(pool) == {"PENDING": before["FAILED"], "DONE": before["DONE"]}
    assert await pool.fetchval("SELECT bool_and(attempts = 0 AND run_at <= now()) FROM integration_jobs"
                               " WHERE organization_id = 'org-1' AND status = 'PENDING'")  # fmt: skip
    assert (await do(api_pool, asked)).count == 0
    assert await counts(pool, "org-2") == {"FAILED": 5}


async def test_waiting_and_running_jobs_are_cancelled(api_pool: asyncpg.Pool, pool: asyncpg.Pool) -> None:
    """Cancelling many takes both unless one is named; each says by whom, and its fence has moved on."""
    await fill(pool, "PENDING", 40)
    await pool.execute("UPDATE integration_jobs SET status = 'PROCESSING' WHERE id::text LIKE '%2'")
    before = await counts(pool)
    waiting = cancel_of(JobFilter(status=IntegrationJobStatus.PENDING), "ann", None)
    assert (await do(api_pool, waiting)).count == before["PENDING"]
    assert (await do(api_pool, cancel_of(JobFilter(), "bob", None))).count == before["PROCESSING"]
    rows = await pool.fetch("SELECT last_error, count(*), min(lease) AS lease FROM integration_jobs GROUP BY 1")
    assert {(row["last_error"], row["count"], row["lease"]) for row in rows} == {
        ("cancelled by ann", before["PENDING"], 1),
        ("cancelled by bob", before["PROCESSING"], 1),
    }


async def test_events_are_replayed_in_the_order_in_which_they_came(desk: Desk, api_pool: asyncpg.Pool) -> None:
    """Replaying many gives each FAILED event a new job, oldest first; processing them has its effects once."""
    await desk.connect()
    for number in range(20):
        await desk.post(bodies.messages(bodies.text_message(f"wamid.{number}", sender=str(number % 3))))
    await desk.pool.execute("UPDATE webhook_events SET status = 'FAILED', error = 'a bug'")
    await desk.pool.execute("UPDATE integration_jobs SET status = 'FAILED'")
    assert (await do(api_pool, replay_of(EventFilter(), "ann", None))).count == 20
    waiting = [job for job in await desk.jobs() if job["status"] == "PENDING"]
    named = [json.loads(job["payload_json"])["webhookEventId"] for job in waiting]
    assert named == [str(event["id"]) for event in await desk.events()]
    assert {job["ordering_key"] for job in waiting} == {job["ordering_key"] for job in await desk.jobs()}
    assert await desk.process() == 20
    assert len(await desk.messages()) == 20
    again = replay_of(EventFilter(status=WebhookEventStatus.PROCESSED), "ann", None)
    assert await count(api_pool, again) == Outcome(20, exact=True)
    assert (await do(api_pool, again)).count == 20
    assert await desk.process() == 20
    assert len(await desk.messages()) == 20


async def test_what_holds_no_json_is_not_counted_and_not_replayed(desk: Desk, api_pool: asyncpg.Pool) -> None:
    """There is nothing to process in it."""
    await desk.connect()
    await desk.post(bodies.messages(bodies.text_message("wamid.1")))
    await desk.pool.execute("UPDATE webhook_events SET status = 'FAILED', payload_json = NULL")
    assert (await count(api_pool, replay_of(EventFilter(), "ann", None))).count == 0
    assert (await do(api_pool, replay_of(EventFilter(), "ann", None))).count == 0


ACCOUNT = new_id()
NARROWED = [
    (JobFilter(provider=IntegrationProvider.INSTAGRAM), 10),
    (JobFilter(job_type="TEST"), 30),
    (JobFilter(job_type="OTHER"), 0),
    (JobFilter(account_id=ACCOUNT), 1),
    (JobFilter(until=datetime.now(UTC) + timedelta(days=1)), 30),
    (JobFilter(until=datetime(2025, 1, 1, tzinfo=UTC)), 0),
    (JobFilter(since=datetime(2025, 1, 1, tzinfo=UTC), provider=IntegrationProvider.WHATSAPP), 10),
]


@pytest.mark.parametrize(("chosen", "fitting"), NARROWED)
async def test_each_filter_narrows(api_pool: asyncpg.Pool, pool: asyncpg.Pool, chosen: JobFilter, fitting: int) -> None:
    """What does not fit is neither counted nor touched, for waiting jobs and for failed ones."""
    await fill(pool, "PENDING", 30)
    # As if they had been created when their ids were made.
    await pool.execute("UPDATE integration_jobs SET created_at = '2025-08-19T00:00:00Z'")
    await pool.execute("UPDATE integration_jobs SET connected_account_id = $1 WHERE id::text LIKE '%11'", ACCOUNT)
    for asked in (cancel_of(chosen, "ann", None), retry_of(chosen, "ann", None)):
        assert await count(api_pool, asked) == Outcome(fitting, exact=True)
        assert (await do(api_pool, asked)).count == fitting
        assert await pool.fetchval("SELECT count(*) FROM integration_jobs WHERE last_error <> ''") == fitting


async def test_a_limit_takes_the_oldest(api_pool: asyncpg.Pool, pool: asyncpg.Pool) -> None:
    """With a limit the oldest of what fits are done, no more than that many, and a dry run says the same."""
    await fill(pool, "PENDING", 60)
    asked = cancel_of(JobFilter(), "ann", 23)
    assert await count(api_pool, asked) == Outcome(23, exact=True)
    assert await do(api_pool, asked) == Outcome(23, exact=True)
    rows = await pool.fetch("SELECT status FROM integration_jobs ORDER BY id")
    assert [row["status"] for row in rows] == ["FAILED"] * 23 + ["PENDING"] * 37


async def test_what_comes_later_is_left_alone(api_pool: asyncpg.Pool, pool: asyncpg.Pool) -> None:
    """An action is for what exists when it is asked for."""
    asked = cancel_of(JobFilter(), "ann", None)
    await asyncio.sleep(0.002)
    await pool.execute("INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, lane)"
                       " VALUES ($1, 'org-1', 'WHATSAPP', 'TEST', '{}', 64)", new_id())  # fmt: skip
    assert (await do(api_pool, asked)).count == 0
    assert await counts(pool) == {"PENDING": 1}


@pytest.fixture
def at_once_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that has no time does all by its job."""
    monkeypatch.setattr(bulk, "REQUEST_SECONDS", -1)


@pytest.mark.usefixtures("at_once_nothing")
@pytest.mark.parametrize("limit", [None, 50])
async def test_the_rest_is_done_by_a_job(
    api_pool: asyncpg.Pool, pool: asyncpg.Pool, worker: Worker, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    """The answer counts all, names a job, and the job does it in turns of its own; its payload says how many."""
    await fill(pool, "PENDING")
    outcome = await do(api_pool, cancel_of(JobFilter(), "ann", limit))
    assert (outcome.count, outcome.exact) == (limit or 100, True)
    assert outcome.job is not None
    assert await counts(pool) == {"PENDING": 100}
    monkeypatch.setattr(bulk, "SLICE_SECONDS", 0.001)
    await worker.drain()
    assert (await counts(pool))["FAILED"] == (limit or 100)
    job = await pool.fetchrow("SELECT * FROM integration_jobs WHERE id = $1", outcome.job.id)
    assert (job["status"], job["attempts"], job["job_type"], job["last_error"]) == ("DONE", 0, "BULK", None)
    assert json.loads(job["payload_json"])["count"] == (limit or 100)


@pytest.mark.usefixtures("at_once_nothing")
async def test_a_job_that_is_killed_in_the_middle_goes_on_where_it_was(
    api_pool: asyncpg.Pool, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever moment it stops at, the next run neither repeats a row nor leaves one out."""
    await fill(pool, "FAILED")
    job = (await do(api_pool, retry_of(JobFilter(), "ann", None))).job
    assert job is not None
    apply, runs, steps = bulk._apply, 0, 0

    async def dies_in_the_third(*arguments: Any) -> Any:
        nonlocal steps
        done = await apply(*arguments)
        steps += 1
        if steps % 3 == 0:
            raise ConnectionResetError("killed before the commit")
        return done

    monkeypatch.setattr(bulk, "_apply", dies_in_the_third)
    while runs < 50:
        runs += 1
        try:
            await bulk.go_on(pool, await _claim(pool, job))
            break
        except ConnectionResetError:
            await pool.execute("UPDATE integration_jobs SET status = 'PENDING' WHERE id = $1", job.id)
        # What was retried fails again meanwhile: it must not be retried twice.
        await pool.execute("UPDATE integration_jobs SET status = 'FAILED', attempts = attempts + 1"
                           " WHERE job_type = 'TEST' AND status = 'PENDING'")  # fmt: skip
    attempts = await pool.fetch("SELECT DISTINCT attempts FROM integration_jobs WHERE job_type = 'TEST'")
    assert runs > 5
    assert {row["attempts"] for row in attempts} == {0, 1}, "each was retried, from 5 attempts, and only once"
    payload = await pool.fetchval("SELECT payload_json FROM integration_jobs WHERE id = $1", job.id)
    assert json.loads(payload)["count"] == 100


async def _claim(pool: asyncpg.Pool, job: Job) -> Job:
    async with pool.acquire() as connection:
        claimed = await claims.claim_one(connection, "org-1", job.id, claims.Hold(new_id(), new_id()))
    assert claimed is not None
    return claimed


@pytest.mark.usefixtures("at_once_nothing")
async def test_a_cancelled_bulk_job_stops(api_pool: asyncpg.Pool, pool: asyncpg.Pool) -> None:
    """A bulk action whose job was cancelled, or taken over, does nothing more."""
    await fill(pool, "PENDING")
    job = (await do(api_pool, cancel_of(JobFilter(job_type="TEST"), "ann", None))).job
    assert job is not None
    claimed = await _claim(pool, job)
    await do(api_pool, cancel_of(JobFilter(job_type="BULK"), "bob", None))
    await pool.execute("UPDATE integration_jobs SET status = 'FAILED', lease = lease + 1 WHERE id = $1", job.id)
    with pytest.raises(Conflict):
        await bulk.go_on(pool, claimed)
    assert await counts(pool) == {"PENDING": 100}


async def test_rows_that_somebody_has_locked_are_waited_for(api_pool: asyncpg.Pool, pool: asyncpg.Pool) -> None:
    """A job in the middle of a transaction of somebody else's is done too, once that is over, if it still fits."""
    await fill(pool, "PENDING", 20)
    async with pool.acquire() as connection, connection.transaction():
        locked = await connection.fetch("SELECT id FROM integration_jobs WHERE id::text ~ '[357]$' FOR UPDATE")
        ended = await connection.fetch(
            "UPDATE integration_jobs SET status = 'DONE' WHERE id::text LIKE '%3' RETURNING 1"
        )
        cancelling = asyncio.create_task(do(api_pool, cancel_of(JobFilter(), "ann", None)))
        _, waiting = await asyncio.wait([cancelling], timeout=0.5)
        assert waiting, "it waits for the locked rows"
    assert (await cancelling).count == 20 - len(ended)
    assert len(locked) > len(ended) > 0
    assert await counts(pool) == {"FAILED": 20 - len(ended), "DONE": len(ended)}


async def test_webhooks_that_are_taken_meanwhile_are_not_cancelled_nor_deadlocked(
    desk: Desk, api_pool: asyncpg.Pool
) -> None:
    """Workers and a bulk cancellation at the same rows: each webhook is either processed or cancelled, as its event
    says, and nobody waits for ever.
    """
    await desk.connect()
    for number in range(60):
        await desk.post(bodies.messages(bodies.text_message(f"wamid.{number}", sender=str(number))))
    done, outcome = await asyncio.gather(desk.process(limit=3), do(api_pool, cancel_of(JobFilter(), "ann", None)))
    assert done + outcome.count == 60
    statuses = [event["status"] for event in await desk.events()]
    assert statuses.count("FAILED") == outcome.count
    assert len(await desk.messages()) == statuses.count("PROCESSED") == done


@pytest.mark.parametrize("payload", [None, {}, {"action": "drop"}, {"action": "retry", "by": "x", "through": "y"}])
async def test_a_bulk_job_without_sense_fails_for_good(pool: asyncpg.Pool, payload: Any) -> None:
    """A payload that describes no bulk action ends the job."""
    async with IntegrationJobs(pool) as jobs:
        job = await jobs.enqueue("BULK", "WHATSAPP", payload, organization_id="org-1")
        with pytest.raises(PermanentFailure, match="no bulk action"):
            await bulk.go_on(pool, job)
