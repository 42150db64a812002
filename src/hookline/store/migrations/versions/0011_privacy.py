"""Compliance: what people demanded of us, how far it is, and that it was done."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# `subject` and `progress` say whom a request is about, and are emptied when it is done. `digest` is of the callback's
# signature: the same callback, played again, is the same request.
STATEMENTS = [
    """
    CREATE TABLE privacy_requests (
        id uuid PRIMARY KEY,
        organization_id text NOT NULL,
        kind text NOT NULL,
        provider text NOT NULL,
        scope text NOT NULL,
        subject text,
        digest bytea,
        code text NOT NULL UNIQUE,
        status text NOT NULL DEFAULT 'RECEIVED',
        issued_at timestamptz,
        progress json,
        counts json,
        received_at timestamptz NOT NULL DEFAULT now(),
        done_at timestamptz,
        CHECK (status <> 'DONE' OR subject IS NULL AND progress IS NULL)
    )
    """,
    "CREATE UNIQUE INDEX privacy_requests_open ON privacy_requests (organization_id, kind, scope, subject)"
    " WHERE subject IS NOT NULL",
    "CREATE UNIQUE INDEX privacy_requests_callback ON privacy_requests (kind, digest) WHERE digest IS NOT NULL",
    "ALTER TABLE privacy_requests ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON privacy_requests TO hookline_api"
    " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
    "GRANT SELECT, INSERT ON privacy_requests TO hookline_api",
    # Whoever holds a code brings nothing else: how far it is, an owner function says, and nothing more.
    """
    CREATE FUNCTION privacy_request_state(p_code text)
    RETURNS TABLE (status text, received_at timestamptz, done_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS 'SELECT status, received_at, done_at FROM privacy_requests WHERE code = p_code'
    """,
    "REVOKE ALL ON FUNCTION privacy_request_state FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION privacy_request_state TO hookline_api",
]


def upgrade() -> None:
    """Add the table and its walls."""
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
