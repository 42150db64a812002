"""Connect and disconnect accounts."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.errors import Conflict, NotFound
from hookline.domain.ids import new_id
from hookline.domain.text import to_json
from hookline.providers.base import Provider
from hookline.services import facts
from hookline.store import accounts, outbox
from hookline.store.accounts import ConnectedAccount
from hookline.store.pool import Connection, organization_transaction


async def connect(
    pool: asyncpg.Pool,
    provider: Provider,
    organization_id: str,
    external_account_id: str,
    *,
    display_name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> tuple[ConnectedAccount, bool]:
    """Connect an account by its id; second, whether it is new (or live again) rather than live already.

    A disconnected account is revived under its id. Webhooks that waited for it are given to it by the next upkeep.
    Raises: Conflict, if the external account, or one of its addresses, is live in another account.
    """
    for _ in range(2):  # the second time finds what the same organization connected at the same moment
        try:
            async with organization_transaction(pool, organization_id) as connection:
                return await _connect(
                    connection, provider, organization_id, external_account_id, display_name, dict(metadata or {})
                )
        except asyncpg.UniqueViolationError:
            continue
    raise Conflict("this account is connected elsewhere; disconnect it there first")


async def _connect(
    connection: Connection,
    provider: Provider,
    organization_id: str,
    external_account_id: str,
    display_name: str | None,
    metadata: dict[str, Any],
) -> tuple[ConnectedAccount, bool]:
    known = await accounts.find(connection, organization_id, provider.name, external_account_id)
    if known is None:
        account = await accounts.insert(
            connection, new_id(), organization_id, provider.name, external_account_id, display_name, to_json(metadata)
        )
    else:
        metadata = {**msgspec.json.decode(known.metadata), **metadata}
        account = await accounts.revive(connection, organization_id, known.id, display_name, to_json(metadata))
    addresses = [(one.key, one.exclusive) for one in provider.addresses(external_account_id, metadata)]
    await accounts.open_routes(connection, account, addresses)
    if known is None or known.status is not ConnectedAccountStatus.CONNECTED:
        await outbox.add(connection, facts.account_changed(account, "connected"))
    return account, known is None or known.status is ConnectedAccountStatus.DISCONNECTED


async def disconnect(pool: asyncpg.Pool, organization_id: str, account_id: UUID) -> ConnectedAccount:
    """Disconnect an account: no webhook reaches it from now on. Doing so twice changes nothing.

    Raises: NotFound.
    """
    async with organization_transaction(pool, organization_id) as connection:
        before = await accounts.get(connection, organization_id, account_id)
        account = await accounts.disconnect(connection, organization_id, account_id)
        if before is None or account is None:
            raise NotFound("there is no such account in this organization")
        if before.status is not ConnectedAccountStatus.DISCONNECTED:
            await accounts.close_routes(connection, account_id)
            await outbox.add(connection, facts.account_changed(account, "disconnected"))
        return account


def provider_named(providers: Mapping[IntegrationProvider, Provider], name: str) -> Provider:
    """Find a provider by name, in either case.

    Raises: NotFound.
    """
    try:
        return providers[IntegrationProvider(name.upper())]
    except (ValueError, KeyError):
        raise NotFound(f"unknown provider; known are {', '.join(providers)}") from None
