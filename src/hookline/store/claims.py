"""Claims on jobs: fenced, in order by key, and fair by lane.

Order. A claim takes lanes whole (an advisory lock for its transaction) and reads in a statement of its own after the
lock, so that it sees every claim made before; of a key it takes the first live job and the run that follows it.
Fence. Every claim raises `lease`; whoever acts on a claimed job names the lease it holds, and changes nothing if the
job was taken over.
Webhooks. Their effects are all in the database, so the transaction itself is the claim (`take`): they are marked DONE
first, which locks them, and everything is undone if the transaction does not commit.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hookline.domain.job import IntegrationJobStatus, Verdict
from hookline.store.arrays import columns
from hookline.store.jobs import COLUMNS, ClaimedJob, Job, job_from
from hookline.store.pool import Connection

WEBHOOK_LANES = range(64)
OTHER_LANES = range(64, 128)
_LANE_LOCKS = 0x486F6F6B  # the first half of an advisory lock's key; the second is the lane


# A job is blocked by an earlier live job of its key. Heads come first, then what follows each head, by depth: so a cut
# at the limit always leaves whole beginnings of keys.
_DUE = """
head AS MATERIALIZED (
    SELECT j.organization_id, j.id, j.ordering_key, j.seq, j.run_at
    FROM unnest($1::smallint[]) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT d.organization_id, d.id, d.ordering_key, d.seq, d.run_at
        FROM integration_jobs d
        WHERE d.lane = l.lane AND d.status = 'PENDING' AND d.run_at <= now()
          AND NOT EXISTS (
              SELECT FROM integration_jobs earlier
              WHERE earlier.ordering_key = d.ordering_key AND earlier.seq < d.seq
                AND earlier.organization_id = d.organization_id
                AND earlier.status IN ('PENDING', 'PROCESSING') AND earlier.holds_key)
        ORDER BY d.run_at, d.seq
        LIMIT $2
    ) AS j
),
due AS MATERIALIZED (
    SELECT organization_id, id, 0 AS depth, run_at, seq FROM head
    UNION ALL
    SELECT f.organization_id, f.id, f.depth, h.run_at, h.seq
    FROM head h
    CROSS JOIN LATERAL (
        SELECT n.organization_id, n.id, row_number() OVER (ORDER BY n.seq) AS depth,
               bool_and(n.status = 'PENDING' AND n.run_at <= now()) OVER (ORDER BY n.seq) AS ready
        FROM (
            SELECT k.organization_id, k.id, k.seq, k.status, k.run_at
            FROM integration_jobs k
            WHERE k.ordering_key = h.ordering_key AND k.seq > h.seq AND k.organization_id = h.organization_id
              AND k.status IN ('PENDING', 'PROCESSING') AND k.holds_key
            ORDER BY k.seq LIMIT $3
        ) AS n
    ) AS f
    WHERE f.ready
)
"""

# Half of the lanes in which something is due, so that whoever comes next finds some too.
_LOCK_LANES = """
WITH busy AS MATERIALIZED (
    SELECT l.lane::smallint AS lane
    FROM generate_series($1::integer, $2::integer) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT FROM integration_jobs j
        WHERE j.lane = l.lane AND j.status = 'PENDING' AND j.run_at <= now()
        LIMIT 1
    ) AS due
    ORDER BY random()
)
SELECT lane FROM busy WHERE pg_try_advisory_xact_lock($3::integer, lane)
LIMIT (SELECT (count(*) + 1) / 2 FROM busy)
"""

_CLAIM = f"""
WITH {_DUE},
picked AS MATERIALIZED (
    SELECT DISTINCT organization_id, id FROM (
        SELECT organization_id, id FROM due ORDER BY depth, run_at, seq LIMIT $4
    ) AS first
)
UPDATE integration_jobs j
SET status = 'PROCESSING', lease = j.lease + 1, worker_id = $5, updated_at = now()
FROM picked p WHERE j.organization_id = p.organization_id AND j.id = p.id AND j.status = 'PENDING'
RETURNING {", ".join("j." + name for name in Job.__struct_fields__)}
"""  # noqa: S608


async def claim(connection: Connection, worker_id: UUID, *, limit: int) -> list[Job]:
    """Claim up to `limit` due jobs for a worker, but no webhooks, in order of seq. Needs a transaction; never commits.

    Two workers never claim from one lane at the same moment; a lane that is taken is passed over.
    """
    locked = await _lock_lanes(connection, OTHER_LANES)
    if not locked:
        return []
    quantum = max(1, -(-limit // len(locked)))
    records = await connection.fetch(_CLAIM, locked, quantum, limit, limit, worker_id)
    return sorted(map(job_from, records), key=lambda job: job.seq)


# No webhook holds another: none is ever claimed beyond its transaction, and one that waits for a retry lets others go.
_TAKE = """
WITH due AS MATERIALIZED (
    SELECT j.organization_id, j.id
    FROM unnest($1::smallint[]) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT d.organization_id, d.id FROM integration_jobs d
        WHERE d.lane = l.lane AND d.status = 'PENDING' AND d.run_at <= now()
        ORDER BY d.run_at, d.seq LIMIT $2
    ) AS j
)
UPDATE integration_jobs j SET status = 'DONE', lease = j.lease + 1, updated_at = now()
FROM due WHERE j.organization_id = due.organization_id AND j.id = due.id AND j.status = 'PENDING'
RETURNING j.id, j.organization_id, j.seq, j.job_type, j.payload_json, j.attempts, j.max_attempts, j.ordering_key,
          j.lease
