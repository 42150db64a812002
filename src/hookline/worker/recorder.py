"""Recording that jobs are done: one statement for all that ended since the last one."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import asyncpg
import structlog

from hookline.store import claims
from hookline.store.claims import Claim, Run
from hookline.store.pool import DATABASE_AWAY

MOST_AT_ONCE = 2000
PAUSE_SECONDS = 0.5
# What keeps an ended job from being recorded as such, through no fault of its own.
UNENDED: tuple[type[Exception], ...] = (*DATABASE_AWAY, asyncpg.TransactionRollbackError)

log = structlog.get_logger(__name__)


class Recorder:
    """Records ends in the order in which they are added, one batch at a time, again and again until it is done.

    So a later job of a run is never recorded before an earlier one. A claim that is lost meanwhile stays lost: the
    statement changes nothing then. recorded: called with the jobs whose ends are no more to be recorded. broken: called
    with what is a mistake of ours.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        recorded: Callable[[Sequence[Claim]], None],
        broken: Callable[[Exception], None],
    ) -> None:
        self._pool = pool
        self._recorded = recorded
        self._broken = broken
        self._ended: deque[tuple[Run, Claim]] = deque()
        self._recording: asyncio.Task[None] | None = None

    def add(self, run: Run, job: Claim) -> None:
        """Have the end of a job of a run recorded."""
        run.unrecorded.append(job)
        self._ended.append((run, job))
        if self._recording is None:
            self._recording = asyncio.create_task(self._record_all(), name="recorder")

    async def finish(self) -> None:
        """Wait until everything is recorded."""
        while self._recording is not None:
            await self._recording

    def cancel(self) -> None:
        """Give up; what is not recorded runs again."""
        if self._recording is not None:
            self._recording.cancel()

    async def _record_all(self) -> None:
        try:
            while self._ended:
                batch = [self._ended.popleft() for _ in range(min(len(self._ended), MOST_AT_ONCE))]
                jobs = [job for _, job in batch]
                await self._record(jobs)
                for run, _ in batch:
                    del run.unrecorded[0]
                self._recorded(jobs)
        except Exception as error:
            self._broken(error)
        finally:
            self._recording = None

    async def _record(self, jobs: list[Claim]) -> None:
        while True:
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    await claims.record_ends(connection, jobs)
                return
            except UNENDED as error:
                log.warning(
                    "ended jobs could not be recorded; trying again", jobs=len(jobs), error=type(error).__name__
                )
                await asyncio.sleep(PAUSE_SECONDS)
