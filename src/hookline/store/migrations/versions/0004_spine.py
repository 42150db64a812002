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


def upgrade() -> None:
    """Change indices, add the table."""
    for statement in [*LOOK_UPS, *NOTICES]:
        op.get_bind().exec_driver_sql(statement)
