"""What bulk repair costs: `python -m bench.repair DATABASE_URL` (an empty, migrated database; it is filled).

Three million jobs of one organization, a third of them waiting. Printed is each request's answer and time, and how long
the job of type BULK takes for the rest.
"""

import argparse
import asyncio
import time
from functools import partial
from typing import Any

import asyncpg

from hookline.domain.errors import WaitRequested
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobStatus
from hookline.services import bulk
from hookline.services.bulk import Outcome, Transaction, begin, cancel_of, count_fitting, retry_of
from hookline.store import claims, jobs
from hookline.store.jobs import Job, JobFilter
from hookline.store.pool import API_ROLE, open_pool, organization_transaction

OWNER = "org-1"
FILL = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, status, lane, ordering_key)
SELECT id_of_moment(gen_random_uuid(), now() - interval '3 days' * (1 - n / $1::float8)), 'org-1',
       (ARRAY['WHATSAPP', 'INSTAGRAM', 'FACEBOOK'])[1 + n % 3], 'TEST', '{}',
       CASE WHEN n % 3 = 0 THEN 'PENDING' WHEN n % 3000 = 1 THEN 'FAILED' ELSE 'DONE' END,
       job_lane('TEST', 'org-1', 'k' || n % 5000), 'k' || n % 5000
FROM generate_series(1, $1::integer) AS n
"""


async def main(url: str, rows: int) -> None:
    """Fill the queue; count, cancel and retry."""
    async with (
        await open_pool(url, size=2, application_name="bench", statement_seconds=3600, batches=True) as pool,
        await open_pool(url, role=API_ROLE, size=2, application_name="bench api") as api,
    ):
        await pool.execute(FILL, rows)
        await pool.execute("VACUUM (ANALYZE) integration_jobs")
        transaction = partial(organization_transaction, api, OWNER)
        everything = JobFilter()
        await _timed("dry run: cancel", count_fitting(transaction, OWNER, cancel_of(everything, "bench", None)))
        await _timed("dry run: retry", count_fitting(transaction, OWNER, retry_of(everything, "bench", None)))
        for status in (IntegrationJobStatus.FAILED, IntegrationJobStatus.PENDING, IntegrationJobStatus.PROCESSING):
            await _timed(f"list of {status}", _page(transaction, JobFilter(status=status)))
        outcome = await _timed("cancel: the request", begin(transaction, OWNER, cancel_of(everything, "bench", None)))
        if outcome.job is not None:
            await _timed("cancel: its job", _run(pool, outcome.job))
        await _timed("cancel again", begin(transaction, OWNER, cancel_of(everything, "bench", None)))


async def _timed(name: str, work: Any) -> Any:
    started = time.monotonic()
    done = await work
    told = f"{done.count} rows, exact {done.exact}, job {done.job is not None}" if isinstance(done, Outcome) else done
    print(f"{name:24}{time.monotonic() - started:>8.2f} s   {told}", flush=True)
    return done


async def _page(transaction: Transaction, chosen: JobFilter) -> str:
    async with transaction() as connection:
        return f"{len(await jobs.list_page(connection, OWNER, chosen, before=None, limit=51))} of a page"


async def _run(pool: asyncpg.Pool, job: Job) -> str:
    """Run the job as a worker does, turn by turn."""
    turns = 0
    while True:
        turns += 1
        async with pool.acquire() as connection, connection.transaction():
            claimed = await claims.claim_one(connection, OWNER, job.id, claims.Hold(new_id(), new_id()))
        assert claimed is not None
        try:
            await bulk.go_on(pool, claimed)
            return f"{turns} turns"
        except WaitRequested:
            await pool.execute("UPDATE integration_jobs SET status = 'PENDING' WHERE id = $1", job.id)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_url")
    parser.add_argument("--rows", type=int, default=3_000_000)
    options = parser.parse_args()
    asyncio.run(main(options.database_url, options.rows))
