"""How claimed jobs end: done, failed, returned to the queue, rescued; and who may follow then.

Every statement names the lease that the claim raised (of workers that are gone: the worker), and changes nothing once
the job was taken over.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.job import IntegrationJobStatus, Verdict
from hookline.store.arrays import columns, joined
from hookline.store.jobs import ClaimedJob, Job
from hookline.store.lanes import BLOCKED, HOME, RETURN, is_paused, of_key
from hookline.store.pool import Connection


class Hold(msgspec.Struct):
    """A claim as it is written down in job_claims: its id, and the worker's at that time.

    in_hand: how many of its jobs the worker has not ended yet. made_at: on the monotonic clock.
    """

    id: UUID
    worker_id: UUID
    in_hand: int = 0
    made_at: float = msgspec.field(default_factory=time.monotonic)


class Claim(Job, frozen=True, kw_only=True):
    """A job that a worker has claimed, in the run of its key.

    unrecorded: those before it in the run that have ended, but whose end is not committed yet: whoever ends this job
    records them first, so that no crash can leave a later one done and an earlier one to be run again.
    place: where the claim left its row, as "(block,offset)"; hardly anybody moves it before the job ends.
    hold: the claim that it came with.
    """

    unrecorded: "list[Claim]"
    place: str
    hold: Hold


# A claimed job's identity and fence.
_CLAIMED = ("organization_id", "id", "lease")

_END_JOBS = "UPDATE integration_jobs j SET status = 'DONE', worker_id = NULL, updated_at = now()"
_END = f"""
{_END_JOBS}
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS c(organization_id, id, lease)
WHERE j.organization_id = c.organization_id AND j.id = c.id AND j.lease = c.lease AND j.status = 'PROCESSING'
"""
_FINISH = f"{_END} RETURNING j.id"


async def finish(connection: Connection, claims: Sequence[ClaimedJob]) -> set[UUID]:
    """Mark claimed jobs DONE, let the next ones of their keys follow; the ids of those whose claim still stood.

    What has ended before them in their runs, and is not recorded yet, is recorded first.
    """
    before = unrecorded_before(claims)
    ended = [*before, *claims]
    records = await connection.fetch(_FINISH, *columns(ended, _CLAIMED))
    await let_follow(connection, ended)
    return {record[0] for record in records}.difference(claim.id for claim in before)


# A row is at its place for as long as nobody rewrites it. Another that came there has another seq; and the same one,
# when it came back and was claimed again, another lease. IS TRUE: looked up in the list, which a join would read again
# and again.
_END_IN_PLACE = f"""
{_END_JOBS}
WHERE j.ctid = ANY (string_to_array($2, $1)::tid[])
  AND j.status = 'PROCESSING'
  AND ((j.seq, j.lease) IN (
      SELECT * FROM unnest(string_to_array($3, $1)::bigint[], string_to_array($4, $1)::bigint[])
  )) IS TRUE
"""  # noqa: S608 - constants only, here and below


async def record_ends(connection: Connection, ended: Sequence[Claim]) -> None:
    """Do the same, where everything that ended before these jobs is among them or recorded already.

    They are looked for where they were claimed, which costs less than by their names; and by name if any is not there.
    """
    fences = joined([job.place for job in ended], [str(job.seq) for job in ended], [str(job.lease) for job in ended])
    tag = await connection.execute(_END_IN_PLACE, *fences)
    if tag != f"UPDATE {len(ended)}":
        await connection.execute(_END, *columns(ended, _CLAIMED))
    await let_follow(connection, ended)


def unrecorded_before(claims: Iterable[ClaimedJob]) -> list[Claim]:
    """What ended before these jobs in their runs, as far as it is not committed yet (see Claim)."""
    before: dict[UUID, Claim] = {}
    for claim in claims:
        if isinstance(claim, Claim):
            before |= {earlier.id: earlier for earlier in claim.unrecorded if earlier.seq < claim.seq}
    return list(before.values())


# In a statement of its own, after what ended: a claim that puts followers aside holds the one they wait for locked, so
# whoever ends that one comes here only when they are to be seen. Nearly always nothing of a key is put aside, which an
# index of its own says at once: the one of keys holds what has ended as well, until a vacuum. Answers whether somebody
# else changed any of those that were to return: one that was cancelled just then has a follower, which only a later
# snapshot shows.
_LET_FOLLOW = f"""
WITH first AS MATERIALIZED (
    SELECT f.ctid
    FROM (
        SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS k(organization_id, ordering_key)
        WHERE EXISTS (
            SELECT FROM integration_jobs b
            WHERE job_key(b.organization_id, b.ordering_key) = job_key(k.organization_id, k.ordering_key)
              AND b.queue_lane = {BLOCKED})
    ) AS k
    CROSS JOIN LATERAL (
        SELECT n.ctid, n.lane, n.status FROM integration_jobs n WHERE {of_key("n", "k")}
        ORDER BY n.key_rank, n.seq LIMIT 1
    ) AS f
    WHERE f.lane = {BLOCKED} AND f.status = 'PENDING'
),
returned AS (
    UPDATE integration_jobs j SET lane = {RETURN}
    FROM first WHERE j.ctid = first.ctid AND j.status = 'PENDING'
    RETURNING 1
)
SELECT (SELECT count(*) FROM first) > (SELECT count(*) FROM returned)
"""  # noqa: S608


async def let_follow(connection: Connection, ended: Iterable[ClaimedJob]) -> None:
    """Let the next job of each key wait in a lane again, if it was put aside. For whoever ends a live job."""
    keys = {(job.organization_id, job.ordering_key) for job in ended if job.ordering_key is not None}
    if keys:
        owners, names = [owner for owner, _ in keys], [key for _, key in keys]
        while await connection.fetchval(_LET_FOLLOW, owners, names):
            pass


_FAIL = f"""
UPDATE integration_jobs j
SET status = $3, attempts = $4, last_error = $5, worker_id = NULL, updated_at = now(),
    run_at = CASE WHEN $3 = 'PENDING' THEN now() + $6::interval ELSE run_at END,
    lane = CASE WHEN $3 = 'PENDING' THEN {HOME} ELSE lane END, holds_key = holds_key AND NOT $7
