"""Sending: conversations with their window, attempts to send, and the pace that all workers share."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# An Idempotency-Key names one message of an organization, for as long as the message is kept. What has no external id
# yet may be claimed by a status or an echo that comes back.
MESSAGES = [
    "CREATE UNIQUE INDEX messages_idempotency ON messages (organization_id, idempotency_key)"
    " WHERE idempotency_key IS NOT NULL",
    "CREATE INDEX messages_unnamed ON messages (connected_account_id, contact)"
    " WHERE external_id IS NULL AND direction = 'OUTBOUND'",
    "GRANT INSERT, UPDATE ON messages TO hookline_api",
]

CONVERSATIONS = [
    """
    CREATE TABLE conversations (
        id uuid NOT NULL,
        organization_id text NOT NULL,
        connected_account_id uuid NOT NULL,
        provider text NOT NULL,
        contact text NOT NULL,
        name text,
        last_message_id uuid,
        last_message_at timestamptz,
        last_inbound_at timestamptz,
        last_inbound_id text,
        window_until timestamptz,
        unread_count integer NOT NULL DEFAULT 0,
        marketing_opted_out_at timestamptz,
        marketing_preference_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, id)
    )
    """,
    "CREATE UNIQUE INDEX conversations_contact ON conversations (connected_account_id, contact)",
    "CREATE INDEX conversations_latest ON conversations (organization_id, last_message_at, id)",
]

# An attempt is written before the call and ended by its reply, whoever holds the job by then; one that has no end may
# have been carried out.
ATTEMPTS = [
    """
    CREATE TABLE send_attempts (
        organization_id text NOT NULL,
        message_id uuid NOT NULL,
        id uuid NOT NULL,
        job_id uuid NOT NULL,
        lease bigint NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        calls integer NOT NULL DEFAULT 1,
        outcome text,
        external_id text,
        error_class text,
        error_code text,
        error_text text,
        http_status integer,
        PRIMARY KEY (organization_id, message_id, id)
    )
    """,
    "INSERT INTO retention_sweeps (table_name, organization) VALUES ('send_attempts', '')",
]

# `due_at` is when the next message may leave (a GCRA's theoretical arrival time). The rows are narrow and often
# rewritten: room on the page keeps that cheap.
PACES = [
    """
    CREATE TABLE send_paces (
        key text PRIMARY KEY,
        due_at timestamptz NOT NULL DEFAULT now(),
        blocked_until timestamptz,
        blocked_by text,
        usage_percent smallint,
        usage_at timestamptz
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE pair_paces (
        connected_account_id uuid NOT NULL,
        contact text NOT NULL,
        organization_id text NOT NULL,
        due_at timestamptz NOT NULL,
        blocked_until timestamptz,
        strikes integer NOT NULL DEFAULT 0,
        PRIMARY KEY (connected_account_id, contact)
    ) WITH (fillfactor = 70)
    """,
]

WALLS = [
    *(
        statement
        for table in ("conversations", "send_attempts", "pair_paces")
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY tenant ON {table} TO hookline_api"
            " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
        )
    ),
    "GRANT SELECT, INSERT, UPDATE ON conversations TO hookline_api",
    "GRANT SELECT ON send_attempts TO hookline_api",
]


def upgrade() -> None:
    """Create the tables, their indices and their walls."""
    for statement in [*MESSAGES, *CONVERSATIONS, *ATTEMPTS, *PACES, *WALLS]:
        op.get_bind().exec_driver_sql(statement)
