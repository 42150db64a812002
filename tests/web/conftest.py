"""A real API on a real port over a real database, and callers with tokens."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest
import uvicorn
from fastapi import FastAPI
from tests.conftest import JWT_SECRET, SettingsFor
from tests.web.answer import Answer
from tests.web.platform import INSTAGRAM_SECRET, PREVIOUS, SECRET, VERIFY_TOKEN, Open, Platform
from tests.web.rows import Rows
from tests.web.tokens import token

from hookline.bootstrap import api_context
from hookline.domain.principal import Role
from hookline.settings import Settings
from hookline.web.app import create_api
from hookline.web.server import serve


class Client:
    """A caller of the API: by default, a member of org-1 with the role OWNER."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self.organization: str | None = "org-1"
        self.role = Role.OWNER

    def of(self, organization: str, role: Role = Role.OWNER) -> "Client":
        """Another caller, of another organization or with another role."""
        other = Client(self.url, self._session)
        other.organization, other.role = organization, role
        return other

    async def request(self, method: str, path: str, *, headers: Any = None, **options: Any) -> Answer:
        """Ask with this caller's headers, or with exactly those given."""
        if headers is None:
            headers = {
                "Authorization": f"Bearer {token(JWT_SECRET, {self.organization: self.role})}",
                "X-Organization-Id": self.organization,
            }
        async with self._session.request(method, self.url + path, headers=headers, **options) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.request("POST", path, json=body, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.request("DELETE", path, **options)


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on a free port; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True  # nothing is in flight any more
        await serving


OpenApi = Callable[[Settings], Awaitable[Client]]


@pytest.fixture
async def open_api(database_url: str) -> AsyncIterator[OpenApi]:
    """Start the API with settings of the test's own; it ends before the database does."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def start(settings: Settings) -> Client:
            assert settings.database_url is not None
            context = await stack.enter_async_context(api_context(settings, settings.database_url))
            return Client(await stack.enter_async_context(listening(create_api(context))), session)

        yield start


@pytest.fixture
async def api(open_api: OpenApi, settings_for: SettingsFor, database_url: str) -> Client:
    """The API in development, as the owner of org-1 sees it."""
    return await open_api(settings_for(database_url))


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the database's owner, whom no wall binds."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def rows(owner: asyncpg.Connection) -> Rows:
    """Puts rows into the tables."""
    return Rows(owner)


@pytest.fixture
async def open_platform(
    database_url: str, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """Start the whole HTTP process's application on a free port, with settings of the test's own."""
    monkeypatch.setenv("HOOKLINE_META_APP_SECRETS", f"{SECRET},{PREVIOUS}")
    monkeypatch.setenv("HOOKLINE_META_VERIFY_TOKEN", VERIFY_TOKEN)
    monkeypatch.setenv("HOOKLINE_META_APP_ID", "1")
    monkeypatch.setenv("HOOKLINE_INSTAGRAM_APP_SECRETS", INSTAGRAM_SECRET)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def start(settings: Settings | None = None, **overrides: Any) -> Platform:
            settings = settings or settings_for(database_url, **overrides)
            assert settings.database_url is not None
            context = await stack.enter_async_context(api_context(settings, settings.database_url))
            stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
            serving = asyncio.create_task(serve(context, stop, listening=port.set_result))

            async def end() -> None:
                stop.set()
                await serving

            stack.push_async_callback(end)
            return Platform(f"http://127.0.0.1:{await port}", session, context, stop.set)

        yield start


@pytest.fixture
async def platform(open_platform: Open) -> Platform:
    """The API in development."""
    return await open_platform()
