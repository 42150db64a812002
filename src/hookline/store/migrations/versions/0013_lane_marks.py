"""Where claims begin in each lane, kept for the next worker that starts (store/lane_marks.py)."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MARKS = """
    CREATE TABLE job_lane_marks (
        lane smallint PRIMARY KEY,
        slice timestamptz NOT NULL,
        tenant bigint NOT NULL,
        seq bigint NOT NULL
    ) WITH (fillfactor = 50)
"""


def upgrade() -> None:
    """Add the table."""
    op.get_bind().exec_driver_sql(MARKS)