"""


async def take(connection: Connection, *, limit: int) -> list[ClaimedJob]:
    """Take up to `limit` due webhook jobs, in order of seq, as DONE: the caller's transaction is the claim.

    Their lanes stay locked until it ends; jobs whose event fails are put back by `fail` before it commits.
    """
    locked = await _lock_lanes(connection, WEBHOOK_LANES)
    if not locked:
        return []
    records = await connection.fetch(_TAKE, locked, max(1, -(-limit // len(locked))))
    done = IntegrationJobStatus.DONE
    taken = [
        ClaimedJob(
            id=record[0],
            organization_id=record[1],
            seq=record[2],
            job_type=record[3],
            payload_json=record[4],
            status=done,
            attempts=record[5],
            max_attempts=record[6],
            ordering_key=record[7],
            lease=record[8],
        )
        for record in records
    ]
    taken.sort(key=lambda job: job.seq)
    return taken


async def _lock_lanes(connection: Connection, lanes: range) -> list[int]:
    records = await connection.fetch(_LOCK_LANES, lanes.start, lanes.stop - 1, _LANE_LOCKS)
    return [record["lane"] for record in records]


_PEEK = f"""
WITH {_DUE}
SELECT {COLUMNS} FROM integration_jobs
WHERE (organization_id, id) IN (SELECT organization_id, id FROM due WHERE depth = 0) ORDER BY run_at, seq LIMIT $4
"""  # noqa: S608


async def fetch_next(connection: Connection, *, limit: int) -> list[Job]:
    """List the jobs that a claim could take first now, one a key, by run_at, without claiming any."""
    records = await connection.fetch(_PEEK, [*WEBHOOK_LANES, *OTHER_LANES], limit, limit, limit)
    return [job_from(record) for record in records]


_LANE = """
SELECT pg_advisory_xact_lock($1::integer, lane) FROM integration_jobs WHERE id = $2 AND organization_id = $3
"""

_CLAIM_ONE = f"""
UPDATE integration_jobs j
SET status = 'PROCESSING', lease = j.lease + 1, worker_id = $2, updated_at = now()
WHERE j.id = $1 AND j.organization_id = $3 AND j.status = 'PENDING'
  AND NOT EXISTS (
      SELECT FROM integration_jobs earlier
      WHERE earlier.ordering_key = j.ordering_key AND earlier.seq < j.seq
        AND earlier.organization_id = j.organization_id
        AND earlier.status IN ('PENDING', 'PROCESSING') AND earlier.holds_key)
