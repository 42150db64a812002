"""Control of single jobs: cancelled ones, what runs them, and what they stood for; RETRY jobs."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.services import bodies
from tests.services.desk import Desk

from hookline.domain.errors import Conflict, NotFound, PermanentFailure
from hookline.domain.ids import new_id
from hookline.domain.job import ENDED, IntegrationJobStatus
from hookline.services.control import cancel_job, cancel_jobs, retry_job
from hookline.services.jobs import IntegrationJobs
from hookline.services.replay import replay_event
from hookline.services.retry import run_retry
from hookline.store import claims, takes
from hookline.store.jobs import Job
from hookline.store.pool import API_ROLE, open_pool, organization_transaction


@pytest.fixture
async def jobs(pool: asyncpg.Pool) -> AsyncIterator[IntegrationJobs]:
    """The queue."""
    async with IntegrationJobs(pool) as opened:
        yield opened


async def add(jobs: IntegrationJobs, job_type: str = "TEST", payload: Any = None, **options: Any) -> Job:
    """Add a job of org-1."""
    return await jobs.enqueue(job_type, "WHATSAPP", payload, organization_id="org-1", **options)


async def cancel(pool: asyncpg.Pool, job: Job, by: str = "ann", organization: str = "org-1") -> Job:
    """Cancel a job."""
    async with pool.acquire() as connection, connection.transaction():
        return await cancel_job(connection, organization, job.id, by)


async def row(pool: asyncpg.Pool, job: Job) -> Any:
    """The job as it is now."""
    return await pool.fetchrow("SELECT * FROM integration_jobs WHERE id = $1", job.id)


async def test_a_cancelled_job_does_not_run(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """What waits is FAILED with who cancelled it, is listed no more, and cannot be claimed."""
    job = await add(jobs)
    cancelled = await cancel(pool, job)
    assert (cancelled.status, cancelled.last_error) == (IntegrationJobStatus.FAILED, "cancelled by ann")
    assert await jobs.fetch_next() == []
    assert not await jobs.mark_processing(job)


async def test_the_end_of_a_cancelled_job_changes_nothing(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """Whoever runs a job when it is cancelled can neither complete it, nor fail it, nor give it back."""
    one, two, three = [await add(jobs) for _ in range(3)]
    for job in (one, two, three):
        assert await jobs.mark_processing(job)
        await cancel(pool, job)
    assert not await jobs.mark_done(one)
    assert not await jobs.mark_failed(two, "late")
    async with pool.acquire() as connection:
        await claims.release(connection, [three])
    for job in (one, two, three):
        assert ((found := await row(pool, job))["status"], found["last_error"]) == ("FAILED", "cancelled by ann")
        assert found["lease"] == 2, "one for the claim, one for the fence"


async def test_a_cancelled_job_that_runs_again_is_not_ended_by_its_first_run(
    jobs: IntegrationJobs, pool: asyncpg.Pool
) -> None:
    """Cancelled and retried while its first run goes on: only the second run's end counts."""
    job = await add(jobs)
    assert await jobs.mark_processing(job)
    await cancel(pool, job)
    async with pool.acquire() as connection, connection.transaction():
        await retry_job(connection, "org-1", job.id)
    assert not await jobs.mark_done(job)
    assert (await row(pool, job))["status"] == "PENDING"


