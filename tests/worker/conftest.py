"""A desk over a fresh database."""

import asyncpg
import pytest
from tests.services.desk import Desk


@pytest.fixture
def desk(pool: asyncpg.Pool) -> Desk:
    """The way of a webhook without HTTP."""
    return Desk(pool)
