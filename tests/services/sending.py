"""Sending without the API: a small platform over real HTTP whose answers a test chooses, and a worker for it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from hookline.bootstrap import WorkerContext
from hookline.domain.job import IntegrationJobType
from hookline.domain.outbound import read_message
from hookline.domain.provider_error import ProviderError
from hookline.providers import PROVIDERS
from hookline.providers.http import HttpClient
from hookline.services.deliver import Deliver, DeliveryOptions
from hookline.services.failure import DEFAULT_POLICY
from hookline.services.media_links import MediaLinks
from hookline.services.send import accept
from hookline.settings import Settings
from hookline.store import accounts
from hookline.store.pool import Connection
from hookline.worker import Worker

TOKEN = "EAAthe-token-of-the-tests"
PERSON = "16505551234"
ORGANIZATION = "org-1"

# What a call is answered with: a status, a body, headers; or what is done to the connection.
Answer = tuple[int, Any, dict[str, str]]
Script = Callable[[dict[str, Any], int], Any]


def refusal(code: int, subcode: int | None = None, status: int = 400, **headers: str) -> Answer:
    """A refusal of the platform."""
    error = {"message": f"(#{code}) no", "code": code, **({} if subcode is None else {"error_subcode": subcode})}
    return status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()}


class Platform:
    """The graph hosts of a platform. `script` answers a call by its body and its number; None takes the message."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.taken: list[str] = []
        self.sent: Counter[str] = Counter()
        self.script: Script = lambda body, number: None
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Platform"]:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        body = await request.json()
        number = len(self.calls)
        self.calls.append(body)
        self.paths.append(request.path)
        self.times.append(asyncio.get_running_loop().time())
        answer = self.script(body, number)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if answer in (None, "taken and reset") or isinstance(answer, dict):
            reply = self.take(body)
            if answer == "taken and reset":
                assert request.transport is not None
                request.transport.abort()
            return web.json_response(reply, headers=answer if isinstance(answer, dict) else None)
        status, content, headers = answer
        if isinstance(content, str):
            return web.Response(status=status, text=content, headers=headers, content_type="text/html")
        return web.json_response(content, status=status, headers=headers)

    def take(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take a message; the answer."""
        if "status" in body or "sender_action" in body:
            return {"success": True, "recipient_id": PERSON}
        external_id = f"wamid.{len(self.taken)}"
        self.taken.append(external_id)
        own = body.get("biz_opaque_callback_data") or body.get("message", {}).get("metadata") or external_id
        self.sent[own] += 1
        if "recipient" in body and "messaging_product" not in body:
            return {"recipient_id": body["recipient"]["id"], "message_id": external_id}
        person = {"input": body["to"], "wa_id": body["to"].removeprefix("+")}
        return {"messaging_product": "whatsapp", "contacts": [person], "messages": [{"id": external_id}]}


class Sending:
    """What a test does to the sending side, and what it sees of it."""

    def __init__(self, pool: asyncpg.Pool, platform: Platform, http: HttpClient, settings: Settings) -> None:
        self.pool = pool
        self.platform = platform
        self.http = http
        self.settings = settings
        self.options = DeliveryOptions()
        self.policy = DEFAULT_POLICY
        self.account: UUID | None = None

    @property
    def platforms(self) -> dict[str, str]:
        return {
            "META_GRAPH_URL": f"{self.platform.url}/graph",
            "META_GRAPH_VERSION": "v25.0",
            "META_APP_SECRETS": "s",
            "INSTAGRAM_GRAPH_URL": f"{self.platform.url}/instagram-graph",
            "INSTAGRAM_APP_SECRETS": "s",
        }

    def deliver(self) -> Deliver:
        """The handler of a worker process."""
        return Deliver(
            self.pool,
            PROVIDERS,
            self.http,
            self.platforms,
            self.policy,
            access_token=_token,
            note_refusal=_note,
            links=MediaLinks("https://hookline.example", ["a-secret"]),
            options=self.options,
        )

    def worker(self) -> Worker:
        """A worker that sends."""
        settings = self.settings.model_copy(update={"max_job_attempts": self.policy.max_attempts})
        context = WorkerContext(settings, PROVIDERS, self.pool, self.http, self.platforms)
        return Worker(context, {IntegrationJobType.SEND_MESSAGE: self.deliver()})

    async def connect(self, provider: str = "WHATSAPP", external_id: str = "phone-1", **metadata: Any) -> UUID:
        """Connect an account, with a person who wrote just now; the first one is what is sent from."""
        from hookline.services.connect import connect

        known = PROVIDERS[provider]  # type: ignore[index]
        account, _ = await connect(self.pool, known, ORGANIZATION, external_id, metadata=metadata)
        await self.open_window(account.id, provider=provider)
        self.account = self.account or account.id
        return account.id

    async def open_window(self, account: UUID, contact: str = PERSON, provider: str = "WHATSAPP") -> None:
        """Let somebody have written just now."""
        await self.pool.execute(
            "INSERT INTO conversations (id, organization_id, connected_account_id, provider, contact, last_message_at,"
            " last_inbound_at, last_inbound_id, window_until) VALUES (gen_random_uuid(), $1, $2, $3, $4, now(), now(),"
            " 'wamid.in', now() + interval '24 hours') ON CONFLICT DO NOTHING",
            ORGANIZATION,
            account,
            provider,
            contact,
        )

    async def send(self, text: str = "Hello", *, to: str = PERSON, account: UUID | None = None, **content: Any) -> UUID:
        """Accept a message; its id, or that of the job of what is none."""
        said = content or {"type": "text", "text": text}
        body = {"accountId": str(account or self.account), "to": to, **said}
        return (await accept(self.pool, PROVIDERS, ORGANIZATION, read_message(body), links_inside=True)).id

    async def run(self) -> None:
        """Run what is due now."""
        await self.worker().drain()

    async def message(self, message_id: UUID) -> dict[str, Any]:
        """One message."""
        return dict(await self.pool.fetchrow("SELECT * FROM messages WHERE id = $1", message_id) or {})

    async def status(self, message_id: UUID) -> str:
        """A message's status."""
        return str((await self.message(message_id))["status"])

    async def becomes(self, message_id: UUID, status: str) -> bool:
        """Wait until a message has a status; whether it comes to that."""
        for _ in range(200):
            if await self.status(message_id) == status:
                return True
            await asyncio.sleep(0.02)
        return False

    async def attempts(self, message_id: UUID | None = None) -> list[dict[str, Any]]:
        """A message's attempts, or all."""
        rows = await self.pool.fetch(
            "SELECT * FROM send_attempts WHERE message_id = coalesce($1, message_id) ORDER BY started_at, id",
            message_id,
        )
        return [dict(row) for row in rows]

    async def job(self) -> dict[str, Any]:
        """The only sending job."""
        (row,) = await self.jobs()
        return row

    async def jobs(self) -> list[dict[str, Any]]:
        """The sending jobs, in order, each with the seconds until it is due."""
        rows = await self.pool.fetch(
            "SELECT *, extract(epoch FROM run_at - now())::float8 AS wait FROM integration_jobs"
            " WHERE job_type = 'SEND_MESSAGE' ORDER BY seq"
        )
        return [dict(row) for row in rows]

    async def facts(self) -> list[tuple[str, Any]]:
        """The feed: type and data."""
        rows = await self.pool.fetch("SELECT type, data FROM outbox ORDER BY tx_id, seq")
        return [(row["type"], json.loads(row["data"])) for row in rows if row["type"] != "account.connected"]

    async def make_due(self, seconds: float = 0.0) -> None:
        """Let the time pass that jobs wait for, and with it that of attempts."""
        await self.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE status = 'PENDING'")
        if seconds:
            passed = timedelta(seconds=seconds)
            await self.pool.execute("UPDATE send_attempts SET started_at = started_at - $1::interval", passed)
            await self.pool.execute("UPDATE pair_paces SET due_at = due_at - $1::interval", passed)
            await self.pool.execute("UPDATE pair_paces SET blocked_until = blocked_until - $1::interval", passed)
            await self.pool.execute(
                "UPDATE send_paces SET due_at = due_at - $1::interval, blocked_until = blocked_until - $1::interval",
                passed,
            )


async def _token(connection: Connection, account_id: UUID, organization_id: str) -> str:
    return TOKEN


async def _note(
    connection: Connection, account_id: UUID, organization_id: str, error: ProviderError, token: str | None
) -> object:
    assert token == TOKEN
    await connection.execute(
        "UPDATE connected_accounts SET status = 'ERROR', last_error = $2 WHERE id = $1", account_id, error.text
    )
    return await accounts.get(connection, organization_id, account_id)
