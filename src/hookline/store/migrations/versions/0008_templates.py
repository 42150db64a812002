"""Message templates: one row an account, name and language, kept current by synchronizing and by webhooks."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Each part of a row is as of a moment: what is older changes it no more. A template that is gone stays as DELETED, so
# that old news cannot bring it back.
TEMPLATES = [
    """
    CREATE TABLE templates (
        organization_id text NOT NULL,
        id uuid NOT NULL,
        connected_account_id uuid NOT NULL,
        name text NOT NULL,
        language text NOT NULL,
        external_id text,
        category text,
        status text,
        components json,
        parameter_format text,
        quality text,
        rejected_reason text,
        category_at timestamptz NOT NULL DEFAULT '-infinity',
        status_at timestamptz NOT NULL DEFAULT '-infinity',
        components_at timestamptz NOT NULL DEFAULT '-infinity',
        quality_at timestamptz NOT NULL DEFAULT '-infinity',
        synced_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, id)
    )
    """,
    "CREATE UNIQUE INDEX templates_key ON templates (connected_account_id, name, language)",
    "ALTER TABLE templates ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON templates TO hookline_api"
    " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
    "GRANT SELECT, INSERT, UPDATE ON templates TO hookline_api",
]


def upgrade() -> None:
    """Create the table, its key and its wall."""
    for statement in TEMPLATES:
        op.get_bind().exec_driver_sql(statement)
