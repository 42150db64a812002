"""Running jobs: side by side up to a limit, those of one key one after another, ahead and back again."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.conftest import SettingsFor
from tests.services.proxy import DatabaseProxy
from tests.store.queue import Queue
from tests.worker.test_loop import until, working

from hookline.bootstrap import WorkerContext
from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.domain.ids import new_id
from hookline.domain.job import ENDED, Ended
from hookline.providers import PROVIDERS
from hookline.services import control
from hookline.services.jobs import IntegrationJobs
from hookline.store import claims, pauses
from hookline.store.claims import Claimed
from hookline.store.jobs import Job
from hookline.store.pool import open_pool
from hookline.worker import Worker, loop, runner
from hookline.worker.handlers import Handler
from hookline.worker.runner import _Waiting

ContextWith = Callable[..., WorkerContext]


@pytest.fixture
def queue(pool: asyncpg.Pool) -> Queue:
    """The queue."""
    return Queue(pool)


@pytest.fixture
def context_with(pool: asyncpg.Pool, database_url: str, settings_for: SettingsFor) -> ContextWith:
    """What a worker works with, under certain settings."""

    def make(**settings: Any) -> WorkerContext:
        return WorkerContext(settings_for(database_url, **settings), PROVIDERS, pool)

    return make


def all_done(queue: Queue, jobs: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many jobs are DONE."""

    async def done() -> bool:
        return (await queue.statuses()).get("DONE") == jobs

    return done


async def test_no_more_run_side_by_side_than_allowed(context_with: ContextWith, queue: Queue) -> None:
    """As many jobs overlap as the setting allows, and never one more; keyless ones and keys alike."""
    active = most = 0

    async def handle(_: Job) -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0.02)
        active -= 1

    await queue.add(60)
    for key in range(20):
        await queue.add(3, key=f"key-{key}")
    await Worker(context_with(worker_concurrency=10), {"TEST": handle}).drain()
    assert await queue.statuses() == {"DONE": 120}
    assert most == 10


async def test_two_hundred_slow_handlers_overlap(context_with: ContextWith, queue: Queue) -> None:
    """Under the default settings 200 jobs that each wait for half a second take about as long as one."""
    began: list[float] = []
    ended: list[float] = []

    async def handle(_: Job) -> None:
        began.append(time.monotonic())
        await asyncio.sleep(0.5)
        ended.append(time.monotonic())

    await queue.add(200)
    await Worker(context_with(), {"TEST": handle}).drain()
    assert max(ended) - min(began) < 5
    assert max(began) < min(ended) + 5


async def test_handlers_that_never_wait_leave_the_others_their_turns(context_with: ContextWith, queue: Queue) -> None:
    """While jobs that only compute run one after another, everything else in the process goes on."""
    pauses: list[float] = []

    async def handle(_: Job) -> None:
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0)
            pauses.append(time.monotonic() - last)
            last = time.monotonic()

    await queue.add(500)
    ticking = asyncio.create_task(tick())
    await Worker(context_with(), {"TEST": handle}).drain()
    ticking.cancel()
    assert max(pauses) < 0.5, "500 jobs of 2 ms are a second in which nothing else would happen"


async def test_a_job_that_fails_for_good_is_followed_at_once(context_with: ContextWith, queue: Queue) -> None:
    """The rest of its key's run goes on without returning to the queue."""
    seen = []

    async def handle(job: Job) -> None:
        seen.append((job.payload, job.lease))
        if job.payload == 2:
            raise PermanentFailure("never")

    await queue.add(4, key="a")
    await Worker(context_with(), {"TEST": handle}).drain()
    assert seen == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert await queue.statuses() == {"DONE": 3, "FAILED": 1}


async def test_a_job_that_waits_is_waited_for(context_with: ContextWith, queue: Queue) -> None:
    """The rest of its key is put aside until it has ended; other keys go on."""
    seen = []

    async def handle(job: Job) -> None:
        seen.append((job.ordering_key, job.payload))
        if job.payload == 2 and job.ordering_key == "a" and job.attempts == 0 and len(seen) < 7:
            raise WaitRequested("throttled", timedelta(hours=1))

    for key in "ab":
        await queue.add(4, key=key)
    await Worker(context_with(), {"TEST": handle}).drain()
    assert sorted(seen) == [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3), ("b", 4)]
    assert await queue.lane_counts() == {"lanes": 1, "blocked": 2}
    await queue.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE status = 'PENDING' AND lane >= 0")
    seen += [("", 0)]
    await Worker(context_with(), {"TEST": handle}).drain()
    assert seen[-3:] == [("a", 2), ("a", 3), ("a", 4)]
    assert await queue.statuses() == {"DONE": 8}


