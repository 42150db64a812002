"""A stage for these tests."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.simulator.stage import Stage, open_stage


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    """A simulator with a receiver of webhooks."""
    async with open_stage() as found:
        yield found
