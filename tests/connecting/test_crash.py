"""A process that dies while it connects an account leaves nothing half-connected."""

import asyncio

import asyncpg
import pytest
from tests.connecting.test_secrecy import Processes, running_program
from tests.connecting.town import RETURN_URL

from hookline.simulator import default
from hookline.simulator.faults import Effect, Fault

__all__ = ["running_program"]


@pytest.mark.parametrize("where", ["oauth/access_token", "*/subscribed_apps"])
async def test_killed_between_two_steps(running_program: Processes, pool: asyncpg.Pool, where: str) -> None:
    """Killed during any call to the platform: no account, no token, no route; the state has served."""
    sim = running_program.sim
    begun = await running_program.ask("POST", "/api/integrations/FACEBOOK/connect", {"returnUrl": RETURN_URL})
    location = await running_program.browser.decide(begun["authorizationUrl"], only={"page": [default.PAGE]})
    fault = sim.faults.add(Fault(effect=Effect.SLOW, path=where, seconds=30, times=0))
    coming = asyncio.create_task(running_program.browser.come_back(running_program.client, location))
    async with asyncio.timeout(20):
        while not fault.hits:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
    running_program.api.kill()
    await asyncio.gather(coming, return_exceptions=True)
    for table in ("connected_accounts", "oauth_tokens", "account_routes", "outbox", "integration_jobs"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    assert await pool.fetchval("SELECT status FROM oauth_flows") == "USED"
