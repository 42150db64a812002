"""A simulator that listens, with every account subscribed to a receiver that keeps what it is told."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from hookline.simulator import default
from hookline.simulator.graph.subscribing import INSTAGRAM_FIELDS, PAGE_FIELDS, WHATSAPP_FIELDS
from hookline.simulator.options import DEFAULT_APP_ID, Options
from hookline.simulator.records import AppSubscription, Contact, InstagramAccount, Page, PhoneNumber, Token, TokenKind
from hookline.simulator.server import running
from hookline.simulator.simulator import Simulator

WHATSAPP_TOKEN = "EAA-whatsapp"
PAGE_TOKEN = "EAA-page"
INSTAGRAM_TOKEN = "IG-instagram"
APP_SECRET = "a secret of this test"
INSTAGRAM_SECRET = "another secret of this test"


class Reply:
    """What the simulator answered."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, int | None]:
        """Code and subcode of a refusal."""
        error = self.json["error"]
        return error["code"], error.get("error_subcode")


class Stage:
    """A running simulator, a client of its API, and what its webhooks told."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession) -> None:
        self.sim = sim
        self.session = session
        self.posts: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []  # those of the posts
        self.unsigned = 0

    @property
    def phone(self) -> PhoneNumber:
        """The registered number."""
        return self.sim.world.records.phone_numbers[default.PHONE_NUMBER]

    @property
    def page(self) -> Page:
        """The page with an Instagram account."""
        return self.sim.world.records.pages[default.PAGE]

    @property
    def instagram(self) -> InstagramAccount:
        """The account by Instagram Login."""
        return self.sim.world.records.instagram_accounts[default.INSTAGRAM_ACCOUNT]

    def contact(self, contact_id: str = "ann") -> Contact:
        """One of the default world's people."""
        return self.sim.world.records.contacts[contact_id]

    async def call(self, method: str, path: str, token: str = "", **more: Any) -> Reply:
        """Call the simulator; `path` begins with the host's prefix."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = path if path.startswith("http") else f"{self.sim.url}/{path}"
        async with self.session.request(method, url, headers=headers, **more) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def whatsapp(self, body: Any, *, phone: str = default.PHONE_NUMBER, edge: str = "messages") -> Reply:
        """Send by WhatsApp."""
        return await self.call("POST", f"graph/v25.0/{phone}/{edge}", WHATSAPP_TOKEN, json=body)

    async def messenger(self, body: Any) -> Reply:
        """Send by Messenger."""
        return await self.call("POST", "graph/v25.0/me/messages", PAGE_TOKEN, json=body)

    async def direct(self, body: Any) -> Reply:
        """Send by Instagram."""
        return await self.call("POST", "instagram-graph/v25.0/me/messages", INSTAGRAM_TOKEN, json=body)

    async def told(self, *fields: str) -> list[Any]:
        """Wait until all webhooks have come; the contents of those of these fields, in order."""
        assert await self.sim.settle()
        return [content for field, content in self._items() if field in fields]

    async def statuses(self, message_id: str = "") -> list[dict[str, Any]]:
        """The WhatsApp statuses that were told, of one message or of all."""
        values = await self.told("messages")
        found = [status for value in values for status in value.get("statuses", ())]
        return [status for status in found if message_id in ("", status["id"])]

    def _items(self) -> list[tuple[str, Any]]:
        items = []
        for post in self.posts:
            for entry in post["entry"]:
                items += [(change["field"], change["value"]) for change in entry.get("changes", ())]
                items += [("messaging", item) for item in entry.get("messaging", ())]
        return items

    async def receive(self, request: web.BaseRequest) -> web.Response:
        """Take a webhook, if its signature is right."""
        body = await request.content.read()  # however large
        given = request.headers.get("X-Hub-Signature-256", "")
        secrets = (APP_SECRET, INSTAGRAM_SECRET)
        right = [f"sha256={hmac.new(one.encode(), body, hashlib.sha256).hexdigest()}" for one in secrets]
        if given not in right:
            self.unsigned += 1
            return web.Response(status=401)
        self.posts.append(json.loads(body))
        self.headers.append(request.headers)
        return web.Response()


@asynccontextmanager
async def open_stage(**options: Any) -> AsyncIterator[Stage]:
    """Run a simulator, with tokens for its accounts and subscriptions to all fields."""
    given = Options(port=0, app_secret=APP_SECRET, instagram_app_secret=INSTAGRAM_SECRET, **options)
    async with running(given) as sim, aiohttp.ClientSession() as session:
        stage = Stage(sim, session)
        runner = web.ServerRunner(web.Server(stage.receive))
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            _subscribe(sim, f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks")
            _give_tokens(sim)
            yield stage
        finally:
            await runner.cleanup()
            await asyncio.sleep(0)


def _subscribe(sim: Simulator, url: str) -> None:
    records = sim.world.records
    app = records.apps[DEFAULT_APP_ID]
    whatsapp, page, instagram = list(WHATSAPP_FIELDS), list(PAGE_FIELDS), list(INSTAGRAM_FIELDS)
    app.subscriptions = {
        name: AppSubscription(callback_url=url, verify_token="v", fields=fields)
        for name, fields in (("whatsapp_business_account", whatsapp), ("page", page), ("instagram", instagram))
    }
    for waba in records.wabas.values():
        waba.subscribed = {app.id: None}
    for one in records.pages.values():
        one.subscribed = {app.id: page}
    records.instagram_accounts[default.INSTAGRAM_ACCOUNT].subscribed = {app.id: instagram}


def _give_tokens(sim: Simulator) -> None:
    for value, kind, subject, scopes in (
        (
            WHATSAPP_TOKEN,
            TokenKind.SYSTEM_USER,
            default.OWNER,
            ["whatsapp_business_management", "whatsapp_business_messaging"],
        ),
        (
            PAGE_TOKEN,
            TokenKind.PAGE,
            default.PAGE,
            ["pages_show_list", "pages_messaging", "instagram_basic", "instagram_manage_messages"],
        ),
        (
            INSTAGRAM_TOKEN,
            TokenKind.INSTAGRAM,
            default.INSTAGRAM_ACCOUNT,
            ["instagram_business_basic", "instagram_business_manage_messages"],
        ),
    ):
        sim.world.add_token(
            Token(
                value=value,
                kind=kind,
                app_id=DEFAULT_APP_ID,
                user_id=default.OWNER,
                subject_id=subject,
                scopes=list(scopes),
            )
        )
