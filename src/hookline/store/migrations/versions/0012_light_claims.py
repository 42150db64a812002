"""Claims that touch no index: what a claim changes is in none, so it writes a row version beside the old one.

`queue_lane` is a live job's lane, and one of two others once it has ended. `key_rank` is 0 for the last job of a run
that is claimed, 1 for every other live job of a key; `last_of_run` says nothing of a job that does not run. Both follow
from other columns and stay as they are at a claim, but for that last one. Who has claimed what is written down in
job_claims, a row a claim.

Workers have to be stopped: those from before claim by what is dropped here, and write nothing down. The table is
written anew.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JOBS = [
    "DROP INDEX integration_jobs_claim",
    "DROP INDEX integration_jobs_key",
    "DROP INDEX integration_jobs_claimed",
    "DROP INDEX integration_jobs_failed",
    # -4 and -5: done, failed.
    """
    ALTER TABLE integration_jobs
        ADD COLUMN queue_lane smallint GENERATED ALWAYS AS (
            CASE status WHEN 'DONE' THEN -4 WHEN 'FAILED' THEN -5 ELSE lane END::smallint) STORED,
        ADD COLUMN last_of_run boolean NOT NULL DEFAULT false,
        ADD COLUMN key_rank smallint GENERATED ALWAYS AS (
            CASE WHEN ordering_key IS NOT NULL AND holds_key AND status IN ('PENDING', 'PROCESSING')
                 THEN CASE WHEN status = 'PROCESSING' AND last_of_run THEN 0 ELSE 1 END END::smallint) STORED,
        SET (fillfactor = 50)
    """,
    "CREATE INDEX integration_jobs_claim ON integration_jobs"
    " (queue_lane, job_slice(run_at), job_tenant(organization_id), seq) WHERE queue_lane > -4",
    "CREATE INDEX integration_jobs_key ON integration_jobs"
    " (job_key(organization_id, ordering_key), key_rank, seq) WHERE key_rank IS NOT NULL",
    "CREATE INDEX integration_jobs_blocked ON integration_jobs (job_key(organization_id, ordering_key))"
    " WHERE queue_lane = -2",
    "CREATE INDEX integration_jobs_failed ON integration_jobs (organization_id, provider, id) WHERE queue_lane = -5",
    "DROP FUNCTION job_rank",
]

CLAIMS = [
    # Of what runs each may be the last of its run, for all that is known.
    "UPDATE integration_jobs SET last_of_run = true WHERE status = 'PROCESSING'",
    # By organization and id, place by place in the two arrays. Not compressed: it is gone again in a moment.
    """
    CREATE TABLE job_claims (
        id uuid PRIMARY KEY,
        worker_id uuid NOT NULL,
        organizations text[] NOT NULL,
        jobs uuid[] NOT NULL
    )
    """,
    "ALTER TABLE job_claims ALTER COLUMN organizations SET STORAGE EXTERNAL, ALTER COLUMN jobs SET STORAGE EXTERNAL",
    "CREATE INDEX job_claims_worker ON job_claims (worker_id)",
    """
    INSERT INTO job_claims (id, worker_id, organizations, jobs)
    SELECT gen_random_uuid(), worker_id, array_agg(organization_id), array_agg(id) FROM integration_jobs
    WHERE status = 'PROCESSING' AND worker_id IS NOT NULL GROUP BY worker_id
    """,
]

# The first as it was, by the new columns, and again where somebody else changed what was to return (store/endings.py).
# The second: where the last one of a run is cancelled (p_seqs), the one before it is the last. Not to be waited for:
# who ends a run's jobs has locked the first of them and wants the last. One that somebody has locked at this moment
# stays without a mark; a claim sees it run if it is among the first of its key.
FUNCTIONS = [
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
            UPDATE integration_jobs j SET lane = job_lane(j.job_type, j.organization_id, j.ordering_key)
            FROM first WHERE j.ctid = first.ctid AND j.status = 'PENDING'
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM first) > (SELECT count(*) FROM returned) INTO changed;
        EXIT WHEN NOT changed;
    END LOOP;
END
$$
""",
    """
CREATE FUNCTION shorten_job_runs(p_organization text, p_keys text[], p_seqs bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF current_setting('role') = 'hookline_api'
       AND p_organization IS DISTINCT FROM nullif(current_setting('hookline.organization_id', true), '') THEN
        RAISE insufficient_privilege USING MESSAGE = 'the transaction is bound to another organization';
    END IF;
    UPDATE integration_jobs j SET last_of_run = true
    FROM unnest(p_keys, p_seqs) AS k(key, seq)
    CROSS JOIN LATERAL (
        SELECT n.id FROM integration_jobs n
        WHERE job_key(n.organization_id, n.ordering_key) = job_key(p_organization, k.key)
          AND n.key_rank = 1 AND n.seq < k.seq AND n.status = 'PROCESSING'
          AND n.organization_id = p_organization AND n.ordering_key = k.key
        ORDER BY n.seq DESC LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS before
    WHERE j.organization_id = p_organization AND j.id = before.id;
END
$$
""",
    "REVOKE ALL ON FUNCTION shorten_job_runs FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION shorten_job_runs TO hookline_api",
]


def upgrade() -> None:
    """Rewrite the queue's table and its indices; write down what is claimed."""
    for statement in [*JOBS, *CLAIMS, *FUNCTIONS]:
        op.get_bind().exec_driver_sql(statement)
