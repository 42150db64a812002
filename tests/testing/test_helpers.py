"""The testing helpers: what they promise to other people's tests."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.conftest import SettingsFor

from hookline import Hookline
from hookline.bootstrap import WorkerContext
from hookline.domain.errors import InvalidRequest, PermanentFailure
from hookline.domain.job import IntegrationJobStatus
from hookline.providers import PROVIDERS
from hookline.services.jobs import IntegrationJobs
from hookline.settings import Settings
from hookline.store.jobs import Job
from hookline.testing import assert_enqueued, clear, drain, frozen_clock, open_fresh, refute_enqueued, run_job

NOON = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def hookline(pool: asyncpg.Pool, database_url: str, settings_for: SettingsFor) -> AsyncIterator[Hookline]:
    """The queue, as a program's tests have it."""
    context = WorkerContext(settings_for(database_url), PROVIDERS, pool)
    async with IntegrationJobs(pool) as jobs:
        yield Hookline(context, jobs)


async def add(hookline: Hookline, job_type: str = "REMIND", payload: Any = None, **options: Any) -> Job:
    """Enqueue a job of org-1."""
    return await hookline.jobs.enqueue(
        job_type, "WHATSAPP", payload, organization_id=options.pop("organization_id", "org-1"), **options
    )


class Handler:
    """Remembers what it was given; raises what it is told to."""

    def __init__(self, *errors: Exception | None) -> None:
        self.seen: list[Any] = []
        self._errors = list(errors)

    async def __call__(self, job: Job) -> None:
        self.seen.append(job.payload)
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error


async def test_drain_runs_what_is_due_and_what_that_adds(hookline: Hookline) -> None:
    """Jobs that jobs enqueue are run too, those of one key in order; what runs later stays."""
    handler = Handler()

    async def begin(_: Job) -> None:
        for number in range(3):
            await add(hookline, "REMIND", number, ordering_key="k")
        await add(hookline, "REMIND", "later", run_at=datetime.now(UTC) + HOUR)

    await add(hookline, "BEGIN")
    drained = await drain(hookline, {"BEGIN": begin, "REMIND": handler})
    assert (drained.ran, drained.failures) == (4, [])
    assert handler.seen == [0, 1, 2]
    await assert_enqueued(hookline, "REMIND", payload="later", count=1)


async def test_drain_tells_what_failed(hookline: Hookline) -> None:
    """A handler's error is in what is returned, with its job, and recorded as in production; or raised, if asked."""
    error = PermanentFailure("no such number")
    job = await add(hookline)
    drained = await drain(hookline, {"REMIND": Handler(error)})
    assert [(one.job.id, one.error) for one in drained.failures] == [(job.id, error)]
    await add(hookline)
    with pytest.raises(ZeroDivisionError):
        await drain(hookline, {"REMIND": Handler(ZeroDivisionError())}, raises=True)
    await assert_enqueued(hookline, "REMIND", attempts=1)


async def test_one_job_runs_alone(hookline: Hookline) -> None:
    """run_job runs the job that it is given, even before its time, and leaves all others; it gives what came of it."""
    handler = Handler(None, RuntimeError("engaged"))
    other, first = await add(hookline), await add(hookline, payload={"to": "ann"}, run_at=NOON + HOUR * 1000)
    assert (await run_job(hookline, first, {"REMIND": handler})).status is IntegrationJobStatus.DONE
    assert handler.seen == [{"to": "ann"}]
    failed = await run_job(hookline, other, {"REMIND": handler})
    assert (failed.status, failed.attempts, failed.last_error) == (IntegrationJobStatus.PENDING, 1, "engaged")


async def test_what_a_handler_waits_for_may_be_cancelled(hookline: Hookline) -> None:
    """That is a failed attempt here as in production, and not the end of the test."""

    async def handle(_: Job) -> None:
        waited_for = asyncio.create_task(asyncio.sleep(1))
        waited_for.cancel()
        await waited_for

    job = await add(hookline)
    ran = await run_job(hookline, job, {"REMIND": handle})
    assert (ran.status, ran.attempts) == (IntegrationJobStatus.PENDING, 1)
    await clear(hookline)
    await add(hookline)
    drained = await drain(hookline, {"REMIND": handle})
    assert [str(one.error) for one in drained.failures] == [ran.last_error]


async def test_a_job_that_cannot_run_says_why(hookline: Hookline) -> None:
    """Done already, behind another of its key, not there any more, or a webhook: the assertion's text tells which."""
    first, second = await add(hookline, ordering_key="k"), await add(hookline, ordering_key="k")
    with pytest.raises(AssertionError, match="earlier job of its key 'k'"):
        await run_job(hookline, second, {"REMIND": Handler()})
    await run_job(hookline, first, {"REMIND": Handler()})
    with pytest.raises(AssertionError, match="it is DONE"):
        await run_job(hookline, first, {"REMIND": Handler()})
    webhook = await add(hookline, "PROCESS_WEBHOOK", {})
    with pytest.raises(AssertionError, match="use drain"):
        await run_job(hookline, webhook)
    unknown = await run_job(hookline, second)
    assert "no handler is given for jobs of type REMIND" in str(unknown.last_error)
    third = await add(hookline)
    with pytest.raises(ValueError, match="as it was"):
        await run_job(hookline, third, {"REMIND": Handler(ValueError("as it was"))}, raises=True)
    await clear(hookline)
    with pytest.raises(AssertionError, match="there is no job"):
        await run_job(hookline, second)


