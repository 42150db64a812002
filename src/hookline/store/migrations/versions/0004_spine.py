"""One way to a row, notices told once, and lists that find what is rare.

A plan that is made while a table is empty finds every index equally cheap, and is kept while the table grows. An index
that begins with the account answered for `messages_external`, and one by provider for the route's address: each webhook
then read all of an account's messages, or all of a provider's routes, until statistics came.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LOOK_UPS = [
    "DROP INDEX messages_external",
    "CREATE UNIQUE INDEX messages_external ON messages (external_id, connected_account_id)",
    # Only development looks for the latest account, and has few of them.
    "DROP INDEX account_routes_latest",
]

NOTICES = [
    """
    CREATE TABLE told_notices (
        organization_id text NOT NULL,
        connected_account_id uuid NOT NULL,
        fingerprint uuid NOT NULL,
        told_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (connected_account_id, fingerprint)
    )
    """,
    "CREATE INDEX told_notices_age ON told_notices (told_at)",
    "ALTER TABLE told_notices ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON told_notices TO hookline_api"
    " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
]

# Each of few rows. None says a status: its changes then write no index, so that most statuses write one row version
# beside the old one and nothing else.
LISTS = [
    "UPDATE messages SET failed_at = updated_at WHERE status = 'FAILED' AND failed_at IS NULL",
    "ALTER TABLE messages ADD CONSTRAINT messages_failed_at CHECK (status <> 'FAILED' OR failed_at IS NOT NULL)",
    "CREATE INDEX messages_failed ON messages (organization_id, id) WHERE failed_at IS NOT NULL",
    "CREATE INDEX messages_typed ON messages (organization_id, type, id) WHERE type <> 'text'",
]

# New entries of the search's index are gathered in a list and sorted in later: by upkeep, and only where that does not
# keep up by whoever adds the entry that is too much.
PENDING = ["ALTER INDEX messages_search SET (gin_pending_list_limit = 16384)"]

# As before, but times bound the ids that are looked at (they carry the time, give or take what clocks differ by): the
# newest 5,000 within the bounds are looked through, and where these are all, the index is not asked.
SEARCH = [
    r"""
    CREATE OR REPLACE FUNCTION search_messages(
        p_organization text, p_query text, p_before uuid, p_limit integer,
        p_account uuid, p_provider text, p_direction text, p_contact text, p_type text, p_status text,
        p_since timestamptz, p_until timestamptz
    ) RETURNS SETOF messages
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
    AS $$
    DECLARE
        literal text := replace(replace(replace(p_query, '\', '\\'), '%', '\%'), '_', '\_');
        anywhere text := '%' || literal || '%';
        first text := literal || '%';
        after_space text := '% ' || literal || '%';
        slack interval := interval '1 hour';
        zero uuid := '00000000-0000-0000-0000-000000000000';
        epoch timestamptz := '1970-01-02 00:00:00+00';
        lowest uuid := CASE WHEN p_since IS NULL THEN zero
                            ELSE id_of_moment(zero, greatest(p_since, epoch) - slack) END;
        beyond uuid := least(
            coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
            CASE WHEN p_until IS NOT NULL THEN id_of_moment(zero, greatest(p_until, epoch) + slack) END);
        accounts uuid[] := ARRAY(
            SELECT id FROM connected_accounts WHERE organization_id = p_organization AND provider = p_provider);
        oldest uuid;
        looked integer;
        found integer := 0;
    BEGIN
        IF p_organization IS DISTINCT FROM nullif(current_setting('hookline.organization_id', true), '') THEN
            RETURN;
        END IF;
        SELECT min(id::text)::uuid, count(*) INTO oldest, looked FROM (
            SELECT id FROM messages
            WHERE organization_id = p_organization AND id < beyond AND id >= lowest
            ORDER BY id DESC LIMIT 5000
        ) AS newest;
        IF oldest IS NULL THEN RETURN; END IF;
        RETURN QUERY
            SELECT * FROM messages m
            WHERE m.organization_id = p_organization AND m.id >= oldest AND m.id < beyond AND m.text ILIKE anywhere
              AND (p_account IS NULL OR m.connected_account_id = p_account)
              AND (p_provider IS NULL OR m.provider = p_provider)
              AND (p_direction IS NULL OR m.direction = p_direction)
              AND (p_contact IS NULL OR m.contact = p_contact)
              AND (p_type IS NULL OR m.type = p_type)
              AND (p_status IS NULL OR m.status = p_status)
              AND (p_since IS NULL OR m.created_at >= p_since)
              AND (p_until IS NULL OR m.created_at < p_until)
            ORDER BY m.id DESC LIMIT p_limit;
        GET DIAGNOSTICS found = ROW_COUNT;
        IF found >= p_limit OR looked < 5000 THEN RETURN; END IF;
        RETURN QUERY
            SELECT * FROM messages m
            WHERE m.organization_id = p_organization AND m.id < oldest AND m.id >= lowest AND m.text <> ''
              AND (CASE WHEN length(p_query) > 2 THEN m.text ILIKE anywhere
                   ELSE m.text ILIKE first OR m.text ILIKE after_space END)
              AND (p_account IS NULL OR m.connected_account_id = p_account)
              AND (p_provider IS NULL OR m.provider = p_provider AND m.connected_account_id = ANY (accounts))
              AND (p_direction IS NULL OR m.direction = p_direction)
              AND (p_contact IS NULL OR m.contact = p_contact)
              AND (p_type IS NULL OR m.type = p_type)
              AND (p_status IS NULL OR m.status = p_status)
              AND (p_status IS DISTINCT FROM 'FAILED' OR m.failed_at IS NOT NULL)
              AND (p_since IS NULL OR m.created_at >= p_since)
              AND (p_until IS NULL OR m.created_at < p_until)
            ORDER BY m.id DESC LIMIT p_limit - found;
    END
    $$
    """,
]


def upgrade() -> None:
    """Change indices and the search, add the table."""
    for statement in [*LOOK_UPS, *NOTICES, *LISTS, *PENDING, *SEARCH]:
        op.get_bind().exec_driver_sql(statement)
