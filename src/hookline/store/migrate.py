"""Bringing the schema to the head of `migrations/`, and telling whether it is there.

Alembic keeps the revisions and their order; their plain SQL is executed here, over the one connection that also holds
the lock. Alembic is imported only when there is something to apply.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from hookline.domain.errors import StartupError
from hookline.store.roles import connect, ensure_roles

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x686F6F6B6C696E65  # "hookline"
POLL_SECONDS = 0.2
REMIND_SECONDS = 10.0
# A migration that waits for a lock makes everybody behind it wait: it gives up early and tries again.
LOCK_TIMEOUT = "4s"
LOCK_ATTEMPTS = 10
LOCK_PAUSE_SECONDS = 1.0

# As Alembic makes it, so that its own commands understand the database.
CREATE_VERSION = """
CREATE TABLE IF NOT EXISTS alembic_version (
    version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""
CLEAR_VERSION = "DELETE FROM alembic_version"
SET_VERSION = "INSERT INTO alembic_version (version_num) VALUES ($1)"


async def migrate(database_url: str, *, log: Callable[[str], None], migrations: Path = MIGRATIONS) -> list[str]:
    """Upgrade to head, each revision in a transaction of its own; the revisions applied, in order.

    Several processes may do this at once: one works, the others wait for it.
    Raises: StartupError.
    """
    await ensure_roles(database_url)
    connection = await connect(database_url, lock_timeout=LOCK_TIMEOUT, application_name="hookline migrate")
    try:
        await _wait_for_turn(connection, log)
        current = await _current(connection, migrations)
        applied = []
        if current != _head(migrations):
            for revision in _revisions(migrations, current):
                await _apply(connection, revision, log)
                applied.append(revision.id)
        return applied
    finally:
        await connection.close()  # and with it the advisory lock


async def check(database_url: str, *, migrations: Path = MIGRATIONS) -> None:
    """Make sure that the schema is the one this version works with.

    Raises: StartupError, if it is older or newer, or the database cannot be reached.
    """
    connection = await connect(database_url)
    try:
        current, head = await _current(connection, migrations), _head(migrations)
    finally:
        await connection.close()
    if current != head:
        raise StartupError(f"The database's schema is at {current or 'nothing'}, not {head}: run `hookline migrate`.")


async def _wait_for_turn(connection: asyncpg.Connection, log: Callable[[str], None]) -> None:
    # Polled: a session that blocks in pg_advisory_lock holds a snapshot, which CREATE INDEX CONCURRENTLY waits for.
    said = 0.0
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK):
        if time.monotonic() - said > REMIND_SECONDS:
            said = time.monotonic()
            log("Waiting for another process that migrates the database")
        await asyncio.sleep(POLL_SECONDS)


async def _current(connection: asyncpg.Connection, migrations: Path) -> str | None:
    """The revision that the database is at; None if at none. Raises: StartupError, if it is not one of ours."""
    try:
        found = [row["version_num"] for row in await connection.fetch("SELECT version_num FROM alembic_version")]
    except asyncpg.UndefinedTableError:
        return None
    if unknown := set(found) - set(_known(migrations)):
        raise StartupError(
            f"The database's schema is at {', '.join(sorted(unknown))}, which this version of hookline does not know "
            f"(it goes up to {_head(migrations)}): a newer version migrated it. Run that one, or restore a backup."
        )
    if len(found) > 1:
        raise StartupError(f"The database's table alembic_version holds several revisions: {', '.join(sorted(found))}.")
    return found[0] if found else None


def _known(migrations: Path) -> list[str]:
    """Every revision's id, oldest first: the files' names tell, so that no revision is imported to know."""
    return sorted(path.name.partition("_")[0] for path in (migrations / "versions").glob("[0-9]*_*.py"))


def _head(migrations: Path) -> str | None:
    return _known(migrations)[-1] if _known(migrations) else None


@dataclass
class Revision:
    """One revision's statements. It is what a revision gets from `op.get_bind()`, and can do no more than this."""

    id: str
    title: str
    statements: list[str] = field(default_factory=list)

    def exec_driver_sql(self, statement: str) -> None:
        """Add a statement, word for word."""
        self.statements.append(statement)


def _revisions(migrations: Path, current: str | None) -> Iterator[Revision]:
    """The revisions that come after `current`, oldest first."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import make_url

    dialect = make_url("postgresql+asyncpg://").get_dialect()()
    scripts = ScriptDirectory(str(migrations))
    for script in reversed(list(scripts.iterate_revisions("head", current or "base"))):
        revision = Revision(script.revision, script.doc)
        stand_in: Any = revision
        with Operations.context(MigrationContext(dialect, stand_in, {})):
            script.module.upgrade()
        yield revision


async def _apply(connection: asyncpg.Connection, revision: Revision, log: Callable[[str], None]) -> None:
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        log(f"Migrating the database: {revision.id} {revision.title}")
        try:
            async with connection.transaction():
                await connection.execute(CREATE_VERSION)
                for statement in revision.statements:
                    await connection.execute(statement)
                await connection.execute(CLEAR_VERSION)
                await connection.execute(SET_VERSION, revision.id)
            return
        except asyncpg.LockNotAvailableError:
            log(f"Something holds a table locked; trying again ({attempt} of {LOCK_ATTEMPTS})")
            await asyncio.sleep(LOCK_PAUSE_SECONDS)
        except asyncpg.PostgresError as error:
            raise StartupError(f"The migration {revision.id} failed, and changed nothing: {error}") from error
    raise StartupError(f"The migration {revision.id} could not lock its tables, which others hold: try again later.")
