"""Lanes: how waiting jobs are laid out, and which lanes a claim locks; what it sees of them is in store/seen.py.

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
the oldest snapshot is open. A claim therefore begins at the job that was seen first the last time. A claimant that is
new begins where others have come to (store/lane_marks.py).
Returns. A job that was claimed or put aside, and waits again, is older than its lane's mark; so is one that is added
for a time that has passed. They go to a second lane beside their own, the two under one lock. Claims look at that one
from its beginning: few come there, so little is to be stepped over; where it is much, not every time. (A pause that
ends may bring back any number: these go to their own lanes. So do webhooks, of which hardly any ever returns.)
Sweeps. What was committed late, or comes from a pause, lies before its lane's mark: it is looked for apart from claims,
and the mark lowered to it (worker/sweeper.py).
"""

import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from hookline.store.pool import Connection

WEBHOOK_LANES = range(64)
OTHER_LANES = range(64, 128)
RETURN_LANES = range(128, 192)  # of the other jobs: beside each of their lanes one, in their order
RETURN_OFFSET = RETURN_LANES.start - OTHER_LANES.start
ALL_LANES = range(192)
BLOCKED = -2
PAUSED = -3
# In the column queue_lane only: where a job is once it has ended.
DONE_LANE = -4
FAILED_LANE = -5
# The lane of a row `j` that comes to wait, and of one that waits again or comes late.
HOME = "job_lane(j.job_type, j.organization_id, coalesce(j.ordering_key, j.id::text))"
RETURN = "job_return_lane(j.job_type, j.organization_id, coalesce(j.ordering_key, j.id::text))"
LANE_LOCKS = 0x486F6F6B  # the first half of an advisory lock's key; the second is the lane (of a return lane: its home)

# A place in a lane: a slice, in it an organization's hash, of that a job's seq.
Place = tuple[datetime, int, int]
_BEGINNING: Place = (datetime.min.replace(tzinfo=UTC), -(2**63), 0)


class Locked(msgspec.Struct, frozen=True):
    """Lanes that the transaction has locked, with the place of the first due job in each; busy: some lane has one.

    columns: as a statement takes them, one each of lanes, slices, tenants, seqs. locks: a lane and the one beside it
    have one together.
    """

    columns: tuple[list[int], list[datetime], list[int], list[int]]
    locks: int
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
# How often a claim goes on when all that it met had to be put aside.
CLEARINGS = 20
# For so long after its time a job may still be committed without waiting for a sweep.
LATE = "500 milliseconds"
# Where a look at return lanes from their beginning takes longer than this, it is not made again for a while.
SLOW_SECONDS = 0.01
SLOW_REST = 10
LONGEST_REST_SECONDS = 2.0
_FIRST_DUE = f"""
    SELECT job_slice(j.run_at) AS slice, job_tenant(j.organization_id) AS tenant, j.seq FROM integration_jobs j
    WHERE {waits_in("j", "l.lane")}
      AND (job_slice(j.run_at), job_tenant(j.organization_id), j.seq) {{than}} (l.slice, l.tenant, l.seq)
      AND job_slice(j.run_at) <= now() AND j.run_at <= now()
    ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT 1
"""  # noqa: S608 - constants only, here and below
_LOCK = f"""
WITH lane AS MATERIALIZED (
    SELECT l.lane, CASE WHEN l.lane < {RETURN_LANES.start} THEN l.lane ELSE l.lane - {RETURN_OFFSET} END AS home,
           l.position, due.*
    FROM unnest($1::smallint[], $2::timestamptz[], $3::bigint[], $4::bigint[])
        WITH ORDINALITY AS l(lane, slice, tenant, seq, position)
    LEFT JOIN LATERAL ({_FIRST_DUE.format(than=">=")}) AS due ON true
),
busy AS MATERIALIZED (SELECT home FROM lane WHERE seq IS NOT NULL GROUP BY home ORDER BY min(position)),
locked AS MATERIALIZED (
    SELECT home FROM busy WHERE pg_try_advisory_xact_lock($5::integer, home) LIMIT {FEW_LANES}
)
SELECT l.home, l.lane, l.slice, l.tenant, l.seq,
       l.seq IS NOT NULL AND l.home IN (SELECT home FROM locked) AS locked, now() - interval '{LATE}' AS settled
FROM lane l ORDER BY l.position
"""  # noqa: S608
_SWEEP = f"""
SELECT l.lane, due.*
FROM unnest($1::smallint[], $2::timestamptz[], $3::bigint[], $4::bigint[]) AS l(lane, slice, tenant, seq)
CROSS JOIN LATERAL ({_FIRST_DUE.format(than="<")}) AS due
"""  # noqa: S608


