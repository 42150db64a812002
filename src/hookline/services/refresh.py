"""Keeping tokens alive: each is looked after in time, by one process, and renewed well before it ends.

The platforms tell nobody when a token ends, so the look is also how we learn that an account was lost.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec
import structlog

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.job import IntegrationJobType
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import AccountRef, AccountsClient, Credentials
from hookline.security.vault import Vault
from hookline.services import account_jobs, keys
from hookline.services.refusal import note_refusal
from hookline.services.tokens import credentials, encrypted
from hookline.store import accounts, tokens
from hookline.store.accounts import ConnectedAccount
from hookline.store.jobs import Job
from hookline.store.pool import Connection
from hookline.store.tokens import OAuthToken

Clients = Callable[[IntegrationProvider], AccountsClient]

BATCH: Final = 200
# A job that fails is tried again for about an hour; then the token is due again.
AGAIN_AFTER: Final = timedelta(hours=3)
# Longer than a renewal takes with all its calls; a process that dies in one keeps others away for so long.
ATTENDED_FOR: Final = timedelta(minutes=3)

log = structlog.get_logger(__name__)


async def enqueue_due(connection: Connection) -> int:
    """Enqueue a job for every token that is due, and one that looks at its account; how many tokens that were."""
    due = await tokens.take_due(connection, BATCH, AGAIN_AFTER)
    for account_id, organization_id, provider in due:
        for job_type in (IntegrationJobType.REFRESH_TOKEN, IntegrationJobType.SYNC_ACCOUNT):
            await account_jobs.enqueue(connection, job_type, IntegrationProvider(provider), organization_id, account_id)
    return len(due)


class TokenRefresh:
    """Runs the jobs of type REFRESH_TOKEN."""

    def __init__(self, pool: asyncpg.Pool, vault: Vault, clients: Clients) -> None:
        self._pool = pool
        self._vault = vault
        self._clients = clients

    async def __call__(self, job: Job) -> None:
        """Look after an account's token. Of several processes at it, one calls the platform.

        Raises: WaitRequested, if the platform asks to wait; what a failed call raises, to be tried again.
        """
        attended = await self._attend(job)
        if attended is None:
            return
        account, row, mine = attended
        client = self._clients(account.provider)
        try:
            renewed = await client.renew(ref_of(account), mine, row.updated_at)
        except ProviderError as error:
            await self._refused(account, row, mine, error)
        except BaseException:
            await self._leave(row)
            raise
        else:
            await self._keep(account, row, renewed)

    async def _attend(self, job: Job) -> tuple[ConnectedAccount, OAuthToken, Credentials] | None:
        """Take the right to renew; None if there is nothing to renew, or another process is at it."""
        if job.connected_account_id is None:
            return None
        await keys.prepare(self._pool, self._vault)
        async with self._pool.acquire() as connection, connection.transaction():
            account = await accounts.get(connection, job.organization_id, job.connected_account_id)
            if account is None or account.status is not ConnectedAccountStatus.CONNECTED:
                return None
            found = await credentials(connection, self._vault, account.organization_id, account.id)
            if found is None or not await tokens.attend(connection, found[0], ATTENDED_FOR):
                return None
            return account, *found

    async def _keep(self, account: ConnectedAccount, row: OAuthToken, renewed: Credentials) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await keys.hold(connection, self._vault)
            following = encrypted(self._vault, account.organization_id, account.id, renewed, generation=row.generation)
            kept = await tokens.renew(connection, following, self._vault.keyset.primary_id)
        if kept is None:
            log.info("a token was replaced while it was renewed", account_id=str(account.id))

    async def _refused(
        self, account: ConnectedAccount, row: OAuthToken, mine: Credentials, error: ProviderError
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await note_refusal(
                connection, self._vault, account.id, account.organization_id, error, used=mine.access_token
            )
            await tokens.leave(connection, row)  # last: everybody locks an account before its token
        if error.error_class is not ErrorClass.REAUTHORIZE:
            raise account_jobs.as_job_error(error) from None

    async def _leave(self, row: OAuthToken) -> None:
        async with self._pool.acquire() as connection:
            await tokens.leave(connection, row)


def ref_of(account: ConnectedAccount) -> AccountRef:
    """Name an account to its platform."""
    return AccountRef(
        external_account_id=account.external_account_id,
        metadata=msgspec.json.decode(account.metadata, type=dict[str, object]),
    )
