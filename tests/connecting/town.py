"""Everything that a connection needs, for tests: API, worker, simulated platforms, a person with a browser."""

import html
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import pytest
from tests.web.conftest import Answer, Client, listening

from hookline.bootstrap import ApiContext, WorkerContext, api_context, worker_context
from hookline.providers import SETTINGS
from hookline.settings import PREFIX, Settings
from hookline.simulator.options import Options
from hookline.simulator.server import running
from hookline.simulator.simulator import Simulator
from hookline.web.app import create_api
from hookline.worker.loop import Worker

PUBLIC_URL = "https://hookline.example"
RETURN_URL = "https://crm.example/accounts"
_INPUT = re.compile(r'<input type="(?:checkbox|radio)" name="(\w+)" value="([^"]*)"( checked)?>')
_ACTION = re.compile(r'<form method="post" action="([^"]+)">')


class Browser:
    """A person at the platforms' dialogs."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession) -> None:
        self._sim = sim
        self._session = session

    async def decide(
        self, url: str, *, allow: bool = True, leave_out: Sequence[str] = (), only: Mapping[str, Sequence[str]] = {}
    ) -> str:
        """Look at a dialog as a person does, tick, and decide; where the browser is sent.

        leave_out: values that are not ticked. only: by group, the values that are.
        """
        async with self._session.get(url) as shown:
            text = await shown.text()
            assert shown.status == 200, text
        action = _ACTION.search(text)
        assert action is not None
        form = [
            (name, html.unescape(value))
            for name, value, checked in _INPUT.findall(text)
            if (value in only[name] if name in only else checked and value not in leave_out)
        ]
        form.append(("decision", "allow" if allow else "deny"))
        target = f"{self._sim.url}{html.unescape(action[1])}"
        async with self._session.post(target, data=form, allow_redirects=False) as sent:
            assert sent.status == 302, await sent.text()
            return sent.headers["Location"]

    async def come_back(self, api: Client, location: str) -> Answer:
        """Follow the platform's redirect to the API: without the fragment, without a token."""
        assert location.startswith(PUBLIC_URL)
        path = location.removeprefix(PUBLIC_URL).split("#")[0]
        return await api.get(path, headers={}, allow_redirects=False)


class Town:
    """What a test does, and sees. `api` is the owner of org-1."""

    def __init__(
        self, api: Client, context: ApiContext, worker: WorkerContext, sim: Simulator, session: aiohttp.ClientSession
    ) -> None:
        self.api = api
        self.context = context
        self.worker = worker
        self.sim = sim
        self.browser = Browser(sim, session)

    @property
    def pool(self) -> asyncpg.Pool:
        """Connections as the owner."""
        return self.worker.pool

    async def begin(self, provider: str, api: Client | None = None, **body: Any) -> Any:
        """Begin a connection; the answer's JSON."""
        answer = await (api or self.api).post(f"/api/integrations/{provider}/connect", body)
        assert answer.status == 200, answer.text
        return answer.json

    async def consent(self, url: str, **decision: Any) -> str:
        """Decide in a dialog; where the browser is sent."""
        return await self.browser.decide(url, **decision)

    async def come_back(self, location: str) -> Answer:
        """Follow the platform's redirect to the API."""
        return await self.browser.come_back(self.api, location)

    async def connect(self, provider: str, api: Client | None = None, **more: Any) -> Answer:
        """Go through it all: begin, consent to everything that is ticked, come back."""
        body = {name: more.pop(name) for name in ("login", "returnUrl") if name in more}
        begun = await self.begin(provider, api, **body)
        return await self.come_back(await self.consent(begun["authorizationUrl"], **more))

    async def work(self) -> int:
        """Run every job that is due."""
        return await Worker(self.worker).drain()

    async def accounts(self, api: Client | None = None) -> list[Any]:
        """The accounts of an organization."""
        return list((await (api or self.api).get("/api/integrations")).json)

    async def feed(self) -> list[str]:
        """What happened to accounts, in order."""
        rows = await self.pool.fetch("SELECT type FROM outbox WHERE type LIKE 'account.%' ORDER BY tx_id, seq")
        return [row["type"] for row in rows]

    def calls(self, like: str) -> int:
        """How many calls the platforms have had whose name holds a text."""
        return sum(count for name, count in self.sim.counters.calls.items() if like in name)


def told(answer: Answer) -> dict[str, str]:
    """What the CRM is told by the address to which a browser is sent back."""
    assert answer.status == 303, answer.text
    location = answer.headers["Location"]
    assert location.startswith(RETURN_URL + "?"), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def know_each_other(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the program knows of the simulated platforms' apps."""
    given = {
        "META_APP_ID": options.app_id,
        "META_APP_SECRETS": options.app_secret,
        "META_VERIFY_TOKEN": options.verify_token,
        "INSTAGRAM_APP_ID": options.instagram_app_id,
        "INSTAGRAM_APP_SECRETS": options.instagram_app_secret,
    }
    for name, value in given.items():
        monkeypatch.setenv(PREFIX + name, value)


@asynccontextmanager
async def town(settings: Settings, options: Options, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """Open everything for the length of a block."""
    assert settings.database_url is not None
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(running(options))
        for field in SETTINGS:
            if field.simulated:
                monkeypatch.setenv(PREFIX + field.name, sim.url + field.simulated)
        settings = settings.model_copy(update={"public_url": PUBLIC_URL})
        session = await stack.enter_async_context(aiohttp.ClientSession())
        context = await stack.enter_async_context(api_context(settings, settings.database_url or ""))
        worker = await stack.enter_async_context(worker_context(settings, settings.database_url or ""))
        api = Client(await stack.enter_async_context(listening(create_api(context))), session)
        yield Town(api, context, worker, sim, session)
