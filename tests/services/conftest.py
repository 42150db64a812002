"""A desk over a fresh database."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.conftest import SettingsFor
from tests.services.desk import Desk
from tests.services.sending import Platform, Sending

from hookline.providers.http import HttpClient


@pytest.fixture
def desk(pool: asyncpg.Pool) -> Desk:
    """The way of a webhook without HTTP."""
    return Desk(pool)


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    """A platform that takes everything, until a test says otherwise."""
    async with Platform().open() as platform:
        yield platform


@pytest.fixture
async def sending(
    pool: asyncpg.Pool, platform: Platform, settings_for: SettingsFor, database_url: str
) -> AsyncIterator[Sending]:
    """The way of a message out."""
    async with HttpClient() as http:
        yield Sending(pool, platform, http, settings_for(database_url))
