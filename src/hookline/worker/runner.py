"""Running the jobs of all types but webhooks: claimed ahead, keys side by side, those of one key one after another.

There is no task for each job. A task takes one run after another from what is claimed; as soon as a handler waits for
something, the next task takes over, up to `concurrency` of them. So jobs that never wait cost a function call each.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import asyncpg
import structlog

from hookline.domain.errors import WaitRequested
from hookline.domain.job import ENDED, IntegrationJobStatus
from hookline.services.claiming import Claiming
from hookline.services.failure import RetryPolicy, record_failure
from hookline.services.presence import Presence
from hookline.store import claims
from hookline.store.claims import Claim, Claimed, Run
from hookline.store.lanes import Lanes
from hookline.worker.handlers import Handler, attempt
from hookline.worker.recorder import PAUSE_SECONDS, UNENDED, Recorder
from hookline.worker.watch import happens

# A worker claims ahead what it will have done within this time, so that the database and it work side by side.
AHEAD_SECONDS = 0.1
MOST_IN_HAND = 10_000
# Where a batch was run within this time, the next one may be twice as large, whatever the pace was until now.
QUICK_SECONDS = 0.1
FAST_RUN = 10
# When only little can be taken on, it is waited for this long for more: a claim has its price.
GATHER_SECONDS = 0.02
# Handlers that never wait let the others have a turn after this time.
TURN_SECONDS = 0.005
_RATE_SECONDS = 0.25
# What was claimed so long ago is asked for before it begins: it may have been cancelled or paused meanwhile.
FRESH_SECONDS = 0.5

log = structlog.get_logger(__name__)


class _Waiting:
    """Runs that have not begun. An organization's only one goes before those of which another has several."""

    def __init__(self) -> None:
        self._only: deque[Run] = deque()
        self._several: deque[Run] = deque()
        self._of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._only) + len(self._several)

    def add(self, run: Run) -> None:
        organization = run.jobs[0].organization_id
        before = self._of.get(organization, 0)
        self._of[organization] = before + 1
        (self._several if before else self._only).append(run)

    def take(self) -> Run:
        run = (self._only or self._several).popleft()
        organization = run.jobs[0].organization_id
        self._of[organization] -= 1
        if not self._of[organization]:
            del self._of[organization]
        return run

    def take_all(self) -> list[Run]:
        return [self.take() for _ in range(len(self))]


