"""The first tables: accounts, webhook events, jobs, messages, the outbox; and the walls between tenants.

Hot tables carry no foreign keys and no triggers (many writers, few surprises), and as few indices as serve: every
update writes each of them. Where a list of an organization's rows is asked for, the primary key begins with the
organization. Every table that belongs to one is under row-level security; the owner (workers, migrations) is not bound.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

EXTENSIONS = [
    # The search of messages: trigrams for "contains", btree_gin to have the organization in the same index.
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE EXTENSION IF NOT EXISTS btree_gin",
]

ACCOUNTS = [
    """
    CREATE TABLE connected_accounts (
        id uuid PRIMARY KEY,
        organization_id text NOT NULL,
        provider text NOT NULL,
        external_account_id text NOT NULL,
        display_name text,
        status text NOT NULL,
        metadata json NOT NULL DEFAULT '{}',
        last_error text,
        last_webhook_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE UNIQUE INDEX connected_accounts_live ON connected_accounts (provider, external_account_id)"
    " WHERE status <> 'DISCONNECTED'",
    "CREATE UNIQUE INDEX connected_accounts_own ON connected_accounts (organization_id, provider, external_account_id)",
    "CREATE INDEX connected_accounts_status ON connected_accounts (organization_id, status)",
    """
    CREATE TABLE account_routes (
        provider text NOT NULL,
        address text NOT NULL,
        connected_account_id uuid NOT NULL REFERENCES connected_accounts (id) ON DELETE CASCADE,
        organization_id text NOT NULL,
        exclusive boolean NOT NULL,
        live boolean NOT NULL,
        adopts boolean NOT NULL DEFAULT true,
        connected_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (provider, address, connected_account_id)
    )
    """,
    "CREATE UNIQUE INDEX account_routes_exclusive ON account_routes (provider, address) WHERE live AND exclusive",
    "CREATE INDEX account_routes_account ON account_routes (connected_account_id)",
    "CREATE INDEX account_routes_adopting ON account_routes (connected_at) WHERE live AND adopts",
    "CREATE INDEX account_routes_latest ON account_routes (provider, connected_at DESC) WHERE live",
    """
    CREATE TABLE oauth_tokens (
        id uuid PRIMARY KEY,
        organization_id text NOT NULL,
        connected_account_id uuid NOT NULL REFERENCES connected_accounts (id) ON DELETE CASCADE,
        access_token_encrypted text NOT NULL,
        refresh_token_encrypted text,
        expires_at timestamptz,
        scopes text[] NOT NULL DEFAULT '{}',
        key_id text NOT NULL,
        data_access_expires_at timestamptz,
        app_scoped_user_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX oauth_tokens_account ON oauth_tokens (connected_account_id)",
]

EVENTS = [
    """
    CREATE TABLE webhook_events (
        id uuid NOT NULL,
        organization_id text,
        connected_account_id uuid,
        provider text NOT NULL,
        event_type text NOT NULL,
        payload_json json,
        body bytea,
        address text,
        fallback_address text,
        external_account_id text,
        contact text,
        ordering text NOT NULL,
        signature text NOT NULL,
        status text NOT NULL,
        retries integer NOT NULL DEFAULT 0,
        result json,
        error text,
        received_at timestamptz NOT NULL,
        processed_at timestamptz
    )
    """,
    # No primary key: what nobody owns yet has no organization.
    "CREATE UNIQUE INDEX webhook_events_list ON webhook_events (organization_id, id)",
    "CREATE UNIQUE INDEX webhook_events_nobodys ON webhook_events (id) WHERE organization_id IS NULL",
    "CREATE INDEX webhook_events_open ON webhook_events (organization_id, status, provider, id)"
    " WHERE status <> 'PROCESSED'",
    "CREATE INDEX webhook_events_waiting ON webhook_events (received_at)"
    " WHERE organization_id IS NULL AND status = 'PENDING'",
    "CREATE INDEX webhook_events_unowned ON webhook_events (provider, address)"
    " WHERE organization_id IS NULL AND status = 'PENDING'",
    "CREATE INDEX webhook_events_unowned_fallback ON webhook_events (provider, fallback_address)"
    " WHERE organization_id IS NULL AND status = 'PENDING' AND fallback_address IS NOT NULL",
]

JOBS = [
    # An organization has four of the 64 lanes, and a key always the same one of them. Webhooks have lanes 0 to 63,
    # other jobs 64 to 127: the two are claimed apart. No generated column: every update would compute it anew.
    """
    CREATE FUNCTION job_lane(job_type text, organization text, key text) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((((hashtextextended(organization, 0) & 63) + (hashtextextended(key, 0) & 3)) & 63)
            + CASE WHEN job_type = 'PROCESS_WEBHOOK' THEN 0 ELSE 64 END)::smallint
    """,
    """
    CREATE TABLE integration_jobs (
        id uuid NOT NULL,
        seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
        organization_id text NOT NULL,
        provider text NOT NULL,
        job_type text NOT NULL,
        payload_json json NOT NULL,
        status text NOT NULL DEFAULT 'PENDING',
        attempts integer NOT NULL DEFAULT 0,
        max_attempts integer,
        last_error text,
        run_at timestamptz NOT NULL DEFAULT now(),
        connected_account_id uuid,
        ordering_key text,
        lane smallint NOT NULL,
        holds_key boolean NOT NULL DEFAULT true,
        lease bigint NOT NULL DEFAULT 0,
        worker_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, id)
    )
    """,
    "CREATE INDEX integration_jobs_claim ON integration_jobs (lane, run_at, seq) WHERE status = 'PENDING'",
    "CREATE INDEX integration_jobs_key ON integration_jobs (ordering_key, seq)"
    " WHERE status IN ('PENDING', 'PROCESSING') AND holds_key",
    "CREATE INDEX integration_jobs_claimed ON integration_jobs (worker_id) WHERE status = 'PROCESSING'",
    "CREATE INDEX integration_jobs_failed ON integration_jobs (organization_id, provider, id) WHERE status = 'FAILED'",
    """
    CREATE TABLE job_workers (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now(),
        heartbeat_at timestamptz NOT NULL DEFAULT now()
    )
    """,
]

MESSAGES = [
    """
    CREATE TABLE messages (
        id uuid NOT NULL,
        organization_id text NOT NULL,
        connected_account_id uuid NOT NULL,
        provider text NOT NULL,
        direction text NOT NULL,
        type text NOT NULL,
        origin text NOT NULL,
        external_id text,
        contact text,
        sender text NOT NULL,
        recipient text NOT NULL,
        text text NOT NULL,
        status text NOT NULL,
        sent_at timestamptz,
        delivered_at timestamptz,
        read_at timestamptz,
        failed_at timestamptz,
        edited_at timestamptz,
        edit_version integer,
        unsent_at timestamptz,
        error_code text,
        error_text text,
        reply_to text,
        media json,
        reactions json,
        meta_json json,
        idempotency_key text,
        webhook_event_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, id)
    )
    """,
    "CREATE UNIQUE INDEX messages_external ON messages (connected_account_id, external_id)",
    "CREATE INDEX messages_conversation ON messages (connected_account_id, contact, id)",
    "CREATE INDEX messages_search ON messages USING gin (organization_id, text gin_trgm_ops) WHERE text <> ''",
    """
    CREATE TABLE held_changes (
        webhook_event_id uuid NOT NULL,
        position integer NOT NULL,
        organization_id text NOT NULL,
        connected_account_id uuid NOT NULL,
        external_id text NOT NULL,
        change json NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (webhook_event_id, position)
    )
    """,
    "CREATE INDEX held_changes_age ON held_changes (created_at)",
    "CREATE INDEX held_changes_message ON held_changes (connected_account_id, external_id)",
    """
    CREATE TABLE contact_watermarks (
        connected_account_id uuid NOT NULL,
        contact text NOT NULL,
        organization_id text NOT NULL,
        delivered_until timestamptz,
        read_until timestamptz,
        PRIMARY KEY (connected_account_id, contact)
    )
    """,
]

OUTBOX = [
    # A reader takes only facts of transactions that every later one must follow: tx_id below the oldest one running.
    """
    CREATE TABLE outbox (
        tx_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
        seq bigint GENERATED ALWAYS AS IDENTITY,
        id uuid NOT NULL,
        organization_id text NOT NULL,
        type text NOT NULL,
        connected_account_id uuid,
        message_id uuid,
        occurred_at timestamptz NOT NULL,
        data json NOT NULL,
        PRIMARY KEY (organization_id, tx_id, seq)
    )
    """,
]

FUNCTIONS = [
    # The id of the event (or job) that the n-th account of a group gets: a UUIDv7 of the same moment, other randomness.
    """
    CREATE FUNCTION sibling_id(original uuid, account uuid) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT encode(
            substring(uuid_send(original) FOR 8)
            || set_byte(mixed, 0, (get_byte(mixed, 0) & 63) | 128),
            'hex')::uuid
        FROM (SELECT substring(decode(md5(original::text || account::text), 'hex') FOR 8) AS mixed) AS m
    $$
    """,
    # The one owner function under the API; it serves only the organization that the transaction is bound to. Trigram
    # operators are not leakproof, so row-level security would keep them from the index. The newest messages are looked
    # through first (common words end there), then the index is asked. A query of one or two characters has no trigram
    # of its own: beyond the newest messages it matches beginnings of words.
    r"""
    CREATE FUNCTION search_messages(
        p_organization text, p_query text, p_before uuid, p_limit integer,
        p_account uuid, p_provider text, p_direction text, p_contact text, p_type text, p_status text,
        p_since timestamptz, p_until timestamptz
    ) RETURNS SETOF messages
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
    AS $$
    DECLARE
        literal text := replace(replace(replace(p_query, '\', '\\'), '%', '\%'), '_', '\_');
        anywhere text := '%' || literal || '%';
        first text := literal || '%';
        after_space text := '% ' || literal || '%';
        oldest uuid;
        found integer := 0;
    BEGIN
        IF p_organization IS DISTINCT FROM nullif(current_setting('hookline.organization_id', true), '') THEN
            RETURN;
        END IF;
        SELECT min(id::text)::uuid INTO oldest FROM (
            SELECT id FROM messages
            WHERE organization_id = p_organization AND (p_before IS NULL OR id < p_before)
            ORDER BY id DESC LIMIT 5000
        ) AS newest;
        IF oldest IS NULL THEN RETURN; END IF;
        RETURN QUERY
            SELECT * FROM messages m
            WHERE m.organization_id = p_organization AND m.id >= oldest
              AND (p_before IS NULL OR m.id < p_before) AND m.text ILIKE anywhere
              AND (p_account IS NULL OR m.connected_account_id = p_account)
              AND (p_provider IS NULL OR m.provider = p_provider)
              AND (p_direction IS NULL OR m.direction = p_direction)
              AND (p_contact IS NULL OR m.contact = p_contact)
              AND (p_type IS NULL OR m.type = p_type)
              AND (p_status IS NULL OR m.status = p_status)
              AND (p_since IS NULL OR m.created_at >= p_since)
              AND (p_until IS NULL OR m.created_at < p_until)
            ORDER BY m.id DESC LIMIT p_limit;
        GET DIAGNOSTICS found = ROW_COUNT;
        IF found >= p_limit THEN RETURN; END IF;
        RETURN QUERY
            SELECT * FROM messages m
            WHERE m.organization_id = p_organization AND m.id < oldest AND m.text <> ''
              AND (CASE WHEN length(p_query) > 2 THEN m.text ILIKE anywhere
                   ELSE m.text ILIKE first OR m.text ILIKE after_space END)
              AND (p_account IS NULL OR m.connected_account_id = p_account)
              AND (p_provider IS NULL OR m.provider = p_provider)
              AND (p_direction IS NULL OR m.direction = p_direction)
              AND (p_contact IS NULL OR m.contact = p_contact)
              AND (p_type IS NULL OR m.type = p_type)
              AND (p_status IS NULL OR m.status = p_status)
              AND (p_since IS NULL OR m.created_at >= p_since)
              AND (p_until IS NULL OR m.created_at < p_until)
            ORDER BY m.id DESC LIMIT p_limit - found;
    END
    $$
    """,
    "REVOKE ALL ON FUNCTION search_messages FROM PUBLIC",
]

_TENANT_TABLES = [
    "connected_accounts",
    "account_routes",
    "oauth_tokens",
    "webhook_events",
    "integration_jobs",
    "messages",
    "held_changes",
    "contact_watermarks",
    "outbox",
]

WALLS = [
    *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in _TENANT_TABLES),
    *(
        # After a commit the setting is '' and not NULL, hence nullif.
        f"CREATE POLICY tenant ON {table} TO hookline_api"
        " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))"
        for table in _TENANT_TABLES
    ),
    # Ingest knows no organization before it has routed: it may look up routes and add, and read nothing else.
    "CREATE POLICY ingest ON account_routes FOR SELECT TO hookline_ingest USING (true)",
    "CREATE POLICY ingest ON webhook_events FOR INSERT TO hookline_ingest WITH CHECK (true)",
    "CREATE POLICY ingest ON integration_jobs FOR INSERT TO hookline_ingest WITH CHECK (true)",
    "GRANT SELECT ON account_routes TO hookline_ingest",
    "GRANT INSERT ON webhook_events, integration_jobs TO hookline_ingest",
    "GRANT SELECT, INSERT, UPDATE ON connected_accounts, account_routes TO hookline_api",
    "GRANT SELECT ON messages, outbox TO hookline_api",
    "GRANT SELECT, UPDATE ON webhook_events TO hookline_api",
    "GRANT SELECT, INSERT, UPDATE ON integration_jobs TO hookline_api",
    "GRANT INSERT ON outbox TO hookline_api",
    "GRANT EXECUTE ON FUNCTION search_messages TO hookline_api",
]


def upgrade() -> None:
    """Create everything."""
    for statement in [*EXTENSIONS, *ACCOUNTS, *EVENTS, *JOBS, *MESSAGES, *OUTBOX, *FUNCTIONS, *WALLS]:
        op.get_bind().exec_driver_sql(statement)
