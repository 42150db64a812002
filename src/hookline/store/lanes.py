"""Lanes: how waiting jobs are laid out, which lanes a claim locks, and what it sees of them.

Layout. A job waits in one of the 64 lanes of its kind, a key's jobs always in the same one; an organization is in all
of them. A lane's index goes by quarters of a second, within each by organization, within that by seq.
Order. A claim locks lanes for its transaction (advisory locks) before it looks, in a statement of its own, so that it
sees every claim made before; two claims never look at one lane at the same moment.
Fairness. What is seen of a lane is a few jobs of each organization, found by stepping from one to the next: the index
is never read through what one organization has waiting.
Put aside. A job that cannot run leaves its lane when a claim meets it: behind an earlier job of its key that is held up
(BLOCKED), or because its owner is paused (PAUSED). What ends lets the next one of its key back in (store/endings.py).
Low-water marks. Entries of ended jobs stay at the beginning of a lane until a vacuum may remove them, for as long as
the oldest snapshot is open. A claim therefore begins where the oldest waiting job was seen last, and looks from the
very beginning again (a sweep, for what was committed late or has returned) as often as a twentieth of the time allows,
in all lanes at once, or in some after another where there is much to step over.
"""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from hookline.store.pool import Connection

WEBHOOK_LANES = range(64)
OTHER_LANES = range(64, 128)
ALL_LANES = range(128)
BLOCKED = -2
PAUSED = -3
LANE_LOCKS = 0x486F6F6B  # the first half of an advisory lock's key; the second is the lane

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_SWEEP_SHARE = 20  # a sweep is made again after so many times what the last one took
_SWEEP_SECONDS = 0.01  # what it may take; all lanes are swept at once if that takes no longer

# How many organizations' quarters of a second a claim steps through in a lane: from the oldest, and from the newest.
OLDEST_STEPS = 8
NEWEST_STEPS = 4


class Locked(msgspec.Struct, frozen=True):
    """Lanes that the transaction has locked, with the oldest slice in each; busy: something is due in some lane."""

    lanes: list[int]
    slices: list[datetime]
    busy: bool


# Half of the lanes in which something is due, so that whoever comes next finds some too; but few of them all at once.
FEW_LANES = 16
_LOCK = f"""
WITH lane AS MATERIALIZED (
    SELECT l.lane, l.position, due.slice
    FROM unnest($1::smallint[], $2::timestamptz[]) WITH ORDINALITY AS l(lane, mark, position)
    LEFT JOIN LATERAL (
        SELECT job_slice(j.run_at) AS slice FROM integration_jobs j
        WHERE j.lane = l.lane AND j.status = 'PENDING' AND job_slice(j.run_at) >= l.mark
          AND job_slice(j.run_at) <= now() AND j.run_at <= now()
        ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT 1
    ) AS due ON true
    ORDER BY random()
),
locked AS MATERIALIZED (
    SELECT lane, slice FROM lane WHERE slice IS NOT NULL AND pg_try_advisory_xact_lock($3::integer, lane)
    LIMIT (SELECT greatest((count(slice) + 1) / 2, {FEW_LANES}) FROM lane)
)
SELECT (SELECT array_agg(lane) FROM locked) AS lanes, (SELECT array_agg(slice) FROM locked) AS slices,
       array_agg(least(slice, now() - interval '500 milliseconds') ORDER BY position) AS marks,
       bool_or(slice IS NOT NULL) AS busy
FROM lane
"""  # noqa: S608 - constants only, here and below