class Runner:
    """One process's runner of jobs.

    busy: the last look met work that it could not take. full: it came back full, and nothing else was left to be run:
    another one beside it would help. follows: called when a job has ended that others may have waited for. broken:
    called with what is a mistake of ours.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        handlers: Mapping[str, Handler],
        presence: Presence,
        policy: RetryPolicy,
        lanes: Lanes,
        *,
        concurrency: int,
        batch: int,
        follows: Callable[[], None],
        broken: Callable[[Exception], None],
    ) -> None:
        self._pool = pool
        self._handlers = handlers
        self._presence = presence
        self._claiming = Claiming(pool, presence)
        self._policy = policy
        self._concurrency = concurrency
        self._batch = batch
        self._follows = follows
        self._broken = broken
        self.lanes = lanes
        self._waiting = _Waiting()
        self._tasks: set[asyncio.Task[None]] = set()
        self._active = 0
        self._asked = 0  # by looks that are under way
        self._spare = False
        self._ended_claims: list[UUID] = []  # until the next claim has them forgotten
        self._stopping = False
        self._turn_ends = 0.0
        self._progress = asyncio.Event()
        self._recorder = Recorder(pool, recorded=self._count_ended, broken=broken)
        self._pace = _Pace()
        self._taken = 0  # at the last look
        self._taken_at = self._ran_out_at = 0.0
        self.in_hand = 0
        self.busy = self.full = False

    async def look(self) -> int:
        """Claim what can be taken on, and begin it; how many jobs that was."""
        room = await self._room_for_more()
        if not room:
            return 0
        limit = min(room, self._batch)
        self._asked += limit
        try:
            claimed = await self._claim(limit, room)
        finally:
            self._asked -= limit
        ran_out = self._ran_out()
        for run in claimed.runs:
            self.in_hand += len(run.jobs)
            self._waiting.add(run)
        self.busy = claimed.busy
        self._begin()
        self._taken = sum(len(run.jobs) for run in claimed.runs)
        self._taken_at = time.monotonic()
        self.full = self._taken * 2 >= limit and ran_out
        return self._taken

    async def _claim(self, limit: int, room: int) -> Claimed:
        keys = self._concurrency - self._active - len(self._waiting)
        if room > 2 * self._concurrency:  # jobs that end so fast are better taken in longer runs of fewer keys
            keys = min(keys, limit // FAST_RUN)
        keys = max(1, min(keys, limit))
        ended, self._ended_claims = self._ended_claims, []
        forgotten = False
        try:
            async with self._claiming.transaction() as (connection, hold):
                claimed = await claims.claim(connection, hold, limit=limit, keys=keys, lanes=self.lanes, ended=ended)
            forgotten = bool(claimed.runs)
        finally:
            if not forgotten:
                self._ended_claims += ended
        return claimed

    async def progress(self, within: float) -> bool:
        """Wait until something in hand has ended."""
        self._progress.clear()
        return await happens(self._progress, within=within)

    async def stop(self, seconds: float) -> None:
        """Begin nothing more; finish what has begun, within so many seconds; return the rest to the queue."""
        self._stopping = True
        until = time.monotonic() + seconds
        left = [job for run in self._waiting.take_all() for job in run.jobs]
        await self._release(left)
        while self._tasks and (patience := until - time.monotonic()) > 0:
            await asyncio.wait(self._tasks, timeout=patience)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(self._recorder.finish(), max(1.0, until - time.monotonic()))
        except TimeoutError:
            self._recorder.cancel()

    async def _room_for_more(self) -> int:
        """How many more jobs to take on; waits a little where that is not worth a claim."""
        while not self._stopping:
            ahead = self._pace.jobs_within(AHEAD_SECONDS) - self._asked
            if self._ran_out() and self._ran_out_at - self._taken_at < QUICK_SECONDS:
                ahead = max(ahead, 2 * self._taken)
            most = MOST_IN_HAND - self.in_hand - self._asked
            room = min(self._concurrency + ahead - self._active - len(self._waiting), most)
            if room > 0 and room * 4 >= self._concurrency + ahead:
                return room
            if not await self.progress(GATHER_SECONDS) and room > 0:
                return room
        return 0

    def _ran_out(self) -> bool:
        """Whether all that was taken is run: the pace is the claims' then, and no jobs'."""
        return not self._active and not self._waiting

    def _begin(self) -> None:
        """Have a task ready for what waits: it has its turn as soon as the present one waits for something."""
        if not self._spare and self._active < self._concurrency and self._waiting:
            self._spare = True
            task = asyncio.create_task(self._work(), name="runner")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        self._spare = False
        self._active += 1
        self._turn_ends = time.monotonic() + TURN_SECONDS
        try:
            while self._waiting:
                run = self._waiting.take()
                self._begin()
                await self._run(run)
        except Exception as error:  # a mistake of ours: the worker ends with it
            self._broken(error)
        finally:
            self._active -= 1
            if self._ran_out():
                self._ran_out_at = time.monotonic()
            self._progress.set()

    async def _run(self, run: Run) -> None:
        """Run a key's jobs in order. If the database goes away meanwhile, they return to the queue when it is back."""
        jobs, place = run.jobs, 0
        fresh_until = jobs[0].hold.made_at + FRESH_SECONDS
        while place < len(jobs):
            job = jobs[place]
            if self._stopping or not self._presence.holds(job.hold.worker_id):
                await self._release(jobs[place:])
                return
            if time.monotonic() > fresh_until:
                jobs, place = await self._standing(jobs[place:]), 0
                fresh_until = time.monotonic() + FRESH_SECONDS  # from the answer: however slow, one job is begun
                continue
            place += 1
            error = await self._attempt(run, job)
            if error is not None and not await self._fail(job, error, jobs[place:]):
                return
            if time.monotonic() > self._turn_ends:
                await asyncio.sleep(0)
                self._turn_ends = time.monotonic() + TURN_SECONDS

    async def _standing(self, jobs: Sequence[Claim]) -> list[Claim]:
        """Drop those jobs that somebody has cancelled; return all to the queue if one is paused, or nobody can tell."""
        try:
            async with self._pool.acquire() as connection:
                standing = await claims.standing(connection, jobs)
        except UNENDED as error:
            log.warning("claims could not be looked after", jobs=len(jobs), error=type(error).__name__)
            standing = {job.id: True for job in jobs}
        if any(standing.values()):
            await self._release(jobs)
            return []
        self._count_ended([job for job in jobs if job.id not in standing])
        return [job for job in jobs if job.id in standing]

    async def _attempt(self, run: Run, job: Claim) -> Exception | None:
        handler = self._handlers.get(job.job_type)
        if handler is None:  # not for good: while a new version is rolled out, the next worker may have one
            return RuntimeError(f"this worker has no handler for jobs of type {job.job_type}")
        try:
            ended = await attempt(handler, job)
        except Exception as error:
            return error
        if ended is ENDED:
            self._count_ended([job])
        else:
            self._recorder.add(run, job)
        return None

    async def _fail(self, job: Claim, error: Exception, following: Sequence[Claim]) -> bool:
        """Record a failed attempt; whether its followers go on. Otherwise they wait in the queue as long as it does."""
        if isinstance(error, WaitRequested):
            log.info("job waits", job_id=str(job.id), job_type=job.job_type, seconds=error.delay.total_seconds())
        else:
            log.warning("job failed", job_id=str(job.id), job_type=job.job_type, error=type(error).__name__)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                verdict = await record_failure(connection, job, error, self._policy)
                goes_on = verdict is not None and verdict.status is IntegrationJobStatus.FAILED
                if following and not goes_on:
                    await claims.release(connection, following, behind=verdict is not None)
        except UNENDED as away:
            log.warning("a failure could not be recorded", jobs=1 + len(following), error=type(away).__name__)
            await self._release([job, *following])
            return False
        self._count_ended([job] if goes_on else [job, *following])
        return goes_on

    async def _release(self, jobs: Sequence[Claim]) -> None:
        """Return jobs to the queue, when the database is there."""
        while jobs:
            try:
                async with self._pool.acquire() as connection:
                    await claims.release(connection, jobs)
                break
            except UNENDED as error:
                log.warning("jobs could not be returned", jobs=len(jobs), error=type(error).__name__)
                if self._stopping:  # giving everything back, or the rescue, will do it
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        self._count_ended(jobs)

    def _count_ended(self, jobs: Sequence[Claim]) -> None:
        self.in_hand -= len(jobs)
        for job in jobs:
            job.hold.in_hand -= 1
            if not job.hold.in_hand:
                self._ended_claims.append(job.hold.id)
        self._pace.count(len(jobs))
        self._progress.set()
        if any(job.ordering_key is not None for job in jobs):
            self._follows()


class _Pace:
    """How fast jobs end, over the last fraction of a second."""

    def __init__(self) -> None:
        self._ended = 0
        self._per_second = 0.0
        self._since = time.monotonic()

    def count(self, jobs: int) -> None:
        self._ended += jobs

    def jobs_within(self, seconds: float) -> int:
        """How many jobs are likely to end within so many seconds."""
        now = time.monotonic()
        passed = now - self._since
        if passed > 0.01:
            weight = min(1.0, passed / _RATE_SECONDS)
            self._per_second += weight * (self._ended / passed - self._per_second)
            self._ended, self._since = 0, now
        return int(self._per_second * seconds)
