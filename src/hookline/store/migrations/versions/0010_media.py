"""Files: what people send, and what is uploaded to be sent; where they are kept, and what is to be deleted there."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MEDIA = [
    # message_id NULL: uploaded, to be sent. position: which of its message's files. source: the platform's own words.
    """
    CREATE TABLE media (
        organization_id text NOT NULL,
        id uuid NOT NULL,
        connected_account_id uuid,
        message_id uuid,
        position smallint NOT NULL DEFAULT 0,
        provider text,
        source json,
        state text NOT NULL,
        reason text,
        content_type text,
        size bigint,
        sha256 text,
        filename text,
        object_key text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, id)
    )
    """,
    "CREATE UNIQUE INDEX media_of_message ON media (organization_id, message_id, position)"
    " WHERE message_id IS NOT NULL",
    # Files whose row is gone, by whatever way it went: they are deleted where they are kept, then forgotten.
    "CREATE TABLE media_garbage (object_key text PRIMARY KEY, added_at timestamptz NOT NULL DEFAULT now())",
    """
    CREATE FUNCTION note_media_garbage() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO media_garbage (object_key) VALUES (OLD.object_key) ON CONFLICT DO NOTHING;
        RETURN NULL;
    END
    $$
    """,
    "CREATE TRIGGER media_garbage AFTER DELETE ON media FOR EACH ROW WHEN (OLD.object_key IS NOT NULL)"
    " EXECUTE FUNCTION note_media_garbage()",
    "ALTER TABLE media ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON media TO hookline_api"
    " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON media TO hookline_api",
    "INSERT INTO retention_sweeps (table_name, organization) VALUES ('media', '')",
]


def upgrade() -> None:
    """Create the tables, the wall, and the trigger that remembers what is to be deleted."""
    for statement in MEDIA:
        op.get_bind().exec_driver_sql(statement)
