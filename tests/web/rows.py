"""Rows for tests: each function adds one, with sensible values where none are given. Plain SQL, as the owner."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookline.domain.ids import id_bound, new_id


def id_at(moment: datetime) -> UUID:
    """An id made at a moment."""
    return UUID(int=id_bound(moment).int | new_id().int & (1 << 80) - 1)


class Rows:
    """Adds rows as the owner. The id of one that came at a given time is of that time, as outside of tests."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def account(
        self,
        organization: str = "org-1",
        *,
        provider: str = "WHATSAPP",
        external_id: str = "phone-1",
        status: str = "CONNECTED",
        **values: Any,
    ) -> UUID:
        """Add an account."""
        return await self._add(
            "connected_accounts",
            organization_id=organization,
            provider=provider,
            external_account_id=external_id,
            status=status,
            **values,
        )

    async def event(self, organization: str | None = "org-1", **values: Any) -> UUID:
        """Add a webhook event."""
        given = {
            "connected_account_id": new_id(),
            "provider": "WHATSAPP",
            "event_type": "messages",
            "payload_json": "{}",
            "external_account_id": "phone-1",
            "contact": "contact-1",
            "ordering": "contact-1",
            "signature": "verified",
            "status": "PROCESSED",
        }
        if "received_at" not in values:  # an id of its own time is in the order of making, however fast the rows come
            given |= {"id": new_id(), "received_at": datetime.now(UTC)}
        return await self._add("webhook_events", organization_id=organization, **given | values)

    async def job(self, organization: str = "org-1", **values: Any) -> UUID:
        """Add a job; with a worker_id, one that is claimed."""
        given = {"provider": "WHATSAPP", "job_type": "SYNC_ACCOUNT", "payload_json": "{}", "lane": 0}
        job_id = await self._add("integration_jobs", organization_id=organization, **given | values)
        if "worker_id" in values:
            await self.connection.execute(
                "INSERT INTO job_claims (id, worker_id, organizations, jobs)"
                " VALUES ($1, $2, ARRAY[$3::text], ARRAY[$1::uuid])",
                *(job_id, values["worker_id"], organization),
            )
        return job_id

    async def message(self, organization: str = "org-1", **values: Any) -> UUID:
        """Add a message; of an account of its own where none is named."""
        if "connected_account_id" not in values:
            provider = values.get("provider", "WHATSAPP")
            account = await self.account(organization, external_id=str(new_id()), provider=provider)
            values["connected_account_id"] = account
        given = {
            "provider": "WHATSAPP",
            "direction": "INBOUND",
            "type": "text",
            "origin": "live",
            "external_id": f"wamid.{new_id()}",
            "contact": "491701234567",
            "sender": "491701234567",
            "recipient": "15550783881",
            "text": "Hello",
            "status": "RECEIVED",
        }
        return await self._add("messages", organization_id=organization, **given | values)

    async def conversation(self, organization: str = "org-1", **values: Any) -> UUID:
        """Add a conversation, with an open window where none is given."""
        given = {
            "connected_account_id": new_id(),
            "provider": "WHATSAPP",
            "contact": "16505551234",
            "last_message_at": datetime.now(UTC),
            "last_inbound_at": datetime.now(UTC),
            "window_until": datetime.now(UTC) + timedelta(hours=24),
        }
        return await self._add("conversations", organization_id=organization, **given | values)

    async def contact(self, organization: str = "org-1", **values: Any) -> UUID:
        """Add a contact, and the ids by which it is known."""
        given = {"connected_account_id": new_id(), "provider": "WHATSAPP", "external_id": "16505551234"} | values
        contact = await self._add("contacts", organization_id=organization, **given)
        for external_id in {given["external_id"], given.get("phone"), given.get("user_id")} - {None}:
            await self.connection.execute(
                "INSERT INTO contact_ids (connected_account_id, external_id, organization_id, contact_id)"
                " VALUES ($1, $2, $3, $4)",
                given["connected_account_id"],
                external_id,
                organization,
                contact,
            )
        return contact

    async def fact(self, organization: str = "org-1", **values: Any) -> UUID:
        """Add a fact, in a transaction of its own unless one is open."""
        given = {"type": "message.received", "occurred_at": datetime.now(UTC), "data": "{}"}
        return await self._add("outbox", organization_id=organization, **given | values)

    async def _add(self, table: str, **values: Any) -> UUID:
        came = values.get("received_at") or values.get("created_at")
        row = {"id": new_id() if came is None else id_at(came)} | values
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await self.connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())
        return UUID(str(row["id"]))
