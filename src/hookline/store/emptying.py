"""All tables of organizations at once, emptied: for test suites."""

from hookline.store.pool import Connection

_TABLES = """
SELECT string_agg(DISTINCT format('%I', c.relname), ', ')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
"""


async def empty(connection: Connection) -> None:
    """Delete every row that belongs to an organization, and what belongs to those."""
    tables = await connection.fetchval(_TABLES)
    await connection.execute(f"TRUNCATE {tables} CASCADE")
