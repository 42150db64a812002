"""People: a contact a person and account, and all the ids by which the platform has named them."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# `external_id` is the id by which the person is written to. A `…_at` before a value says as of when it is known, so
# that nothing older replaces it. `profile_due_at` is when the platform may be asked again who this is, should the
# person be heard of; it is NULL where the platform says so by itself.
CONTACTS = [
    """
    CREATE TABLE contacts (
        id uuid NOT NULL,
        organization_id text NOT NULL,
        connected_account_id uuid NOT NULL,
        provider text NOT NULL,
        external_id text NOT NULL,
        name text,
        saved_name text,
        username text,
        picture_url text,
        phone text,
        user_id text,
        parent_user_id text,
        marketing_opted_out_at timestamptz,
        marketing_preference_at timestamptz,
        named_at timestamptz,
        saved_at timestamptz,
        identified_at timestamptz,
        profile_status text,
        profile_error text,
        profile_at timestamptz,
        profile_due_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, id)
    ) WITH (fillfactor = 90)
    """,
    # Ids are looked up for every message: compared as bytes, not by the rules of a language, which takes far longer.
    # One that a person has given up (`former_at`: a phone number) still means them in what is older than that.
    """
    CREATE TABLE contact_ids (
        connected_account_id uuid NOT NULL,
        external_id text COLLATE "C" NOT NULL,
        organization_id text NOT NULL,
        contact_id uuid NOT NULL,
        former_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (connected_account_id, external_id)
    )
    """,
    "CREATE INDEX contact_ids_contact ON contact_ids (contact_id)",
]

# Whoever has been talked to gets a contact, under the conversation's id; from now on it holds the name and the wish.
EARLIER = [
    """
    INSERT INTO contacts (id, organization_id, connected_account_id, provider, external_id, name, phone, user_id,
                          marketing_opted_out_at, marketing_preference_at, named_at, identified_at, profile_due_at,
                          created_at, updated_at)
    SELECT id, organization_id, connected_account_id, provider, contact, name,
           CASE WHEN provider = 'WHATSAPP' AND contact ~ '^[0-9]+$' THEN contact END,
           CASE WHEN provider = 'WHATSAPP' AND contact ~ '^[A-Z]{2}[.]' THEN contact END,
           marketing_opted_out_at, marketing_preference_at, last_inbound_at, last_inbound_at,
           CASE WHEN provider <> 'WHATSAPP' THEN now() END, created_at, updated_at
    FROM conversations
    """,
    """
    INSERT INTO contact_ids (connected_account_id, external_id, organization_id, contact_id, created_at)
    SELECT connected_account_id, contact, organization_id, id, created_at FROM conversations
    """,
    "ALTER TABLE conversations DROP COLUMN name, DROP COLUMN marketing_opted_out_at,"
    " DROP COLUMN marketing_preference_at",
]

SEARCH = [
    # What a search looks through: a match does not reach over the end of a line.
    """
    CREATE FUNCTION contact_words(name text, saved_name text, username text, phone text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(name, '') || chr(10) || coalesce(saved_name, '') || chr(10) || coalesce(username, '') || chr(10)
           || coalesce(phone, '')
    """,
    "CREATE INDEX contacts_search ON contacts"
    " USING gin (organization_id, contact_words(name, saved_name, username, phone) gin_trgm_ops)",
    # As search_messages: row-level security would keep trigram operators from the index. It serves only the
    # organization that the transaction is bound to. Words of one or two letters have no trigram: the newest contacts
    # are looked through for them.
    r"""
    CREATE FUNCTION search_contacts(
        p_organization text, p_query text, p_before uuid, p_limit integer, p_account uuid, p_provider text,
        p_since timestamptz, p_until timestamptz
    ) RETURNS SETOF contacts
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
    AS $$
    DECLARE
        anywhere text := '%' || replace(replace(replace(p_query, '\', '\\'), '%', '\%'), '_', '\_') || '%';
        oldest uuid;
    BEGIN
        IF p_organization IS DISTINCT FROM nullif(current_setting('hookline.organization_id', true), '') THEN
            RETURN;
        END IF;
        IF length(p_query) < 3 THEN
            SELECT min(id::text)::uuid INTO oldest FROM (
                SELECT id FROM contacts
                WHERE organization_id = p_organization AND (p_before IS NULL OR id < p_before)
                ORDER BY id DESC LIMIT 5000
            ) AS newest;
        END IF;
        RETURN QUERY
            SELECT * FROM contacts c
            WHERE c.organization_id = p_organization
              AND (oldest IS NULL OR c.id >= oldest) AND (p_before IS NULL OR c.id < p_before)
              AND contact_words(c.name, c.saved_name, c.username, c.phone) ILIKE anywhere
              AND (p_account IS NULL OR c.connected_account_id = p_account)
              AND (p_provider IS NULL OR c.provider = p_provider)
              AND (p_since IS NULL OR c.created_at >= p_since)
              AND (p_until IS NULL OR c.created_at < p_until)
            ORDER BY c.id DESC LIMIT p_limit;
    END
    $$
    """,
    "REVOKE ALL ON FUNCTION search_contacts FROM PUBLIC",
]

WALLS = [
    *(
        statement
        for table in ("contacts", "contact_ids")
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY tenant ON {table} TO hookline_api"
            " USING (organization_id = nullif(current_setting('hookline.organization_id', true), ''))",
            f"GRANT SELECT ON {table} TO hookline_api",
        )
    ),
    "GRANT EXECUTE ON FUNCTION search_contacts TO hookline_api",
]


def upgrade() -> None:
    """Create the tables and their walls, and make contacts of the conversations that there are."""
    for statement in [*CONTACTS, *EARLIER, *SEARCH, *WALLS]:
        op.get_bind().exec_driver_sql(statement)
