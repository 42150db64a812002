"""After everything that can be done with accounts, no token, secret, code or PIN stands anywhere in the clear."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.conftest import JWT_SECRET
from tests.connecting.conftest import OPTIONS
from tests.connecting.test_by_token import business_token, signup_code
from tests.connecting.town import PUBLIC_URL, RETURN_URL, Browser
from tests.journeys.processes import Program, program
from tests.web.conftest import Client

from hookline.providers import SETTINGS
from hookline.simulator import default, grants
from hookline.simulator.faults import Effect, Fault
from hookline.simulator.server import running
from hookline.simulator.simulator import Simulator

PIN = "271828"
_PIN_ALONE = re.compile(rf"(?<![\w.]){PIN}(?!\w)")


class Processes:
    """An API and a worker as real processes at level DEBUG, and the simulated platforms in this one."""

    def __init__(self, sim: Simulator, api: Program, worker: Program, client: Client, browser: Browser) -> None:
        self.sim = sim
        self.api = api
        self.worker = worker
        self.client = client
        self.browser = browser
        self.answers: list[str] = []

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API as the owner; every answer is kept."""
        answer = await self.client.request(method, path, json=body)
        self.answers.append(answer.text)
        return answer.json

    async def consent(self, provider: str, body: Any, **ticked: Any) -> dict[str, Any]:
        """Connect by consent, as far as the browser goes."""
        begun = await self.ask("POST", f"/api/integrations/{provider}/connect", body)
        location = await self.browser.decide(begun["authorizationUrl"], **ticked)
        answer = await self.browser.come_back(self.client, location)
        again = await self.browser.come_back(self.client, location)
        self.answers += [answer.text, again.text, *(str(one.headers.get("Location", "")) for one in (answer, again))]
        return dict(begun)


@contextmanager
def processes(settings: dict[str, str], folder: Path) -> Iterator[tuple[Program, Program]]:
    """Run an API and a worker."""
    with (
        program(["api", "--port", "0"], folder / "api", settings, ready_fd=True) as api,
        program(["worker"], folder / "worker", settings, ready_fd=True) as worker,
    ):
        yield api, worker


@pytest.fixture
async def running_program(database_url: str, tmp_path: Path) -> AsyncIterator[Processes]:
    """Everything, as it runs for real."""
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(running(OPTIONS))
        settings = {
            "DATABASE_URL": database_url,
            "JWT_SECRET": JWT_SECRET,
            "META_APP_ID": OPTIONS.app_id,
            "META_APP_SECRETS": OPTIONS.app_secret,
            "META_VERIFY_TOKEN": OPTIONS.verify_token,
            "INSTAGRAM_APP_ID": OPTIONS.instagram_app_id,
            "INSTAGRAM_APP_SECRETS": OPTIONS.instagram_app_secret,
            "PUBLIC_URL": PUBLIC_URL,
            "RETURN_URLS": RETURN_URL,
            "LOG_LEVEL": "DEBUG",
            "DATA_DIR": str(tmp_path / "data"),
            **{field.name: sim.url + field.simulated for field in SETTINGS if field.simulated},
        }
        api, worker = stack.enter_context(processes(settings, tmp_path))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        url = f"http://127.0.0.1:{await asyncio.to_thread(api.ready)}"
        await asyncio.to_thread(worker.ready)
        yield Processes(sim, api, worker, Client(url, session), Browser(sim, session))


async def dump(pool: asyncpg.Pool) -> str:
    """Every row of every table, as text."""
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for (name,) in tables for row in await pool.fetch(f'SELECT t::text AS row FROM "{name}" t')]
    return "\n".join(row["row"] for row in rows)


