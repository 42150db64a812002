"""A town whose API answers at its public URL, webhooks and handshake too, and is known to the platforms by it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.conftest import SettingsFor
from tests.connecting.conftest import OPTIONS
from tests.connecting.town import know_each_other
from tests.web.answer import Answer
from tests.web.conftest import Client

from hookline.bootstrap import ApiContext, api_context
from hookline.domain.principal import Role
from hookline.providers import SETTINGS
from hookline.settings import PREFIX, Settings
from hookline.simulator import default
from hookline.simulator.client import SimulatorClient
from hookline.simulator.options import Options
from hookline.simulator.records import App
from hookline.simulator.server import running
from hookline.simulator.simulator import Simulator
from hookline.web.listener import listen
from hookline.web.server import serve

EXTERNAL_IDS = {
    "WHATSAPP": default.PHONE_NUMBER,
    "FACEBOOK": default.PAGE,
    "INSTAGRAM": default.INSTAGRAM_ACCOUNT,
}


class Clinic:
    """What a test does, and sees. `api` is a member of org-1, who may read and no more."""

    def __init__(self, api: Client, context: ApiContext, sim: Simulator) -> None:
        self.owner = api
        self.api = api.of("org-1", Role.MEMBER)
        self.context = context
        self.sim = sim
        self.tokens: list[str] = []

    @property
    def app(self) -> App:
        """Our app, as the platforms know it."""
        return self.sim.world.records.apps[self.sim.options.app_id]

    async def connect(self, provider: str) -> str:
        """Connect the platform's first account by its token, subscribed to everything; our id of it."""
        answer = await self._connect(provider)
        assert answer.status == 201, answer.text
        return str(answer.json["id"])

    async def reconnect(self, provider: str) -> None:
        """Connect an account that is live with a new token."""
        answer = await self._connect(provider)
        assert answer.status == 200, answer.text

    async def _connect(self, provider: str) -> Answer:
        control, external_id = SimulatorClient(self.sim.url), EXTERNAL_IDS[provider]
        await asyncio.to_thread(control.subscribe, f"{self.owner.url}/api/webhooks")
        given = await asyncio.to_thread(control.connect, external_id)
        self.tokens.append(given["accessToken"])
        metadata = {"wabaId": default.WABA} if provider == "WHATSAPP" else {}
        body = {"externalAccountId": external_id, "accessToken": given["accessToken"], "metadata": metadata}
        return await self.owner.post(f"/api/integrations/{provider}/connect", body)

    async def health(self, account_id: str) -> Any:
        """What a member is told of an account; nothing secret is in it."""
        answer = await self.api.get(f"/api/integrations/{account_id}/health")
        assert answer.status == 200, answer.text
        options = self.sim.options
        secrets = [*self.tokens, options.app_secret, options.instagram_app_secret, options.verify_token]
        assert not [secret for secret in secrets if secret in answer.text]
        return answer.json

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Change something in the database, as its owner."""
        connection = await asyncpg.connect(self.context.settings.database_url)
        try:
            await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    def calls(self, like: str) -> int:
        """How many calls the platforms have had whose name holds a text."""
        return sum(count for name, count in self.sim.counters.calls.items() if like in name)


def by_name(report: Any) -> dict[str, Any]:
    """Findings by their name, each of which is there once."""
    found = {one["name"]: one for one in report["findings"]}
    assert len(found) == len(report["findings"]), "a name is there twice"
    return found


@asynccontextmanager
async def clinic(settings: Settings, options: Options, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clinic]:
    """Open everything for the length of a block."""
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with running(options) as sim, aiohttp.ClientSession() as session:
        for field in SETTINGS:
            if field.simulated:
                monkeypatch.setenv(PREFIX + field.name, sim.url + field.simulated)
        settings = settings.model_copy(update={"public_url": url})
        async with api_context(settings, settings.database_url or "") as context:
            stop, started = asyncio.Event(), asyncio.Event()
            serving = asyncio.create_task(
                serve(context, stop, listener=listener, listening=lambda _port: started.set())
            )
            try:
                await started.wait()
                yield Clinic(Client(url, session), context, sim)
            finally:
                stop.set()
                await serving


@pytest.fixture
async def place(settings_for: SettingsFor, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clinic]:
    """The API at its public URL, and the simulated platforms, which know each other."""
    know_each_other(OPTIONS, monkeypatch)
    async with clinic(settings_for(database_url), OPTIONS, monkeypatch) as opened:
        yield opened
