"""A database for tests: started, migrated, and emptied."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hookline.bootstrap import Hookline, database
from hookline.domain.errors import InvalidRequest
from hookline.settings import Settings, read_settings
from hookline.store import emptying
from hookline.store.migrate import migrate


@asynccontextmanager
async def open_fresh(folder: Path) -> AsyncIterator[Hookline]:
    """Open the queue over an embedded PostgreSQL of its own in a folder, migrated and empty.

    The first time takes a few seconds, a later one with the same folder half a second. It is this database whatever the
    environment says (HOOKLINE_DATABASE_URL does not count), so that nothing else is ever emptied.
    Raises: InvalidRequest in production; StartupError.
    """
    settings = read_settings(data_dir=folder / "hookline-testing").model_copy(update={"database_url": None})
    _refuse_production(settings)
    async with database(settings) as url:
        await migrate(url, log=lambda _: None)
        async with Hookline.open(settings) as hookline:
            await clear(hookline)
            yield hookline


async def clear(hookline: Hookline) -> None:
    """Delete every row of every organization. Raises: InvalidRequest in production."""
    _refuse_production(hookline.context.settings)
    async with hookline.context.pool.acquire() as connection:
        await emptying.empty(connection)


def _refuse_production(settings: Settings) -> None:
    if settings.production:
        raise InvalidRequest("a production database is not for tests")
