"""Connect accounts: by an id that somebody names, or as a candidate that the platform confirmed.

The order is: see that it can be connected, call the platform, then write account, routes, tokens and fact in one
transaction. Nothing is live without its token, wherever it stops.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
import msgspec

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.connect_error import AccountElsewhere
from hookline.domain.errors import NotFound
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobType
from hookline.domain.text import to_json
from hookline.providers.accounts import AccountsClient, Candidate, Grant
from hookline.providers.base import Provider
from hookline.security.vault import Vault
from hookline.services import account_jobs, facts, keys, sealed, template_news, tokens
from hookline.services.consequence import REAUTHORIZE_AGAIN
from hookline.services.platform_calls import told
from hookline.store import accounts, outbox, sends
from hookline.store.accounts import ConnectedAccount
from hookline.store.pool import Connection, organization_transaction
from hookline.store.tokens import OAuthToken, TokenInfo

Result = TypeVar("Result")

_PIN: Final = "pin"
# What was disconnected a moment ago may be being unsubscribed still: it is looked at when that is over.
_SETTLED_AFTER: Final = timedelta(minutes=1)


class Connected(msgspec.Struct, frozen=True):
    """An account, its status before (None: it is new), and what may be shown of its token."""

    account: ConnectedAccount
    before: ConnectedAccountStatus | None
    token: TokenInfo | None = None

    @property
    def opened(self) -> bool:
        """Whether it is new, or live again, rather than live already."""
        return self.before in (None, ConnectedAccountStatus.DISCONNECTED)


async def connect(
    pool: asyncpg.Pool,
    provider: Provider,
    organization_id: str,
    external_account_id: str,
    *,
    display_name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> tuple[ConnectedAccount, bool]:
    """Connect an account by its id, taking the caller's word for it; second, whether it is new, or live again.

    Its webhooks come in; nothing can be sent for it. A disconnected account is revived under its id.
    Webhooks that waited for it are given to it by the next upkeep.
    Raises: AccountElsewhere, if the account, or one of its addresses, is live in another account.
    """

    async def write(connection: Connection) -> Connected:
        opened = await _open(connection, provider, organization_id, external_account_id, display_name, metadata or {})
        await _tell(connection, opened, None)
        return opened

    done = await _settled(pool, organization_id, write)
    return done.account, done.opened


class Connector(msgspec.Struct, frozen=True):
    """Connects accounts of one platform for one organization."""

    pool: asyncpg.Pool
    vault: Vault
    provider: Provider
    client: AccountsClient
    organization_id: str

    async def connect_candidate(
        self, candidate: Candidate, grant: Grant, *, display_name: str | None = None, pin: str | None = None
    ) -> Connected:
        """Connect an account that the platform confirmed: subscribe, register where needed, keep its tokens.

        pin: the number's own, if it has one. Doing it again renews the tokens of the same account.
        Raises: AccountElsewhere, PinRequired, ControlUnproved, PlatformRefused, PlatformUnreachable.
        """
        await keys.prepare(self.pool, self.vault)
        await self._rehearse(candidate)
        registering = await self._pin(candidate, pin) if candidate.needs_pin else None
        with told():
            mine = await self.client.attach(candidate, grant, registering)

        async def write(connection: Connection) -> Connected:
            opened = await self._open(connection, candidate, display_name)
            token = await tokens.keep(connection, self.vault, opened.account, mine)
            if pin is not None and registering is not None:
                await self._keep_pin(connection, candidate, pin)
            await _tell(connection, opened, token)
            await self._look_soon(connection, opened)
            if opened.before is ConnectedAccountStatus.ERROR:
                await sends.wake_account(connection, self.organization_id, opened.account.id, REAUTHORIZE_AGAIN)
            return msgspec.structs.replace(opened, token=token)

        return await self._transaction(write)

    async def _rehearse(self, candidate: Candidate) -> None:
        """See that an account can be connected, before anything is done at the platform; changes nothing.

        Raises: AccountElsewhere.
        """

        async def write(connection: Connection) -> None:
            await self._open(connection, candidate, None)
            raise _Rehearsed

        try:
            await self._transaction(write)
        except _Rehearsed:
            return

    async def _transaction(self, write: Callable[[Connection], Awaitable[Result]]) -> Result:
        return await _settled(self.pool, self.organization_id, write)

    async def _open(self, connection: Connection, candidate: Candidate, display_name: str | None) -> Connected:
        return await _open(
            connection,
            self.provider,
            self.organization_id,
            candidate.external_account_id,
            display_name,
            candidate.metadata,
            platform_name=candidate.display_name,
            subscription=candidate.subscription,
        )

    async def _pin(self, candidate: Candidate, given: str | None) -> str:
        """Give the PIN to register a number with. One of ours is kept before it is used: it could not be had again."""
        if given is not None:
            return given
        async with organization_transaction(self.pool, self.organization_id) as connection:
            owner = self._pin_owner(candidate)
            known = await sealed.get(connection, self.vault, owner, _PIN, self.organization_id)
            if known is not None:
                return known
            made = f"{secrets.randbelow(1_000_000):06}"
            await self._keep_pin(connection, candidate, made)
            return made

    async def _keep_pin(self, connection: Connection, candidate: Candidate, pin: str) -> None:
        await sealed.put(connection, self.vault, self._pin_owner(candidate), _PIN, self.organization_id, pin)

    def _pin_owner(self, candidate: Candidate) -> UUID:
        """A number's PIN outlives its account: it belongs to the number."""
        return uuid5(NAMESPACE_URL, f"hookline:{self.provider.name}:{candidate.external_account_id}")

    async def _look_soon(self, connection: Connection, opened: Connected) -> None:
        revived = opened.before is ConnectedAccountStatus.DISCONNECTED
        await account_jobs.enqueue(
            connection,
            IntegrationJobType.SYNC_ACCOUNT,
            self.provider.name,
            self.organization_id,
            opened.account.id,
            run_at=datetime.now(UTC) + _SETTLED_AFTER if revived else None,
        )


