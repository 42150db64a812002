"""What a doctor asks the database: its clock, how far the queue is behind, who works, what failed or belongs to nobody.

Across all organizations, as the owner; nothing here reads a payload.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from hookline.store.lanes import ALL_LANES, FAILED_LANE, waits_in
from hookline.store.pool import Connection

MOST_COUNTED = 10_000

_DUE = f"""
SELECT count(*) FROM (
    SELECT FROM unnest($1::smallint[]) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT FROM integration_jobs j
        WHERE {waits_in("j", "l.lane")} AND job_slice(j.run_at) <= now() AND j.run_at <= now() LIMIT $2
    ) AS of_lane
    LIMIT $2
) AS due
"""  # noqa: S608 - constants only, here and below


async def due(connection: Connection) -> int:
    """Count the jobs that are due and that nothing holds back, so many at most."""
    return int(await connection.fetchval(_DUE, list(ALL_LANES), MOST_COUNTED))


_OLDEST_DUE = f"""
SELECT min(due.run_at) FROM unnest($1::smallint[]) AS l(lane)
CROSS JOIN LATERAL (
    SELECT j.run_at FROM integration_jobs j
    WHERE {waits_in("j", "l.lane")} AND job_slice(j.run_at) <= now() AND j.run_at <= now()
    ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT 1
) AS due
"""  # noqa: S608


async def oldest_due(connection: Connection) -> datetime | None:
    """Say since when the oldest job is due that nothing holds back; None if nothing is due."""
    found: datetime | None = await connection.fetchval(_OLDEST_DUE, list(ALL_LANES))
    return found


class Workers(msgspec.Struct, frozen=True):
    """How many workers live, and how many are silent that hold jobs still."""

    living: int
    silent: int


# A claim stays written down for a while after the last of its jobs has ended: so the jobs themselves are asked.
_WORKERS = """
SELECT count(*) FILTER (WHERE w.heartbeat_at > now() - $1::interval) AS living,
       count(*) FILTER (WHERE w.heartbeat_at <= now() - $1::interval AND EXISTS (
           SELECT FROM job_claims c
           CROSS JOIN LATERAL unnest(c.organizations, c.jobs) AS held(organization_id, id)
           JOIN integration_jobs j ON j.organization_id = held.organization_id AND j.id = held.id
           WHERE c.worker_id = w.id AND j.worker_id = w.id
       )) AS silent
FROM job_workers w
"""


async def workers(connection: Connection, lease: timedelta) -> Workers:
    """Count the workers."""
    record: Any = await connection.fetchrow(_WORKERS, lease)
    return msgspec.convert(dict(record), Workers)


_UNOWNED = """
SELECT count(*) AS number, min(received_at) AS oldest FROM (
    SELECT received_at FROM webhook_events WHERE organization_id IS NULL AND status = 'PENDING'
    ORDER BY received_at LIMIT $1
) AS waiting
"""


async def unowned(connection: Connection) -> tuple[int, datetime | None]:
    """Count the events that wait for an account (so many at most), and say since when the oldest does."""
    record: Any = await connection.fetchrow(_UNOWNED, MOST_COUNTED)
    return record["number"], record["oldest"]


_FAILED_JOBS = f"""
SELECT count(*) FROM (
    SELECT FROM integration_jobs
    WHERE queue_lane = {FAILED_LANE} AND updated_at > now() - $1::interval LIMIT $2
) AS failed
"""  # noqa: S608
_FAILED_EVENTS = """
SELECT count(*) FROM (
    SELECT FROM webhook_events
    WHERE status <> 'PROCESSED' AND status = 'FAILED' AND organization_id IS NOT NULL
      AND processed_at > now() - $1::interval
    LIMIT $2
) AS failed
"""


async def failed_jobs(connection: Connection, within: timedelta) -> int:
    """Count the jobs that failed lately, so many at most."""
    return int(await connection.fetchval(_FAILED_JOBS, within, MOST_COUNTED))


async def failed_events(connection: Connection, within: timedelta) -> int:
    """Count the organizations' events that failed lately, so many at most."""
    return int(await connection.fetchval(_FAILED_EVENTS, within, MOST_COUNTED))


# What could not be read at all belongs to nobody, and is FAILED from the beginning.
_UNREADABLE = """
SELECT count(*) FROM (
    SELECT FROM webhook_events
    WHERE organization_id IS NULL AND status = 'FAILED' AND received_at > now() - $1::interval LIMIT $2
) AS unreadable
"""


async def unreadable_events(connection: Connection, within: timedelta) -> int:
    """Count the webhooks that came lately and could not be read at all, so many at most."""
    return int(await connection.fetchval(_UNREADABLE, within, MOST_COUNTED))


_PAUSED = "SELECT count(*) FROM job_pauses WHERE NOT resuming"


async def paused(connection: Connection) -> int:
    """Count the organizations and accounts that are paused."""
    return int(await connection.fetchval(_PAUSED))


_ACCOUNTS = """
SELECT organization_id, id FROM connected_accounts
WHERE id = $1 OR ($1::uuid IS NULL AND status <> 'DISCONNECTED')
ORDER BY organization_id, created_at, id
"""


async def accounts(connection: Connection, account_id: UUID | None) -> list[tuple[str, UUID]]:
    """List an account, with its organization before it; or all that are live."""
    return [(record[0], record[1]) for record in await connection.fetch(_ACCOUNTS, account_id)]


_OPEN_TABLES = """
SELECT c.relname FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace AND NOT c.relrowsecurity
ORDER BY c.relname
"""


async def open_tables(connection: Connection) -> list[str]:
    """Name the tables of organizations' rows that row-level security does not guard."""
    return [record[0] for record in await connection.fetch(_OPEN_TABLES)]
