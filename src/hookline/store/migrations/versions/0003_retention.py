"""Retention and control: how far the deletion of old rows is; ids of a moment; followers of what the API cancels."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = [
    # One row a table. Whoever has it locked is the one that deletes; the others leave it alone. `organization` is where
    # a sweep is: NULL at rows that belong to none, '' before the first.
    """
    CREATE TABLE retention_sweeps (
        table_name text PRIMARY KEY,
        organization text,
        after uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
        deleted bigint NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "INSERT INTO retention_sweeps (table_name, organization) VALUES"
    " ('integration_jobs', ''), ('webhook_events', NULL), ('messages', ''), ('outbox', '')",
    # A UUIDv7 of a moment with the randomness of another id: for rows that are made later than the id they stem from,
    # so that ids carry the time at which their rows were made.
    """
    CREATE FUNCTION id_of_moment(original uuid, moment timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT encode(
            substring(int8send((extract(epoch FROM moment) * 1000)::bigint) FROM 3)
            || substring(uuid_send(original) FROM 7),
            'hex')::uuid
    $$
    """,
    # Under row-level security no index on an expression is used (its functions are not leakproof), and keys are found
    # by one: the API would read all live jobs to find those that waited for what it cancels. So the owner looks, for
    # the organization that the API's transaction is bound to. -2 is the lane of what is put aside behind its key.
    """
    CREATE FUNCTION let_jobs_follow(p_organization text, p_keys text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_custom_plan
    AS $$
    BEGIN
        IF current_setting('role') = 'hookline_api'
           AND p_organization IS DISTINCT FROM nullif(current_setting('hookline.organization_id', true), '') THEN
            RAISE insufficient_privilege USING MESSAGE = 'the transaction is bound to another organization';
        END IF;
        WITH first AS MATERIALIZED (
            SELECT f.ctid
            FROM (SELECT DISTINCT key FROM unnest(p_keys) AS u(key)) AS k
            CROSS JOIN LATERAL (
                SELECT n.ctid, n.lane FROM integration_jobs n
                WHERE job_key(n.organization_id, n.ordering_key) = job_key(p_organization, k.key)
                  AND n.status IN ('PENDING', 'PROCESSING') AND n.holds_key AND n.ordering_key IS NOT NULL
                  AND n.organization_id = p_organization AND n.ordering_key = k.key
                ORDER BY job_rank(n.status), n.seq LIMIT 1
            ) AS f
            WHERE f.lane = -2
        )
        UPDATE integration_jobs j SET lane = job_lane(j.job_type, j.organization_id, j.ordering_key)
        FROM first WHERE j.ctid = first.ctid AND j.status = 'PENDING';
    END
    $$
    """,
    "REVOKE ALL ON FUNCTION let_jobs_follow FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION let_jobs_follow TO hookline_api",
    # What was sent changes three times. With room in its page an update touches no index, the search's least of all.
    "ALTER TABLE messages SET (fillfactor = 70)",
]


def upgrade() -> None:
    """Add what retention needs."""
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
