"""What retention costs: `python -m bench.retention DATABASE_URL` (an empty, migrated database; it is filled).

A few million finished rows over sixty days, of organizations of very different sizes. Printed are the sweep that finds
nothing old, the sweep that deletes all but the last days, the two after it, and one after a vacuum, which does not come
by itself meanwhile.
"""

import argparse
import asyncio
import time
from datetime import timedelta

import asyncpg

from hookline.services.prune import Retention, prune_all
from hookline.store.pool import open_pool

SWEEPS = ((61, "nothing is old"), (7, "53 of 60 days"), (7, "right after it"), (7, "once more"))

# Organization n has about 1/n of the rows. Rows come in the order of time.
ROWS = """
SELECT 'org-' || greatest(1, ceil(exp(random() * ln($2::integer)))::integer) AS organization,
       now() - interval '60 days' * (1 - n / $1::float8) AS moment, n,
       id_of_moment(gen_random_uuid(), now() - interval '60 days' * (1 - n / $1::float8)) AS id
FROM generate_series(1, $1::integer) AS n
"""
FILLS = {
    "integration_jobs": f"""
        INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, status, lane, ordering_key,
            created_at, updated_at, run_at)
        SELECT id, organization, 'WHATSAPP', 'PROCESS_WEBHOOK', json_build_object('webhookEventId', id), 'DONE', n % 64,
               'in:' || id || ':' || n % 1000, moment, moment, moment
        FROM ({ROWS}) AS row ORDER BY n
    """,
    "webhook_events": f"""
        INSERT INTO webhook_events (id, organization_id, provider, event_type, payload_json, ordering, signature,
            status, received_at, processed_at, result)
        SELECT id, organization, 'WHATSAPP', 'messages', json_build_object('text', repeat(md5(n::text), 18)), 'x',
               'verified', 'PROCESSED', moment, moment, '[]'
        FROM ({ROWS}) AS row ORDER BY n
    """,
    "outbox": f"""
        INSERT INTO outbox (tx_id, id, organization_id, type, occurred_at, data)
        SELECT n::text::xid8, id, organization, 'message.received', moment,
               json_build_object('text', repeat(md5(n::text), 18))
        FROM ({ROWS}) AS row ORDER BY n
    """,
}


async def main(url: str, rows: int, organizations: int) -> None:
    """Fill the tables, and sweep them."""
    async with await open_pool(url, size=2, application_name="bench", statement_seconds=3600, batches=True) as pool:
        await _fill(pool, rows, organizations)
        print(f"{'table':18}{'sweep':22}{'rows':>10}{'seconds':>10}{'rows/s':>10}{'MB looked at':>22}")
        for days, sweep in SWEEPS:
            await _sweep(pool, days, sweep)
        for table in FILLS:
            await pool.execute(f"VACUUM (ANALYZE) {table}")
        await _sweep(pool, 7, "after a vacuum")


async def _fill(pool: asyncpg.Pool, rows: int, organizations: int) -> None:
    for table, fill in FILLS.items():
        started = time.monotonic()
        await pool.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        await pool.execute(fill, rows, organizations)
        await pool.execute(f"VACUUM (ANALYZE) {table}")
        size, distinct = await pool.fetchrow(
            f"SELECT pg_size_pretty(pg_total_relation_size('{table}')), count(DISTINCT organization_id) FROM {table}"
        )
        print(f"{table}: {rows} rows of {distinct} organizations, {size}, in {time.monotonic() - started:.0f} s")


async def _sweep(pool: asyncpg.Pool, days: int, name: str) -> None:
    kept = timedelta(days=days)
    for retention in (Retention(jobs=kept), Retention(events=kept), Retention(feed=kept)):
        before, started, rows, table = await _blocks(pool), time.monotonic(), 0, ""
        async for table, rows in prune_all(pool, retention):  # noqa: B007 - the last ones count
            pass
        seconds = time.monotonic() - started
        megabytes = (await _blocks(pool) - before) * 8192 / 1e6
        print(f"{table:18}{name:22}{rows:>10}{seconds:>10.2f}{rows / seconds:>10.0f}{megabytes:>22.0f}")


async def _blocks(pool: asyncpg.Pool) -> int:
    """The blocks that were looked at since the server started, in memory or not."""
    await pool.execute("SELECT pg_stat_force_next_flush()")
    return int(
        await pool.fetchval("SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()")
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_url")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--organizations", type=int, default=10_000)
    options = parser.parse_args()
    asyncio.run(main(options.database_url, options.rows, options.organizations))
