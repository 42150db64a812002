"""One way to a row: batches look messages and routes up by their ids, and no other index may look as good.

A plan that is made while a table is empty finds every index equally cheap, and is kept while the table grows. An index
that begins with the account answered for `messages_external`, and one by provider for the route's address: each webhook
then read all of an account's messages, or all of a provider's routes, until statistics came.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = [
    "DROP INDEX messages_external",
    "CREATE UNIQUE INDEX messages_external ON messages (external_id, connected_account_id)",
    # Only development looks for the latest account, and has few of them.
    "DROP INDEX account_routes_latest",
]


def upgrade() -> None:
    """Change the indices."""
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
