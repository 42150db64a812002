"""Retention: how far the deletion of old rows is; ids of a moment."""

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
]


def upgrade() -> None:
    """Add what retention needs."""
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