async def test_what_is_enqueued_is_found(hookline: Hookline) -> None:
    """By type, by parts of the payload, by any field; the first one added is given."""
    first = await add(hookline, payload={"to": "ann", "how": {"via": "sms", "times": 2}}, ordering_key="k")
    await add(hookline, payload={"to": "bob"}, organization_id="org-2")
    assert (await assert_enqueued(hookline, "REMIND")).id == first.id
    assert (await assert_enqueued(hookline, "REMIND", payload={"how": {"via": "sms"}})).id == first.id
    assert (await assert_enqueued(hookline, "REMIND", organization_id="org-1", ordering_key="k")).id == first.id
    await assert_enqueued(hookline, "REMIND", count=2)
    await refute_enqueued(hookline, "REMIND", payload={"to": "eve"})
    await refute_enqueued(hookline, "FORGET")


async def test_what_is_not_enqueued_is_told_readably(hookline: Hookline) -> None:
    """The failure shows what was asked for, what waits, and in what each differs."""
    with pytest.raises(AssertionError, match="nothing waits at all"):
        await assert_enqueued(hookline, "REMIND")
    await add(hookline, payload={"to": "ann", "how": {"via": "sms"}}, ordering_key="k")
    with pytest.raises(AssertionError) as failure:
        await assert_enqueued(hookline, "REMIND", payload={"to": "bob", "how": {"via": "fax", "at": 1}}, attempts=0)
    text = str(failure.value)
    assert "no job waits that fits" in text
    assert """payload = {"to":"bob","how":{"via":"fax","at":1}}""" in text
    assert """payload {"to":"ann","how":{"via":"sms"}}, key k""" in text
    for line in ("payload.to: 'ann', not 'bob'", "payload.how.via: 'sms', not 'fax'", "payload.how.at: missing, not 1"):
        assert f"    differs in {line}" in text
    with pytest.raises(AssertionError, match="1 jobs wait, not 2, that fit"):
        await assert_enqueued(hookline, "REMIND", count=2)
    with pytest.raises(AssertionError, match="1 such jobs wait"):
        await refute_enqueued(hookline, "REMIND", payload={"to": "ann"})
    with pytest.raises(AttributeError, match="colour"):
        await assert_enqueued(hookline, "REMIND", colour="red")


async def test_a_frozen_clock_moves_only_when_it_is_moved(hookline: Hookline) -> None:
    """A job is due when the clock is moved to its time, not a second before; the queue's own times stand still too."""
    handler = Handler(RuntimeError("engaged"))
    async with frozen_clock(hookline, NOON) as clock:
        await add(hookline, run_at=clock.now() + HOUR)
        assert (await drain(hookline, {"REMIND": handler})).ran == 0
        await clock.move(HOUR - timedelta(seconds=1))
        assert (await drain(hookline, {"REMIND": handler})).ran == 0
        assert await clock.move(timedelta(seconds=1)) == NOON + HOUR == clock.now()
        assert len((await drain(hookline, {"REMIND": handler})).failures) == 1
        await assert_enqueued(hookline, "REMIND", run_at=NOON + HOUR + timedelta(minutes=2), attempts=1)
        await clock.move(timedelta(minutes=2))
        assert (await drain(hookline, {"REMIND": handler})).failures == []
        due_now = await add(hookline)
        assert due_now.run_at == clock.now()
    assert len(handler.seen) == 2


async def test_the_real_clock_goes_on_afterwards(hookline: Hookline) -> None:
    """After the block, and after one that failed, the database's own time counts again, on every connection."""

    async def fails() -> None:
        async with frozen_clock(hookline, NOON):
            await add(hookline)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    job = await add(hookline)
    assert abs(job.run_at - datetime.now(UTC)) < HOUR
    async with frozen_clock(hookline) as clock:
        assert abs(clock.now() - datetime.now(UTC)) < HOUR
        assert (await add(hookline)).run_at == clock.now()


async def test_a_clock_goes_forward(hookline: Hookline) -> None:
    """Backwards, or from a moment without time zone, is refused."""
    async with frozen_clock(hookline, NOON) as clock:
        with pytest.raises(InvalidRequest):
            await clock.move(-HOUR)
    with pytest.raises(InvalidRequest):
        async with frozen_clock(hookline, datetime(2031, 5, 1)):  # noqa: DTZ001 - that is the point
            raise AssertionError("it was taken")


async def test_production_is_left_alone(hookline: Hookline, settings_for: SettingsFor, database_url: str) -> None:
    """No helper empties a production database, or stops its clock."""
    settings: Settings = settings_for(database_url, environment="production")
    production = Hookline(WorkerContext(settings, PROVIDERS, hookline.context.pool), hookline.jobs)
    job = await add(hookline)
    with pytest.raises(InvalidRequest):
        await clear(production)
    with pytest.raises(InvalidRequest):
        async with frozen_clock(production):
            raise AssertionError("it was stopped")
    assert (await assert_enqueued(hookline, "REMIND")).id == job.id


async def test_a_fresh_database_is_migrated_and_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """open_fresh gives a queue of its own each time, and never the database that the environment names."""
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/production")
    for _ in range(2):
        async with open_fresh(tmp_path) as hookline:
            await refute_enqueued(hookline, "REMIND")
            await add(hookline)
            assert (await drain(hookline, {"REMIND": Handler()})).ran == 1
            await add(hookline)
