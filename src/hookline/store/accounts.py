"""The tables connected_accounts and account_routes: who is connected, and by which addresses webhooks find them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.store.pool import Connection


class ConnectedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `metadata` is JSON text.

    subscription: what our app is subscribed to for it, as its provider names it; several accounts may share one.
    connected_at: since when it is connected, this time.
    """

    id: UUID
    organization_id: str
    provider: IntegrationProvider
    external_account_id: str
    display_name: str | None
    status: ConnectedAccountStatus
    metadata: str
    last_error: str | None
    last_webhook_at: datetime | None
    created_at: datetime
    updated_at: datetime
    subscription: str | None
    connected_at: datetime


_COLUMNS = ", ".join(ConnectedAccount.__struct_fields__)


def _account(record: Any) -> ConnectedAccount:
    return msgspec.convert(dict(record), ConnectedAccount, strict=False)


_LIST = f"SELECT {_COLUMNS} FROM connected_accounts WHERE organization_id = $1 ORDER BY created_at, id"  # noqa: S608


async def list_all(connection: Connection, organization_id: str) -> list[ConnectedAccount]:
    """List an organization's accounts, disconnected ones too, oldest first."""
    return [_account(record) for record in await connection.fetch(_LIST, organization_id)]


_GET = f"SELECT {_COLUMNS} FROM connected_accounts WHERE id = $1 AND organization_id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, account_id: UUID) -> ConnectedAccount | None:
    """Read one account of an organization."""
    record = await connection.fetchrow(_GET, account_id, organization_id)
    return None if record is None else _account(record)


AccountState = tuple[ConnectedAccountStatus, str | None]  # with the last error

_STATES = "SELECT id, status, last_error FROM connected_accounts WHERE id = ANY ($1::uuid[])"


async def states(connection: Connection, account_ids: Iterable[UUID]) -> dict[UUID, AccountState]:
    """Read how accounts are, whosever they are."""
    records = await connection.fetch(_STATES, list(account_ids))
    return {record["id"]: (ConnectedAccountStatus(record["status"]), record["last_error"]) for record in records}


_FIND = f"""
SELECT {_COLUMNS} FROM connected_accounts
WHERE organization_id = $1 AND provider = $2 AND external_account_id = $3 FOR UPDATE
"""  # noqa: S608


async def find(
    connection: Connection, organization_id: str, provider: IntegrationProvider, external_account_id: str
) -> ConnectedAccount | None:
    """Read and lock an organization's account by the platform's id."""
    record = await connection.fetchrow(_FIND, organization_id, provider, external_account_id)
    return None if record is None else _account(record)


_INSERT = f"""
INSERT INTO connected_accounts
    (id, organization_id, provider, external_account_id, display_name, status, metadata, subscription)
VALUES ($1, $2, $3, $4, $5, 'CONNECTED', $6, $7)
RETURNING {_COLUMNS}
"""  # noqa: S608


async def insert(
    connection: Connection,
    account_id: UUID,
    organization_id: str,
    provider: IntegrationProvider,
    external_account_id: str,
    display_name: str | None,
    metadata: str,
    subscription: str | None,
) -> ConnectedAccount:
    """Add a connected account.

    Raises: asyncpg.UniqueViolationError, if the external account is live anywhere or known to the organization.
    """
    return _account(
        await connection.fetchrow(
            _INSERT, account_id, organization_id, provider, external_account_id, display_name, metadata, subscription
        )
    )


_REVIVE = f"""
UPDATE connected_accounts
SET status = 'CONNECTED', last_error = NULL, updated_at = now(),
    connected_at = CASE WHEN status = 'CONNECTED' THEN connected_at ELSE now() END,
    display_name = coalesce($3, display_name), metadata = $4, subscription = coalesce($5, subscription)
WHERE id = $1 AND organization_id = $2
RETURNING {_COLUMNS}
"""  # noqa: S608


async def revive(
    connection: Connection,
    organization_id: str,
    account_id: UUID,
    display_name: str | None,
    metadata: str,
    subscription: str | None,
) -> ConnectedAccount:
    """Connect an account again, or renew what is known of it; its id stays.

    Raises: asyncpg.UniqueViolationError, if the external account is live in another organization.
    """
    return _account(
        await connection.fetchrow(_REVIVE, account_id, organization_id, display_name, metadata, subscription)
    )


_DISCONNECT = f"""
UPDATE connected_accounts SET status = 'DISCONNECTED', last_error = coalesce($3, last_error), updated_at = now()
WHERE id = $1 AND organization_id = $2 AND status <> 'DISCONNECTED'
RETURNING {_COLUMNS}
"""  # noqa: S608


async def disconnect(
    connection: Connection, organization_id: str, account_id: UUID, reason: str | None = None
) -> ConnectedAccount | None:
    """Mark an account DISCONNECTED, with the reason if there is one; None if it is not there, or was already."""
    record = await connection.fetchrow(_DISCONNECT, account_id, organization_id, reason)
    return None if record is None else _account(record)


_FAIL = f"""
UPDATE connected_accounts SET status = 'ERROR', last_error = $3, updated_at = now()
WHERE id = $1 AND organization_id = $2 AND status = 'CONNECTED'
RETURNING {_COLUMNS}
"""  # noqa: S608


