"""Lanes for jobs that wait again, beside those where they waited first (store/lanes.py).

Workers from before do not look there: stop them.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FUNCTIONS = [
    # Webhooks have none: what takes one is a transaction, and puts it back.
    """
CREATE FUNCTION job_return_lane(job_type text, organization text, key text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (job_lane(job_type, organization, key) + CASE WHEN job_type = 'PROCESS_WEBHOOK' THEN 0 ELSE 64 END)::smallint
""",
    # As it was, but for the lane that it returns a job to.
    """
CREATE OR REPLACE FUNCTION let_jobs_follow(p_organization text, p_keys text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    changed boolean;
BEGIN
    IF current_setting('role') = 'hookline_api'
       AND p_organization IS DISTINCT FROM nullif(current_setting('hookline.organization_id', true), '') THEN
        RAISE insufficient_privilege USING MESSAGE = 'the transaction is bound to another organization';
    END IF;
    LOOP
        WITH first AS MATERIALIZED (
            SELECT f.ctid
            FROM (
                SELECT DISTINCT key FROM unnest(p_keys) AS u(key)
                WHERE EXISTS (
                    SELECT FROM integration_jobs b
                    WHERE job_key(b.organization_id, b.ordering_key) = job_key(p_organization, u.key)
                      AND b.queue_lane = -2)
            ) AS k
            CROSS JOIN LATERAL (
                SELECT n.ctid, n.lane, n.status FROM integration_jobs n
                WHERE job_key(n.organization_id, n.ordering_key) = job_key(p_organization, k.key)
                  AND n.key_rank IS NOT NULL AND n.organization_id = p_organization AND n.ordering_key = k.key
                ORDER BY n.key_rank, n.seq LIMIT 1
            ) AS f
            WHERE f.lane = -2 AND f.status = 'PENDING'
        ),
        returned AS (
            UPDATE integration_jobs j SET lane = job_return_lane(j.job_type, j.organization_id, j.ordering_key)
            FROM first WHERE j.ctid = first.ctid AND j.status = 'PENDING'
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM first) > (SELECT count(*) FROM returned) INTO changed;
        EXIT WHEN NOT changed;
    END LOOP;
END
$$
""",
]


def upgrade() -> None:
    """Say where jobs return to."""
    for statement in FUNCTIONS:
        op.get_bind().exec_driver_sql(statement)
