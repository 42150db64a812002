"""An account's templates, as its people create and delete them: at the platform first, then here.

No transaction is held across a call. Where the platform's answer is lost, its list is asked for, and tells.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.capability import NotSupported
from hookline.domain.errors import Conflict, NotFound
from hookline.domain.ids import parse_id
from hookline.domain.provider_error import OutcomeUnknown, ProviderError
from hookline.domain.template import DELETED, NewTemplate
from hookline.providers.accounts import AccountRef
from hookline.providers.base import Provider
from hookline.providers.http import HttpClient
from hookline.providers.templates import Templates
from hookline.security.vault import Vault
from hookline.services.platform_calls import told
from hookline.services.refresh import ref_of
from hookline.services.refusal import note_refusal
from hookline.services.template_news import enqueue_sync, keep_new, note_status
from hookline.services.tokens import access_token
from hookline.store import accounts, templates
from hookline.store.accounts import ConnectedAccount
from hookline.store.jobs import Job
from hookline.store.pool import Connection, database_time, organization_transaction
from hookline.store.templates import StoredTemplate

CAPABILITY: Final = "template"
Providers = Mapping[IntegrationProvider, Provider]


async def find_account(
    connection: Connection, providers: Providers, organization_id: str, account_id: UUID | None
) -> tuple[ConnectedAccount, Templates]:
    """Find an account of a platform that has templates, and what that says of them.

    Raises: NotFound; NotSupported.
    """
    account = None if account_id is None else await accounts.get(connection, organization_id, account_id)
    if account is None:
        raise NotFound("there is no such account in this organization")
    rules = providers[account.provider].templates
    if rules is None:
        raise NotSupported(CAPABILITY, "path.accountId", f"{account.provider} has no templates")
    return account, rules


async def find_template(connection: Connection, account: ConnectedAccount, template_id: UUID | None) -> StoredTemplate:
    """Find one template of an account by its id here. Raises: NotFound."""
    row = None
    if template_id is not None:
        row = await templates.get(connection, account.organization_id, account.id, template_id)
    if row is None:
        raise NotFound("the account has no such template")
    return row


async def request_sync(
    connection: Connection, providers: Providers, organization_id: str, account_id: UUID | None
) -> Job:
    """Enqueue a job that reads an account's templates. Raises: NotFound; NotSupported; Conflict."""
    account, _ = await find_account(connection, providers, organization_id, account_id)
    _check_connected(account)
    return await enqueue_sync(connection, account, account.id)


def _check_connected(account: ConnectedAccount) -> None:
    if account.status is ConnectedAccountStatus.DISCONNECTED:
        raise Conflict("the account is disconnected; connect it again")


async def _tell_siblings(connection: Connection, account: ConnectedAccount) -> None:
    """Have the other numbers of the same WABA read their templates again: they are the same ones."""
    for sibling in await accounts.siblings(connection, account):
        await enqueue_sync(connection, sibling, sibling.id)


class _Called(msgspec.Struct, frozen=True):
    """What a call for an account needs. asked_at: the database's time before the call."""

    account: ConnectedAccount
    rules: Templates
    token: str
    asked_at: datetime

    @property
    def named(self) -> AccountRef:
        return ref_of(self.account)


class TemplateWriter:
    """Creates and deletes templates of one organization's accounts.

    Its methods raise: NotFound; NotSupported; Conflict, if the account is disconnected or has no token;
    PlatformRefused; PlatformUnreachable.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        vault: Vault,
        providers: Providers,
        http: HttpClient,
        platforms: Mapping[str, str],
        organization_id: str,
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._providers = providers
        self._http = http
        self._platforms = platforms
        self._organization_id = organization_id

    async def create(self, account_id: UUID | None, new: NewTemplate) -> StoredTemplate:
        """Create a template; as a rule it is to be reviewed, and a notice says what came of that.

        Raises also: InvalidTemplate.
        """
        found = await self._begin(account_id)
        found.rules.check_new(new)
        async with self._calling(found):
            made = await found.rules.client(self._http, self._platforms).create(found.named, found.token, new)
        async with organization_transaction(self._pool, self._organization_id) as connection:
            await _tell_siblings(connection, found.account)
            return await keep_new(connection, found.account, made, found.asked_at)

    async def delete(self, account_id: UUID | None, named: str, language: str | None) -> Sequence[StoredTemplate]:
        """Delete a template in all its languages, or in one; the rows that stand for what is gone.

        named: its name, or our id of one language. One language can be deleted of a template that is known here; all
        of them, whatever is known.
        """
        found = await self._begin(account_id)
        name, language = await self._meant(found.account, named, language)
        external_id = None if language is None else await self._id_of(found.account, name, language)
        async with self._calling(found):
            await found.rules.client(self._http, self._platforms).delete(found.named, found.token, name, external_id)
        async with organization_transaction(self._pool, self._organization_id) as connection:
            await note_status(connection, found.account.id, name, language, DELETED)
            await _tell_siblings(connection, found.account)
            rows = await templates.of_name(connection, found.account.id, name)
        return [row for row in rows if language in (None, row.language)]

    async def _meant(self, account: ConnectedAccount, named: str, language: str | None) -> tuple[str, str | None]:
        """Give name and language. No template's name reads like an id."""
        template_id = parse_id(named)
        if template_id is None:
            return named, language
        async with organization_transaction(self._pool, self._organization_id) as connection:
            row = await find_template(connection, account, template_id)
        if language not in (None, row.language):
            raise NotFound(f"this template is in {row.language}")
        return row.name, row.language

    async def _id_of(self, account: ConnectedAccount, name: str, language: str) -> str:
        key = (account.id, name, language)
        async with organization_transaction(self._pool, self._organization_id) as connection:
            known = (await templates.find(connection, [key])).get(key)
        if known is None or known.external_id is None or known.status == DELETED:
            raise NotFound("there is no template of this name in this language; synchronize them if it is new")
        return known.external_id

    async def _begin(self, account_id: UUID | None) -> _Called:
        async with organization_transaction(self._pool, self._organization_id) as connection:
            account, rules = await find_account(connection, self._providers, self._organization_id, account_id)
            _check_connected(account)
            try:
                token = await access_token(connection, self._vault, account.id, account.organization_id)
            except ProviderError as error:
                raise Conflict(error.text) from None
            return _Called(account, rules, token, await database_time(connection))

    @asynccontextmanager
    async def _calling(self, found: _Called) -> AsyncIterator[None]:
        """Tell what a call ends with, and draw the consequences: a token that is refused, an answer that is lost."""
        with told():
            try:
                yield
            except ProviderError as error:
                async with organization_transaction(self._pool, self._organization_id) as connection:
                    named = (found.account.id, found.account.organization_id)
                    await note_refusal(connection, self._vault, *named, error, used=found.token)
                raise
            except OutcomeUnknown:
                async with organization_transaction(self._pool, self._organization_id) as connection:
                    await enqueue_sync(connection, found.account, found.account.id)
                raise