def rest_after(took: float, *, times: float, longest: float) -> float:
    """For how long not to do again what took so many seconds: many times that, but not much longer than it took.

    What took its time may have waited for a lock, or the machine have stood still.
    """
    return min(times * took, max(longest, took))


class Lanes:
    """One claimant's view of a kind's lanes: their low-water marks, and whose turn it is.

    Lanes are locked in turn, so that none is passed over again and again. Looks side by side may share a view. keyed:
    all that was claimed last had ordering keys.
    """

    def __init__(self, lanes: range, marks: Mapping[int, Place] | None = None) -> None:
        """marks: where to begin in each lane; without them, at its beginning."""
        self.marks: dict[int, Place] = dict.fromkeys(lanes, _BEGINNING) if marks is None else dict(marks)
        self._return_marks = {lane + RETURN_OFFSET: mark for lane, mark in self.marks.items() if lane in OTHER_LANES}
        self._returns_at = 0.0
        self._turns = random.sample(lanes, len(lanes))
        self._to_sweep = list(lanes)
        self._plenty = False
        self.keyed = False

    async def lock(self, connection: Connection) -> Locked:
        """Lock some lanes in which something is due, until the transaction ends."""
        if self._plenty:
            locked = await self._look(connection, self._turns[:WINDOW])
            if locked.locks:
                return locked
        return await self._look(connection, self._turns)

    async def _look(self, connection: Connection, lanes: list[int]) -> Locked:
        begun = self._beginnings(lanes)
        started = time.monotonic()
        try:
            records = await connection.fetch(_LOCK, list(begun), *zip(*begun.values(), strict=True), LANE_LOCKS)
        finally:  # also where it was too much for the time that a statement has
            self._learn(started, time.monotonic())
        settled: Place = (records[0]["settled"], *_BEGINNING[1:])
        for home, lane, *place, _, _ in records:
            mark = settled if place[0] is None else min(settled, tuple(place))
            if lane != home:
                self._return_marks[lane] = mark
            elif self.marks[lane] == begun[lane]:  # otherwise a sweep beside this look may have lowered it
                self.marks[lane] = mark
        due = len({record["home"] for record in records if record["seq"] is not None})
        self._plenty = due * 2 > len(lanes)
        locked = [record for record in records if record["locked"]]
        had = dict.fromkeys(record["home"] for record in locked)
        self._turns = [lane for lane in self._turns if lane not in had] + list(had)
        columns = ([record[name] for record in locked] for name in ("lane", "slice", "tenant", "seq"))
        names, slices, tenants, seqs = columns
        return Locked((names, slices, tenants, seqs), locks=len(had), busy=due > 0)

    def _beginnings(self, lanes: list[int]) -> dict[int, Place]:
        """Where to begin in each of these lanes, and in the one beside it."""
        from_beginning = time.monotonic() >= self._returns_at
        begun: dict[int, Place] = {}
        for lane in lanes:
            begun[lane] = self.marks[lane]
            if (beside := lane + RETURN_OFFSET) in self._return_marks:
                begun[beside] = _BEGINNING if from_beginning else self._return_marks[beside]
        return begun

    def _learn(self, started: float, ended: float) -> None:
        """Begin at the return lanes' marks for a while, where that look took long."""
        took = ended - started
        if started >= self._returns_at and took > SLOW_SECONDS:
            self._returns_at = ended + rest_after(took, times=SLOW_REST, longest=LONGEST_REST_SECONDS)

    async def sweep(self, connection: Connection, count: int) -> bool:
        """Lower the marks of the next `count` lanes to what is due before them; whether anything is."""
        swept, others = self._to_sweep[:count], self._to_sweep[count:]
        self._to_sweep = others + swept  # whatever comes of it: what cannot be swept must not keep the others from it
        records = await connection.fetch(_SWEEP, swept, *zip(*[self.marks[lane] for lane in swept], strict=True))
        for lane, *place in records:
            self.marks[lane] = min(self.marks[lane], tuple(place))
        return bool(records)


_LOCK_ALL = "SELECT pg_advisory_xact_lock($1::integer, lane) FROM generate_series($2::integer, $3::integer) AS lane"


async def lock_all(connection: Connection) -> None:
    """Wait until no claim is under way, and keep others from beginning until the transaction ends."""
    await connection.execute(_LOCK_ALL, LANE_LOCKS, WEBHOOK_LANES.start, OTHER_LANES.stop - 1)


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
