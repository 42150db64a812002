"""The worker: what it drains, how it stops, what handlers may say, and what becomes of a dead one's jobs."""

import asyncio
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.conftest import SettingsFor
from tests.journeys.processes import environment, program
from tests.services import bodies
from tests.services.desk import Desk
from tests.services.proxy import DatabaseProxy

from hookline.bootstrap import WorkerContext
from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.providers import PROVIDERS
from hookline.services.jobs import IntegrationJobs
from hookline.services.wakeup import Work
from hookline.store import claims, lanes
from hookline.store.jobs import Job
from hookline.store.pool import open_pool
from hookline.worker import Worker
from hookline.worker.handlers import ENDED, Ended

MOVES_AGAIN_SECONDS = 15


@pytest.fixture
def context(pool: asyncpg.Pool, database_url: str, settings_for: SettingsFor) -> WorkerContext:
    """What a worker works with."""
    return WorkerContext(settings_for(database_url), PROVIDERS, pool)


@pytest.fixture
async def jobs(pool: asyncpg.Pool) -> AsyncIterator[IntegrationJobs]:
    """The queue."""
    async with IntegrationJobs(pool) as opened:
        yield opened


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    """A worker that runs for the length of a block, and stops as told."""
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(running, 30)


async def until(holds: Callable[[], Awaitable[object]], what: str, seconds: float = 20) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, f"in {seconds:g} s it did not come true: {what}"
        await asyncio.sleep(0.02)


async def add(jobs: IntegrationJobs, payload: Any = None, job_type: str = "TEST", **options: Any) -> Job:
    """Add a job of a type of the test's own."""
    return await jobs.enqueue(job_type, "WHATSAPP", payload, organization_id="org-1", **options)


async def row(pool: asyncpg.Pool, job: Job) -> Any:
    """The job as it is now."""
    return await pool.fetchrow("SELECT * FROM integration_jobs WHERE id = $1", job.id)


async def test_drain_does_everything_that_is_due(desk: Desk, context: WorkerContext, jobs: IntegrationJobs) -> None:
    """Webhooks and other jobs alike are done, and it says how many; what runs later stays."""
    await desk.connect()
    for number in range(5):
        await desk.post(bodies.messages(bodies.text_message(f"wamid.{number}")))
    seen: list[Any] = []

    async def handle(job: Job) -> None:
        seen.append(job.payload)

    due = [await add(jobs, number) for number in range(3)]
    later = await add(jobs, 9, run_at=due[0].run_at + timedelta(hours=1))
    assert await Worker(context, {"TEST": handle}).drain() == 8
    assert sorted(seen) == [0, 1, 2]
    assert len(await desk.messages()) == 5
    assert (await row(desk.pool, later))["status"] == "PENDING"
    assert {(await row(desk.pool, job))["status"] for job in due} == {"DONE"}
    assert await desk.rows("SELECT * FROM job_workers WHERE name <> 'jobs'") == []
    assert await desk.rows("SELECT * FROM job_claims") == []


async def test_who_helps_rests_while_the_worker_may_not_claim(context: WorkerContext) -> None:
    """A worker that has lost its lease in the middle of a backlog does not turn in circles."""

    class Full:
        looks = 0

        @property
        def full(self) -> bool:
            self.looks += 1
            assert self.looks < 100
            return True

        async def look(self) -> int:
            raise AssertionError("it may not claim")

    worker = Worker(context)
    backlog = worker._backlogs[Work.WEBHOOKS]
    backlog.set()
    helping = asyncio.create_task(worker._help(Work.WEBHOOKS, Full()))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    assert not backlog.is_set()
    worker.stop()
    await helping


async def test_drain_comes_to_what_follows_a_long_job(context: WorkerContext, jobs: IntegrationJobs) -> None:
    """What was put aside behind a job that takes long is due once that has ended, and since a while ago."""
    seen: list[Any] = []

    async def handle(job: Job) -> None:
        seen.append(job.payload)
        if job.payload == 1:
            await add(jobs, 2, ordering_key="a")
            await asyncio.sleep(1.8)

    await add(jobs, 1, ordering_key="a")
    assert await Worker(context, {"TEST": handle}).drain() == 2
    assert seen == [1, 2]


