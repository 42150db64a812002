"""Lanes: how waiting jobs are laid out, which lanes a claim locks, and what it sees of them.

Layout. A job waits in one of the 64 lanes of its kind, a key's jobs always in the same one; an organization is in all
of them. A lane's index goes by quarters of a second, within each by organization, within that by seq.
Order. A claim locks lanes for its transaction (advisory locks) before it looks, in a statement of its own, so that it
sees every claim made before; two claims never look at one lane at the same moment.
Fairness. What is seen of a lane is a few jobs of each organization, found by stepping from one to the next: the index
is never read through what one organization has waiting.
Running. What runs stays in its lane's index until it ends, and is stepped over.
Put aside. A job that cannot run leaves its lane when a claim meets it: behind an earlier job of its key that is held up
(BLOCKED), or because its owner is paused (PAUSED). What ends lets the next one of its key back in (store/endings.py).
Low-water marks. Entries of ended jobs stay at the beginning of a lane until a vacuum may remove them, for as long as
the oldest snapshot is open. A claim therefore begins at the job that was seen first the last time, and looks from the
very beginning again (a sweep, for what was committed late or has returned) as often as a twentieth of the time allows,
in all lanes at once, or in some after another where there is much to step over. A claimant that is new begins where
others have come to (store/lane_marks.py), and sweeps one lane first.
"""

import random
import time
from collections.abc import Container, Mapping
from datetime import UTC, datetime

import msgspec

from hookline.store.pool import Connection

WEBHOOK_LANES = range(64)
OTHER_LANES = range(64, 128)
ALL_LANES = range(128)
BLOCKED = -2
PAUSED = -3
# In the column queue_lane only: where a job is once it has ended.
DONE_LANE = -4
FAILED_LANE = -5
# The lane of a row `j` that has not been put aside.
HOME = "job_lane(j.job_type, j.organization_id, coalesce(j.ordering_key, j.id::text))"
LANE_LOCKS = 0x486F6F6B  # the first half of an advisory lock's key; the second is the lane

# A place in a lane: a slice, in it an organization's hash, of that a job's seq.
Place = tuple[datetime, int, int]
_BEGINNING: Place = (datetime(2000, 1, 1, tzinfo=UTC), -(2**63), 0)
_SWEEP_SHARE = 20  # a sweep is made again after so many times what the last one took
_SWEEP_SECONDS = 0.01  # what it may take; all lanes are swept at once if that takes no longer

# How many organizations' quarters of a second a claim steps through in a lane: from the oldest, and from the newest.
OLDEST_STEPS = 8
NEWEST_STEPS = 4


class Locked(msgspec.Struct, frozen=True):
    """Lanes that the transaction has locked, with the place of the first due job in each; busy: some lane has one.

    As a statement takes them: a column each of lanes, slices, tenants, seqs.
    """

    columns: tuple[list[int], list[datetime], list[int], list[int]]
    busy: bool

    @property
    def lanes(self) -> list[int]:
        """The lanes alone."""
        return self.columns[0]


def waits_in(alias: str, lane: str | int) -> str:
    """Say that a row waits in a lane, for the claim's index.

    `> DONE_LANE` is that index's own condition, which the planner does not conclude from a lane that is a column; the
    status, because what runs is in the index as well.
    """
    return f"{alias}.queue_lane = {lane} AND {alias}.queue_lane > {DONE_LANE} AND {alias}.status = 'PENDING'"


# A claim locks few lanes, and leaves others to whoever comes next: of each it reads one organization after another, so
# the same jobs cost less out of fewer lanes. Where there is plenty, it does not even look at many more than it needs.
FEW_LANES = 16
WINDOW = 24
# For so long after its time a job may still be committed without waiting for a sweep.
_LATE = "500 milliseconds"
_LOCK = f"""
WITH lane AS MATERIALIZED (
    SELECT l.lane, l.position, due.*
    FROM unnest($1::smallint[], $2::timestamptz[], $3::bigint[], $4::bigint[])
        WITH ORDINALITY AS l(lane, slice, tenant, seq, position)
    LEFT JOIN LATERAL (
        SELECT job_slice(j.run_at) AS slice, job_tenant(j.organization_id) AS tenant, j.seq FROM integration_jobs j
        WHERE {waits_in("j", "l.lane")}
          AND (job_slice(j.run_at), job_tenant(j.organization_id), j.seq) >= (l.slice, l.tenant, l.seq)
          AND job_slice(j.run_at) <= now() AND j.run_at <= now()
        ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT 1
    ) AS due ON true
    ORDER BY l.position
),
locked AS MATERIALIZED (
    SELECT * FROM lane WHERE seq IS NOT NULL AND pg_try_advisory_xact_lock($5::integer, lane) LIMIT {FEW_LANES}
)
SELECT l.lane, l.slice, l.tenant, l.seq, EXISTS (SELECT FROM locked k WHERE k.lane = l.lane) AS locked,
       now() - interval '{_LATE}' AS settled
FROM lane l
"""  # noqa: S608 - constants only, here and below


