"""IntegrationJobs: the specification's five operations, over a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.services import bodies
from tests.services.desk import Desk
from tests.services.proxy import DatabaseProxy

from hookline.domain.errors import InvalidRequest, PermanentFailure, WaitRequested
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobStatus
from hookline.services.failure import RetryPolicy
from hookline.services.jobs import IntegrationJobs
from hookline.store import claims
from hookline.store import jobs as store
from hookline.store.jobs import Job
from hookline.store.pool import open_pool


@pytest.fixture
async def jobs(pool: asyncpg.Pool) -> AsyncIterator[IntegrationJobs]:
    """The queue."""
    async with IntegrationJobs(pool) as opened:
        yield opened


@pytest.fixture
async def others(pool: asyncpg.Pool) -> AsyncIterator[IntegrationJobs]:
    """Somebody else at the same queue."""
    async with IntegrationJobs(pool) as opened:
        yield opened


async def enqueue(jobs: IntegrationJobs, payload: Any = None, organization: str = "org-1", **options: Any) -> Job:
    """Add a job of no particular kind."""
    return await jobs.enqueue("SEND_MESSAGE", "WHATSAPP", payload or {}, organization_id=organization, **options)


async def row(pool: asyncpg.Pool, job: Job) -> Any:
    """The job as it is now."""
    return await pool.fetchrow("SELECT * FROM integration_jobs WHERE id = $1", job.id)


async def delay(pool: asyncpg.Pool, job: Job) -> timedelta:
    """How long after its last change the job runs again."""
    return await pool.fetchval("SELECT run_at - updated_at FROM integration_jobs WHERE id = $1", job.id)


async def make_due(pool: asyncpg.Pool, *these: Job) -> None:
    """Let the time pass that jobs wait for."""
    ids = [job.id for job in these]
    await pool.execute("UPDATE integration_jobs SET run_at = now() WHERE id = ANY ($1)", ids)


async def test_enqueue_creates_a_pending_job_that_is_due_now(jobs: IntegrationJobs) -> None:
    """Without `run_at` a job is due at once: PENDING, no attempts, no error."""
    before = datetime.now(UTC)
    job = await jobs.enqueue("SYNC_ACCOUNT", "WHATSAPP", {"n": 1}, organization_id="org-1")
    assert (job.status, job.attempts, job.last_error) == (IntegrationJobStatus.PENDING, 0, None)
    assert (job.organization_id, job.provider, job.job_type) == ("org-1", "WHATSAPP", "SYNC_ACCOUNT")
    assert job.payload == {"n": 1}
    assert (job.connected_account_id, job.ordering_key) == (None, None)
    assert abs(job.run_at - before) < timedelta(seconds=5)
    assert job.created_at == job.updated_at == job.run_at


async def test_enqueue_takes_the_specification_s_positions(jobs: IntegrationJobs) -> None:
    """The arguments come in the specification's order: runAt, organizationId, connectedAccountId."""
    account, later = new_id(), datetime.now(UTC) + timedelta(hours=1)
    job = await jobs.enqueue("SEND_MESSAGE", "FACEBOOK", {}, later, "org-1", str(account))
    assert (job.run_at, job.organization_id, job.connected_account_id) == (later, "org-1", account)


@pytest.mark.parametrize("organization", [None, "", 5])
async def test_enqueue_requires_an_organization(jobs: IntegrationJobs, organization: Any) -> None:
    """A job of nobody is an error."""
    with pytest.raises(InvalidRequest, match="organization_id"):
        await jobs.enqueue("SEND_MESSAGE", "WHATSAPP", {}, organization_id=organization)


class Nowhere(tzinfo):
    """A time zone that does not know where it is."""

    def utcoffset(self, _: datetime | None) -> None:
        return None


CYCLE: list[Any] = []
CYCLE.append(CYCLE)

BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "a time without zone": ({"run_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
    "a time as text": ({"run_at": "2026-01-01T00:00:00Z"}, "run_at"),
    "a time beyond the calendar": ({"run_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))}, "range"),
    "the first moment of the calendar": ({"run_at": datetime.min.replace(tzinfo=UTC)}, "range"),
    "the last moment of the calendar": ({"run_at": datetime.max.replace(tzinfo=UTC)}, "range"),
    "a zone that names no offset": ({"run_at": datetime(2026, 1, 1, tzinfo=Nowhere())}, "time zone"),
    "5 MB of payload": ({"payload": "x" * 5_000_000}, "bytes"),
    "a payload that holds itself": ({"payload": CYCLE}, "JSON"),
    "a set as payload": ({"payload": {1, 2}}, "JSON"),
    "NaN in the payload": ({"payload": {"n": float("nan")}}, "JSON"),
    "an object as payload": ({"payload": object()}, "JSON"),
    "an unknown provider": ({"provider": "TELEGRAM"}, "provider"),
    "no provider": ({"provider": None}, "provider"),
    "no job type": ({"job_type": ""}, "job_type"),
    "an account that is no UUID": ({"connected_account_id": "acc-1"}, "connected_account_id"),
    "NUL in the organization": ({"organization_id": "org\x00"}, "organization_id"),
    "a lone surrogate in the organization": ({"organization_id": "\ud83d"}, "organization_id"),
    "10 KB of organization": ({"organization_id": "o" * 10_240}, "organization_id"),
    "NUL in the key": ({"ordering_key": "a\x00"}, "ordering_key"),
    "an empty key": ({"ordering_key": ""}, "ordering_key"),
    "a webhook's key": ({"ordering_key": "in:1:2"}, "in:"),
    "a webhook with a key": ({"job_type": "PROCESS_WEBHOOK", "ordering_key": "a"}, "ordering_key"),
}


async def test_enqueue_refuses_what_does_not_fit(jobs: IntegrationJobs) -> None:
    """Every argument that cannot be stored is named, as an InvalidRequest and never as a database error."""
    fitting: dict[str, Any] = {
        "job_type": "SEND_MESSAGE",
        "provider": "WHATSAPP",
        "payload": {},
        "organization_id": "org-1",
    }
    for name, (change, told) in BAD_ARGUMENTS.items():
        with pytest.raises(InvalidRequest) as refused:
            await jobs.enqueue(**(fitting | change))
        assert told in str(refused.value), name


@pytest.mark.parametrize("organization", ["o'; DROP TABLE messages; --", "名前😀", '"quoted" \\ back', "ö" * 512])
async def test_enqueue_takes_any_text_as_organization(jobs: IntegrationJobs, organization: str) -> None:
    """Quotes, emoji and length mean nothing to the queue."""
    job = await enqueue(jobs, organization=organization)
    (found,) = await jobs.fetch_next()
    assert (found.id, found.organization_id) == (job.id, organization)
    assert await jobs.mark_processing(job.id)
    assert await jobs.mark_done(job.id)


@pytest.mark.parametrize("payload", [None, [], 0, "text", {"a": [1, {"b": "\x00 \ud83d 😀"}], "n": 10**40}])
async def test_any_json_is_a_payload(jobs: IntegrationJobs, payload: Any) -> None:
    """A payload comes back as it was given, whatever JSON it is."""
    job = await jobs.enqueue("SEND_MESSAGE", "WHATSAPP", payload, organization_id="org-1")
    (found,) = await jobs.fetch_next()
    assert json.loads(found.payload_json) == json.loads(job.payload_json) == found.payload == payload


async def test_fetch_next_lists_due_jobs_only(jobs: IntegrationJobs) -> None:
    """What runs later is not listed; a time in another zone is the same moment."""
    await enqueue(jobs, run_at=datetime.now(UTC) + timedelta(minutes=1))
    elsewhere = timezone(timedelta(hours=14))
    due = await enqueue(jobs, run_at=datetime.now(elsewhere) - timedelta(seconds=1))
    assert [job.id for job in await jobs.fetch_next()] == [due.id]


async def test_fetch_next_is_ordered_by_run_at(jobs: IntegrationJobs) -> None:
    """The longest overdue job comes first, whenever it was added."""
    now = datetime.now(UTC)
    ages = [3, 1, 4, 15, 9, 2, 6]
    added = {age: await enqueue(jobs, run_at=now - timedelta(minutes=age)) for age in ages}
    expected = [added[age].id for age in sorted(ages, reverse=True)]
    assert [job.id for job in await jobs.fetch_next()] == expected
    assert [job.id for job in await jobs.fetch_next(limit=3)] == expected[:3]


async def test_fetch_next_lists_ten_unless_told_otherwise(jobs: IntegrationJobs) -> None:
    """The default limit is the specification's, and listing claims nothing."""
    for _ in range(12):
        await enqueue(jobs)
    assert len(await jobs.fetch_next()) == 10
    assert len(await jobs.fetch_next(1000)) == 12


async def test_fetch_next_refuses_an_odd_limit(jobs: IntegrationJobs) -> None:
    """A limit is a whole number from 1 to 1000."""
    odd: list[Any] = [0, -1, 1001, 10**30, True, 2.5, "10", None]
    for limit in odd:
        with pytest.raises(InvalidRequest, match="limit"):
            await jobs.fetch_next(limit)


async def test_a_later_job_of_a_key_is_blocked_until_the_earlier_ends(jobs: IntegrationJobs) -> None:
    """Only the first live job of a key is listed and can be claimed; keys do not block each other."""
    first = await enqueue(jobs, ordering_key="key-1")
    second = await enqueue(jobs, ordering_key="key-1")
    third = await enqueue(jobs, ordering_key="key-2")
    assert [job.id for job in await jobs.fetch_next()] == [first.id, third.id]
    assert not await jobs.mark_processing(second)
    assert await jobs.mark_processing(first)
    assert [job.id for job in await jobs.fetch_next()] == [third.id]
    assert not await jobs.mark_processing(second)
    assert await jobs.mark_done(first)
    assert {job.id for job in await jobs.fetch_next()} == {second.id, third.id}
    assert await jobs.mark_processing(second)


async def test_an_earlier_job_that_runs_later_still_blocks(jobs: IntegrationJobs) -> None:
    """Order is the order of adding: an earlier job that waits for its time holds its key."""
    await enqueue(jobs, ordering_key="key-1", run_at=datetime.now(UTC) + timedelta(hours=1))
    second = await enqueue(jobs, ordering_key="key-1")
    assert await jobs.fetch_next() == []
    assert not await jobs.mark_processing(second)


async def test_the_same_key_in_two_organizations_is_two_keys(jobs: IntegrationJobs) -> None:
    """No organization's job ever waits for another organization's."""
    theirs = await enqueue(jobs, organization="org-1", ordering_key="customer-1")
    ours = await enqueue(jobs, organization="org-2", ordering_key="customer-1")
    assert {job.id for job in await jobs.fetch_next()} == {theirs.id, ours.id}
    assert await jobs.mark_processing(ours)


async def test_order_of_a_key_holds_over_retries(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """A message that fails keeps its followers back until it has ended, however often it is tried."""
    one, two, three = [await enqueue(jobs, {"n": n}, ordering_key="key-1") for n in range(3)]
    ended = []
    failures = {one.id: 2, two.id: 0, three.id: 1}
    while len(ended) < 3:
        await make_due(pool, one, two, three)
        (job,) = await jobs.fetch_next()
        assert await jobs.mark_processing(job)
        if failures[job.id]:
            failures[job.id] -= 1
            assert await jobs.mark_failed(job, "not now")
        else:
            assert await jobs.mark_done(job)
            ended.append(job.id)
    assert ended == [one.id, two.id, three.id]


async def test_mark_processing_claims_once(jobs: IntegrationJobs, others: IntegrationJobs) -> None:
    """Of any number of claims at once exactly one holds; a claimed job is listed no more."""
    for _ in range(10):
        job = await enqueue(jobs)
        claims = await asyncio.gather(*(who.mark_processing(job) for who in (jobs, others, jobs, others)))
        assert sorted(claims) == [False, False, False, True]
    assert await jobs.fetch_next() == []


async def test_marking_by_id_as_text_or_uuid(jobs: IntegrationJobs) -> None:
    """A job may be named by itself, by its id, or by its id as text; a text that is no id is refused."""
    for name in (lambda job: job, lambda job: job.id, lambda job: str(job.id)):
        job = await enqueue(jobs)
        assert await jobs.mark_processing(name(job))
        assert await jobs.mark_done(name(job))
    with pytest.raises(InvalidRequest):
        await jobs.mark_processing("job-1")
    assert not await jobs.mark_processing(UUID(int=1))


async def test_mark_done_ends_a_job(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """DONE is the end: it is listed no more, and marking it again changes nothing."""
    job = await enqueue(jobs)
    assert await jobs.mark_processing(job)
    assert await jobs.mark_done(job)
    done = await row(pool, job)
    assert (done["status"], done["attempts"], done["worker_id"]) == ("DONE", 0, None)
    assert not await jobs.mark_done(job)
    assert not await jobs.mark_failed(job, "late")
    assert not await jobs.mark_processing(job)
    assert await row(pool, job) == done


async def test_a_job_that_was_not_claimed_cannot_be_ended(
    jobs: IntegrationJobs, others: IntegrationJobs, pool: asyncpg.Pool
) -> None:
    """Only who claimed a job may end it."""
    job = await enqueue(jobs)
    assert not await jobs.mark_done(job)
    assert await others.mark_processing(job)
    assert not await jobs.mark_done(job)
    assert not await jobs.mark_failed(job, "x")
    assert (await row(pool, job))["status"] == "PROCESSING"


async def test_backoff_and_the_end(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """Failures are tried again after exactly 2, 4, 8, 16 and 32 minutes; the sixth ends the job with attempts 5."""
    job = await enqueue(jobs)
    for attempts, minutes in enumerate((2, 4, 8, 16, 32), start=1):
        assert await jobs.mark_processing(job)
        assert await jobs.mark_failed(job, f"failure {attempts}")
        now = await row(pool, job)
        assert (now["status"], now["attempts"], now["last_error"]) == ("PENDING", attempts, f"failure {attempts}")
        assert await delay(pool, job) == timedelta(minutes=minutes)
        assert await jobs.fetch_next() == []
        await make_due(pool, job)
    assert await jobs.mark_processing(job)
    assert await jobs.mark_failed(job, "failure 6")
    ended = await row(pool, job)
    assert (ended["status"], ended["attempts"], ended["last_error"]) == ("FAILED", 5, "failure 6")
    assert await jobs.fetch_next() == []


async def test_the_cap_shows_once_the_limit_is_raised(pool: asyncpg.Pool) -> None:
    """No delay is longer than 60 minutes: 64 and more are cut."""
    async with IntegrationJobs(pool, policy=RetryPolicy(max_attempts=8)) as jobs:
        job = await enqueue(jobs)
        delays = []
        for _ in range(8):
            assert await jobs.mark_processing(job)
            assert await jobs.mark_failed(job, "x")
            delays.append((await delay(pool, job)) // timedelta(minutes=1))
            await make_due(pool, job)
    assert delays == [2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_permanent_failure_ends_the_job_at_once(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """What cannot succeed is not tried again, and the attempts stay what they were."""
    job = await enqueue(jobs)
    assert await jobs.mark_processing(job)
    assert await jobs.mark_failed(job, PermanentFailure("no such recipient"))
    now = await row(pool, job)
    assert (now["status"], now["attempts"]) == ("FAILED", 0)
    assert now["last_error"] == "PermanentFailure: no such recipient"


async def test_a_wait_uses_no_attempt(jobs: IntegrationJobs, pool: asyncpg.Pool) -> None:
    """A wait that the provider asked for delays by exactly that, any number of times."""
    job = await enqueue(jobs)
    for _ in range(7):
        assert await jobs.mark_processing(job)
        assert await jobs.mark_failed(job, WaitRequested("throttled", timedelta(seconds=90)))
        assert ((await row(pool, job))["status"], (await row(pool, job))["attempts"]) == ("PENDING", 0)
        assert await delay(pool, job) == timedelta(seconds=90)
        await make_due(pool, job)


@pytest.mark.parametrize("error", ["NUL \x00 and \ud83d", "x" * 100_000, "'; DROP TABLE messages; --", ""])
async def test_any_text_is_an_error(jobs: IntegrationJobs, pool: asyncpg.Pool, error: str) -> None:
    """An odd error text never keeps a failure from being recorded."""
    job = await enqueue(jobs)
    assert await jobs.mark_processing(job)
    assert await jobs.mark_failed(job, error)
    assert (await row(pool, job))["attempts"] == 1
    assert len((await row(pool, job))["last_error"]) <= 2000


async def kill(pool: asyncpg.Pool, desk: Desk, job: Job) -> None:
    """Let the worker of a job be silent for longer than its lease, and upkeep notice."""
    worker = (await row(pool, job))["worker_id"]
    await pool.execute("UPDATE job_workers SET heartbeat_at = now() - interval '1 minute' WHERE id = $1", worker)
    await desk.keep_up()
    assert (await row(pool, job))["status"] == "PENDING", "it was rescued"


async def test_a_lost_claim_changes_nothing(
    jobs: IntegrationJobs, others: IntegrationJobs, pool: asyncpg.Pool, desk: Desk
) -> None:
    """Who was taken for dead and returns can neither end nor fail what somebody else has taken over."""
    for late in (jobs.mark_done, lambda job: jobs.mark_failed(job, PermanentFailure("late"))):
        job = await enqueue(jobs)
        assert await jobs.mark_processing(job)
        await kill(pool, desk, job)
        assert (await row(pool, job))["status"] == "PENDING"
        assert await others.mark_processing(job)
        before = await row(pool, job)
        assert await late(job) is False
        assert await row(pool, job) == before
        assert await pool.fetchval("SELECT worker_id FROM job_claims") == before["worker_id"]
        assert await others.mark_done(job)
        assert await pool.fetchval("SELECT count(*) FROM job_claims") == 0


async def test_a_claim_lost_and_not_yet_taken_over_changes_nothing(
    jobs: IntegrationJobs, pool: asyncpg.Pool, desk: Desk
) -> None:
    """A rescued job that waits for its next worker is not ended by its former one."""
    job = await enqueue(jobs)
    assert await jobs.mark_processing(job)
    await kill(pool, desk, job)
    before = await row(pool, job)
    assert not await jobs.mark_done(job)
    assert await row(pool, job) == before


async def test_the_fence_holds_against_the_same_worker_s_later_claim(
    jobs: IntegrationJobs, pool: asyncpg.Pool, desk: Desk
) -> None:
    """The fence is the claim, not the worker: an earlier claim of one's own is as lost as anybody's."""
    job = await enqueue(jobs)
    async with pool.acquire() as connection:
        assert await jobs.mark_processing(job)
        old = await store.get(connection, "org-1", job.id)
        assert old is not None
        await kill(pool, desk, job)
        await pool.execute("UPDATE job_workers SET heartbeat_at = now()")
        assert await jobs.mark_processing(job)
        assert await claims.finish(connection, [old]) == set()
    assert await jobs.mark_done(job)


async def test_closing_gives_claims_back(pool: asyncpg.Pool, jobs: IntegrationJobs) -> None:
    """What was claimed and not ended is anybody's as soon as the claimant leaves."""
    job = await enqueue(jobs)
    async with IntegrationJobs(pool) as leaving:
        assert await leaving.mark_processing(job)
    assert [one.id for one in await jobs.fetch_next()] == [job.id]
    assert (await row(pool, job))["attempts"] == 0


async def test_an_outage_does_not_lose_the_claim(pool: asyncpg.Pool, database_url: str, jobs: IntegrationJobs) -> None:
    """An end that could not be recorded can be recorded again when the database is back."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(DatabaseProxy(database_url))
        through = await stack.enter_async_context(await open_pool(proxy.url, size=2, application_name="tests"))
        far = await stack.enter_async_context(IntegrationJobs(through))
        job = await enqueue(jobs)
        assert await far.mark_processing(job)
        await proxy.cut()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await far.mark_done(job)
        await proxy.mend()
        assert await far.mark_done(job)
    assert (await row(pool, job))["status"] == "DONE"


async def test_a_webhook_that_failed_once_releases_its_followers(desk: Desk, jobs: IntegrationJobs) -> None:
    """One bad webhook holds its conversation up for its first attempt only; a message keeps holding."""
    await desk.connect()
    await desk.post(bodies.messages(bodies.text_message("wamid.1")))
    await desk.post(bodies.messages(bodies.text_message("wamid.2")))
    first, second = await desk.jobs()
    assert [str(job.id) for job in await jobs.fetch_next()] == [str(first["id"])]
    assert await jobs.mark_processing(first["id"])
    assert await jobs.mark_failed(first["id"], "not yet")
    assert [str(job.id) for job in await jobs.fetch_next()] == [str(second["id"])]
    assert await jobs.mark_processing(second["id"])
    assert (await desk.events())[0]["error"] == "not yet"
