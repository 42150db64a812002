"""The job engine: lanes that every organization has a share in, short key entries, and pauses.

The claim's index holds, of a lane, a quarter of a second after another, in each of them the organizations side by side,
and of each its jobs in order. So a claim steps from organization to organization, whatever any of them has waiting, and
can begin where the oldest job may still be (the entries of finished jobs lie behind it until a vacuum may remove them).
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Plain expressions under a name: the planner puts them in place of the call, in the index and in the query alike.
FUNCTIONS = [
    """
    CREATE FUNCTION job_tenant(organization text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(organization, 0)
    """,
    """
    CREATE FUNCTION job_key(organization text, key text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(key, hashtextextended(organization, 0))
    """,
    """
    CREATE FUNCTION job_slice(run_at timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN date_bin('250 ms', run_at, timestamptz '2000-01-01 00:00:00+00')
    """,
    # What runs comes first.
    """
    CREATE FUNCTION job_rank(status text) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE status WHEN 'PROCESSING' THEN 0 ELSE 1 END
    """,
    # Every organization is in all lanes, a key always in the same one. Webhooks have lanes 0 to 63, others 64 to 127.
    """
    CREATE OR REPLACE FUNCTION job_lane(job_type text, organization text, key text) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((hashtextextended(key, hashtextextended(organization, 0)) & 63)
            + CASE WHEN job_type = 'PROCESS_WEBHOOK' THEN 0 ELSE 64 END)::smallint
    """,
]

JOBS = [
    "DROP INDEX integration_jobs_claim",
    "DROP INDEX integration_jobs_key",
    "DROP INDEX integration_jobs_claimed",
    "UPDATE integration_jobs SET lane = job_lane(job_type, organization_id, coalesce(ordering_key, id::text))"
    " WHERE status <> 'DONE'",
    "CREATE INDEX integration_jobs_claim ON integration_jobs"
    " (lane, job_slice(run_at), job_tenant(organization_id), seq) WHERE status = 'PENDING'",
    "CREATE INDEX integration_jobs_key ON integration_jobs"
    " (job_key(organization_id, ordering_key), job_rank(status), seq)"
    " WHERE status IN ('PENDING', 'PROCESSING') AND holds_key AND ordering_key IS NOT NULL",
    # Not "status = 'PROCESSING'": a statement that says so of one job must not be tempted to read them all.
    "CREATE INDEX integration_jobs_claimed ON integration_jobs (worker_id) WHERE worker_id IS NOT NULL",
]

PAUSES = [
    # connected_account_id NULL: the whole organization. resuming: it may run again, and what was put aside comes back.
    """
    CREATE TABLE job_pauses (
        organization_id text NOT NULL,
        connected_account_id uuid,
        paused_at timestamptz NOT NULL DEFAULT now(),
        resuming boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE UNIQUE INDEX job_pauses_owner ON job_pauses (organization_id, connected_account_id) NULLS NOT DISTINCT",
    "ALTER TABLE job_pauses ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON job_pauses TO hookline_api"
    " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
    "GRANT SELECT, INSERT, UPDATE ON job_pauses TO hookline_api",
]


def upgrade() -> None:
    """Change the queue's indices and lanes; add pauses."""
    for statement in [*FUNCTIONS, *JOBS, *PAUSES]:
        op.get_bind().exec_driver_sql(statement)
