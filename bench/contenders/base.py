"""A queue as the benchmark sees it: a database with its tables, ways to fill and empty it, and its processes."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Self

import asyncpg
import msgspec

from bench.contenders.orders import Send, Work, Worked
from bench.processes import BenchmarkError, Child
from bench.stage import Stage


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run a contender. said: for the table; options: for its worker process; keys: ordering keys in use.

    best: whether it is the best that its documentation knows. seconds_each: how long a job takes if that is by design:
    single jobs are enqueued further apart then, and no steady rate is tried.
    """

    label: str
    said: str
    options: dict[str, Any] = {}
    keys: int = 0
    best: bool = False
    seconds_each: float = 0


class Queue:
    """A contender. Use as `async with`: its database is there inside."""

    name: ClassVar[str]
    tables: ClassVar[Sequence[str]]
    finished: ClassVar[str]  # SQL: how many jobs are recorded as done
    unfinished: ClassVar[str]  # SQL: whether any job is not
    configurations: ClassVar[Sequence[Configuration]]
    switch: ClassVar[str] = ""  # of the command line, without which it does not take part

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def __aenter__(self) -> Self:
        self.url = await self.stage.create_database(self._database_name)
        self.database = await asyncpg.connect(self.url)
        await self.install()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.database.close()
        await self.stage.drop_database(self._database_name)

    @property
    def _database_name(self) -> str:
        return f"bench_{self.name.replace('-', '_')}"

    async def install(self) -> None:
        """Make its tables, as its documentation says."""
        raise NotImplementedError

    async def fill(self, jobs: int, configuration: Configuration) -> None:
        """Have so many jobs that do nothing waiting."""
        raise NotImplementedError

    async def configure(self, configuration: Configuration) -> None:
        """Set in the database what the configuration asks for."""

    async def empty(self) -> None:
        """Forget all jobs."""
        await self.database.execute(f"TRUNCATE {', '.join(self.tables)} RESTART IDENTITY")

    async def settle(self) -> None:
        """Leave the database nothing to catch up with."""
        await self.database.execute(f"VACUUM ANALYZE {', '.join(self.tables)}")
        await self.database.execute("CHECKPOINT")

    def command(self) -> list[str]:
        """The process that carries out orders."""
        return [sys.executable, "-m", f"bench.contenders.{self.name}"]

    @asynccontextmanager
    async def worker(self, configuration: Configuration, *, jobs: int = 0, timed: int = 0) -> AsyncIterator["Worker"]:
        """Run one worker process."""
        options = configuration.options
        order = Work(url=self.url, options=options, jobs=jobs, timed=timed, answer_file=f"{self.name}.json")
        async with self.stage.child(self.command(), order) as child:
            yield Worker(child, self, order)

    def sender(
        self, configuration: Configuration, offsets: list[float], *, organizations: int = 1
    ) -> AbstractAsyncContextManager[Child]:
        """Run a process that enqueues by schedule."""
        order = Send(url=self.url, options=configuration.options, offsets=offsets, organizations=organizations)
        return self.stage.child(self.command(), order)

    async def done(self) -> int:
        """How many jobs the database records as done."""
        return int(await self.database.fetchval(self.finished))

    async def all_done(self) -> bool:
        """Whether the database records all jobs as done."""
        return not await self.database.fetchval(self.unfinished)


class Worker:
    """A worker process of a contender."""

    def __init__(self, child: Child, queue: Queue, order: Work) -> None:
        self.child = child
        self._queue = queue
        self._order = order

    async def dismiss(self) -> Worked:
        """Let it end; what it saw.

        Raises: BenchmarkError, if jobs that bear a number were not run in order.
        """
        await self.child.dismiss()
        file = self._queue.stage.folder / self._order.answer_file
        worked = msgspec.json.decode(file.read_bytes(), type=Worked)
        if worked.disorders:
            raise BenchmarkError(f"{self._queue.name}: {worked.disorders} jobs were run out of order")
        return worked
