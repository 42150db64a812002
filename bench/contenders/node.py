"""The peers from npm: graphile-worker and pg-boss, at the versions that package.json beside this file pins.

They are installed into the benchmark's temporary folder. Both need a newer Node than many machines have, so one comes
along from npm where there is one for the platform. What they are asked is in graphile-worker.mjs and pg-boss.mjs.

graphile-worker, best: its page "Performance", with the settings of its own published measurement (concurrentJobs 24,
maxPoolSize 25, localQueue 500, completeJobBatchDelay 0). It deletes a finished job: done is what is no longer there.
pg-boss, best: its page "Workers": batchSize, localConcurrency, burstWhenBatchFull (fetch on without a pause while
batches are full), and LISTEN/NOTIFY (`useListenNotify`, and `notify` of the queue). By default it takes one job every
two seconds.
"""

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from bench.contenders.base import Configuration, Queue
from bench.contenders.orders import Fill
from bench.processes import BenchmarkError

HERE = Path(__file__).parent
PACKAGE = json.loads((HERE / "package.json").read_text())
_INSTALL = ("install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel", "error")


def _label(name: str, configuration: str) -> str:
    return f"{name} {PACKAGE['dependencies'][name]}, {configuration}"


def _parts(url: str) -> str:
    """A database URL as node-postgres takes it apart, as JSON."""
    split = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(split.query).items()}
    return json.dumps(
        {
            "user": split.username,
            "password": unquote(split.password or ""),
            "host": query.get("host", split.hostname),
            "port": int(query.get("port", split.port or 5432)),
            "database": split.path.lstrip("/"),
        }
    )


class NodeQueue(Queue):
    """A contender whose processes run on Node."""

    switch = "--all-peers "

    async def install(self) -> None:
        """Any process that starts makes the tables."""
        self._folder = self.stage.folder / "node"
        if not self._folder.exists():
            _copy(self._folder)
            await _npm(self._folder)
        self.url = _parts(self.url)
        await self._fill(0)

    def command(self) -> list[str]:
        brought = list(self._folder.glob("node_modules/node-*/bin/node"))
        return [str(brought[0]) if brought else "node", str(self._folder / f"{self.name}.mjs")]

    async def fill(self, jobs: int, configuration: Configuration) -> None:
        await self._fill(jobs)

    async def _fill(self, jobs: int) -> None:
        async with self.stage.child(self.command(), Fill(url=self.url, jobs=jobs)) as child:
            await child.dismiss()


def _copy(folder: Path) -> None:
    folder.mkdir()
    for file in (HERE / "package.json", *HERE.glob("*.mjs")):
        shutil.copy(file, folder)


async def _npm(folder: Path) -> None:
    """Install what package.json pins.

    Raises: BenchmarkError, if there is no npm, or with what it said.
    """
    if (program := shutil.which("npm")) is None:
        raise BenchmarkError("the peers from npm need npm, and it is not on the path")
    npm = await asyncio.create_subprocess_exec(
        program, *_INSTALL, cwd=folder, env=dict(os.environ), stdout=PIPE, stderr=STDOUT
    )
    said, _ = await npm.communicate()
    if npm.returncode:
        raise BenchmarkError(f"npm could not install the peers:\n{said.decode(errors='replace')[-2000:]}")


class GraphileWorkerQueue(NodeQueue):
    """graphile-worker."""

    name = "graphile-worker"
    tables = ("graphile_worker._private_jobs", "graphile_worker._private_job_queues")
    # Every job that ever was has taken a number, beginning anew when the tables are emptied.
    finished = """
        SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM graphile_worker.jobs_id_seq1)
               - (SELECT count(*) FROM graphile_worker._private_jobs)
    """
    unfinished = "SELECT EXISTS(SELECT FROM graphile_worker._private_jobs)"
    configurations = (
        Configuration(label=_label(name, "default"), said="concurrentJobs 1", options={}),
        Configuration(
            label=_label(name, "batched"),
            said="concurrentJobs 24, localQueue 500, completeJobBatchDelay 0",
            options={
                "concurrentJobs": 24,
                "maxPoolSize": 25,
                "localQueue": {"size": 500},
                "completeJobBatchDelay": 0,
                "failJobBatchDelay": 0,
            },
            best=True,
        ),
    )


class PgBossQueue(NodeQueue):
    """pg-boss."""

    name = "pg-boss"
    tables = ("pgboss.job",)
    finished = "SELECT count(*) FROM pgboss.job WHERE name IN ('nothing', 'timed') AND state = 'completed'"
    unfinished = "SELECT EXISTS(SELECT FROM pgboss.job WHERE name IN ('nothing', 'timed') AND state < 'completed')"
    configurations = (
        Configuration(label=_label(name, "default"), said="one job every 2 s", options={}, seconds_each=2),
        Configuration(
            label=_label(name, "batched"),
            said="batchSize 500, localConcurrency 2, burstWhenBatchFull, LISTEN/NOTIFY on",
            options={"batchSize": 500, "localConcurrency": 2, "burstWhenBatchFull": True, "listen": True},
            best=True,
        ),
    )
