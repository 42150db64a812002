"""Disconnect accounts: at once for everybody here, then at the platform, in the background.

Somebody asks for it, or the platform says that the account is lost to us.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from hookline.domain.account import ConnectedAccountStatus
from hookline.domain.errors import NotFound
from hookline.domain.job import IntegrationJobType
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import AccountRef, AccountsClient, Credentials
from hookline.security.vault import Vault
from hookline.services import account_jobs, facts
from hookline.services.refresh import Clients, ref_of
from hookline.services.tokens import credentials
from hookline.store import accounts, outbox, tokens
from hookline.store.accounts import ConnectedAccount
from hookline.store.jobs import Job
from hookline.store.pool import Connection, organization_transaction
from hookline.store.tokens import OAuthToken

# What a refusal means once we want nothing more: the token, the permission or the object is gone already.
_GONE: Final = (ErrorClass.REAUTHORIZE, ErrorClass.PERMANENT, ErrorClass.ACCOUNT)

REMOVED: Final = "disconnected"  # the kind of an item that says that the platform took an account from us

log = structlog.get_logger(__name__)


async def disconnect(pool: asyncpg.Pool, organization_id: str, account_id: UUID) -> ConnectedAccount:
    """Disconnect an account: no webhook reaches it from now on. Doing so twice changes nothing.

    Raises: NotFound.
    """
    async with organization_transaction(pool, organization_id) as connection:
        before = await accounts.get(connection, organization_id, account_id)
        if before is None:
            raise NotFound("there is no such account in this organization")
        return await _end(connection, before) or before


async def note_removal(
    connection: Connection, account_id: UUID, organization_id: str, at: datetime, reason: str | None = None
) -> bool:
    """Disconnect an account that the platform took from us; True if that is news. The caller's transaction.

    at: when the platform did it, by its clock. What was connected after that is another connection. reason: what the
    CRM is told of it.
    """
    before = await accounts.get(connection, organization_id, account_id)
    if before is None or before.connected_at > at:
        return False
    return await _end(connection, before, reason) is not None


async def _end(connection: Connection, before: ConnectedAccount, reason: str | None = None) -> ConnectedAccount | None:
    """End a connection; None if it has ended already."""
    account = await accounts.disconnect(connection, before.organization_id, before.id, reason)
    if account is None:
        return None
    await accounts.close_routes(connection, account.id)
    await outbox.add(connection, facts.account_changed(account, "disconnected"))
    await account_jobs.enqueue(
        connection, IntegrationJobType.DISCONNECT_ACCOUNT, account.provider, account.organization_id, account.id
    )
    return account


class AccountDisconnect:
    """Runs the jobs of type DISCONNECT_ACCOUNT."""

    def __init__(self, pool: asyncpg.Pool, vault: Vault, clients: Clients) -> None:
        self._pool = pool
        self._vault = vault
        self._clients = clients

    async def __call__(self, job: Job) -> None:
        """Unsubscribe, give the consent back, delete the tokens; what is gone already is fine.

        Whatever another live account needs too, the subscription or the person's consent, stays. An account that was
        connected again meanwhile is left alone.
        Raises: WaitRequested; what a failed call raises, to be tried again.
        """
        found = await self._read(job)
        if found is None:
            return
        account, row, mine = found
        client, named = self._clients(account.provider), ref_of(account)
        await self._unsubscribe(client, account, named, mine)
        await self._revoke(client, account, named, mine)
        async with self._pool.acquire() as connection:
            await tokens.delete(connection, row)

    async def _read(self, job: Job) -> tuple[ConnectedAccount, OAuthToken, Credentials] | None:
        if job.connected_account_id is None:
            return None
        async with self._pool.acquire() as connection:
            account = await accounts.get(connection, job.organization_id, job.connected_account_id)
            if account is None or account.status is not ConnectedAccountStatus.DISCONNECTED:
                return None
            found = await credentials(connection, self._vault, account.organization_id, account.id)
        return None if found is None else (account, *found)

    async def _unsubscribe(
        self, client: AccountsClient, account: ConnectedAccount, named: AccountRef, mine: Credentials
    ) -> None:
        async with self._pool.acquire() as connection:
            needed = await self._is_live(connection, account) or await accounts.shares_subscription(connection, account)
        if not needed:
            await _tolerantly(account, "unsubscribed", lambda: client.unsubscribe(named, mine))

    async def _revoke(
        self, client: AccountsClient, account: ConnectedAccount, named: AccountRef, mine: Credentials
    ) -> None:
        """A token that somebody brought is theirs, and may serve them elsewhere: only a consent is given back."""
        if not mine.by_consent:
            return
        async with self._pool.acquire() as connection:
            needed = await self._is_live(connection, account) or (
                mine.user_id is not None and await tokens.user_serves_others(connection, mine.user_id, account.id)
            )
        if not needed:
            await _tolerantly(account, "revoked", lambda: client.revoke(named, mine))

    async def _is_live(self, connection: Connection, account: ConnectedAccount) -> bool:
        now = await accounts.get(connection, account.organization_id, account.id)
        return now is not None and now.status is not ConnectedAccountStatus.DISCONNECTED


async def _tolerantly(account: ConnectedAccount, what: str, call: Callable[[], Awaitable[None]]) -> None:
    """Call the platform; that there is nothing left to do is as good as having done it."""
    try:
        await call()
    except ProviderError as error:
        if error.error_class not in _GONE:
            raise account_jobs.as_job_error(error) from None
        log.info(f"nothing left to be {what}", account_id=str(account.id), code=error.code)
