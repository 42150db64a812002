"""Claims on jobs: who may run which, fenced, in order by key, and fair to every organization (see store/lanes.py).

Order. Of a key a claim takes the first live job and the run that follows it, if none of the key's is running. That one
runs is seen by the last of its run, which ends last: it is marked (last_of_run), and comes first of its key (key_rank).
Fence. Every claim raises `lease`; whoever acts on a claimed job names the lease it holds, and changes nothing if the
job was taken over. How claimed jobs end is in store/endings.py.
Written down. Each claim leaves a row in job_claims, which says what it took for whom: by these the jobs of workers that
are gone are found. An index of the jobs by worker would cost each of them an entry at every claim.
Webhooks are claimed another way: see store/takes.py.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.job import IntegrationJobStatus
from hookline.store.endings import (
    Claim,
    Hold,
    fail,
    finish,
    give_back,
    give_up,
    let_follow,
    record_ends,
    release,
    rescue,
    standing,
)
from hookline.store.jobs import COLUMNS, Job, job_from
from hookline.store.lanes import (
    ALL_LANES,
    BLOCKED,
    CLEARINGS,
    HOME,
    LANE_LOCKS,
    OTHER_LANES,
    PAUSED,
    Lanes,
    is_paused,
    of_key,
    waits_in,
)
from hookline.store.pool import Connection
from hookline.store.seen import SEEN, TOUCHED, share_of, untouched

__all__ = [
    "Claim",
    "Claimed",
    "Hold",
    "Run",
    "claim",
    "claim_one",
    "fail",
    "fetch_next",
    "finish",
    "forget",
    "give_back",
    "give_up",
    "let_follow",
    "record_ends",
    "release",
    "rescue",
    "standing",
]

LONGEST_RUN = 100
# A key that has been running for longer than this is not waited for by a claim: its followers are put aside.
_BRIEF = "1 second"


class Run(msgspec.Struct, frozen=True):
    """Claimed jobs of one key, in order; or one job that has none. All of them share `unrecorded`."""

    jobs: list[Claim]
    unrecorded: list[Claim]


class Claimed(msgspec.Struct, frozen=True):
    """What a claim got. busy: it may be that more is due."""

    runs: list[Run]
    busy: bool


# One key's first live jobs in order; before them the last of the run that is claimed, if one is. Two at least: where
# that run has lost its mark (see shorten_job_runs), what is left of it may come after one that has come back.
_FIRST_OF_KEY = f"""
    SELECT j.ctid, j.organization_id, j.ordering_key, j.seq, j.status, j.run_at, j.updated_at,
           j.key_rank AS rank, {is_paused("j")} AS paused, {TOUCHED}
    FROM integration_jobs j
    WHERE {of_key("j", "k")}
    ORDER BY j.key_rank, j.seq LIMIT greatest(k.length, 2)
