"""A clock that stands still, for test suites: in the database it is put in front of PostgreSQL's own.

Statements say `now()` without naming its schema, so a function of that name in a schema that is searched first takes
its place. It is for connections that are opened afterwards; defaults of columns keep to the real clock.
"""

from datetime import datetime, timedelta

from hookline.store.pool import API_ROLE, INGEST_ROLE, Connection

_STOP = [
    "DROP SCHEMA IF EXISTS hookline_clock CASCADE",
    "CREATE SCHEMA hookline_clock",
    "CREATE TABLE hookline_clock.stands_at (moment timestamptz NOT NULL)",
    *(
        f"CREATE FUNCTION hookline_clock.{name}() RETURNS timestamptz LANGUAGE sql STABLE"  # noqa: S608
        " AS 'SELECT moment FROM hookline_clock.stands_at'"
        for name in ("now", "clock_timestamp")
    ),
    f"GRANT USAGE ON SCHEMA hookline_clock TO {API_ROLE}, {INGEST_ROLE}",
    f"GRANT SELECT ON hookline_clock.stands_at TO {API_ROLE}, {INGEST_ROLE}",
]
_SET = "INSERT INTO hookline_clock.stands_at VALUES ($1)"
# The name of the database cannot be an argument.
_SEARCH = """
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I {change}', current_database());
END $$
"""


async def stop(connection: Connection, at: datetime) -> None:
    """Let the clock stand at a moment, for connections that are opened from now on. Needs a transaction."""
    for statement in _STOP:
        await connection.execute(statement)
    await connection.execute(_SET, at)
    await connection.execute(_SEARCH.format(change="SET search_path = hookline_clock, pg_catalog, public"))


_MOVE = "UPDATE hookline_clock.stands_at SET moment = moment + $1 RETURNING moment"


async def move(connection: Connection, by: timedelta) -> datetime:
    """Move a clock that stands; where it stands now."""
    moment: datetime = await connection.fetchval(_MOVE, by)
    return moment


async def let_go(connection: Connection) -> None:
    """Give the database its own clock back."""
    await connection.execute(_SEARCH.format(change="RESET search_path"))
    await connection.execute("DROP SCHEMA IF EXISTS hookline_clock CASCADE")
