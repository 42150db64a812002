"""Chaos: keys by the hundred, handlers that fail at random, workers that are killed and stopped every few seconds.

CHAOS=long runs it with 10,000 keys and the real leases, for minutes.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import msgspec
import pytest
from tests.journeys.processes import environment

LONG = os.environ.get("CHAOS") == "long"


class Plan(msgspec.Struct, frozen=True):
    """How much is done, how many times faster than in life workers are given up, and how long one is stopped."""

    keys: int
    jobs: int
    hurry: float
    between_seconds: float
    stop_seconds: float
    patience_seconds: float


PLAN = Plan(10_000, 30, 1, 4, 14, 1800) if LONG else Plan(200, 30, 6, 1.2, 2.5, 90)

_TABLES = """
CREATE TABLE chaos_effects (
    position bigint GENERATED ALWAYS AS IDENTITY, job_id uuid PRIMARY KEY, ordering_key text, number int, lease bigint);
CREATE TABLE chaos_refused (job_id uuid, lease bigint)
"""
# Two keys of three are of one kind, and of every third one the jobs are of both by turns.
_FILL = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, ordering_key, lane)
SELECT id, organization, 'WHATSAPP', job_type, to_json(number), key, job_lane(job_type, organization, key)
FROM (
    SELECT gen_random_uuid() AS id, 'org-' || k % 20 AS organization, 'key-' || k AS key, n AS number,
           CASE k % 3 WHEN 0 THEN 'JOB' WHEN 1 THEN 'PLAIN' ELSE (ARRAY['JOB', 'PLAIN'])[n % 2 + 1] END AS job_type
    FROM generate_series(1, $2::integer) AS n, generate_series(1, $1::integer) AS k ORDER BY n, k
) AS made
"""
# A job has ended although an earlier one of its key has not.
_OVERTAKEN = """
SELECT count(*) FROM (
    SELECT status, bool_or(status IN ('PENDING', 'PROCESSING')) OVER (
        PARTITION BY ordering_key ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS waits
    FROM integration_jobs
) AS j WHERE status IN ('DONE', 'FAILED') AND waits
"""
_OUT_OF_ORDER = """
SELECT count(*) FROM (
    SELECT number, lag(number) OVER (PARTITION BY ordering_key ORDER BY position) AS before FROM chaos_effects
) AS e WHERE before >= number
"""
# Every effect belongs to a job that is done, by the claim that was the last one; and every such job has its effect.
_UNMATCHED = """
SELECT count(*) FROM chaos_effects e
FULL JOIN (SELECT * FROM integration_jobs WHERE job_type = 'JOB' AND status = 'DONE') j ON j.id = e.job_id
WHERE e.lease IS DISTINCT FROM j.lease
"""
_UNENDED = "SELECT count(*) FROM integration_jobs WHERE status NOT IN ('DONE', 'FAILED')"
# Nobody wants to wait for the backoff.
_HASTEN = """
UPDATE integration_jobs SET run_at = now() WHERE status = 'PENDING' AND run_at > now() + interval '1 second'
"""


class Workers:
    """Two worker processes, and what befalls them."""

    def __init__(self, database_url: str, log: Path) -> None:
        self._environment = environment({}) | {"CHAOS_DATABASE_URL": database_url}
        self._log = log
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        """Start one more."""
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).parent / "chaotic.py"),
                str(PLAN.hurry),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment,
            )
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line == b"ready\n", self._log.read_text()[-4000:]
        self._processes.append(process)

    async def kill_one(self) -> None:
        """One of them is killed, and another started in its place."""
        victim = self._processes.pop(random.randrange(len(self._processes)))
        victim.kill()
        await victim.wait()
        await self.start()

    async def stop_one_for_a_while(self) -> None:
        """One of them stands still for longer than its lease, and then goes on as if nothing had been."""
        victim = random.choice(self._processes)
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(PLAN.stop_seconds)
        victim.send_signal(signal.SIGCONT)

    async def end(self) -> Sequence[int]:
        """Ask all of them to stop; their exit codes."""
        for process in self._processes:
            process.terminate()
        return [await asyncio.wait_for(process.wait(), 40) for process in self._processes]

    def clear(self) -> None:
        """Whatever happened, nothing is left running."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()


@pytest.mark.xdist_group("chaos")
async def test_order_effects_and_fences_hold_whatever_befalls_the_workers(
    pool: asyncpg.Pool, database_url: str, tmp_path: Path
) -> None:
    """No job ends before an earlier one of its key, none is lost, none has its effect twice, no late end is taken."""
    await pool.execute(_TABLES)
    await pool.execute(_FILL, PLAN.keys, PLAN.jobs)
    workers = Workers(database_url, tmp_path / "log")
    befallen = [workers.kill_one, workers.stop_one_for_a_while, workers.kill_one, workers.kill_one]
    deadline = time.monotonic() + PLAN.patience_seconds
    try:
        await workers.start()
        await workers.start()
        turn = 0
        while left := await pool.fetchval(_UNENDED):
            assert time.monotonic() < deadline, f"{left} jobs have not ended"
            await asyncio.sleep(PLAN.between_seconds)
            await befallen[turn % len(befallen)]()
            turn += 1
            await pool.execute(_HASTEN)
            assert await pool.fetchval(_OVERTAKEN) == 0
        assert await workers.end() == [0, 0]
    finally:
        workers.clear()
    assert turn >= 3, "it was over before anything had happened"
    assert await pool.fetchval(_OVERTAKEN) == 0
    assert await pool.fetchval(_OUT_OF_ORDER) == 0
    assert await pool.fetchval(_UNMATCHED) == 0
    assert await pool.fetchval("SELECT count(*) FROM integration_jobs") == PLAN.keys * PLAN.jobs
    refused = await pool.fetchval("SELECT count(*) FROM chaos_refused")
    print(f"{turn} blows, {refused} late ends refused")
