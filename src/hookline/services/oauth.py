"""Connecting by consent: the dialog's address out, the browser back with a code, accounts connected or offered.

A state is random, single use, good for ten minutes, and bound to who began it, for which organization and platform.
Where a consent reaches several accounts, the one who began chooses among them; the grant is kept encrypted until then.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from hookline.domain.connect_error import (
    AccessDenied,
    CodeRefused,
    NoEligibleAccount,
    PinRequired,
    PlatformRefused,
    StateExpired,
    StateUnknown,
    StateUsed,
)
from hookline.domain.errors import InvalidRequest, RequestError
from hookline.domain.ids import new_id
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.domain.text import to_json
from hookline.providers.accounts import Candidate, Grant
from hookline.services import keys, sealed
from hookline.services.connect import Connected, Connector
from hookline.services.platform_calls import told
from hookline.store import flows
from hookline.store.flows import Flow, FlowStatus
from hookline.store.pool import organization_transaction

STATE_LIVES: Final = timedelta(minutes=10)
CHOICE_LIVES: Final = timedelta(minutes=30)
_STATE_BYTES: Final = 32
_GRANT: Final = "grant"
# A fragment that a browser may have made a part of the code. Source: protocol reference 5.1, 5.2.
_FRAGMENTS: Final = ("#_=_", "#_")
# What the dialog says of a person who declined. Source: protocol reference 5.1.
_DENIALS: Final = ("access_denied", "user_denied")
_MAX_CHARACTERS: Final = 200


class Begun(msgspec.Struct, frozen=True, rename="camel"):
    """Where to send the browser, and until when it can come back."""

    authorization_url: str
    state: str
    expires_at: datetime


class Callback(msgspec.Struct, frozen=True):
    """What the browser brings back from the platform."""

    state: str
    code: str | None = None
    error: str | None = None
    error_text: str | None = None


class Offer(msgspec.Struct, frozen=True):
    """Accounts to choose from, by a state."""

    state: str
    expires_at: datetime
    accounts: list[Candidate]


class Finished(msgspec.Struct, frozen=True):
    """How a consent ended: an account, an offer, or an error (perhaps with an offer, to try again from)."""

    return_url: str | None
    connected: Connected | None = None
    offer: Offer | None = None
    error: RequestError | None = None


async def begin(
    connector: Connector, subject: str, login: str | None, redirect_uri: str, return_url: str | None
) -> Begun:
    """Begin: give the dialog's address.

    Raises: InvalidRequest, if the platform has no such login; NotConfigured.
    """
    login = login_named(connector, login)
    state = secrets.token_urlsafe(_STATE_BYTES)
    url = connector.client.authorization_url(login, redirect_uri, state)
    flow = await _remember(connector, subject, login, state, FlowStatus.WAITING, redirect_uri, return_url)
    return Begun(url, state, flow.expires_at)


async def _remember(
    connector: Connector,
    subject: str,
    login: str,
    state: str,
    status: FlowStatus,
    redirect_uri: str | None = None,
    return_url: str | None = None,
) -> Flow:
    flow = Flow(
        id=new_id(),
        state_hash=_hash(state),
        organization_id=connector.organization_id,
        subject=subject,
        provider=connector.provider.name,
        login=login,
        redirect_uri=redirect_uri,
        return_url=return_url,
        status=status,
        choices=None,
        expires_at=datetime.now(UTC) + STATE_LIVES,
    )
    async with organization_transaction(connector.pool, connector.organization_id) as connection:
        await flows.add(connection, flow)
    return flow


async def organization_of(pool: asyncpg.Pool, state: str) -> str:
    """Find in whose name a state was given out.

    Raises: StateUnknown.
    """
    async with pool.acquire() as connection:
        found = await flows.organization_of(connection, _hash(state))
    if found is None:
        raise _unknown()
    return found


async def finish(connector: Connector, callback: Callback) -> Finished:
    """End what `begin` began; the connector is of the organization that the state belongs to.

    Raises: StateUnknown. Every other error is in what it returns, with the place to go back to.
    """
    state_hash = _hash(callback.state)
    async with organization_transaction(connector.pool, connector.organization_id) as connection:
        used = await flows.use(connection, state_hash, connector.provider.name)
        known = used or await flows.get(connection, connector.organization_id, state_hash)
    if known is None or known.provider is not connector.provider.name:
        raise _unknown()
    try:
        if used is None:
            raise _unusable(known)
        return await _carry_out(connector, used, callback)
    except RequestError as error:
        return Finished(known.return_url, error=error)


async def offered(pool: asyncpg.Pool, organization_id: str, subject: str, state: str) -> tuple[Flow, Offer]:
    """Give the accounts that a consent reaches, to the one who began.

    Raises: StateUnknown, StateExpired, StateUsed.
    """
    async with organization_transaction(pool, organization_id) as connection:
        flow = await flows.get(connection, organization_id, _hash(state))
    if flow is None or flow.subject != subject:
        raise _unknown()
    if flow.status is FlowStatus.USED:
        raise StateUsed("there is nothing to choose: this connection has ended")
    if flow.status is FlowStatus.WAITING:
        raise StateUnknown("nobody has come back from the platform yet")
    if flow.expires_at <= datetime.now(UTC):
        raise StateExpired("the time to choose is over; begin again")
    accounts = msgspec.json.decode(flow.choices or "[]", type=list[Candidate])
    return flow, Offer(state, flow.expires_at, accounts)


async def choose(
    connector: Connector, flow: Flow, offer: Offer, external_account_ids: Sequence[str], pin: str | None
) -> list[Connected | tuple[str, RequestError]]:
    """Connect some of the accounts that were offered. What one of them is refused for does not hold the others.

    Raises: InvalidRequest, if one was not offered; StateExpired.
    """
    by_id = {one.external_account_id: one for one in offer.accounts}
    if not set(external_account_ids) <= by_id.keys():
        raise InvalidRequest("choose among the accounts that were offered")
    async with organization_transaction(connector.pool, connector.organization_id) as connection:
        text = await sealed.get(connection, connector.vault, flow.id, _GRANT, flow.organization_id)
    if text is None:
        raise StateExpired("the time to choose is over; begin again")
    grant = msgspec.json.decode(text, type=Grant)
    done: list[Connected | tuple[str, RequestError]] = []
    for name in dict.fromkeys(external_account_ids):
        try:
            done.append(await connector.connect_candidate(by_id[name], grant, pin=pin))
        except RequestError as error:
            done.append((name, error))
    return done


async def _carry_out(connector: Connector, flow: Flow, callback: Callback) -> Finished:
    if callback.error in _DENIALS:
        raise AccessDenied("the consent was declined in the platform's dialog")
    if callback.error is not None:
        raise PlatformRefused(f"the platform's dialog ended with an error: {_printable(callback)}")
    code = _code(callback.code)
    grant = await exchange(connector, flow.login, code, flow.redirect_uri)
    found = await eligible(connector, grant)
    if len(found) > 1:
        return Finished(flow.return_url, offer=await _offer(connector, flow, callback.state, grant, found))
    try:
        return Finished(flow.return_url, connected=await connector.connect_candidate(found[0], grant))
    except PinRequired as error:
        return Finished(flow.return_url, offer=await _offer(connector, flow, callback.state, grant, found), error=error)


def _printable(callback: Callback) -> str:
    """What came by the browser is anybody's text: keep it short and harmless."""
    text = ": ".join(filter(None, (callback.error, callback.error_text)))
    return "".join(character if character.isprintable() else " " for character in text[:_MAX_CHARACTERS])