class _Rehearsed(Exception):
    """Everything went well, and is undone."""


async def _settled(
    pool: asyncpg.Pool, organization_id: str, write: Callable[[Connection], Awaitable[Result]]
) -> Result:
    """Write in a transaction of the organization.

    Raises: AccountElsewhere, if what it opens is live elsewhere.
    """
    for _ in range(2):  # the second time finds what the same organization connected at the same moment
        try:
            async with organization_transaction(pool, organization_id) as connection:
                return await write(connection)
        except asyncpg.UniqueViolationError:
            continue
    raise AccountElsewhere("this account is connected elsewhere; disconnect it there first")


async def _open(
    connection: Connection,
    provider: Provider,
    owner: str,
    external_id: str,
    display_name: str | None,
    metadata: Mapping[str, Any],
    *,
    platform_name: str | None = None,
    subscription: str | None = None,
) -> Connected:
    """Add an account, or revive or renew the one that is there, with its addresses.

    A name that people gave it stays; the platform's is for one that has none.
    """
    known = await accounts.find(connection, owner, provider.name, external_id)
    if known is None:
        whole = dict(metadata)
        values = (external_id, display_name or platform_name, to_json(whole), subscription)
        account = await accounts.insert(connection, new_id(), owner, provider.name, *values)
    else:
        whole = {**msgspec.json.decode(known.metadata), **metadata}
        if known.status is ConnectedAccountStatus.DISCONNECTED:
            await template_news.begin_anew(connection, known.id, whole)
        wanted = display_name or known.display_name or platform_name
        account = await accounts.revive(connection, owner, known.id, wanted, to_json(whole), subscription)
    addresses = [(one.key, one.exclusive) for one in provider.addresses(external_id, whole)]
    await accounts.open_routes(connection, account, addresses)
    return Connected(account, None if known is None else known.status)


async def _tell(connection: Connection, opened: Connected, token: OAuthToken | None) -> None:
    if opened.before is not ConnectedAccountStatus.CONNECTED:
        await outbox.add(connection, facts.account_changed(opened.account, "connected", token))


def provider_named(providers: Mapping[IntegrationProvider, Provider], name: str) -> Provider:
    """Find a provider by name, in either case.

    Raises: NotFound.
    """
    try:
        return providers[IntegrationProvider(name.upper())]
    except (ValueError, KeyError):
        raise NotFound(f"unknown provider; known are {', '.join(providers)}") from None