"""  # noqa: S608 - constants only, here and below

_CLAIMED_COLUMNS = (
    "id",
    "organization_id",
    "seq",
    "job_type",
    "payload_json",
    "attempts",
    "max_attempts",
    "ordering_key",
    "lease",
    "provider",
    "last_error",
    "connected_account_id",
)
# As seconds since 1970: making a datetime costs the driver more than all else of a row, and most are the same.
_CLAIMED_TIMES = ("run_at", "created_at", "updated_at")

# Of what is seen, what somebody else has locked is left alone, and what is paused is put aside. Keyless jobs are
# picked, and of every key the run that is ready: none of the key's runs, and these may run now. Where none is, because
# the first one waits for its time or has been running for long, what was seen of the key is put aside too, with that
# first one locked: so whatever ends it waits for us and then finds its follower. Picked are whole beginnings of runs,
# the first of every organization before the second of any, and of more firsts than fit any; all, where all fit. number:
# of the key, in this claim. place as text: the driver reads it faster than a tid.
_CLAIM = f"""
WITH RECURSIVE {SEEN},
looked_at AS MATERIALIZED (SELECT s.*, {is_paused("s")} AS paused FROM seen s WHERE {untouched("s", "seen")}),
key AS MATERIALIZED (
    SELECT row_number() OVER () AS number, organization_id, ordering_key,
           least(ceil($6::float8 / count(*) OVER ()), {LONGEST_RUN})::integer AS length
    FROM (
        SELECT organization_id, ordering_key FROM looked_at WHERE ordering_key IS NOT NULL AND NOT paused
        GROUP BY organization_id, ordering_key
        ORDER BY row_number() OVER (PARTITION BY organization_id ORDER BY min(seq)), random() LIMIT $8
    ) AS first
),
first_of_key AS MATERIALIZED (SELECT f.*, k.number, k.length FROM key k CROSS JOIN LATERAL ({_FIRST_OF_KEY}) AS f),
run AS MATERIALIZED (
    SELECT f.*, row_number() OVER sequence AS depth,
           NOT bool_or(status = 'PROCESSING') OVER (PARTITION BY number)
           AND bool_and(run_at <= now() AND NOT paused AND {untouched("f", "first_of_key")}) OVER sequence AS ready
    FROM first_of_key f WINDOW sequence AS (PARTITION BY number ORDER BY rank, seq)
),
ready AS MATERIALIZED (
    SELECT ctid, organization_id, seq, NULL AS number, 1 AS depth FROM looked_at
    WHERE ordering_key IS NULL AND NOT paused
    UNION ALL
    SELECT ctid, organization_id, seq, number, depth FROM run WHERE ready AND depth <= length
),
picked AS MATERIALIZED (
    SELECT ctid, number, depth FROM ready WHERE (SELECT count(*) FROM ready) <= $6
    UNION ALL
    (SELECT ctid, number, depth
     FROM (SELECT *, row_number() OVER (PARTITION BY organization_id ORDER BY depth, seq) AS place FROM ready) AS placed
     WHERE (SELECT count(*) FROM ready) > $6
     ORDER BY place, random() LIMIT $6)
),
last AS MATERIALIZED (
    SELECT DISTINCT ON (number) ctid FROM picked WHERE number IS NOT NULL ORDER BY number, depth DESC
),
held_up AS MATERIALIZED (
    SELECT r.organization_id, r.ordering_key
    FROM run r JOIN integration_jobs j ON j.ctid = r.ctid
    WHERE r.depth = 1 AND NOT r.ready
      AND (r.run_at > now() OR r.paused OR (r.status = 'PROCESSING' AND r.updated_at < now() - interval '{_BRIEF}'))
      AND j.status IN ('PENDING', 'PROCESSING')
    FOR NO KEY UPDATE OF j SKIP LOCKED
),
blocked AS (
    UPDATE integration_jobs j SET lane = {BLOCKED}
    FROM looked_at s JOIN held_up h ON h.organization_id = s.organization_id AND h.ordering_key = s.ordering_key
    WHERE j.ctid = s.ctid AND NOT s.paused AND j.status = 'PENDING'
    RETURNING 1
),
paused AS (
    UPDATE integration_jobs j SET lane = {PAUSED} FROM looked_at s
    WHERE j.ctid = s.ctid AND s.paused AND j.status = 'PENDING'
    RETURNING 1
),
claimed AS (
    UPDATE integration_jobs j
    SET status = 'PROCESSING', lease = j.lease + 1, worker_id = $7, updated_at = now(),
        last_of_run = j.ctid IN (SELECT ctid FROM last),
        lane = CASE WHEN j.lane >= 0 THEN j.lane ELSE {HOME} END
    WHERE j.ctid = ANY (ARRAY(SELECT ctid FROM picked)) AND j.status = 'PENDING'
    RETURNING {", ".join("j." + name for name in _CLAIMED_COLUMNS)},
              {", ".join(f"date_part('epoch', j.{name}) AS {name}" for name in _CLAIMED_TIMES)},
              j.ctid::text AS place
),
written_down AS (
    INSERT INTO job_claims (id, worker_id, organizations, jobs)
    SELECT $9, $7, array_agg(organization_id), array_agg(id) FROM claimed HAVING count(*) > 0
),
forgotten AS (DELETE FROM job_claims WHERE id = ANY ($10::uuid[]))
SELECT c.*, (SELECT count(*) FROM picked) AS picked,
       (SELECT count(*) FROM blocked) + (SELECT count(*) FROM paused) AS put_aside
