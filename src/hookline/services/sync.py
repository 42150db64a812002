"""SYNC_ACCOUNT: bring what the platform says of an account into its metadata, and see that we are still subscribed.

Also its templates, where the platform has them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import structlog

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.errors import PermanentFailure
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.domain.text import to_json
from hookline.providers.accounts import Credentials, Description
from hookline.providers.templates import TemplatesClient
from hookline.security.vault import Vault
from hookline.services import account_jobs, facts
from hookline.services.consequence import REAUTHORIZE_AGAIN
from hookline.services.refresh import Clients, ref_of
from hookline.services.refusal import note_refusal
from hookline.services.template_news import TemplateList, is_only_templates, keep_list
from hookline.services.tokens import credentials, next_look
from hookline.store import accounts, outbox, sends, tokens
from hookline.store.accounts import ConnectedAccount
from hookline.store.jobs import Job
from hookline.store.pool import Connection, database_time
from hookline.store.tokens import OAuthToken

TemplateClients = Callable[[IntegrationProvider], TemplatesClient | None]

log = structlog.get_logger(__name__)


class AccountSync:
    """Runs the jobs of type SYNC_ACCOUNT."""

    def __init__(self, pool: asyncpg.Pool, vault: Vault, clients: Clients, template_clients: TemplateClients) -> None:
        self._pool = pool
        self._vault = vault
        self._clients = clients
        self._template_clients = template_clients

    async def __call__(self, job: Job) -> None:
        """Ask the platform about an account, and its templates. One in ERROR whose token holds is CONNECTED again.

        The platform can end a subscription without a word: an account that lost it is subscribed again.
        Raises: PermanentFailure, if the account is not there or has no token; WaitRequested; what a failed call raises.
        """
        account, row, mine = await self._read(job)
        try:
            if not is_only_templates(job):
                await self._sync_account(account, row, mine)
            await self._sync_templates(account, mine)
        except ProviderError as error:
            await self._refused(account, mine, error)

    async def _sync_account(self, account: ConnectedAccount, row: OAuthToken, mine: Credentials) -> None:
        client, named = self._clients(account.provider), ref_of(account)
        found = await client.describe(named, mine)
        if not found.subscribed:
            await client.subscribe(named, mine)
            log.warning("an account was subscribed again", account_id=str(account.id))
        async with self._pool.acquire() as connection, connection.transaction():
            await self._note(connection, account, row, mine, found)

    async def _sync_templates(self, before: ConnectedAccount, mine: Credentials) -> None:
        client = self._template_clients(before.provider)
        if client is None:
            return
        async with self._pool.acquire() as connection:
            asked_at = await database_time(connection)
        found = await client.list_all(ref_of(before), mine.access_token)
        async with self._pool.acquire() as connection, connection.transaction():
            account = (await accounts.lock(connection, [before.id])).get(before.id)
            if account is not None and account.status is not ConnectedAccountStatus.DISCONNECTED:
                await keep_list(connection, account, TemplateList(asked_at, found))

    async def _read(self, job: Job) -> tuple[ConnectedAccount, OAuthToken, Credentials]:
        if job.connected_account_id is None:
            raise PermanentFailure("the job names no account")
        async with self._pool.acquire() as connection:
            account = await accounts.get(connection, job.organization_id, job.connected_account_id)
            if account is None or account.status is ConnectedAccountStatus.DISCONNECTED:
                raise PermanentFailure("the account is not connected")
            found = await credentials(connection, self._vault, account.organization_id, account.id)
        if found is None:
            raise PermanentFailure("the account has no access token; connect it with one")
        return account, *found

    async def _note(
        self, connection: Connection, before: ConnectedAccount, row: OAuthToken, mine: Credentials, found: Description
    ) -> None:
        account = (await accounts.lock(connection, [before.id])).get(before.id)
        if account is None or account.status is ConnectedAccountStatus.DISCONNECTED:
            return
        known: dict[str, Any] = msgspec.json.decode(account.metadata)
        if found.name and account.display_name in (None, known.get("name"), known.get("verifiedName")):
            await accounts.rename(connection, account.organization_id, account.id, found.name)
        news = {**found.metadata, "subscribed": True, "syncedAt": datetime.now(UTC)}
        await accounts.set_metadata(connection, account.id, to_json({**known, **news}))
        if found.scopes is not None:
            await tokens.set_scopes(connection, row, list(found.scopes))
        current = await tokens.get(connection, account.organization_id, account.id)
        if current is None or current.generation != row.generation:
            return
        recovered = await accounts.recover(connection, account.organization_id, account.id)
        if recovered is not None:
            await tokens.set_due(connection, row, next_look(mine, datetime.now(UTC)))
            infos = await tokens.infos(connection, account.organization_id, [account.id])
            await outbox.add(connection, facts.account_changed(recovered, "connected", infos.get(account.id)))
            await sends.wake_account(connection, account.organization_id, account.id, REAUTHORIZE_AGAIN)

    async def _refused(self, account: ConnectedAccount, mine: Credentials, error: ProviderError) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await note_refusal(
                connection, self._vault, account.id, account.organization_id, error, used=mine.access_token
            )
        if error.error_class is not ErrorClass.REAUTHORIZE:
            raise account_jobs.as_job_error(error) from None
