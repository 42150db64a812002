"""pgqueuer, on its fastest driver (asyncpg), as its guides "Performance Tuning" and "Benchmarks" have it.

Default: `run()` as it is, 10 jobs a batch, one connection. Best: larger batches ("increase batch_size when jobs are
short-lived"), several managers in the process, each with a connection of its own (as the project's own benchmark runs
it), and `pgq autovac` after the installation; of the sizes and numbers tried, the fastest here. Its two other levels of
durability do not count: with them the record of what was done is lost in a crash. It deletes a finished job and notes
it in a log, where it is counted.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import msgspec
from pgqueuer import AsyncpgDriver, AsyncpgPoolDriver, Job, PgQueuer, Queries

from bench.contenders.base import Configuration, Queue
from bench.contenders.harness import Report, main, on_schedule, run_until_told
from bench.contenders.orders import Send, Work
from bench.machine import versions

NOTHING, TIMED = "nothing", "timed"
_FILL_AT_ONCE = 10_000


class PgqueuerQueue(Queue):
    """pgqueuer."""

    name = "pgqueuer"
    tables = ("pgqueuer", "pgqueuer_log", "pgqueuer_statistics")
    finished = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
    unfinished = "SELECT EXISTS(SELECT FROM pgqueuer)"
    configurations = (
        Configuration(
            label=f"{versions('pgqueuer')}, default", said="batch_size 10", options={"batch_size": 10, "managers": 1}
        ),
        Configuration(
            label=f"{versions('pgqueuer')}, best",
            said="asyncpg, batch_size 100, 2 managers in the process, pgq autovac",
            options={"batch_size": 100, "managers": 2},
            best=True,
        ),
    )

    async def install(self) -> None:
        await Queries(AsyncpgDriver(self.database)).install()

    async def configure(self, configuration: Configuration) -> None:
        queries = Queries(AsyncpgDriver(self.database))
        await (queries.optimize_autovacuum() if configuration.best else queries.optimize_autovacuum_rollback())

    async def fill(self, jobs: int, configuration: Configuration) -> None:
        queries = Queries(AsyncpgDriver(self.database))
        for start in range(0, jobs, _FILL_AT_ONCE):
            count = min(_FILL_AT_ONCE, jobs - start)
            await queries.enqueue([NOTHING] * count, [None] * count, [0] * count)


async def work(order: Work, report: Report) -> None:
    """Run the managers side by side in one process."""
    async with AsyncExitStack() as stack:
        managers = []
        for _ in range(order.options["managers"]):
            connection = await asyncpg.connect(order.url)
            stack.push_async_callback(connection.close)
            managers.append(_manager(connection, report))
        running = [manager.run(batch_size=order.options["batch_size"]) for manager in managers]

        async def run() -> None:
            await asyncio.gather(*running)

        def halt(_: object) -> None:
            for manager in managers:
                manager.shutdown.set()

        await run_until_told(run(), halt)


def _manager(connection: asyncpg.Connection, report: Report) -> PgQueuer:
    manager = PgQueuer(AsyncpgDriver(connection))

    @manager.entrypoint(NOTHING)
    async def nothing(job: Job) -> None:
        report.ran()

    @manager.entrypoint(TIMED)
    async def timed(job: Job) -> None:
        payload: dict[str, Any] = msgspec.json.decode(job.payload or b"")
        report.began(payload["at"])

    return manager


async def send(order: Send) -> None:
    """Enqueue through a pool, as the guide advises for producers."""
    async with asyncpg.create_pool(order.url, min_size=2, max_size=8) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))

        async def enqueue(at: float, number: int) -> None:
            await queries.enqueue(TIMED, msgspec.json.encode({"at": at}))

        await on_schedule(order, enqueue)


if __name__ == "__main__":
    main(work, send)