async def test_ends_of_all_kinds_keep_a_run_in_order(context_with: ContextWith, queue: Queue) -> None:
    """A job that completes itself does so together with those before it whose end is not recorded yet."""
    seen: list[int] = []
    waiting = []

    async def handle(job: Job) -> Ended | None:
        seen.append(job.payload)
        if job.payload % 3:
            return None
        async with queue.pool.acquire() as connection, connection.transaction():
            assert await claims.finish(connection, [job]) == {job.id}
            waiting.append(
                await connection.fetchval(
                    "SELECT count(*) FROM integration_jobs WHERE seq < $1 AND status <> 'DONE'", job.seq
                )
            )
        return ENDED

    await queue.add(30, key="a")
    await Worker(context_with(), {"TEST": handle}).drain()
    assert seen == list(range(1, 31))
    assert waiting == [0] * 10
    assert await queue.statuses() == {"DONE": 30}


async def test_what_is_claimed_ahead_returns_at_a_stop(context_with: ContextWith, queue: Queue) -> None:
    """A stop finishes the jobs that have begun, and returns those that were only claimed, untouched."""
    begun: list[Any] = []
    go_on = asyncio.Event()

    async def handle(job: Job) -> None:
        begun.append(job.id)
        await go_on.wait()

    await queue.add(50)
    worker = Worker(context_with(worker_concurrency=3), {"TEST": handle})

    async def three() -> bool:
        return len(begun) == 3

    async with working(worker):
        await until(three, "three have begun")
        worker.stop()
        asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert await queue.statuses() == {"DONE": 3, "PENDING": 47}
    assert await queue.pool.fetchval("SELECT max(attempts) FROM integration_jobs") == 0


async def test_nothing_is_begun_under_a_claim_that_may_be_lost(context_with: ContextWith, queue: Queue) -> None:
    """After a silence the worker goes on as another one, and what it had claimed before returns to the queue."""
    seen: list[tuple[int, int]] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handle(job: Job) -> None:
        seen.append((job.payload, job.lease))
        began.set()
        await go_on.wait()

    await queue.add(3, key="a")
    worker = Worker(context_with(), {"TEST": handle})
    async with working(worker):
        await asyncio.wait_for(began.wait(), 10)
        another = new_id()
        await queue.pool.execute("INSERT INTO job_workers (id, name) VALUES ($1, 'again')", another)
        worker._presence.id = another
        go_on.set()
        await until(all_done(queue, 3), "all are done")
    assert seen == [(1, 1), (2, 2), (3, 2)], "the first was begun, the others were claimed anew"


async def test_ends_are_recorded_when_the_database_is_back(
    context_with: ContextWith, queue: Queue, database_url: str, settings_for: SettingsFor
) -> None:
    """Jobs that ended during an outage are recorded after it, without being run again."""
    seen: list[int] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handle(job: Job) -> None:
        seen.append(job.payload)
        began.set()
        await go_on.wait()

    await queue.add(5, key="a")
    async with (
        DatabaseProxy(database_url) as proxy,
        await open_pool(proxy.url, size=8, application_name="tests") as far,
        working(Worker(WorkerContext(settings_for(proxy.url), PROVIDERS, far), {"TEST": handle})),
    ):
        await asyncio.wait_for(began.wait(), 10)
        await proxy.cut()
        go_on.set()
        await asyncio.sleep(1)
        assert await queue.statuses() == {"PROCESSING": 5}
        await proxy.mend()
        await until(all_done(queue, 5), "all are recorded", 15)
    assert seen == [1, 2, 3, 4, 5]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many jobs each claim asked for."""
    asked = []
    claim = claims.claim

    async def noted(*arguments: Any, limit: int, **options: Any) -> Claimed:
        asked.append(limit)
        return await claim(*arguments, limit=limit, **options)

    monkeypatch.setattr(claims, "claim", noted)
    return asked


async def test_claims_grow_while_all_that_they_bring_is_run_at_once(
    context_with: ContextWith, queue: Queue, limits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that waits for its claims takes on twice as much each time, up to a batch, whatever its pace was."""

    async def nothing(job: Job) -> None:
        pass

    monkeypatch.setattr(runner, "AHEAD_SECONDS", 0.0)
    await queue.add(2000)
    await Worker(context_with(worker_concurrency=10, worker_batch=400), {"TEST": nothing}).drain()
    assert await queue.statuses() == {"DONE": 2000}
    assert limits[0] == 10
    assert max(limits) == 400
    assert len(limits) < 50, "ten at a time, they would be two hundred"


