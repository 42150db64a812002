"""procrastinate, on its asynchronous connector (psycopg 3), as its how-to pages have it.

Default: `run_worker_async()` as it is, one job at a time. Best: `concurrency` ("Execute multiple jobs at the same
time") and a pool as large ("Limit the number of opened connections"). It fetches jobs one by one; there is no batch to
be set. Finished jobs are kept (`delete_jobs` "never", the default), as ours are, and counted.
"""

from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector

from bench.contenders.base import Configuration, Queue
from bench.contenders.harness import Report, main, on_schedule, run_until_told
from bench.contenders.orders import Send, Work
from bench.machine import versions

DRIVER = f"{versions('psycopg')} ({psycopg.pq.__impl__})"
_FILL = """
SELECT procrastinate_defer_jobs_v1(array_agg(
    ROW('default', 'nothing', 0, NULL, NULL, '{}', NULL)::procrastinate_job_to_defer_v1))
FROM generate_series(1, $1)
"""


class ProcrastinateQueue(Queue):
    """procrastinate."""

    name = "procrastinate"
    tables = ("procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers")
    finished = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
    unfinished = "SELECT EXISTS(SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"
    configurations = (
        Configuration(
            label=f"{versions('procrastinate')}, default",
            said=f"concurrency 1; {DRIVER}",
            options={"concurrency": 1, "connections": 4},
        ),
        Configuration(
            label=f"{versions('procrastinate')}, best",
            said=f"concurrency 10, 12 connections; {DRIVER}",
            options={"concurrency": 10, "connections": 12},
            best=True,
        ),
    )

    async def install(self) -> None:
        app = App(connector=PsycopgConnector(conninfo=self.url))
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    async def fill(self, jobs: int, configuration: Configuration) -> None:
        await self.database.execute(_FILL, jobs)


def _app(url: str, connections: int, report: Report | None = None) -> App:
    app = App(connector=PsycopgConnector(conninfo=url, max_size=connections))

    @app.task(name="nothing")
    async def nothing() -> None:
        assert report
        report.ran()

    @app.task(name="timed")
    async def timed(at: float) -> None:
        assert report
        report.began(at)

    return app


async def work(order: Work, report: Report) -> None:
    """Run a worker inside this process."""
    app = _app(order.url, order.options["connections"], report)
    async with app.open_async():
        running = app.run_worker_async(concurrency=order.options["concurrency"], install_signal_handlers=False)
        await run_until_told(running, lambda worker: worker.cancel())


async def send(order: Send) -> None:
    """Defer through the task, as an application does."""
    app = _app(order.url, 8)
    timed: Any = app.tasks["timed"]
    async with app.open_async():

        async def enqueue(at: float, number: int) -> None:
            await timed.defer_async(at=at)

        await on_schedule(order, enqueue)


if __name__ == "__main__":
    main(work, send)
