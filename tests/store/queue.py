"""Jobs put into the table by the statement's hand, and claims as a worker makes them, for tests of the engine."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookline.domain.ids import new_id
from hookline.store import claims, workers
from hookline.store.claims import Claim, Claimed, Hold
from hookline.store.seen import untouched

_ADD = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, ordering_key, lane, run_at,
                              connected_account_id)
SELECT id, $2, 'WHATSAPP', $4, to_json(number), $3, job_lane($4, $2, coalesce($3, id::text)), now() + $5::interval, $6
FROM (SELECT gen_random_uuid() AS id, n AS number FROM generate_series(1, $1::integer) AS n ORDER BY n) AS made
ORDER BY number
RETURNING id
"""


def look_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have claims look as if whoever locks their jobs came right after that, and before they change these."""
    statement = claims._CLAIM
    for source in (("s", "seen"), ("f", "first_of_key")):
        assert untouched(*source) in statement
        statement = statement.replace(untouched(*source), "true")
    monkeypatch.setattr(claims, "_CLAIM", statement)


class Queue:
    """The queue of a test's database, as one worker sees it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.worker_id = new_id()

    async def register(self) -> None:
        """Make the worker known."""
        await self.pool.execute("DELETE FROM job_workers WHERE id = $1", self.worker_id)
        async with self.pool.acquire() as connection:
            await workers.register(connection, self.worker_id, "test")

    async def add(
        self,
        count: int = 1,
        *,
        organization: str = "org-1",
        key: str | None = None,
        job_type: str = "TEST",
        delay: timedelta = timedelta(seconds=-1),
        account: UUID | None = None,
    ) -> list[UUID]:
        """Add jobs with the payloads 1, 2, …, in this order."""
        rows = await self.pool.fetch(_ADD, count, organization, key, job_type, delay, account)
        return [row["id"] for row in rows]

    def hold(self) -> Hold:
        """A name for one of the worker's claims."""
        return Hold(new_id(), self.worker_id)

    async def claim(self, limit: int = 100, hold: Hold | None = None, **options: Any) -> Claimed:
        """Look at the lanes and claim, as often as a lane may have been left out by chance."""
        for _ in range(10):
            async with self.pool.acquire() as connection, connection.transaction():
                claimed = await claims.claim(connection, hold or self.hold(), limit=limit, **options)
            if claimed.runs or not claimed.busy:
                break
        return claimed

    async def jobs(self, limit: int = 100, **options: Any) -> list[Claim]:
        """The jobs of one claim, run by run."""
        return [job for run in (await self.claim(limit, **options)).runs for job in run.jobs]

    async def finish(self, jobs: Sequence[Claim]) -> set[UUID]:
        """End claimed jobs."""
        async with self.pool.acquire() as connection, connection.transaction():
            return await claims.finish(connection, jobs)

    async def until_they_wait(self, *tasks: asyncio.Task[Any]) -> None:
        """Wait until each of the tasks waits for a lock that somebody else has."""
        while await self.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < len(tasks):
            assert not any(task.done() for task in tasks)
            await asyncio.sleep(0.01)

    async def statuses(self) -> dict[str, int]:
        """How many jobs are in each status."""
        rows = await self.pool.fetch("SELECT status, count(*) AS jobs FROM integration_jobs GROUP BY status")
        return {row["status"]: row["jobs"] for row in rows}

    async def lane_counts(self) -> dict[str, int]:
        """How many waiting jobs are in lanes, and how many are put aside."""
        rows = await self.pool.fetch(
            "SELECT CASE lane WHEN -2 THEN 'blocked' WHEN -3 THEN 'paused' ELSE 'lanes' END AS place, count(*) AS jobs"
            " FROM integration_jobs WHERE status = 'PENDING' GROUP BY 1"
        )
        return {row["place"]: row["jobs"] for row in rows}