class Lanes:
    """One claimant's view of a kind's lanes: their low-water marks. Without one, every look is a sweep."""

    def __init__(self, lanes: range) -> None:
        self._lanes = list(lanes)
        self._marks = [_BEGINNING] * len(self._lanes)
        self._sweep_at = 0.0
        self._first = 0  # of the lanes that are swept next
        self._at_once = len(self._lanes)

    async def lock(self, connection: Connection) -> Locked:
        """Lock some lanes in which something is due, until the transaction ends."""
        started = time.monotonic()
        sweeps = started >= self._sweep_at
        if sweeps:
            self._lower()
        record: Any = await connection.fetchrow(_LOCK, self._lanes, self._marks, LANE_LOCKS)
        if sweeps:
            self._learn(started, time.monotonic())
        self._marks = record["marks"]
        return Locked(record["lanes"] or [], record["slices"] or [], record["busy"])

    def _lower(self) -> None:
        """Have the lanes whose turn it is looked at from their beginning."""
        for lane in range(self._first, self._first + self._at_once):
            self._marks[lane % len(self._lanes)] = _BEGINNING
        self._first = (self._first + self._at_once) % len(self._lanes)

    def _learn(self, started: float, ended: float) -> None:
        """Sweep fewer lanes at once where that holds up the claim: what is due in the others should not wait for it."""
        took = ended - started
        self._sweep_at = ended + _SWEEP_SHARE * took
        if took > _SWEEP_SECONDS:
            self._at_once = max(1, self._at_once // 2)
        elif took < _SWEEP_SECONDS / 4:
            self._at_once = min(len(self._lanes), self._at_once * 2)


_LOCK_ALL = "SELECT pg_advisory_xact_lock($1::integer, lane) FROM generate_series($2::integer, $3::integer) AS lane"


async def lock_all(connection: Connection) -> None:
    """Wait until no claim is under way, and keep others from beginning until the transaction ends."""
    await connection.execute(_LOCK_ALL, LANE_LOCKS, ALL_LANES.start, ALL_LANES.stop - 1)


_PAIR = "job_slice(j.run_at) AS slice, job_tenant(j.organization_id) AS tenant"
_IN_LANE = "FROM integration_jobs j WHERE j.lane = {lane} AND j.status = 'PENDING' AND j.run_at <= now()"
_ASCENDING = "ORDER BY job_slice(j.run_at), job_tenant(j.organization_id), j.seq LIMIT 1"
_DESCENDING = "ORDER BY job_slice(j.run_at) DESC, job_tenant(j.organization_id) DESC, j.seq DESC LIMIT 1"

# Of each locked lane ($1, from the slices $2 on): the organizations, slice by slice, oldest first; where these are more
# than a claim steps through, those at the newest end as well, so that nobody is buried in another's backlog. Then of
# each organization as many jobs, oldest first, as are its share of the lane's share ($3) of the claim.
SEEN = f"""
oldest AS (
    SELECT l.lane, f.slice, f.tenant, 1 AS step
    FROM unnest($1::smallint[], $2::timestamptz[]) AS l(lane, mark)
    CROSS JOIN LATERAL (
        SELECT {_PAIR} {_IN_LANE.format(lane="l.lane")}
          AND job_slice(j.run_at) >= l.mark AND job_slice(j.run_at) <= now()
        {_ASCENDING}
    ) AS f
    UNION ALL
    SELECT o.lane, f.slice, f.tenant, o.step + 1
    FROM oldest o
    CROSS JOIN LATERAL (
        SELECT {_PAIR} {_IN_LANE.format(lane="o.lane")}
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
    SELECT lane, tenant, array_agg(slice ORDER BY slice) AS slices,
           ceil($3::float8 / count(*) OVER (PARTITION BY lane))::integer AS jobs
    FROM (SELECT lane, slice, tenant FROM oldest UNION SELECT lane, slice, tenant FROM newest) AS pair
    GROUP BY lane, tenant
),
seen AS MATERIALIZED (
    SELECT f.*
    FROM share s
    CROSS JOIN LATERAL (
        SELECT d.*
        FROM unnest(s.slices) AS u(slice)
        CROSS JOIN LATERAL (
            SELECT j.ctid, j.organization_id, j.connected_account_id, j.ordering_key, j.seq
            {_IN_LANE.format(lane="s.lane")}
              AND job_slice(j.run_at) = u.slice AND job_tenant(j.organization_id) = s.tenant
            ORDER BY j.seq LIMIT s.jobs
        ) AS d
        LIMIT s.jobs
    ) AS f
)
"""  # noqa: S608


def share_of(limit: int, locked: Locked) -> int:
    """How many of `limit` jobs are to come from each locked lane."""
    return max(1, -(-limit // max(1, len(locked.lanes))))


def still_waits(alias: str) -> str:
    """Say that a row, found waiting before, does so still when it is written.

    Not "= 'PENDING'": a statement that writes a few rows by where they are must not be tempted by the claim's index.
    """
    return f"{alias}.status NOT IN ('PROCESSING', 'DONE', 'FAILED')"


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
        AND {alias}.status IN ('PENDING', 'PROCESSING') AND {alias}.holds_key AND {alias}.ordering_key IS NOT NULL
        AND {alias}.organization_id = {whose}.organization_id AND {alias}.ordering_key = {whose}.ordering_key"""