async def test_what_waited_for_a_cancelled_job_goes_on(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """A cancelled job holds its key no longer, waiting or running."""
    first, second, third = [await add(jobs, ordering_key="k") for _ in range(3)]
    await cancel(pool, first)
    assert [job.id for job in await jobs.fetch_next()] == [second.id]
    assert await jobs.mark_processing(second)
    await cancel(pool, second)
    assert [job.id for job in await jobs.fetch_next()] == [third.id]


async def test_what_was_put_aside_behind_a_cancelled_job_comes_back_at_once(
    pool: asyncpg.Pool, database_url: str
) -> None:
    """The API's role lets followers go on, by the index of keys and not by reading all that waits; only its own."""
    await pool.execute(
        "INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, ordering_key, lane)"
        " SELECT gen_random_uuid(), 'org-' || 1 + n % 2, 'WHATSAPP', 'TEST', '{}', 'k' || n % 1000, -2"
        " FROM generate_series(1, 20000) AS n"
    )
    await pool.execute("ANALYZE integration_jobs")
    ids = [row["id"] for row in await pool.fetch(
        "SELECT id FROM integration_jobs WHERE organization_id = 'org-1' ORDER BY seq LIMIT 10")]  # fmt: skip
    async with await open_pool(database_url, role=API_ROLE, size=1, application_name="api") as api:
        async with organization_transaction(api, "org-1") as connection:
            assert len(await cancel_jobs(connection, "org-1", ids, "ann")) == 10
            read = await connection.fetchval(
                "SELECT pg_stat_get_xact_tuples_returned('integration_jobs_key'::regclass)")  # fmt: skip
        assert read < 100
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with organization_transaction(api, "org-1") as connection:
                await connection.execute("SELECT let_jobs_follow('org-2', ARRAY['k1'])")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with organization_transaction(api, "org-1") as connection:
                await connection.execute("SELECT shorten_job_runs('org-2', ARRAY['k1'], ARRAY[1])")
    home = await pool.fetch("SELECT organization_id, status FROM integration_jobs WHERE lane >= 0")
    assert [tuple(row) for row in home] == [("org-1", "PENDING")] * 10


async def test_cancelling_twice_changes_nothing_and_what_is_done_cannot_be(
    jobs: IntegrationJobs, pool: asyncpg.Pool
) -> None:
    """A FAILED job stays as it is, whoever cancels it again; a DONE one is a conflict; a stranger's is not there."""
    job, done = await add(jobs), await add(jobs)
    await cancel(pool, job, "ann")
    assert (await cancel(pool, job, "bob")).last_error == "cancelled by ann"
    await jobs.mark_processing(done)
    await jobs.mark_done(done)
    with pytest.raises(Conflict):
        await cancel(pool, done)
    with pytest.raises(NotFound):
        await cancel(pool, job, organization="org-2")


@pytest.mark.parametrize("by", ["", "x" * 10_000, "nul\x00", "\ud800", "'; DROP TABLE integration_jobs; --"])
async def test_any_subject_can_cancel(jobs: IntegrationJobs, pool: asyncpg.Pool, by: str) -> None:
    """However odd the token's subject is, the job is cancelled, and the reason fits."""
    cancelled = await cancel(pool, await add(jobs), by)
    assert cancelled.status is IntegrationJobStatus.FAILED
    assert (cancelled.last_error or "").startswith("cancelled by ")
    assert len(cancelled.last_error or "") <= 200


async def test_the_event_of_a_cancelled_webhook_is_failed_and_can_be_replayed(desk: Desk) -> None:
    """Its event says why it was not processed; a replay processes it after all."""
    await desk.connect()
    await desk.post(bodies.messages(bodies.text_message("wamid.1")))
    (job,) = await desk.jobs()
    async with desk.pool.acquire() as connection, connection.transaction():
        await cancel_job(connection, "org-1", job["id"], "ann")
    assert await desk.process() == 0
    event = await desk.event()
    assert (event["status"], event["error"]) == ("FAILED", "cancelled by ann")
    assert event["processed_at"]
    async with desk.pool.acquire() as connection, connection.transaction():
        await replay_event(connection, "org-1", event["id"])
    assert await desk.process() == 1
    assert (await desk.event())["status"] == "PROCESSED"
    assert (await desk.message("wamid.1"))["text"] == "Hello"


async def test_a_webhook_that_is_being_processed_is_waited_for(desk: Desk) -> None:
    """A batch in hand has its jobs locked: cancelling one waits, and finds that it is done."""
    await desk.connect()
    await desk.post(bodies.messages(bodies.text_message("wamid.1")))
    async with desk.pool.acquire() as connection, desk.pool.acquire() as other:
        processing = connection.transaction()
        await processing.start()
        (taken,) = await takes.take(connection, limit=10)
        async with other.transaction():
            cancelling = asyncio.create_task(cancel_job(other, "org-1", taken.id, "ann"))
            _, waiting = await asyncio.wait([cancelling], timeout=0.3)
            assert waiting
            await processing.commit()
            with pytest.raises(Conflict):
                await cancelling


async def test_a_retry_job_does_its_work_and_ends_in_one_transaction(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """A RETRY whose claim is lost retries nothing; one whose claim stands is DONE when its job waits again."""
    failed = await add(jobs)
    await cancel(pool, failed)
    retry = await add(jobs, "RETRY", {"jobId": str(failed.id)})
    async with pool.acquire() as connection:
        stale = await claims.claim_one(connection, "org-1", retry.id, claims.Hold(new_id(), new_id()))
        await pool.execute("UPDATE integration_jobs SET lease = lease + 1 WHERE id = $1", retry.id)
    assert stale is not None
    with pytest.raises(PermanentFailure, match="claim"):
        await run_retry(pool, stale)
    assert (await row(pool, failed))["status"] == "FAILED"
    await pool.execute("UPDATE integration_jobs SET lease = lease - 1 WHERE id = $1", retry.id)
    assert await run_retry(pool, stale) is ENDED
    assert [(await row(pool, job))["status"] for job in (failed, retry)] == ["PENDING", "DONE"]


BAD_RETRIES = [
    None,
    [],
    "x",
    {},
    {"jobId": None},
    {"jobId": 7},
    {"jobId": "7"},
    {"jobId": "\x00", "webhookEventId": ""},
    {"jobId": str(UUID(int=1)), "webhookEventId": str(UUID(int=2))},
]


@pytest.mark.parametrize("payload", BAD_RETRIES, ids=json.dumps)
async def test_a_retry_job_that_names_nothing_or_two_things_fails_for_good(
    jobs: IntegrationJobs, pool: asyncpg.Pool, payload: Any
) -> None:
    """The payload is {"jobId"} or {"webhookEventId"}, a UUID; the error says so."""
    job = await add(jobs, "RETRY", payload)
    with pytest.raises(PermanentFailure, match="payload must"):
        await run_retry(pool, job)