RETURNING {COLUMNS}
"""  # noqa: S608


async def claim_one(connection: Connection, organization_id: str, job_id: UUID, worker_id: UUID) -> Job | None:
    """Claim one job by id; None if it is not pending, or an earlier job of its key is still live."""
    await connection.execute(_LANE, _LANE_LOCKS, job_id, organization_id)
    record = await connection.fetchrow(_CLAIM_ONE, job_id, worker_id, organization_id)
    return None if record is None else job_from(record)


# A claimed job's identity and fence.
_CLAIMED = ("organization_id", "id", "lease")

_FINISH = """
UPDATE integration_jobs j SET status = 'DONE', worker_id = NULL, updated_at = now()
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS c(organization_id, id, lease)
WHERE j.organization_id = c.organization_id AND j.id = c.id AND j.lease = c.lease AND j.status = 'PROCESSING'
RETURNING j.id
"""


async def finish(connection: Connection, claims: Sequence[ClaimedJob]) -> set[UUID]:
    """Mark claimed jobs DONE and return the ids of those whose claim still stood."""
    records = await connection.fetch(_FINISH, *columns(claims, _CLAIMED))
    return {record["id"] for record in records}


_FAIL = """
UPDATE integration_jobs
SET status = $3, attempts = $4, last_error = $5, worker_id = NULL, updated_at = now(),
    run_at = CASE WHEN $3 = 'PENDING' THEN now() + $6::interval ELSE run_at END,
    holds_key = holds_key AND NOT $7
WHERE organization_id = $8 AND id = $1 AND lease = $2 AND status = $9
RETURNING id
"""


async def fail(
    connection: Connection, claimed: ClaimedJob, verdict: Verdict, error: str, *, releases_key: bool
) -> bool:
    """Record a failed attempt by its verdict; False if the claim no longer stands.

    releases_key: from now on the job's followers need not wait for it.
    """
    record = await connection.fetchval(
        _FAIL,
        claimed.id,
        claimed.lease,
        verdict.status,
        verdict.attempts,
        error,
        verdict.delay,
        releases_key,
        claimed.organization_id,
        claimed.status,
    )
    return record is not None


_RELEASE = """
UPDATE integration_jobs j SET status = 'PENDING', worker_id = NULL, updated_at = now()
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS c(organization_id, id, lease)
WHERE j.organization_id = c.organization_id AND j.id = c.id AND j.lease = c.lease AND j.status = 'PROCESSING'
"""


async def release(connection: Connection, claims: Sequence[ClaimedJob]) -> None:
    """Return claimed jobs to the queue untouched."""
    await connection.execute(_RELEASE, *columns(claims, _CLAIMED))


_GIVE_BACK = """
UPDATE integration_jobs SET status = 'PENDING', worker_id = NULL, updated_at = now()
WHERE worker_id = $1 AND status = 'PROCESSING'
"""


async def give_back(connection: Connection, worker_id: UUID) -> None:
    """Return a stopping worker's claimed jobs to the queue at once."""
    await connection.execute(_GIVE_BACK, worker_id)


# Also finds rows of a claim that committed after its worker had been given up: any owner without a live heartbeat.
_RESCUE = """
UPDATE integration_jobs SET status = 'PENDING', worker_id = NULL, updated_at = now()
WHERE status = 'PROCESSING'
  AND NOT EXISTS (SELECT FROM job_workers w WHERE w.id = worker_id AND w.heartbeat_at > now() - $1::interval)
RETURNING id
"""


async def rescue(connection: Connection, dead_after: Any) -> int:
    """Return the jobs of workers whose heartbeat is older than `dead_after` (a timedelta) to the queue."""
    return len(await connection.fetch(_RESCUE, dead_after))
