"""The table job_pauses: organizations and accounts whose jobs do not run; and bringing back what was put aside.

Claims put a paused owner's jobs aside when they meet them (store/lanes.py). While an owner is being resumed its jobs
run again, and those that were put aside return in batches, oldest first; what would overtake one of its key that is
still aside is kept behind it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.store.lanes import BLOCKED, HOME, PAUSED, RETURN, is_paused, lock_all, of_key, waits_in
from hookline.store.pool import Connection


class Pause(msgspec.Struct, frozen=True):
    """Whose jobs do not run; `connected_account_id` None: all of the organization's. `paused_at` is known of rows."""

    organization_id: str
    connected_account_id: UUID | None
    paused_at: datetime | None = None


_PAUSE = """
INSERT INTO job_pauses (organization_id, connected_account_id) VALUES ($1, $2)
ON CONFLICT (organization_id, connected_account_id) DO UPDATE
SET resuming = false, paused_at = CASE WHEN job_pauses.resuming THEN now() ELSE job_pauses.paused_at END
"""


async def pause(connection: Connection, owner: Pause) -> None:
    """Let an owner's jobs run no more; those that run already go on."""
    await connection.execute(_PAUSE, owner.organization_id, owner.connected_account_id)


_RESUME = """
UPDATE job_pauses SET resuming = true
WHERE organization_id = $1 AND connected_account_id IS NOT DISTINCT FROM $2
"""


async def resume(connection: Connection, owner: Pause) -> None:
    """Let an owner's jobs run again."""
    await connection.execute(_RESUME, owner.organization_id, owner.connected_account_id)


_COUNT_ASIDE = f"""
SELECT count(*) FROM integration_jobs
WHERE {waits_in("integration_jobs", PAUSED)} AND organization_id = $1
  AND ($2::uuid IS NULL OR connected_account_id = $2)
"""  # noqa: S608 - constants only, here and below


async def count_aside(connection: Connection, owner: Pause) -> int:
    """How many of an owner's jobs are put aside because of a pause."""
    return int(await connection.fetchval(_COUNT_ASIDE, owner.organization_id, owner.connected_account_id))


_LIST = """
SELECT organization_id, connected_account_id, paused_at FROM job_pauses
WHERE organization_id = $1 AND NOT resuming ORDER BY connected_account_id NULLS FIRST
"""
_LIST_RESUMING = "SELECT organization_id, connected_account_id, paused_at FROM job_pauses WHERE resuming"


async def list_of(connection: Connection, organization_id: str) -> list[Pause]:
    """What of an organization is paused."""
    return list(map(_pause_from, await connection.fetch(_LIST, organization_id)))


async def list_resuming(connection: Connection) -> list[Pause]:
    """Whose jobs are to be brought back."""
    return list(map(_pause_from, await connection.fetch(_LIST_RESUMING)))


def _pause_from(record: Any) -> Pause:
    return Pause(record[0], record[1], record[2])


_OLDEST_ASIDE = f"""
    SELECT j.ctid FROM integration_jobs j
    WHERE {waits_in("j", PAUSED)} AND job_tenant(j.organization_id) = job_tenant($1)
      AND j.organization_id = $1 AND ($2::uuid IS NULL OR j.connected_account_id = $2) AND NOT {is_paused("j")}
    ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT $3
"""  # noqa: S608
_ARE_FEWER = f"SELECT count(*) < $3 FROM ({_OLDEST_ASIDE}) AS oldest"  # noqa: S608
# In the order of their pages, as a claim takes rows: where the two meet in a key, hardly ever both wait.
_BRING_BACK = f"""
UPDATE integration_jobs j SET lane = {HOME}
WHERE j.ctid = ANY (ARRAY({_OLDEST_ASIDE})) AND j.status = 'PENDING'
RETURNING 1
"""  # noqa: S608


async def bring_back(connection: Connection, owner: Pause, limit: int) -> int:
    """Return an owner's oldest jobs that were put aside to their lanes; how many those were. Needs a transaction.

    When these are the last ones, the pause is over: that is decided while no claim is under way that could put more
    aside. Claims are waited for before a job is changed, since one of them might wait for that job.
    """
    arguments = owner.organization_id, owner.connected_account_id
    are_last = await connection.fetchval(_ARE_FEWER, *arguments, limit)
    if are_last:
        await lock_all(connection)
    returned = len(await connection.fetch(_BRING_BACK, *arguments, limit))
    if are_last and returned < limit:
        await connection.execute(_END, *arguments)
    return returned


