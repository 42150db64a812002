"""The worker: looks for webhooks and for other jobs, has them run, does the upkeep, and stops in good order."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from uuid import UUID

import asyncpg
import structlog

from hookline.bootstrap import WorkerContext, calm_collector
from hookline.services.presence import Presence
from hookline.services.process import process_due
from hookline.services.upkeep import keep_up
from hookline.services.wakeup import Listener, Work
from hookline.store import claims, lane_marks
from hookline.store.lanes import OTHER_LANES, WEBHOOK_LANES, Lanes
from hookline.store.pool import DATABASE_AWAY
from hookline.worker.handlers import Handler, default_handlers
from hookline.worker.runner import Runner
from hookline.worker.sweeper import Sweeper
from hookline.worker.watch import SHORTEST_WAIT_SECONDS, Watch, happens
from hookline.worker.webhooks import Batches

UPKEEP_SECONDS = 2.0
MARKS_SECONDS = 10.0
# After this much of a stop, jobs still running are left to be rescued.
STOP_SECONDS = 20.0
DATABASE_PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Worker:
    """One worker process's loop. `handlers` adds job types to the built-in ones, or replaces them."""

    def __init__(self, context: WorkerContext, handlers: dict[str, Handler] | None = None) -> None:
        self._context = context
        self._pool = context.pool
        self._handlers = default_handlers(context) | (handlers or {})
        self._presence = Presence(context.pool, f"{socket.gethostname()}:{os.getpid()}")
        self._stopping = asyncio.Event()
        self._backlogs = {work: asyncio.Event() for work in Work}
        self._watches = {work: Watch() for work in Work}
        self._soon: asyncio.TimerHandle | None = None
        self._noted: dict[UUID, float] = {}
        self._broken: list[Exception] = []

    def handler(self, job_type: str, handler: Handler) -> None:
        """Register the handler of a job type. See worker/handlers.py for what it may return."""
        self._handlers[job_type] = handler

    def stop(self) -> None:
        """Claim no more; `run` returns when what is in hand is finished."""
        self._stopping.set()
        for work in Work:
            self._backlogs[work].set()
            self._watches[work].ring()

    async def run(self) -> None:
        """Work until `stop`."""
        settings = self._context.settings
        calm_collector()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._presence)
            if settings.notify:
                await stack.enter_async_context(Listener(self._pool, lambda work: self._watches[work].ring()))
            others, webhooks = [await self._begin_at(lanes) for lanes in (OTHER_LANES, WEBHOOK_LANES)]
            runner = self._runner(others)
            lookers = [self._jobs(runner), self._webhooks(self._batches(webhooks))]
            for _ in range(settings.worker_slots - 1):
                lookers += [self._help(Work.JOBS, runner), self._help(Work.WEBHOOKS, self._batches(webhooks))]
            bells = {others: self._watches[Work.JOBS].ring, webhooks: self._watches[Work.WEBHOOKS].ring}
            tenders = [self._keep_up(others, webhooks), Sweeper(self._pool, bells).run()]
            looking = [asyncio.create_task(looker) for looker in lookers]
            tending = [asyncio.create_task(tender) for tender in tenders]
            log.info("worker started", worker_id=str(self._presence.id))
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait([*looking, *tending, stopping], return_when=asyncio.FIRST_COMPLETED)
                self.stop()
                await self._end(runner, looking, tending)
                await self._write_marks(others, webhooks)
            finally:
                for task in (*looking, *tending, stopping):
                    task.cancel()
        log.info("worker stopped")
        for error in self._broken:
            raise error

    async def _end(
        self, runner: Runner, looking: Sequence["asyncio.Task[None]"], tending: Sequence["asyncio.Task[None]"]
    ) -> None:
        for task in tending:
            task.cancel()
        ending = [asyncio.create_task(runner.stop(STOP_SECONDS)), *looking]
        _, late = await asyncio.wait(ending, timeout=STOP_SECONDS + 5)
        for task in late:
            task.cancel()
        ended = await asyncio.gather(*ending, *tending, return_exceptions=True)
        self._broken += [error for error in ended if isinstance(error, Exception)]
        await self._give_back()

    async def _give_back(self) -> None:
        """Return to the queue what was claimed and has not ended, and forget the claims."""
        try:
            async with self._pool.acquire(timeout=DATABASE_PAUSE_SECONDS) as connection, connection.transaction():
                await claims.give_back(connection, self._presence.id)
        except DATABASE_AWAY as error:
            log.warning("jobs in hand will be rescued: the database is not there", error=type(error).__name__)

    async def drain(self) -> int:
        """Run everything that is due now, then return how many jobs that was. For tests and one-off commands."""
        done = 0
        async with self._presence:
            runner, batches = self._runner(Lanes(OTHER_LANES)), self._batches(Lanes(WEBHOOK_LANES))
            idle = False
            while not idle and not self._broken:
                # Without marks: nobody sweeps.
                runner.lanes, batches.lanes = Lanes(OTHER_LANES), Lanes(WEBHOOK_LANES)
                idle = not runner.in_hand  # before the look: what ends during it may have made more due
                ran = await batches.look() + await runner.look()
                done += ran
                idle = idle and not ran
                if runner.in_hand:
                    await runner.progress(SHORTEST_WAIT_SECONDS)
            await runner.stop(STOP_SECONDS)
            await self._give_back()
        for error in self._broken:
            raise error
        return done

    async def _begin_at(self, lanes: range) -> Lanes:
        """Begin where others have come to; at the beginning, if that cannot be asked."""
        try:
            async with self._pool.acquire() as connection:
                return Lanes(lanes, await lane_marks.read(connection, lanes))
        except DATABASE_AWAY as error:
            log.warning("the database is not there", error=type(error).__name__)
            return Lanes(lanes)

    async def _write_marks(self, *kinds: Lanes) -> None:
        try:
            async with self._pool.acquire(timeout=DATABASE_PAUSE_SECONDS) as connection:
                for lanes in kinds:
                    await lane_marks.write(connection, lanes.marks)
        except DATABASE_AWAY as error:
            log.warning("where claims have come to is not written down", error=type(error).__name__)

    def _runner(self, lanes: Lanes) -> Runner:
        settings = self._context.settings
        return Runner(
            self._pool,
            self._handlers,
            self._presence,
            self._context.policy,
            lanes,
            concurrency=settings.worker_concurrency,
            batch=settings.worker_batch,
            follows=self._look_soon,
            broken=self._break,
        )

    def _batches(self, lanes: Lanes) -> Batches:
        process = partial(process_due, self._pool, self._context.providers, self._context.policy, noted=self._noted)
        return Batches(process, lanes, largest=self._context.settings.worker_batch)

    def _look_soon(self) -> None:
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SHORTEST_WAIT_SECONDS, self._look_now)

    def _look_now(self) -> None:
        self._soon = None
        self._watches[Work.JOBS].ring()

    def _break(self, error: Exception) -> None:
        self._broken.append(error)
        self.stop()

    async def _jobs(self, runner: Runner) -> None:
        """Run jobs of all other types, until the stop."""
        watch = self._watches[Work.JOBS]
        while not self._stopping.is_set():
            found = await self._look(runner.look)
            if runner.full:
                self._backlogs[Work.JOBS].set()
            if found:
                watch.reset()
            elif runner.busy and runner.in_hand:  # what is due may be waiting for that
                await runner.progress(SHORTEST_WAIT_SECONDS)
            else:
                await watch.wait()

    async def _webhooks(self, batches: Batches) -> None:
        """Process webhooks, until the stop."""
        watch = self._watches[Work.WEBHOOKS]
        while not self._stopping.is_set():
            found = await self._look(batches.look)
            if batches.full:
                self._backlogs[Work.WEBHOOKS].set()
            if found:  # and what came meanwhile goes with the next batch
                watch.reset()
            else:
                await watch.wait()

    async def _help(self, work: Work, looker: Runner | Batches) -> None:
        """Look as well while looks come back full, until the stop."""
        backlog = self._backlogs[work]
        while not self._stopping.is_set():
            await backlog.wait()
            if not await self._look(looker.look) or not looker.full:
                backlog.clear()

    async def _look(self, look: Callable[[], Awaitable[int]]) -> int:
        """Look for work and do it; waits for the database if that is away."""
        if not self._presence.may_claim:
            return 0
        try:
            return await look()
        except DATABASE_AWAY as error:
            log.warning("the database is not there", error=type(error).__name__)
            await happens(self._stopping, within=DATABASE_PAUSE_SECONDS)
        except (asyncpg.TransactionRollbackError, asyncpg.UniqueViolationError) as error:
            log.warning("a batch is tried again", error=type(error).__name__)
            await happens(self._stopping, within=SHORTEST_WAIT_SECONDS)
        return 0

    async def _keep_up(self, *kinds: Lanes) -> None:
        context, write_at = self._context, time.monotonic() + MARKS_SECONDS
        while True:
            if time.monotonic() >= write_at:
                await self._write_marks(*kinds)
                write_at = time.monotonic() + MARKS_SECONDS
            while await keep_up(
                self._pool, unowned_for=context.unowned_for, retention=context.retention, objects=context.objects
            ):
                pass
            await asyncio.sleep(UPKEEP_SECONDS)