@pytest.mark.parametrize("slots", [1, 2])
async def test_claims_go_side_by_side_where_they_are_the_bottleneck(
    context_with: ContextWith, queue: Queue, monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    """As many at a time as there are slots, and together they take on no more than there is room for."""
    monkeypatch.setattr(runner, "MOST_IN_HAND", 300)
    claim, under_way, taken, done = claims.claim, [], 0, 0
    most_claims = most_jobs = 0

    async def watched(*arguments: Any, limit: int, **options: Any) -> Claimed:
        nonlocal taken, most_claims, most_jobs
        under_way.append(limit)
        most_claims = max(most_claims, len(under_way))
        most_jobs = max(most_jobs, sum(under_way) + taken - done)
        claimed = await claim(*arguments, limit=limit, **options)
        under_way.remove(limit)
        taken += sum(len(run.jobs) for run in claimed.runs)
        return claimed

    async def handle(_: Job) -> None:
        nonlocal done
        done += 1

    monkeypatch.setattr(claims, "claim", watched)
    await queue.add(5000)
    async with working(Worker(context_with(worker_slots=slots, worker_batch=100), {"TEST": handle})):
        await until(all_done(queue, 5000), "all is done")
    assert done == 5000
    assert most_claims == slots
    assert most_jobs <= 300
    assert await queue.pool.fetchval("SELECT count(*) FROM job_claims") == 0


async def test_a_claim_whose_commit_is_not_answered_is_not_lost(
    context_with: ContextWith, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks between the commit and its answer: the worker gives up what it does not know it has."""
    claim, lost = claims.claim, 0

    async def committed_elsewhere(connection: Any, *arguments: Any, **options: Any) -> Claimed:
        nonlocal lost
        if lost:
            return await claim(connection, *arguments, **options)
        async with queue.pool.acquire() as other, other.transaction():
            lost = len((await claim(other, *arguments, **options)).runs)
        raise ConnectionResetError

    monkeypatch.setattr(claims, "claim", committed_elsewhere)
    monkeypatch.setattr(loop, "DATABASE_PAUSE_SECONDS", 0.01)
    ran: list[Any] = []

    async def handle(job: Job) -> None:
        ran.append(job.payload)

    await queue.add(5)
    async with working(Worker(context_with(), {"TEST": handle})):
        await until(all_done(queue, 5), "all is done")
    assert lost > 0
    assert sorted(ran) == [1, 2, 3, 4, 5]
    assert await queue.pool.fetchval("SELECT count(*) FROM job_claims") == 0


async def test_what_a_handler_waits_for_may_be_cancelled(
    context_with: ContextWith, queue: Queue, pool: asyncpg.Pool
) -> None:
    """That is a failed attempt, and not the end of the task that runs it and others."""
    ran: list[Any] = []

    async def handle(job: Job) -> None:
        ran.append(job.payload)
        if job.payload == 1:
            waited_for = asyncio.create_task(asyncio.sleep(1))
            waited_for.cancel()
            await waited_for

    await queue.add(2, key="a")
    await queue.add(1, key="b")
    async with working(Worker(context_with(worker_concurrency=1), {"TEST": handle})):
        await until(
            lambda: pool.fetchval("SELECT count(*) = 2 FROM integration_jobs WHERE attempts = 1"), "both failed"
        )
        assert await queue.statuses() == {"PENDING": 3}
    assert ran == [1, 1]
    said = await pool.fetchval("SELECT last_error FROM integration_jobs WHERE ordering_key = 'b'")
    assert said == "something that the handler waited for was cancelled"


@pytest.mark.parametrize("how", ["cancelled", "paused"])
async def test_what_was_claimed_ahead_is_not_begun_once_it_is_stopped(
    context_with: ContextWith, queue: Queue, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Jobs of a run that have not begun are cancelled, or paused, while the first one is being run."""
    monkeypatch.setattr(runner, "FRESH_SECONDS", 0.05)
    ran: list[Any] = []
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def handle(job: Job) -> None:
        ran.append(job.payload)
        begun.set()
        await goes_on.wait()

    ids = await queue.add(4, key="a")
    async with working(Worker(context_with(), {"TEST": handle})):
        await asyncio.wait_for(begun.wait(), 10)
        async with pool.acquire() as connection, connection.transaction():
            if how == "cancelled":
                await control.cancel_jobs(connection, "org-1", ids[1:3], "ann")
            else:
                await pauses.pause(connection, pauses.Pause("org-1", None))
        await asyncio.sleep(0.1)
        goes_on.set()
        left = {"DONE": 2, "FAILED": 2} if how == "cancelled" else {"DONE": 1, "PENDING": 3}

        async def settled() -> bool:
            return await queue.statuses() == left

        await until(settled, f"what is left: {left}")
    assert ran == ([1, 4] if how == "cancelled" else [1])


async def test_a_job_without_a_handler_waits_for_a_worker_that_has_one(
    context_with: ContextWith, queue: Queue, pool: asyncpg.Pool
) -> None:
    """While a new version is rolled out, older workers meet its jobs: that costs an attempt, and not the job."""
    await queue.add(job_type="NEW")
    await Worker(context_with()).drain()
    row = await pool.fetchrow("SELECT status, attempts, last_error, run_at > now() AS later FROM integration_jobs")
    assert tuple(row) == ("PENDING", 1, "this worker has no handler for jobs of type NEW", True)
    seen = []

    async def handle(job: Job) -> None:
        seen.append(job.payload)

    await pool.execute("UPDATE integration_jobs SET run_at = now()")
    await Worker(context_with(), {"NEW": handle}).drain()
    assert seen == [1]
    assert await queue.statuses() == {"DONE": 1}


async def test_claims_of_slow_jobs_do_not_grow(context_with: ContextWith, queue: Queue, limits: list[int]) -> None:
    """Where each job takes its time, no more are taken than run at once: others may run the rest."""

    async def slow(job: Job) -> None:
        await asyncio.sleep(0.3)

    await queue.add(6)
    await Worker(context_with(worker_concurrency=1), {"TEST": slow}).drain()
    assert await queue.statuses() == {"DONE": 6}
    assert set(limits) == {1}


@pytest.mark.parametrize(("before", "during"), [(700, 50_000), (0, 0), (90_000, 90_000)])
async def test_the_collector_is_calmed_by_a_worker(
    context_with: ContextWith, queue: Queue, before: int, during: int
) -> None:
    """The cycle collector looks less often once a worker runs, but for a process that has seen to that itself."""
    found = []

    async def note(job: Job) -> None:
        found.append(gc.get_threshold()[0])

    await queue.add()
    usual = gc.get_threshold()
    gc.set_threshold(before, 10, 10)
    try:
        async with working(Worker(context_with(), {"TEST": note})):
            await until(all_done(queue, 1), "it is done", 10)
    finally:
        gc.set_threshold(*usual)
    assert found == [during]


async def test_a_hot_key_moves_by_runs(context_with: ContextWith, queue: Queue) -> None:
    """One key's jobs are claimed a hundred at a time, not one by one: many of them need few claims."""
    leases = []

    async def handle(job: Job) -> None:
        leases.append(job.updated_at)

    await queue.add(2000, key="hot")
    await Worker(context_with(), {"TEST": handle}).drain()
    assert await queue.statuses() == {"DONE": 2000}
    assert len(set(leases)) <= 60


async def test_a_waiting_worker_runs_a_new_job_at_once(
    context_with: ContextWith, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`enqueue` rings, and an idle worker hears it: nothing waits for the next poll."""
    monkeypatch.setattr("hookline.worker.watch.LONGEST_WAIT_SECONDS", 30.0)
    monkeypatch.setattr("hookline.worker.watch.SHORTEST_WAIT_SECONDS", 30.0)
    ran = asyncio.Event()

    async def handle(_: Job) -> None:
        ran.set()

    handlers: dict[str, Handler] = {"TEST": handle}
    async with working(Worker(context_with(), handlers)), IntegrationJobs(queue.pool) as jobs:
        await asyncio.sleep(1)
        await jobs.enqueue("TEST", "WHATSAPP", None, organization_id="org-1")
        await asyncio.wait_for(ran.wait(), 5)


async def test_without_notify_a_worker_polls(
    context_with: ContextWith, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be heard, a new job is found all the same, a quarter of a second later at most."""

    def nothing_is_opened(*_: object) -> None:
        raise AssertionError("a listener was opened")

    monkeypatch.setattr(loop, "Listener", nothing_is_opened)
    ran = asyncio.Event()

    async def handle(_: Job) -> None:
        ran.set()

    async with working(Worker(context_with(notify=False), {"TEST": handle})):
        await asyncio.sleep(0.5)
        await queue.add(delay=timedelta(0))
        await asyncio.wait_for(ran.wait(), 5)


async def test_an_organization_s_only_job_goes_before_what_another_has_more_of(queue: Queue) -> None:
    """Of what is claimed ahead, one organization's many jobs do not hold up another's single one."""
    await queue.add(20, organization="noisy")
    noisy = (await queue.claim(20)).runs
    await queue.add(1, organization="quiet")
    quiet = (await queue.claim(20)).runs
    ahead = _Waiting()
    for run in (*noisy, *quiet):
        ahead.add(run)
    assert len(ahead) == 21
    order = [run.jobs[0].organization_id for run in ahead.take_all()]
    assert order == ["noisy", "quiet", *["noisy"] * 19]
    assert len(ahead) == 0