WHERE organization_id = $8 AND id = $1 AND lease = $2 AND status = $9
RETURNING id
"""  # noqa: S608


async def fail(
    connection: Connection, claimed: ClaimedJob, verdict: Verdict, error: str, *, releases_key: bool
) -> bool:
    """Record a failed attempt by its verdict; False if the claim no longer stands.

    releases_key: from now on the job's followers need not wait for it.
    """
    if before := unrecorded_before([claimed]):
        await record_ends(connection, before)
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
    if record is not None and (releases_key or verdict.status is IntegrationJobStatus.FAILED):
        await let_follow(connection, [claimed])
    return record is not None


_RELEASE = f"""
UPDATE integration_jobs j
SET status = 'PENDING', worker_id = NULL, updated_at = now(), lane = CASE WHEN $4 THEN {BLOCKED} ELSE {RETURN} END
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS c(organization_id, id, lease)
WHERE j.organization_id = c.organization_id AND j.id = c.id AND j.lease = c.lease AND j.status = 'PROCESSING'
"""  # noqa: S608


async def release(connection: Connection, claims: Sequence[ClaimedJob], *, behind: bool = False) -> None:
    """Return claimed jobs to the queue untouched.

    behind: put them aside at once, behind the one of their key that failed in this same transaction and holds it.
    """
    await connection.execute(_RELEASE, *columns(claims, _CLAIMED), behind)


_STANDING = f"""
SELECT j.id, {is_paused("j")} AS paused
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS c(organization_id, id, lease)
JOIN integration_jobs j ON j.organization_id = c.organization_id AND j.id = c.id
WHERE j.lease = c.lease AND j.status = 'PROCESSING'
"""  # noqa: S608


async def standing(connection: Connection, claims: Sequence[ClaimedJob]) -> dict[UUID, bool]:
    """Which of these claims still stand, since nobody has cancelled the job; and whether it is paused by now."""
    records = await connection.fetch(_STANDING, *columns(claims, _CLAIMED))
    return {record["id"]: record["paused"] for record in records}


# Two statements: nearly always nobody is gone, and then the jobs are not asked for at all.
_GIVE_UP = "DELETE FROM job_claims WHERE worker_id = $1 RETURNING worker_id, organizations, jobs"
# In each round anew: a claim that was under way when its worker was given up is found once it is committed.
_GIVE_UP_DEAD = """
DELETE FROM job_claims c
WHERE NOT EXISTS (SELECT FROM job_workers w WHERE w.id = c.worker_id AND w.heartbeat_at >= now() - $1::interval)
RETURNING worker_id, organizations, jobs
"""
_WAIT_AGAIN = f"""
UPDATE integration_jobs j SET status = 'PENDING', worker_id = NULL, updated_at = now(), lane = {RETURN}
FROM unnest($2::text[], $3::uuid[]) AS c(organization_id, id)
WHERE j.organization_id = c.organization_id AND j.id = c.id AND j.worker_id = $1 AND j.status = 'PROCESSING'
RETURNING j.id
"""  # noqa: S608


async def give_back(connection: Connection, worker_id: UUID) -> None:
    """Return a stopping worker's claimed jobs to the queue at once. Needs a transaction."""
    await _wait_again(connection, await connection.fetch(_GIVE_UP, worker_id))


# Against a claim whose transaction may still be under way: either its row is met, or this one keeps it from committing.
# Emptied then, for whoever gives the same one up again: what it took may be claimed anew by this same worker.
_GIVE_UP_ONE = """
INSERT INTO job_claims (id, worker_id, organizations, jobs) VALUES ($1, $2, '{}', '{}')
ON CONFLICT (id) DO UPDATE SET worker_id = excluded.worker_id
RETURNING worker_id, organizations, jobs
"""
_EMPTY_ONE = "UPDATE job_claims SET organizations = '{}', jobs = '{}' WHERE id = $1"


async def give_up(connection: Connection, hold: Hold) -> None:
    """Return to the queue what a claim took of which it is not known whether it was committed. Needs a transaction.

    It may have to wait for the claim's end, so nothing should be locked yet. Its row stays, so that it cannot come to
    be later; it goes when the worker does.
    """
    await _wait_again(connection, await connection.fetch(_GIVE_UP_ONE, hold.id, hold.worker_id))
    await connection.execute(_EMPTY_ONE, hold.id)


async def rescue(connection: Connection, dead_after: timedelta) -> int:
    """Return the jobs of workers that have been silent for `dead_after`, or are not known, to the queue; how many.

    Needs a transaction.
    """
    return await _wait_again(connection, await connection.fetch(_GIVE_UP_DEAD, dead_after))


async def _wait_again(connection: Connection, given_up: Iterable[Any]) -> int:
    return sum([len(await connection.fetch(_WAIT_AGAIN, *claim)) for claim in given_up])