_END = """
DELETE FROM job_pauses
WHERE organization_id = $1 AND connected_account_id IS NOT DISTINCT FROM $2 AND resuming
"""

_PLACE = "job_slice(j.run_at) AS slice, job_tenant(j.organization_id) AS tenant, j.seq"
# Whoever ends what others wait for lets them follow at once, and whoever resumes brings back. This is for what nobody
# does: rows that somebody changed by hand, a process that died between two statements, or a job that ends at the very
# moment at which the next one, waiting in its lane, is cancelled. Of many it looks at some, from anywhere in their
# order on, so that each is come to at some time: from any quarter of a second and any organization's hash it goes to
# the next organization, and begins at any of its jobs there; after the last one comes the first.
_RETURN_STRAYS = f"""
WITH extent AS MATERIALIZED (
    SELECT l.lane, n.waiting > $1 AS many, oldest.*, job_tenant(random()::text) AS any_tenant,
           job_slice(oldest.slice + random() * (newest.slice + interval '250 ms' - oldest.slice)) AS any_slice
    FROM (VALUES ({BLOCKED}), ({PAUSED})) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT {_PLACE} FROM integration_jobs j WHERE {waits_in("j", "l.lane")}
        ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT 1
    ) AS oldest
    CROSS JOIN LATERAL (
        SELECT job_slice(j.run_at) AS slice FROM integration_jobs j WHERE {waits_in("j", "l.lane")}
        ORDER BY job_slice(j.run_at) DESC, job_tenant(j.organization_id) DESC, j.seq DESC LIMIT 1
    ) AS newest
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting FROM (
            SELECT FROM integration_jobs j WHERE {waits_in("j", "l.lane")} LIMIT $1 + 1) AS few
    ) AS n
),
beginning AS MATERIALIZED (
    SELECT e.lane, met.slice, met.tenant,
           met.seq + floor(random() * (newest.seq - met.seq + 1))::bigint * e.many::integer AS seq
    FROM extent e
    CROSS JOIN LATERAL (
        (SELECT {_PLACE} FROM integration_jobs j
         WHERE {waits_in("j", "e.lane")} AND e.many
           AND (job_slice(j.run_at), job_tenant(j.organization_id)) >= (e.any_slice, e.any_tenant)
         ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT 1)
        UNION ALL
        SELECT e.slice, e.tenant, e.seq
        LIMIT 1
    ) AS met
    CROSS JOIN LATERAL (
        SELECT j.seq FROM integration_jobs j
        WHERE {waits_in("j", "e.lane")} AND job_slice(j.run_at) = met.slice
          AND job_tenant(j.organization_id) = met.tenant
        ORDER BY j.seq DESC LIMIT 1
    ) AS newest
),
stray AS MATERIALIZED (
    SELECT s.ctid, b.lane
    FROM beginning b
    CROSS JOIN LATERAL (
        SELECT j.ctid, j.organization_id, j.connected_account_id, j.ordering_key, j.seq FROM integration_jobs j
        WHERE {waits_in("j", "b.lane")}
          AND (job_slice(j.run_at), job_tenant(j.organization_id), j.seq) >= (b.slice, b.tenant, b.seq)
        ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT $1
    ) AS s
    WHERE CASE b.lane
        WHEN {PAUSED} THEN NOT EXISTS (
            SELECT FROM job_pauses p
            WHERE p.organization_id = s.organization_id
              AND (p.connected_account_id IS NULL OR p.connected_account_id = s.connected_account_id))
        ELSE NOT EXISTS (
            SELECT FROM integration_jobs e
            WHERE {of_key("e", "s")} AND (e.key_rank = 0 OR e.key_rank = 1 AND e.seq < s.seq))
        END
)
UPDATE integration_jobs j SET lane = CASE stray.lane WHEN {PAUSED} THEN {HOME} ELSE {RETURN} END
FROM stray WHERE j.ctid = stray.ctid AND j.status = 'PENDING'
RETURNING 1
"""  # noqa: S608


async def return_strays(connection: Connection, limit: int) -> int:
    """Return jobs that were put aside, and that nothing keeps any more, to their lanes; how many those were.

    Looks at up to `limit` that wait for others of their key, and as many that were paused.
    """
    return len(await connection.fetch(_RETURN_STRAYS, limit))
