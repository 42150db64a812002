"""What a claim sees of the lanes it has locked: a few due jobs of each organization, as parts of its statement."""

from hookline.store.lanes import Locked, waits_in

# How many organizations' quarters of a second a claim steps through in a lane: from the oldest, and from the newest.
OLDEST_STEPS = 8
NEWEST_STEPS = 4

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

    Rounded down: what is seen fits the limit then, and the claim need not choose; but where as much has returned.
    """
    return max(1, limit // max(1, locked.locks))


def untouched(alias: str, source: str) -> str:
    """Say that a row `alias` of `source` is not locked by anybody else; locks it, where somebody had it locked once.

    A claim waits for nobody: it has lanes and other rows locked, which that other may be waiting for.
    """
    return f"""(
    NOT {alias}.touched OR {alias}.ctid IN (
        SELECT j.ctid FROM integration_jobs j
        WHERE j.ctid = ANY (ARRAY(SELECT t.ctid FROM {source} t WHERE t.touched)) AND j.status = 'PENDING'
        FOR NO KEY UPDATE SKIP LOCKED))"""  # noqa: S608