async def fail(connection: Connection, organization_id: str, account_id: UUID, reason: str) -> ConnectedAccount | None:
    """Put a connected account into ERROR; None if it is not connected, or in ERROR already."""
    record = await connection.fetchrow(_FAIL, account_id, organization_id, reason)
    return None if record is None else _account(record)


_RECOVER = f"""
UPDATE connected_accounts SET status = 'CONNECTED', last_error = NULL, updated_at = now()
WHERE id = $1 AND organization_id = $2 AND status = 'ERROR'
RETURNING {_COLUMNS}
"""  # noqa: S608


async def recover(connection: Connection, organization_id: str, account_id: UUID) -> ConnectedAccount | None:
    """Take an account out of ERROR; None if it is not in it."""
    record = await connection.fetchrow(_RECOVER, account_id, organization_id)
    return None if record is None else _account(record)


_RENAME = "UPDATE connected_accounts SET display_name = $3 WHERE id = $1 AND organization_id = $2"


async def rename(connection: Connection, organization_id: str, account_id: UUID, display_name: str) -> None:
    """Call an account by another name."""
    await connection.execute(_RENAME, account_id, organization_id, display_name)


_SHARED = """
SELECT EXISTS (
    SELECT FROM connected_accounts WHERE subscription = $1 AND status <> 'DISCONNECTED' AND id <> $2)
"""


_SIBLINGS = f"""
SELECT {_COLUMNS} FROM connected_accounts
WHERE organization_id = $1 AND subscription = $2 AND status <> 'DISCONNECTED' AND id <> $3 ORDER BY id
"""  # noqa: S608


async def siblings(connection: Connection, account: ConnectedAccount) -> list[ConnectedAccount]:
    """List the organization's other live accounts that live by the same subscription."""
    records = await connection.fetch(_SIBLINGS, account.organization_id, account.subscription, account.id)
    return [_account(record) for record in records]


async def shares_subscription(connection: Connection, account: ConnectedAccount) -> bool:
    """Say whether another live account, whoever's, lives by the same subscription (the worker's view)."""
    return bool(await connection.fetchval(_SHARED, account.subscription, account.id))


_UPSERT_ROUTES = """
INSERT INTO account_routes (provider, address, connected_account_id, organization_id, exclusive, live)
SELECT $1, address, $2, $3, exclusive, true FROM unnest($4::text[], $5::boolean[]) AS a(address, exclusive)
ON CONFLICT (provider, address, connected_account_id)
DO UPDATE SET live = true, adopts = true, exclusive = excluded.exclusive, connected_at = now()
"""
_CLOSE_ROUTES = "UPDATE account_routes SET live = false WHERE connected_account_id = $1 AND live"


async def open_routes(
    connection: Connection,
    account: ConnectedAccount,
    addresses: Sequence[tuple[str, bool]],
) -> None:
    """Let webhooks for exactly these addresses `(key, exclusive)` reach the account.

    Raises: asyncpg.UniqueViolationError, if an exclusive one belongs to another live account.
    """
    await connection.execute(_CLOSE_ROUTES, account.id)
    await connection.execute(
        _UPSERT_ROUTES,
        account.provider,
        account.id,
        account.organization_id,
        [address for address, _ in addresses],
        [exclusive for _, exclusive in addresses],
    )


async def close_routes(connection: Connection, account_id: UUID) -> None:
    """Let no webhook reach the account; who once owned an address stays known."""
    await connection.execute(_CLOSE_ROUTES, account_id)


TOUCH_SECONDS = 10
_TOUCH = f"""
UPDATE connected_accounts SET last_webhook_at = now()
WHERE id = ANY ($1::uuid[])
  AND (last_webhook_at IS NULL OR last_webhook_at < now() - interval '{TOUCH_SECONDS} seconds')
"""  # noqa: S608 - constants only


async def touch(connection: Connection, account_ids: Iterable[UUID]) -> None:
    """Note that webhooks arrived, at most once in ten seconds an account: it is no place for a write per message."""
    await connection.execute(_TOUCH, sorted(account_ids))


_LOCK = f"""
SELECT {_COLUMNS} FROM connected_accounts WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE
"""  # noqa: S608


async def lock(connection: Connection, account_ids: Sequence[UUID]) -> dict[UUID, ConnectedAccount]:
    """Read and lock accounts, whoever they belong to (the worker's view)."""
    return {record["id"]: _account(record) for record in await connection.fetch(_LOCK, account_ids)}


_EXTERNAL_IDS = "SELECT id, external_account_id FROM connected_accounts WHERE id = ANY ($1::uuid[])"


async def external_ids(connection: Connection, account_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Give the platform's ids of accounts (the worker's view)."""
    return {record[0]: record[1] for record in await connection.fetch(_EXTERNAL_IDS, account_ids)}


_SET_METADATA = "UPDATE connected_accounts SET metadata = $2, updated_at = now() WHERE id = $1"


async def set_metadata(connection: Connection, account_id: UUID, metadata: str) -> None:
    """Replace what is known of an account."""
    await connection.execute(_SET_METADATA, account_id, metadata)


# A webhook that was routed a moment before the account connected may commit a moment after: keep asking for a while.
_SETTLE = """
UPDATE account_routes SET adopts = false WHERE live AND adopts AND connected_at < now() - interval '1 minute'
"""


async def settle_routes(connection: Connection) -> None:
    """Stop looking for unowned events of routes that have been open for a minute (call when none is left)."""
    await connection.execute(_SETTLE)
