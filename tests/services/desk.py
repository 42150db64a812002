"""The whole way of a webhook without HTTP, for tests: connect, take a POST in, process, look at what is there."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Signature
from hookline.providers import PROVIDERS
from hookline.providers.base import Provider
from hookline.services.connect import connect
from hookline.services.disconnect import disconnect
from hookline.services.failure import DEFAULT_POLICY, RetryPolicy
from hookline.services.ingest import Ingest, events_of
from hookline.services.process import process_due
from hookline.services.upkeep import keep_up
from hookline.settings import Settings
from hookline.store.accounts import ConnectedAccount

WEEK = Settings.model_fields["unowned_days"].default


class Desk:
    """What a test does to the system, and what it sees of it. `providers` may be replaced by stubs."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.providers: Mapping[IntegrationProvider, Provider] = PROVIDERS
        self.ingest = Ingest(pool)

    async def connect(
        self, external_id: str = "phone-1", organization: str = "org-1", provider: str = "WHATSAPP", **metadata: Any
    ) -> ConnectedAccount:
        """Connect an account."""
        known = PROVIDERS[IntegrationProvider(provider)]
        account, _ = await connect(self.pool, known, organization, external_id, metadata=metadata)
        return account

    async def disconnect(self, account: ConnectedAccount) -> None:
        """Disconnect an account."""
        await disconnect(self.pool, account.organization_id, account.id)

    async def post(
        self, body: bytes, provider: str = "WHATSAPP", *, hint: str | None = None, latest: bool = False
    ) -> None:
        """Take one POST in, as the ingress does once the signature holds."""
        known = PROVIDERS[IntegrationProvider(provider)]
        rows = events_of(known, body, Signature.VERIFIED, organization_hint=hint, latest_if_unnamed=latest)
        await self.ingest.store(rows, len(body))

    async def process(self, policy: RetryPolicy = DEFAULT_POLICY, *, limit: int = 256) -> int:
        """Process everything that is due; how many jobs that was."""
        done = 0
        while ran := await process_due(self.pool, self.providers, policy, limit=limit):
            done += ran
        return done

    async def take_in(self, body: bytes, provider: str = "WHATSAPP") -> None:
        """Take one POST in and process it."""
        await self.post(body, provider)
        await self.process()

    async def keep_up(self) -> bool:
        """Do one round of upkeep."""
        return await keep_up(self.pool, unowned_for=timedelta(days=WEEK))

    async def make_due(self) -> None:
        """Let the time pass that waiting jobs wait for."""
        await self.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE status = 'PENDING'")

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Read rows by plain SQL."""
        return [dict(record) for record in await self.pool.fetch(statement, *arguments)]

    async def events(self) -> list[dict[str, Any]]:
        """All events in the order in which they came."""
        return await self.rows("SELECT * FROM webhook_events ORDER BY received_at, id")

    async def event(self) -> dict[str, Any]:
        """The only event."""
        (event,) = await self.events()
        return event

    async def jobs(self) -> list[dict[str, Any]]:
        """All jobs in order."""
        return await self.rows("SELECT * FROM integration_jobs ORDER BY seq")

    async def messages(self) -> list[dict[str, Any]]:
        """All messages in the order in which they were recorded."""
        return await self.rows("SELECT * FROM messages ORDER BY id")

    async def message(self, external_id: str) -> dict[str, Any]:
        """One message by the platform's id."""
        (row,) = await self.rows("SELECT * FROM messages WHERE external_id = $1", external_id)
        return row

    async def facts(self, organization: str = "org-1") -> list[tuple[str, Any]]:
        """The feed of an organization: type and data."""
        rows = await self.rows(
            "SELECT type, data FROM outbox WHERE organization_id = $1 ORDER BY tx_id, seq", organization
        )
        return [(row["type"], json.loads(row["data"])) for row in rows]

    async def results(self) -> list[Any]:
        """The latest event's results."""
        return result_of((await self.events())[-1])


def result_of(event: Mapping[str, Any]) -> list[Any]:
    """An event's results, decoded."""
    results: list[Any] = json.loads(event["result"])
    return results


def event_named(job: Mapping[str, Any]) -> UUID:
    """The event that a PROCESS_WEBHOOK job names."""
    return UUID(json.loads(job["payload_json"])["webhookEventId"])
