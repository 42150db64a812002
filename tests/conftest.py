"""What all tests share: one PostgreSQL a test process, a migrated database to copy, and settings for it."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from tests.servers import open_folder
from tests.store.queue import Queue

from hookline.settings import PREFIX, Settings
from hookline.store.embedded import EmbeddedPostgres
from hookline.store.migrate import migrate
from hookline.store.pool import open_pool

JWT_SECRET = "a secret of the tests, long enough for HS256"
KMS_URI = "aws-kms://arn:aws:kms:eu-central-1:123456789012:key/none"  # production needs one; nothing calls it
TEMPLATE = "hookline_template"
# Nothing here outlives the test run, so nothing needs to reach the disk.
SERVER_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_connections": "200",
}

SettingsFor = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer has set counts for no test."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running embedded server of this test process; its own database stays empty."""
    with open_folder() as folder:
        server = EmbeddedPostgres(folder / "data", state_dir=folder / "state", settings=SERVER_SETTINGS)
        url = asyncio.run(server.start())
        try:
            yield url
        finally:
            asyncio.run(server.stop())


@pytest.fixture(scope="session")
def _template(postgres_url: str) -> str:
    """A migrated database without rows, for `database_url` to copy."""
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {TEMPLATE}"))
    asyncio.run(migrate(database_named(postgres_url, TEMPLATE), log=lambda _: None))
    return TEMPLATE


_numbers = itertools.count(1)


@pytest.fixture
def database_url(postgres_url: str, _template: str) -> Iterator[str]:
    """A fresh, migrated database for one test."""
    name = f"hookline_test_{next(_numbers)}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {_template}"))
    yield database_named(postgres_url, name)
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections as the database's owner, whom no wall binds, set up as the program's own."""
    async with await open_pool(database_url, size=10, application_name="tests") as pool:
        yield pool


@pytest.fixture
def settings_for(tmp_path: Path) -> SettingsFor:
    """Make settings for a database, of nothing but their defaults, the tests' JWT secret, and what is given."""

    def make(database_url: str, **overrides: object) -> Settings:
        given = {"data_dir": tmp_path / "data", "jwt_secret": JWT_SECRET, "port": 0, **overrides}
        if given.get("environment") == "production":
            given.setdefault("kms_uri", KMS_URI)
        return Settings(_env_file=None, database_url=database_url, **given)  # type: ignore[arg-type, call-arg]

    return make


def database_named(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def queue(pool: asyncpg.Pool) -> Queue:
    """The queue, and a worker that is known."""
    opened = Queue(pool)
    await opened.register()
    return opened
