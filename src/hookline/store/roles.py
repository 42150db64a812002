"""The database roles that row-level security binds: the API works as one, the webhook ingress as the other.

Roles belong to the whole cluster of databases, not to one, so they are made here and not by a migration.
"""

import asyncio
import random
from dataclasses import dataclass

import asyncpg

from hookline.domain.errors import StartupError
from hookline.store.pool import API_ROLE, INGEST_ROLE

ROLES = (API_ROLE, INGEST_ROLE)
OLDEST_POSTGRESQL = 15
ATTEMPTS = 100
PAUSE_SECONDS = 0.2
_COLLISIONS = (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError, asyncpg.InternalServerError)

# PostgreSQL 16 split membership from the right to SET ROLE; a superuser has both anyway.
INSPECT = """
SELECT wanted.name,
       role.oid IS NOT NULL AS present,
       coalesce(role.rolsuper OR role.rolbypassrls, false) AS unbound,
       coalesce(pg_has_role(current_user, role.oid, $2), false) AS granted
FROM unnest($1::text[]) AS wanted (name) LEFT JOIN pg_roles AS role ON role.rolname = wanted.name
ORDER BY wanted.name
"""
CREATE = "CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS"
GRANT = "GRANT {role} TO {user}"


@dataclass(frozen=True)
class Found:
    """What the cluster already has: the statements that are missing, and roles that would not be bound."""

    missing: tuple[str, ...]
    unbound: tuple[str, ...]


async def connect(database_url: str, **settings: str) -> asyncpg.Connection:
    """Open one connection, for what is done once at a start or by an operator.

    Raises: StartupError, if the server cannot be reached, refuses us, or is too old.
    """
    try:
        connection = await asyncpg.connect(database_url, timeout=15, server_settings=settings)
    except ValueError:
        # Not the error's own text: with an unquoted # or / in the password it shows a part of that.
        raise StartupError(
            "HOOKLINE_DATABASE_URL cannot be read. In its password @ : / # ? % and the like must be percent-encoded."
        ) from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartupError(f"The database cannot be reached: {error or type(error).__name__}") from error
    version = connection.get_server_version()
    if version.major < OLDEST_POSTGRESQL:
        await connection.close()
        raise StartupError(f"The database is PostgreSQL {version.major}; it must be {OLDEST_POSTGRESQL} or later.")
    return connection


async def ensure_roles(database_url: str) -> None:
    """Create what is missing of the roles, and let the current user become them. Does nothing if all is there.

    Raises: StartupError, with the statements for an administrator, if we may not.
    """
    for _ in range(ATTEMPTS):
        # A connection of its own each time: PostgreSQL keeps the memberships it looked up for as long as a connection
        # lives, and one that looks while another's grant commits can keep the state before it for good.
        connection = await connect(database_url)
        try:
            if await _advance(connection):
                return
            continue
        except _COLLISIONS as error:
            if isinstance(error, asyncpg.InternalServerError) and "concurrently" not in str(error):
                raise
        finally:
            await connection.close()
        # Another database of this cluster is at the same point. No lock reaches across databases: step aside.
        await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311
    raise StartupError("The database's roles are being changed by others all the time: try again.")


async def _advance(connection: asyncpg.Connection) -> bool:
    """Run the first missing statement. True, if none was missing."""
    found = await inspect(connection)
    if found.unbound:
        raise _beyond_us(
            "These roles must not be superusers nor bypass row-level security",
            [f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS" for role in found.unbound],
        )
    if not found.missing:
        return True
    try:
        await connection.execute(found.missing[0])
    except asyncpg.InsufficientPrivilegeError as error:
        raise _beyond_us("The database's user may not create its roles", list(found.missing)) from error
    return False


async def inspect(connection: asyncpg.Connection) -> Found:
    privilege = "SET" if connection.get_server_version().major >= 16 else "MEMBER"
    rows = await connection.fetch(INSPECT, list(ROLES), privilege)
    user = await connection.fetchval("SELECT quote_ident(current_user)")
    missing = [CREATE.format(role=row["name"]) for row in rows if not row["present"]]
    missing += [GRANT.format(role=row["name"], user=user) for row in rows if not row["granted"]]
    return Found(tuple(missing), tuple(row["name"] for row in rows if row["unbound"]))


def _beyond_us(what: str, statements: list[str]) -> StartupError:
    return StartupError(
        "\n  ".join([f"{what}. An administrator of the database must run:", *(s + ";" for s in statements)])
    )
