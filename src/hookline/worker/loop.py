"""The worker: claims batches, runs them, records what became of them; heartbeat and upkeep beside; a graceful stop."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog

from hookline.bootstrap import WorkerContext
from hookline.domain.errors import PermanentFailure
from hookline.domain.job import ENDED
from hookline.services.failure import record_failure
from hookline.services.presence import Presence
from hookline.services.process import process_due
from hookline.services.upkeep import keep_up
from hookline.store import claims
from hookline.store.jobs import Job
from hookline.store.pool import DATABASE_AWAY
from hookline.worker.handlers import Handler, default_handlers

UPKEEP_SECONDS = 2.0
# How long an idle worker waits before it looks again: short after work, then longer.
SHORTEST_WAIT_SECONDS = 0.01
LONGEST_WAIT_SECONDS = 0.25
# After this much of a stop, jobs still running are left to be rescued.
STOP_SECONDS = 20.0
DATABASE_PAUSE_SECONDS = 1.0
# What keeps a finished job from being recorded as such, through no fault of its own.
UNENDED: tuple[type[Exception], ...] = (*DATABASE_AWAY, asyncpg.TransactionRollbackError)

log = structlog.get_logger(__name__)


class Worker:
    """One worker process's loop. `handlers` adds job types to the built-in ones, or replaces them."""

    def __init__(self, context: WorkerContext, handlers: dict[str, Handler] | None = None) -> None:
        self._context = context
        self._pool = context.pool
        self._handlers = default_handlers(context.pool) | (handlers or {})
        self._presence = Presence(context.pool, f"{socket.gethostname()}:{os.getpid()}")
        self._batch = context.settings.worker_batch
        self._stopping = asyncio.Event()
        self._runs: set[asyncio.Task[None]] = set()
        self._broken: list[Exception] = []

    def handler(self, job_type: str, handler: Handler) -> None:
        """Register the handler of a job type. See worker/handlers.py for what it may return."""
        self._handlers[job_type] = handler

    def stop(self) -> None:
        """Claim no more; `run` returns when what is in hand is finished."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`."""
        async with self._presence:
            upkeep = asyncio.create_task(self._keep_up(), name="upkeep")
            looks = [self._others, *[self._webhooks] * self._context.settings.worker_slots]
            slots = [asyncio.create_task(self._slot(look), name=look.__name__) for look in looks]
            log.info("worker started", worker_id=str(self._presence.id), slots=len(slots))
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([*slots, upkeep, stopping], return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            patience = time.monotonic() + STOP_SECONDS
            await asyncio.wait(slots, timeout=STOP_SECONDS)
            if self._runs:
                await asyncio.wait(self._runs, timeout=max(0, patience - time.monotonic()))
            tasks = [*slots, *self._runs, upkeep, stopping]
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await self._give_back()
        log.info("worker stopped")
        for error in (*self._broken, *ended):
            if isinstance(error, Exception):
                raise error

    async def _give_back(self) -> None:
        try:
            async with self._pool.acquire(timeout=DATABASE_PAUSE_SECONDS) as connection:
                await claims.give_back(connection, self._presence.id)
        except DATABASE_AWAY as error:
            log.warning("jobs in hand will be rescued: the database is not there", error=type(error).__name__)

    async def drain(self) -> int:
        """Run everything that is due now, then return how many jobs that was. For tests and one-off commands."""
        done = 0
        async with self._presence:
            while (ran := await self._webhooks() + await self._others()) or self._runs:
                done += ran
                if self._runs:
                    await asyncio.wait(self._runs)
        for error in self._broken:
            raise error
        return done

    async def _slot(self, look: Callable[[], Awaitable[int]]) -> None:
        """Do what is due, again and again; while there is nothing, look ever less often."""
        wait = SHORTEST_WAIT_SECONDS
        while not self._stopping.is_set():
            try:
                found = await look() if self._presence.may_claim else 0
            except DATABASE_AWAY as error:
                log.warning("the database is not there", error=type(error).__name__)
                await self._pause(DATABASE_PAUSE_SECONDS)
                continue
            except (asyncpg.TransactionRollbackError, asyncpg.UniqueViolationError) as error:
                log.warning("a batch is tried again", error=type(error).__name__)
                await self._pause(SHORTEST_WAIT_SECONDS)
                continue
            if found:
                wait = SHORTEST_WAIT_SECONDS
            else:
                await self._pause(wait)
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    async def _webhooks(self) -> int:
        return await process_due(self._pool, self._context.providers, self._context.policy, limit=self._batch)

    async def _others(self) -> int:
        """Claim jobs of the other types and start on them: those of a key one after another, different keys beside."""
        if len(self._runs) >= self._batch:
            await asyncio.wait(self._runs, return_when=asyncio.FIRST_COMPLETED)
        async with self._pool.acquire() as connection, connection.transaction():
            claimed = await claims.claim(connection, self._presence.id, limit=max(1, self._batch - len(self._runs)))
        for run in claimed.runs:
            task = asyncio.create_task(self._run(run.jobs), name="run")
            self._runs.add(task)
            task.add_done_callback(self._runs.discard)
        return sum(len(run.jobs) for run in claimed.runs)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _run(self, run: Sequence[Job]) -> None:
        """Run a key's jobs. If the database goes away meanwhile, they go back to the queue when it returns."""
        try:
            await self._run_in_order(run)
        except UNENDED as error:
            log.warning("jobs could not be ended", jobs=len(run), error=type(error).__name__)
            await self._release(run)
        except Exception as error:  # a mistake of ours: the worker ends with it
            self._broken.append(error)
            self.stop()

    async def _run_in_order(self, run: Sequence[Job]) -> None:
        for place, job in enumerate(run):
            left = run[place:]
            if not self._stopping.is_set() and self._presence.may_claim:
                error = await self._attempt(job)
                if error is None:
                    continue
                await self._fail(job, error)
                left = run[place + 1 :]
            # What follows waits in the queue for as long as this one does.
            if left:
                async with self._pool.acquire() as connection:
                    await claims.release(connection, left)
            return

    async def _attempt(self, job: Job) -> Exception | None:
        handler = self._handlers.get(job.job_type)
        if handler is None:
            return PermanentFailure(f"no handler is registered for jobs of type {job.job_type}")
        try:
            ended = await handler(job)
        except Exception as error:  # whatever a handler raises is an attempt that failed
            return error
        if ended is ENDED:
            return None
        async with self._pool.acquire() as connection:
            await claims.finish(connection, [job])
        return None

    async def _fail(self, job: Job, error: Exception) -> None:
        log.warning("job failed", job_id=str(job.id), job_type=job.job_type, error=type(error).__name__)
        async with self._pool.acquire() as connection, connection.transaction():
            await record_failure(connection, job, error, self._context.policy)

    async def _release(self, batch: Sequence[Job]) -> None:
        while not self._stopping.is_set():
            try:
                async with self._pool.acquire() as connection:
                    await claims.release(connection, batch)
                return
            except DATABASE_AWAY:
                await self._pause(DATABASE_PAUSE_SECONDS)

    async def _keep_up(self) -> None:
        while True:
            context = self._context
            while await keep_up(self._pool, unowned_for=context.unowned_for, retention=context.retention):
                pass
            await asyncio.sleep(UPKEEP_SECONDS)