def _code(code: str | None) -> str:
    for fragment in _FRAGMENTS:
        code = (code or "").removesuffix(fragment)
    if not code:
        raise CodeRefused("the platform sent the browser back without a code")
    return code


async def exchange(connector: Connector, login: str, code: str, redirect_uri: str | None) -> Grant:
    """Exchange a code, which lives for as little as 30 seconds.

    Raises: CodeRefused, MissingPermissions, NotConfigured, PlatformUnreachable.
    """
    with told():
        try:
            return await connector.client.exchange(login, code, redirect_uri)
        except ProviderError as error:
            if error.error_class in (ErrorClass.WAIT, ErrorClass.RETRY):
                raise
            raise CodeRefused(f"the platform did not take the code; begin again: {error}") from None


async def eligible(connector: Connector, grant: Grant) -> list[Candidate]:
    """List the accounts that a grant reaches. Raises: NoEligibleAccount, PlatformRefused, PlatformUnreachable."""
    with told():
        found = await connector.client.eligible(grant)
    if not found:
        raise NoEligibleAccount(
            "the consent reaches no account that could be connected; choose one in the platform's dialog"
        )
    return found


async def offer(connector: Connector, subject: str, grant: Grant, found: list[Candidate]) -> Offer:
    """Offer the accounts of a consent that came without a state; it gets one."""
    state = secrets.token_urlsafe(_STATE_BYTES)
    flow = await _remember(connector, subject, grant.login, state, FlowStatus.USED)
    return await _offer(connector, flow, state, grant, found)


async def _offer(connector: Connector, flow: Flow, state: str, grant: Grant, found: list[Candidate]) -> Offer:
    await keys.prepare(connector.pool, connector.vault)
    expires_at = datetime.now(UTC) + CHOICE_LIVES
    async with organization_transaction(connector.pool, flow.organization_id) as connection:
        await flows.offer(connection, flow.id, to_json(found), expires_at)
        await sealed.put(connection, connector.vault, flow.id, _GRANT, flow.organization_id, to_json(grant))
    return Offer(state, expires_at, found)


def login_named(connector: Connector, name: str | None) -> str:
    """Find one of the platform's dialogs; the default, if none is named. Raises: InvalidRequest."""
    known = connector.client.logins
    if name is None:
        return known[0]
    if name not in known:
        raise InvalidRequest(f"{connector.provider.name} is connected by {' or '.join(sorted(known))}")
    return name


def _unusable(flow: Flow) -> RequestError:
    if flow.status is FlowStatus.WAITING:
        return StateExpired("the link to the platform's dialog is older than ten minutes; begin again")
    return StateUsed("the link to the platform's dialog has been used; begin again")


def _unknown() -> StateUnknown:
    return StateUnknown("nobody began this connection, or somebody else did; begin again")


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode(errors="replace")).hexdigest()
