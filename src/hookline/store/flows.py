"""The table oauth_flows: connections that are being made, found by the hash of their state."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.store.pool import Connection


class FlowStatus(StrEnum):
    """WAITING for the browser to come back → USED, or CHOOSING among several accounts."""

    WAITING = "WAITING"
    USED = "USED"
    CHOOSING = "CHOOSING"


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `subject` is who began it; `choices` is JSON text: the accounts that the consent reaches."""

    id: UUID
    state_hash: str
    organization_id: str
    subject: str
    provider: IntegrationProvider
    login: str
    redirect_uri: str | None
    return_url: str | None
    status: FlowStatus
    choices: str | None
    expires_at: datetime


_COLUMNS = ", ".join(Flow.__struct_fields__)


def _flow(record: Any) -> Flow:
    return msgspec.convert(dict(record), Flow, strict=False)


_ADD = f"INSERT INTO oauth_flows ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"  # noqa: S608


async def add(connection: Connection, flow: Flow) -> None:
    """Remember that a connection was begun."""
    await connection.execute(_ADD, *msgspec.structs.astuple(flow))


_ORGANIZATION = "SELECT flow_organization($1)"


async def organization_of(connection: Connection, state_hash: str) -> str | None:
    """Find in whose name a connection was begun; None if nobody began it."""
    found: str | None = await connection.fetchval(_ORGANIZATION, state_hash)
    return found


_USE = f"""
UPDATE oauth_flows SET status = 'USED'
WHERE state_hash = $1 AND provider = $2 AND status = 'WAITING' AND expires_at > now()
RETURNING {_COLUMNS}
"""  # noqa: S608


async def use(connection: Connection, state_hash: str, provider: IntegrationProvider) -> Flow | None:
    """Let a state serve, which it does once; None if it cannot."""
    record = await connection.fetchrow(_USE, state_hash, provider)
    return None if record is None else _flow(record)


_GET = f"SELECT {_COLUMNS} FROM oauth_flows WHERE state_hash = $1 AND organization_id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, state_hash: str) -> Flow | None:
    """Read a connection that is being made."""
    record = await connection.fetchrow(_GET, state_hash, organization_id)
    return None if record is None else _flow(record)


_OFFER = "UPDATE oauth_flows SET status = 'CHOOSING', choices = $2, expires_at = $3 WHERE id = $1"


async def offer(connection: Connection, flow_id: UUID, choices: str, expires_at: datetime) -> None:
    """Keep the accounts that may be chosen."""
    await connection.execute(_OFFER, flow_id, choices, expires_at)


_PRUNE = """
DELETE FROM oauth_flows
WHERE id IN (SELECT id FROM oauth_flows WHERE expires_at < now() - $1::interval ORDER BY expires_at LIMIT $2)
RETURNING id
"""


async def prune(connection: Connection, older_than: timedelta, limit: int) -> list[UUID]:
    """Delete what ended long ago (the owner's view)."""
    return [record["id"] for record in await connection.fetch(_PRUNE, older_than, limit)]


_ENDED = """
SELECT s.owner_id FROM sealed_secrets s JOIN oauth_flows f ON f.id = s.owner_id WHERE f.expires_at < now() LIMIT $1
"""


async def ended_with_secrets(connection: Connection, limit: int) -> list[UUID]:
    """List connections whose time is over, and whose grant is still kept (the owner's view)."""
    return [record["owner_id"] for record in await connection.fetch(_ENDED, limit)]