FROM (VALUES (1)) AS one LEFT JOIN claimed c ON true
"""  # noqa: S608


async def claim(
    connection: Connection,
    hold: Hold,
    *,
    limit: int,
    keys: int | None = None,
    lanes: Lanes | None = None,
    ended: Sequence[UUID] = (),
) -> Claimed:
    """Claim up to `limit` due jobs, of up to `keys` keys, but no webhooks. Needs a transaction; never commits.

    What it meets and cannot claim for longer it puts aside. hold: what the claim is written down as. lanes: the
    claimant's, kept from claim to claim. ended: claims of which nothing is left; if this one gets anything, they are
    forgotten.
    """
    lanes = lanes or Lanes(OTHER_LANES)
    keys = limit if keys is None else keys
    for _ in range(CLEARINGS):
        locked = await lanes.lock(connection)
        if not locked.lanes:
            return Claimed([], locked.busy)
        # Where all that came last had keys, each stands for its run: as many as give the keys suffice.
        share = share_of(min(limit, 2 * keys) if lanes.keyed else limit, locked)
        records = await connection.fetch(_CLAIM, *locked.columns, share, limit, hold.worker_id, keys, hold.id, ended)
        if records[0][0] is not None:
            runs = _runs(records, hold)
            if len(records) < records[0]["picked"]:
                runs = await _let_go_of_keys(connection, runs, hold)
            hold.in_hand = sum([len(run.jobs) for run in runs])
            lanes.keyed = all(run.jobs[0].ordering_key is not None for run in runs)
            return Claimed(runs, busy=True)
        if not records[0]["put_aside"]:
            break
    return Claimed([], busy=True)


_PROCESSING = IntegrationJobStatus.PROCESSING
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def _let_go_of_keys(connection: Connection, runs: Sequence[Run], hold: Hold) -> list[Run]:
    """Leave runs of keys to the next claim, and keep what has no key: somebody changed rows after they were picked.

    Those were not claimed, and may be the first of a run or its last.
    """
    await release(connection, [job for run in runs for job in run.jobs if job.ordering_key is not None])
    kept = [run for run in runs if run.jobs[0].ordering_key is None]
    if not kept:
        await forget(connection, hold)
    return kept


def _runs(records: Sequence[Any], hold: Hold) -> list[Run]:
    """Make runs of claimed rows, in the order of their pages; of each run by seq."""
    runs: list[Run] = []
    of_key: dict[tuple[str, str], Run] = {}
    times = _Times()
    for record in records:
        key = record[7]
        run = None if key is None else of_key.get((record[1], key))
        if run is None:
            run = Run([], [])
            runs.append(run)
            if key is not None:
                of_key[record[1], key] = run
        run.jobs.append(_claim_from(record, times, run.unrecorded, hold))
    for run in of_key.values():
        run.jobs.sort(key=attrgetter("seq"))
    return runs


class _Times(dict[float, datetime]):
    """Times by their seconds since 1970, made once each."""

    def __missing__(self, seconds: float) -> datetime:
        self[seconds] = time = _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))
        return time


def _claim_from(record: Any, times: _Times, unrecorded: list[Claim], hold: Hold) -> Claim:
    return Claim(
        id=record[0],
        organization_id=record[1],
        seq=record[2],
        job_type=record[3],
        payload_json=record[4],
        status=_PROCESSING,
        attempts=record[5],
        max_attempts=record[6],
        ordering_key=record[7],
        lease=record[8],
        provider=IntegrationProvider[record[9]],
        last_error=record[10],
        connected_account_id=record[11],
        run_at=times[record[12]],
        created_at=times[record[13]],
        updated_at=times[record[14]],
        unrecorded=unrecorded,
        place=record[15],
        hold=hold,
    )


# A job is kept back while one of its key runs, or an earlier one waits.
_KEPT_BACK = f"""
    (j.ordering_key IS NOT NULL AND (
        EXISTS (SELECT FROM integration_jobs e WHERE {of_key("e", "j")} AND e.key_rank = 0)
        OR EXISTS (
            SELECT FROM integration_jobs e WHERE {of_key("e", "j")} AND e.key_rank = 1 AND e.seq < j.seq)))
"""  # noqa: S608

_FETCH_NEXT = f"""
SELECT {", ".join("d." + name for name in Job.__struct_fields__)}
FROM generate_series({ALL_LANES.start}, {ALL_LANES.stop - 1}) AS l(lane)
CROSS JOIN LATERAL (
    SELECT j.* FROM integration_jobs j
    WHERE {waits_in("j", "l.lane")} AND job_slice(j.run_at) <= now() AND j.run_at <= now()
      AND NOT {is_paused("j")} AND NOT {_KEPT_BACK}
    ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT $1
) AS d
ORDER BY d.run_at, d.seq LIMIT $1
"""  # noqa: S608


async def fetch_next(connection: Connection, *, limit: int) -> list[Job]:
    """List the jobs that a claim could take first now, one a key, by run_at, without claiming any."""
    return [job_from(record) for record in await connection.fetch(_FETCH_NEXT, limit)]


_LOCK_LANE = """
SELECT pg_advisory_xact_lock($1::integer, job_lane(job_type, organization_id, coalesce(ordering_key, id::text)))
FROM integration_jobs WHERE id = $2 AND organization_id = $3
"""

_CLAIM_ONE = f"""
UPDATE integration_jobs j
SET status = 'PROCESSING', lease = j.lease + 1, worker_id = $2, updated_at = now(), last_of_run = true,
    lane = {HOME}
WHERE j.id = $1 AND j.organization_id = $3 AND j.status = 'PENDING' AND NOT {is_paused("j")} AND NOT {_KEPT_BACK}
RETURNING {COLUMNS}
"""  # noqa: S608

_WRITE_DOWN = """
INSERT INTO job_claims (id, worker_id, organizations, jobs) VALUES ($1, $2, ARRAY[$3::text], ARRAY[$4::uuid])
"""


async def claim_one(connection: Connection, organization_id: str, job_id: UUID, hold: Hold) -> Job | None:
    """Claim one job by id; None if it is not pending or is paused, or an earlier job of its key is still live.

    Needs a transaction. hold: what the claim is written down as, until whoever ends the job forgets it.
    """
    await connection.execute(_LOCK_LANE, LANE_LOCKS, job_id, organization_id)
    record = await connection.fetchrow(_CLAIM_ONE, job_id, hold.worker_id, organization_id)
    if record is None:
        return None
    await connection.execute(_WRITE_DOWN, hold.id, hold.worker_id, organization_id, job_id)
    return job_from(record)


_FORGET = "DELETE FROM job_claims WHERE id = $1"


async def forget(connection: Connection, hold: Hold) -> None:
    """Forget a claim of which nothing is left."""
    await connection.execute(_FORGET, hold.id)
