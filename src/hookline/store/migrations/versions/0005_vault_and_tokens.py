"""What the vault keeps: its keyset, and secrets beside the tokens; and what keeping a token alive needs to know."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEYS = [
    # One row: the keyset wrapped by a master key that is not in the database.
    """
    CREATE TABLE encryption_keysets (
        id smallint PRIMARY KEY CHECK (id = 1),
        version integer NOT NULL,
        wrapped_by text NOT NULL,
        wrapped bytea NOT NULL,
        made_at json NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "GRANT SELECT, INSERT ON encryption_keysets TO hookline_api",
    # Secrets that are not an account's tokens: the PIN of a number, the grant of a connection that is being made.
    """
    CREATE TABLE sealed_secrets (
        owner_id uuid NOT NULL,
        purpose text NOT NULL,
        organization_id text NOT NULL,
        ciphertext text NOT NULL,
        key_id text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (owner_id, purpose, organization_id)
    )
    """,
    "ALTER TABLE sealed_secrets ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON sealed_secrets TO hookline_api"
    " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON sealed_secrets TO hookline_api",
]

TOKENS = [
    # An account has one token at a time. `refresh_token_encrypted` is what renews it: for a page, the user's token.
    # `by_consent`: our app got it in a dialog, so it is ours to revoke. `due_at`: when to look after it next, if ever.
    # `attended_until`: a process is renewing it. `generation` counts the tokens that stood in the row: a fence.
    """
    ALTER TABLE oauth_tokens
        ADD COLUMN refresh_expires_at timestamptz,
        ADD COLUMN by_consent boolean NOT NULL DEFAULT false,
        ADD COLUMN due_at timestamptz,
        ADD COLUMN attended_until timestamptz,
        ADD COLUMN generation integer NOT NULL DEFAULT 1
    """,
    "DROP INDEX oauth_tokens_account",
    "CREATE UNIQUE INDEX oauth_tokens_account ON oauth_tokens (connected_account_id)",
    "CREATE INDEX oauth_tokens_due ON oauth_tokens (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX oauth_tokens_user ON oauth_tokens (app_scoped_user_id)",
    "GRANT SELECT, INSERT, UPDATE ON oauth_tokens TO hookline_api",
    # What our app is subscribed to for this account; several accounts may share it.
    "ALTER TABLE connected_accounts ADD COLUMN subscription text,"
    " ADD COLUMN connected_at timestamptz NOT NULL DEFAULT now()",
    "CREATE INDEX connected_accounts_subscription ON connected_accounts (subscription)"
    " WHERE status <> 'DISCONNECTED' AND subscription IS NOT NULL",
]


def upgrade() -> None:
    """Add what is missing."""
    for statement in [*KEYS, *TOKENS]:
        op.get_bind().exec_driver_sql(statement)