async def quiet(pool: asyncpg.Pool) -> None:
    """Wait until nothing is due any more."""
    deadline = time.monotonic() + 30
    query = "SELECT count(*) FROM integration_jobs WHERE status IN ('PENDING', 'PROCESSING') AND run_at <= now()"
    while await pool.fetchval(query):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def everything(running: Processes, pool: asyncpg.Pool) -> None:
    """Connect in every way, fail in every way, renew, lose, disconnect."""
    sim = running.sim
    sim.behaviour.instagram_refresh_after_seconds = 0
    await running.consent("FACEBOOK", {"returnUrl": RETURN_URL}, only={"page": [default.PAGE]})
    begun = await running.consent("FACEBOOK", {})
    path = f"/api/integrations/connections/{begun['state']}"
    await running.ask("GET", path)
    await running.ask("POST", path, {"externalAccountIds": [default.BUSINESS_PAGE]})
    await running.consent("INSTAGRAM", {})
    await running.consent("INSTAGRAM", {"login": "facebook"})
    await running.consent("INSTAGRAM", {}, allow=False)
    sim.world.records.phone_numbers[default.SECOND_PHONE_NUMBER].pin = PIN
    begun = await running.consent("WHATSAPP", {"returnUrl": RETURN_URL})
    path = f"/api/integrations/connections/{begun['state']}"
    chosen = {"externalAccountIds": [default.SECOND_PHONE_NUMBER]}
    await running.ask("POST", path, chosen)
    await running.ask("POST", path, {**chosen, "pin": PIN})
    connect = "/api/integrations/WHATSAPP/connect"
    code = signup_code(running, [default.WABA])  # type: ignore[arg-type]
    await running.ask("POST", connect, {"code": code, "externalAccountId": default.PHONE_NUMBER})
    await running.ask("POST", connect, {"code": code})
    token = business_token(running, wabas=[default.WABA])  # type: ignore[arg-type]
    await running.ask("POST", connect, {"externalAccountId": default.COEXISTENCE_PHONE_NUMBER, "accessToken": token})
    await running.ask("POST", connect, {"externalAccountId": "1", "accessToken": token})
    await running.ask("POST", connect, {"externalAccountId": "1", "accessToken": "EAAG-nobody-s-token-1234567890"})
    for effect, where in ((Effect.RESET, "*access_token"), (Effect.REFUSE, "debug_token"), (Effect.BROKEN, "me*")):
        sim.faults.add(Fault(effect=effect, path=where, status=500, details=token))
        await running.consent("FACEBOOK", {})
    await quiet(pool)
    await pool.execute("UPDATE oauth_tokens SET expires_at = now() + '9 days', refresh_expires_at = now() + '9 days'")
    await pool.execute("UPDATE oauth_tokens SET due_at = now(), updated_at = now() - interval '2 days'")
    await _until(pool, "SELECT count(*) = 0 FROM oauth_tokens WHERE due_at <= now()")
    await quiet(pool)
    grants.kill_tokens(list(sim.world.records.tokens.values())[::2], "removed")
    await pool.execute("UPDATE oauth_tokens SET due_at = now()")
    await _until(pool, "SELECT count(*) > 0 FROM connected_accounts WHERE status = 'ERROR'")
    await quiet(pool)
    for account in await running.ask("GET", "/api/integrations"):
        await running.ask("POST", f"/api/integrations/{account['id']}/sync")
    for account in (await running.ask("GET", "/api/integrations"))[:3]:
        await running.ask("DELETE", f"/api/integrations/{account['id']}/disconnect")
    await quiet(pool)
    for path in ("/api/integrations", "/api/jobs?limit=500", "/api/events?limit=500"):
        await running.ask("GET", path)


async def _until(pool: asyncpg.Pool, query: str) -> None:
    deadline = time.monotonic() + 30
    while not await pool.fetchval(query):
        assert time.monotonic() < deadline, query
        await asyncio.sleep(0.1)


async def test_nothing_secret_stands_anywhere(running_program: Processes, pool: asyncpg.Pool) -> None:
    """Neither the database, nor a log of any process at level DEBUG, nor an answer holds what must not be known."""
    await everything(running_program, pool)
    records = running_program.sim.world.records
    hidden = [
        *records.tokens,
        *records.codes,
        OPTIONS.app_secret,
        OPTIONS.instagram_app_secret,
        OPTIONS.verify_token,
        JWT_SECRET,
        "EAAG-nobody-s-token-1234567890",
    ]
    assert len(records.tokens) > 20
    assert len(records.codes) > 8
    assert await pool.fetchval("SELECT count(*) FROM oauth_tokens") > 2
    assert running_program.worker.stop() == 0
    assert running_program.api.stop() == 0
    places = {
        "database": await dump(pool),
        "api": running_program.api.err + running_program.api.out,
        "worker": running_program.worker.err + running_program.worker.out,
        "answers": "\n".join(running_program.answers),
    }
    assert '"level": "warning"' in places["worker"]
    assert default.PAGE in places["database"]
    for name, text in places.items():
        for secret in hidden:
            assert secret not in text, f"{name} holds {secret[:6]}…"
        assert not _PIN_ALONE.search(text), name  # as a part of a time it means nothing