async def test_a_worker_leaves_its_marks_to_the_next_one(
    desk: Desk, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its claims have come to is written down when it stops, and the next one begins there."""
    async with working(Worker(context)):
        await asyncio.sleep(0.1)
    left = await desk.rows("SELECT lane, now() - slice < interval '1 minute' AS recent FROM job_lane_marks")
    assert sorted(one["lane"] for one in left) == [*lanes.WEBHOOK_LANES, *lanes.OTHER_LANES]
    assert all(one["recent"] for one in left)
    begun: list[dict[int, Any]] = []
    look = lanes.Lanes._look

    async def noted(self: lanes.Lanes, *arguments: Any) -> lanes.Locked:
        begun.append(dict(self.marks))
        return await look(self, *arguments)

    monkeypatch.setattr(lanes.Lanes, "_look", noted)
    async with working(Worker(context)):
        await until(lambda: asyncio.sleep(0, len(begun) > 1), "both have looked")
    assert all(datetime.now(UTC) - mark[0] < timedelta(minutes=1) for marks in begun[:2] for mark in marks.values())


@pytest.mark.parametrize("how", ["drain", "run"])
async def test_what_has_long_been_waiting_is_found_at_once(
    desk: Desk, context: WorkerContext, jobs: IntegrationJobs, how: str
) -> None:
    """A worker that starts finds what came while none ran, in whichever lane it waits."""
    await desk.connect()
    for number in range(5):
        await desk.post(bodies.messages(bodies.text_message(f"wamid.{number}")))
    for number in range(5):
        await add(jobs, number)
    await desk.pool.execute("UPDATE integration_jobs SET run_at = run_at - interval '1 day'")

    async def handle(job: Job) -> None:
        pass

    worker = Worker(context, {"TEST": handle})
    if how == "drain":
        assert await worker.drain() == 10
    else:
        async with working(worker):
            await until(
                lambda: desk.rows("SELECT 1 WHERE NOT EXISTS (SELECT FROM integration_jobs WHERE status <> 'DONE')"),
                "all is done",
                seconds=3,
            )


async def test_a_running_worker_finds_what_is_committed_late(
    desk: Desk, context: WorkerContext, jobs: IntegrationJobs
) -> None:
    """What is due since long before claims have come there is found as well, webhooks and other jobs."""
    await desk.connect()
    await desk.post(bodies.messages(bodies.text_message("wamid.1")))
    await add(jobs, 1)
    await desk.pool.execute("UPDATE integration_jobs SET status = 'DONE'")
    ran = asyncio.Event()

    async def handle(job: Job) -> None:
        ran.set()

    async with working(Worker(context, {"TEST": handle})):
        await asyncio.sleep(1)
        await desk.pool.execute("UPDATE integration_jobs SET status = 'PENDING', run_at = now() - interval '1 hour'")
        await asyncio.wait_for(ran.wait(), 10)
        await until(desk.messages, "the message is in the log", 10)


async def test_a_running_worker_picks_up_what_comes(desk: Desk, context: WorkerContext) -> None:
    """A webhook that is stored is in the log well within a second, without anybody asking."""
    await desk.connect()
    async with working(Worker(context)):
        for number in range(3):
            await desk.post(bodies.messages(bodies.text_message(f"wamid.{number}")))

            async def there(expected: int = number + 1) -> bool:
                return len(await desk.messages()) == expected

            await until(there, "the message is in the log", 5)


async def test_a_stop_finishes_what_is_in_hand(desk: Desk, context: WorkerContext, jobs: IntegrationJobs) -> None:
    """Jobs that have begun are finished, those that have not are left, and the worker is known no more."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    done = []

    async def handle(job: Job) -> None:
        begun.set()
        await go_on.wait()
        done.append(job.id)

    first = await add(jobs, ordering_key="key-1")
    follower = await add(jobs, ordering_key="key-1")
    worker = Worker(context)
    worker.handler("TEST", handle)
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(begun.wait(), 10)
    worker.stop()
    second = await add(jobs)
    await asyncio.sleep(0.1)
    assert not running.done()
    go_on.set()
    await asyncio.wait_for(running, 10)
    assert done == [first.id]
    assert (await row(desk.pool, first))["status"] == "DONE"
    assert {(await row(desk.pool, job))["status"] for job in (second, follower)} == {"PENDING"}
    assert await desk.rows("SELECT * FROM job_workers WHERE name <> 'jobs'") == []


ENDS: dict[str, tuple[Exception | None, str, int, timedelta | None]] = {
    "success": (None, "DONE", 0, None),
    "failure": (ValueError("not now"), "PENDING", 1, timedelta(minutes=2)),
    "permanent": (PermanentFailure("never"), "FAILED", 0, None),
    "wait": (WaitRequested("throttled", timedelta(seconds=90)), "PENDING", 0, timedelta(seconds=90)),
    "outage of something else": (ConnectionRefusedError("their server"), "PENDING", 1, timedelta(minutes=2)),
    "timeout": (TimeoutError(), "PENDING", 1, timedelta(minutes=2)),
}


async def test_how_a_handler_ends_decides_what_follows(
    context: WorkerContext, jobs: IntegrationJobs, pool: asyncpg.Pool
) -> None:
    """Returning is success; the class of what is raised decides about the rest, job by job."""

    async def handle(job: Job) -> None:
        error = ENDS[job.payload][0]
        if error is not None:
            raise error

    added = {name: await add(jobs, name) for name in ENDS}
    assert await Worker(context, {"TEST": handle}).drain() == len(ENDS)
    for name, (error, status, attempts, delay) in ENDS.items():
        now = await row(pool, added[name])
        assert (now["status"], now["attempts"]) == (status, attempts), name
        assert delay is None or now["run_at"] - now["updated_at"] == delay, name
        assert (now["last_error"] is None) == (error is None), name


async def test_a_retry_job_runs_a_failed_job_again(
    context: WorkerContext, jobs: IntegrationJobs, pool: asyncpg.Pool
) -> None:
    """RETRY with {"jobId"} makes a FAILED job due again, with a fresh count of attempts."""
    outcome: list[Exception] = [PermanentFailure("not yet")]

    async def handle(_: Job) -> None:
        if outcome:
            raise outcome.pop()

    job = await add(jobs)
    worker = Worker(context, {"TEST": handle})
    await worker.drain()
    assert (await row(pool, job))["status"] == "FAILED"
    retry = await add(jobs, {"jobId": str(job.id)}, "RETRY")
    await Worker(context, {"TEST": handle}).drain()
    assert (await row(pool, retry))["status"] == "DONE"
    assert ((await row(pool, job))["status"], (await row(pool, job))["attempts"]) == ("DONE", 0)


async def test_a_retry_job_replays_an_event(desk: Desk, context: WorkerContext, jobs: IntegrationJobs) -> None:
    """RETRY with {"webhookEventId"} processes an event again."""
    await desk.connect()
    await desk.take_in(bodies.messages(bodies.text_message("wamid.1")))
    event = await desk.event()
    await add(jobs, {"webhookEventId": str(event["id"])}, "RETRY")
    assert await Worker(context).drain() == 2
    assert [result["outcome"] for result in await desk.results()] == ["duplicate"]
    assert len(await desk.messages()) == 1


async def test_a_retry_job_that_cannot_be_is_refused(desk: Desk, context: WorkerContext, jobs: IntegrationJobs) -> None:
    """What is not there, another organization's, done, or not named by a UUID fails at once, and changes nothing."""
    await desk.connect("phone-2", "org-2")
    await desk.take_in(bodies.messages(bodies.text_message("wamid.1"), phone="phone-2"))
    theirs, event = (await desk.jobs())[0], await desk.event()
    done = await add(jobs)

    async def handle(_: Job) -> None:
        return None

    worker = {"TEST": handle}
    await Worker(context, worker).drain()
    payloads = [
        {"jobId": str(theirs["id"])},
        {"webhookEventId": str(event["id"])},
        {"jobId": str(done.id)},
        {"jobId": "job-1"},
        {"jobId": 5},
        {},
        [],
        None,
    ]
    retries = [await add(jobs, payload, "RETRY") for payload in payloads]
    await Worker(context, worker).drain()
    for retry, payload in zip(retries, payloads, strict=True):
        now = await row(desk.pool, retry)
        assert (now["status"], now["attempts"]) == ("FAILED", 0), payload
        assert now["last_error"], payload
    assert (await desk.event()) == event
    assert len(await desk.messages()) == 1


async def test_two_workers_keep_the_order_of_every_key(
    context: WorkerContext, jobs: IntegrationJobs, pool: asyncpg.Pool
) -> None:
    """10 keys of 50 jobs, two workers, every tenth attempt failing: each key's jobs end in order, none twice."""
    keys, each = 10, 50
    ended: dict[str, list[int]] = defaultdict(list)
    running: set[str] = set()

    async def handle(job: Job) -> None:
        key, number = job.payload
        assert key not in running, "two jobs of one key at once"
        running.add(key)
        await asyncio.sleep(random.uniform(0, 0.002))
        running.remove(key)
        if random.random() < 0.1:
            raise RuntimeError("by chance")
        ended[key].append(number)

    for number in range(each):
        for key in range(keys):
            await add(jobs, [f"key-{key}", number], ordering_key=f"key-{key}")

    async def all_done() -> bool:
        await pool.execute("UPDATE integration_jobs SET run_at = now() WHERE status = 'PENDING' AND run_at > now()")
        return not await pool.fetchval("SELECT count(*) FROM integration_jobs WHERE status NOT IN ('DONE', 'FAILED')")

    async with working(Worker(context, {"TEST": handle})), working(Worker(context, {"TEST": handle})):
        await until(all_done, "everything is done", 60)
    assert {key: numbers == sorted(numbers) for key, numbers in ended.items()} == dict.fromkeys(ended, True)
    failed = await pool.fetchval("SELECT count(*) FROM integration_jobs WHERE status = 'FAILED'")
    assert sum(map(len, ended.values())) + failed == keys * each


async def test_different_keys_run_side_by_side(context: WorkerContext, jobs: IntegrationJobs) -> None:
    """A handler that waits holds its own key up, and no other."""
    others = asyncio.Event()
    ended = []

    async def handle(job: Job) -> None:
        if job.payload == "waits":
            await asyncio.wait_for(others.wait(), 10)
        ended.append(job.payload)
        if len(ended) == 3:
            others.set()

    for name in ("waits", "a", "b", "c"):
        await add(jobs, name, ordering_key=name)
    async with working(Worker(context, {"TEST": handle})):

        async def all_ended() -> bool:
            return len(ended) == 4

        await until(all_ended, "all have ended", 10)
    assert sorted(ended[:3]) == ["a", "b", "c"]
    assert ended[3] == "waits"


async def test_a_noisy_organization_does_not_starve_a_quiet_one(
    context: WorkerContext, jobs: IntegrationJobs, pool: asyncpg.Pool
) -> None:
    """A quiet organization's job is among the first, however much another one has waiting."""
    await pool.execute(
        "INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, lane, run_at) "
        "SELECT id, 'noisy', 'WHATSAPP', 'TEST', '\"noise\"', job_lane('TEST', 'noisy', id::text), "
        "now() - interval '1 minute' FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 3000)) AS made"
    )
    quiet = await jobs.enqueue("TEST", "WHATSAPP", "quiet", organization_id="quiet")
    seen: list[str] = []

    async def handle(job: Job) -> None:
        seen.append(job.payload)

    async with working(Worker(context, {"TEST": handle})):

        async def done() -> bool:
            return (await row(pool, quiet))["status"] == "DONE"

        await until(done, "the quiet one's job is done", 20)
    assert seen.index("quiet") < 2000


class Claimant:
    """A process of its own that has claimed a job."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, database_url: str, job: Job) -> "Claimant":
        """Start it, and wait until it has claimed the job."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).parent / "claimant.py"),
            str(job.id),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment({}) | {"CLAIMANT_DATABASE_URL": database_url},
        )
        started = cls(process)
        assert await started.says() == "claimed"
        return started

    async def says(self) -> str:
        """The next line."""
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().strip()

    def end_it(self) -> None:
        """Let it try to end its job."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


async def test_a_killed_and_a_stalled_worker_s_jobs_move_again(
    context: WorkerContext, jobs: IntegrationJobs, pool: asyncpg.Pool, database_url: str
) -> None:
    """Within 15 s somebody else has done the jobs of both, in order by key; the stalled one comes back in vain."""
    seen = []

    async def handle(job: Job) -> None:
        seen.append(job.payload)

    killed, stalled = await add(jobs, "killed", ordering_key="k"), await add(jobs, "stalled", ordering_key="s")
    await add(jobs, "after killed", ordering_key="k")
    one, two = await Claimant.start(database_url, killed), await Claimant.start(database_url, stalled)
    try:
        async with working(Worker(context, {"TEST": handle})):
            two.signal(signal.SIGSTOP)
            one.signal(signal.SIGKILL)

            async def both_done() -> bool:
                return len(seen) == 3 and (await row(pool, stalled))["status"] == "DONE"

            await until(both_done, "their jobs have moved again", MOVES_AGAIN_SECONDS)
            before = await row(pool, stalled)
            two.signal(signal.SIGCONT)
            two.end_it()
            assert await two.says() == "lost"
            assert await row(pool, stalled) == before
        assert seen.index("killed") < seen.index("after killed")
        assert sorted(seen) == ["after killed", "killed", "stalled"]
    finally:
        for claimant in (one, two):
            if claimant.process.returncode is None:
                claimant.process.kill()
            await claimant.process.wait()


async def test_a_live_worker_keeps_its_claim_for_as_long_as_it_takes(
    jobs: IntegrationJobs, pool: asyncpg.Pool, desk: Desk
) -> None:
    """A heartbeat holds the claim of a long job: upkeep rescues nothing while it goes on."""
    job = await add(jobs)
    assert await jobs.mark_processing(job)
    await pool.execute("UPDATE job_workers SET heartbeat_at = now() - interval '4 seconds'")
    before = await pool.fetchval("SELECT heartbeat_at FROM job_workers")

    async def heartbeat() -> bool:
        return await pool.fetchval("SELECT heartbeat_at FROM job_workers") > before

    await until(heartbeat, "a heartbeat", 6)
    await desk.keep_up()
    assert (await row(pool, job))["status"] == "PROCESSING", "it was not rescued"
    assert await jobs.mark_done(job)


async def test_a_worker_process_stops_at_sigterm(database_url: str, tmp_path: Path) -> None:
    """`hookline worker` ends with code 0, and leaves no trace among the workers."""
    settings = {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path / "data")}
    with program(["worker"], tmp_path, settings, ready_fd=True) as worker:
        assert await asyncio.to_thread(worker.ready)
        connection = await asyncpg.connect(database_url)

        async def known() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM job_workers"))

        await until(known, "it is known")
        assert await asyncio.to_thread(worker.stop) == 0
        assert not await known()
        await connection.close()


async def test_a_break_of_the_database_is_survived(
    desk: Desk, context: WorkerContext, database_url: str, settings_for: SettingsFor, jobs: IntegrationJobs
) -> None:
    """A worker whose connections break goes on when the database is back, and its jobs are done."""
    await desk.connect()
    seen = []

    async def handle(job: Job) -> None:
        seen.append(job.payload)

    async with (
        DatabaseProxy(database_url) as proxy,
        await open_pool(proxy.url, size=8, application_name="tests") as far,
        working(Worker(WorkerContext(settings_for(proxy.url), PROVIDERS, far), {"TEST": handle})),
    ):

        async def known() -> bool:
            return len(await desk.rows("SELECT * FROM job_workers")) == 2

        await until(known, "the worker is at work")
        for number in range(3):
            await proxy.cut()
            await desk.post(bodies.messages(bodies.text_message(f"wamid.{number}")))
            await add(jobs, number)
            await proxy.mend()

            async def done(expected: int = number + 1) -> bool:
                return len(await desk.messages()) == expected and len(seen) >= expected

            await until(done, "the job is done", 15)
    assert sorted(set(seen)) == [0, 1, 2]


async def test_a_handler_may_complete_its_job_itself(
    context: WorkerContext, jobs: IntegrationJobs, pool: asyncpg.Pool
) -> None:
    """ENDED says that the job is DONE already, in the transaction of its effects: the worker touches it no more."""

    async def handle(job: Job) -> Ended:
        async with pool.acquire() as connection, connection.transaction():
            assert await claims.finish(connection, [job]) == {job.id}
            await connection.execute("UPDATE integration_jobs SET last_error = 'effect' WHERE id = $1", job.id)
        return ENDED

    job = await add(jobs)
    await Worker(context, {"TEST": handle}).drain()
    now = await row(pool, job)
    assert (now["status"], now["last_error"], now["lease"]) == ("DONE", "effect", 1)