class Lanes:
    """One claimant's view of a kind's lanes: their low-water marks, and whose turn it is.

    Lanes are locked in turn, so that none is passed over again and again. Without a view that is kept, every look is a
    sweep, and begins anywhere. Looks side by side may share a view. keyed: all that was claimed last had ordering keys.
    """

    def __init__(self, lanes: range, marks: Mapping[int, Place] | None = None) -> None:
        """marks: where to begin in each lane. Without them the first look sweeps all lanes."""
        self.marks: dict[int, Place] = dict.fromkeys(lanes, _BEGINNING) if marks is None else dict(marks)
        self._turns = random.sample(lanes, len(lanes))
        self._plenty = False
        self.keyed = False
        self._sweep_at = 0.0
        self._first = 0  # of the lanes that are swept next
        self._at_once = len(lanes) if marks is None else 1
        self._unswept = set(lanes)
        self._found = False  # something due, at the last look

    @property
    def searching(self) -> bool:
        """Whether the last look found nothing due, but not all lanes have been looked at from their beginning yet."""
        return not self._found and bool(self._unswept)

    async def lock(self, connection: Connection) -> Locked:
        """Lock some lanes in which something is due, until the transaction ends."""
        started = time.monotonic()
        if started >= self._sweep_at or self.searching:
            swept = self._next_to_sweep()
            locked = await self._look(connection, self._turns, swept)
            self._unswept.difference_update(swept)
            self._learn(started, time.monotonic())
            return locked
        if self._plenty:
            locked = await self._look(connection, self._turns[:WINDOW])
            if locked.lanes:
                return locked
        return await self._look(connection, self._turns)

    async def _look(self, connection: Connection, lanes: list[int], swept: Container[int] = ()) -> Locked:
        begun = {lane: _BEGINNING if lane in swept else self.marks[lane] for lane in lanes}
        records = await connection.fetch(_LOCK, lanes, *zip(*begun.values(), strict=True), LANE_LOCKS)
        settled: Place = (records[0]["settled"], *_BEGINNING[1:])
        for lane, *place, _, _ in records:
            if self.marks[lane] >= begun[lane]:  # otherwise a sweep beside this look has found something before
                self.marks[lane] = settled if place[0] is None else min(settled, tuple(place))
        due = sum(record["seq"] is not None for record in records)
        self._found = due > 0
        self._plenty = due * 2 > len(lanes)
        locked = [record for record in records if record["locked"]]
        names = [record["lane"] for record in locked]
        self._turns = [lane for lane in self._turns if lane not in names] + names
        slices, tenants, seqs = ([record[column] for record in locked] for column in ("slice", "tenant", "seq"))
        return Locked((names, slices, tenants, seqs), busy=self._found)

    def _next_to_sweep(self) -> set[int]:
        """Choose the lanes that are looked at from their beginning now; looks side by side choose others."""
        lanes = list(self.marks)
        chosen = {lanes[place % len(lanes)] for place in range(self._first, self._first + self._at_once)}
        self._first = (self._first + self._at_once) % len(lanes)
        return chosen

    def _learn(self, started: float, ended: float) -> None:
        """Sweep fewer lanes at once where that holds up the claim: what is due in the others should not wait for it."""
        took = ended - started
        self._sweep_at = ended + _SWEEP_SHARE * took
        if took > _SWEEP_SECONDS:
            self._at_once = max(1, self._at_once // 2)
        elif took < _SWEEP_SECONDS / 4:
            self._at_once = min(len(self.marks), self._at_once * 2)


_LOCK_ALL = "SELECT pg_advisory_xact_lock($1::integer, lane) FROM generate_series($2::integer, $3::integer) AS lane"


async def lock_all(connection: Connection) -> None:
    """Wait until no claim is under way, and keep others from beginning until the transaction ends."""
    await connection.execute(_LOCK_ALL, LANE_LOCKS, ALL_LANES.start, ALL_LANES.stop - 1)


_PAIR = "job_slice(j.run_at) AS slice, job_tenant(j.organization_id) AS tenant"
_IN_LANE = f"FROM integration_jobs j WHERE {waits_in('j', '{lane}')} AND j.run_at <= now()"
_ASCENDING = "ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT 1"
_DESCENDING = "ORDER BY job_slice(j.run_at) DESC, job_tenant(j.organization_id) DESC, j.seq DESC LIMIT 1"

# Somebody has locked or is changing a row `j`, or had once: hardly ever, and then it is asked whether that is over.
TOUCHED = "j.xmax <> '0' AS touched"

# Of each locked lane ($1, and its first due job's place, $2 to $4): the organizations, slice by slice, oldest first,
# each with the first of its jobs; where these are more than a claim steps through, those at the newest end as well, so
# that nobody is buried in another's backlog. Then of each organization as many jobs, oldest first, as are its share of
# the lane's share ($5) of the claim.
SEEN = f"""
oldest AS (
    SELECT l.*, 1 AS step
    FROM unnest($1::smallint[], $2::timestamptz[], $3::bigint[], $4::bigint[]) AS l(lane, slice, tenant, seq)
    UNION ALL
    SELECT o.lane, f.slice, f.tenant, f.seq, o.step + 1
    FROM oldest o
    CROSS JOIN LATERAL (
        SELECT {_PAIR}, j.seq {_IN_LANE.format(lane="o.lane")}
          AND (job_slice(j.run_at), job_tenant(j.organization_id)) > (o.slice, o.tenant)
          AND job_slice(j.run_at) <= now()
        {_ASCENDING}
    ) AS f
    WHERE o.step < {OLDEST_STEPS}
),
newest AS (
    SELECT o.lane, f.slice, f.tenant, 1 AS step
    FROM oldest o
    CROSS JOIN LATERAL (
        SELECT {_PAIR} {_IN_LANE.format(lane="o.lane")} AND job_slice(j.run_at) <= now()
        {_DESCENDING}
    ) AS f
    WHERE o.step = {OLDEST_STEPS}
    UNION ALL
    SELECT n.lane, f.slice, f.tenant, n.step + 1
    FROM newest n
    CROSS JOIN LATERAL (
        SELECT {_PAIR} {_IN_LANE.format(lane="n.lane")}
          AND (job_slice(j.run_at), job_tenant(j.organization_id)) < (n.slice, n.tenant)
        {_DESCENDING}
    ) AS f
    WHERE n.step < {NEWEST_STEPS}
),
share AS MATERIALIZED (
    SELECT lane, tenant, array_agg(slice ORDER BY slice) AS slices, array_agg(first ORDER BY slice) AS firsts,
           greatest(1, $5::integer / count(*) OVER (PARTITION BY lane)) AS jobs
    FROM (
        SELECT lane, slice, tenant, max(seq) AS first
        FROM (
            SELECT lane, slice, tenant, seq FROM oldest
            UNION ALL
            SELECT lane, slice, tenant, 0 FROM newest
        ) AS pair
        GROUP BY lane, slice, tenant
    ) AS place
    GROUP BY lane, tenant
),
seen AS MATERIALIZED (
    SELECT f.*
    FROM share s
    CROSS JOIN LATERAL (
        SELECT d.*
        FROM unnest(s.slices, s.firsts) AS u(slice, first)
        CROSS JOIN LATERAL (
            SELECT j.ctid, j.organization_id, j.connected_account_id, j.ordering_key, j.seq, {TOUCHED}
            {_IN_LANE.format(lane="s.lane")}
              AND job_slice(j.run_at) = u.slice AND job_tenant(j.organization_id) = s.tenant AND j.seq >= u.first
            ORDER BY j.seq LIMIT s.jobs
        ) AS d
        LIMIT s.jobs
    ) AS f
)
"""  # noqa: S608


def share_of(limit: int, locked: Locked) -> int:
    """How many of `limit` jobs are to come from each locked lane, one at least.

    Rounded down: what is seen fits the limit then, and the claim need not choose.
    """
    return max(1, limit // max(1, len(locked.lanes)))


def untouched(alias: str, source: str) -> str:
    """Say that a row `alias` of `source` is not locked by anybody else; locks it, where somebody had it locked once.

    A claim waits for nobody: it has lanes and other rows locked, which that other may be waiting for.
    """
    return f"""(
    NOT {alias}.touched OR {alias}.ctid IN (
        SELECT j.ctid FROM integration_jobs j
        WHERE j.ctid = ANY (ARRAY(SELECT t.ctid FROM {source} t WHERE t.touched)) AND j.status = 'PENDING'
        FOR NO KEY UPDATE SKIP LOCKED))"""  # noqa: S608


def is_paused(alias: str) -> str:
    """Say that a row's organization or account is paused; costs nothing while nobody is."""
    return f"""(
    (SELECT EXISTS (SELECT FROM job_pauses)) AND EXISTS (
        SELECT FROM job_pauses p
        WHERE p.organization_id = {alias}.organization_id AND NOT p.resuming
          AND (p.connected_account_id IS NULL OR p.connected_account_id = {alias}.connected_account_id)))"""  # noqa: S608


def of_key(alias: str, whose: str) -> str:
    """Say that the row `alias` is a live job that holds the key of the row `whose`, by the index of keys."""
    return f"""
        job_key({alias}.organization_id, {alias}.ordering_key) = job_key({whose}.organization_id, {whose}.ordering_key)
        AND {alias}.key_rank IS NOT NULL
        AND {alias}.organization_id = {whose}.organization_id AND {alias}.ordering_key = {whose}.ordering_key"""
