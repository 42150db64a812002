"""Connections that are being made: from the dialog's address to the choice among the accounts that it reaches."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = [
    # Only a hash of the state is kept: whoever reads the table cannot end what somebody else began.
    """
    CREATE TABLE oauth_flows (
        id uuid PRIMARY KEY,
        state_hash text NOT NULL UNIQUE,
        organization_id text NOT NULL,
        subject text NOT NULL,
        provider text NOT NULL,
        login text NOT NULL,
        redirect_uri text,
        return_url text,
        status text NOT NULL,
        choices json,
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX oauth_flows_expired ON oauth_flows (expires_at)",
    "ALTER TABLE oauth_flows ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON oauth_flows TO hookline_api"
    " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
    "GRANT SELECT, INSERT, UPDATE ON oauth_flows TO hookline_api",
    # A browser that comes back from the platform brings nothing but the state: whose it is, an owner function says.
    """
    CREATE FUNCTION flow_organization(p_state_hash text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS 'SELECT organization_id FROM oauth_flows WHERE state_hash = p_state_hash'
    """,
    "REVOKE ALL ON FUNCTION flow_organization FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION flow_organization TO hookline_api",
]


def upgrade() -> None:
    """Add the table and its walls."""
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
