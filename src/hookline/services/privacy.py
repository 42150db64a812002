"""Carry out what people demand by the platform or by an operator (taken in by services/privacy_intake.py).

DEAUTHORIZE: the accounts whose tokens the person gave us are disconnected, in every organization. DATA_DELETION: that
too, and everything that holds the person goes, as grantor and as contact. FORGET: one contact of one account goes.
What is deleted and what stays: decision 38.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.domain.mention import names
from hookline.domain.privacy import PLATFORM, Person, PrivacyRequestKind, PrivacyRequestStatus
from hookline.domain.sending import SendingAccount
from hookline.domain.text import to_json
from hookline.providers.base import Provider
from hookline.services.disconnect import note_removal
from hookline.services.forget import Progress, advance
from hookline.services.privacy_intake import person_at
from hookline.store import accounts, grantors, privacy_requests
from hookline.store.grantors import Known
from hookline.store.jobs import Job
from hookline.store.pool import Connection
from hookline.store.privacy_requests import PrivacyRequest

Providers = Mapping[IntegrationProvider, Provider]

REASON: Final = "Whoever connected this account removed the app at the platform. Connect the account again."
SLICE_SECONDS: Final = 5.0
# Whatever was on its way while a pass went by has arrived by then.
PASS_DELAY: Final = timedelta(seconds=5)
# For so long the job that gives a token back may try; then it is deleted all the same.
_TOKENS_WAIT: Final = timedelta(hours=1)
_TOKENS_DELAY: Final = timedelta(seconds=15)
# The platform's clock, which tells whole seconds, and ours may differ by so much.
_CLOCKS_DIFFER: Final = timedelta(seconds=5)

log = structlog.get_logger(__name__)


class PrivacyRequests:
    """Runs the jobs of type PRIVACY_REQUEST."""

    def __init__(self, pool: asyncpg.Pool, providers: Providers) -> None:
        self._pool = pool
        self._providers = providers

    async def __call__(self, job: Job) -> None:
        """Get on with a request, and return when it is done. Raises: WaitRequested; PermanentFailure."""
        request_id = _request_id(job.payload)
        deadline = time.monotonic() + SLICE_SECONDS
        try:
            while (wait := await self.step(request_id)) is not None:
                if wait or time.monotonic() > deadline:
                    raise WaitRequested("it is under way", wait)
        except asyncpg.TransactionRollbackError:
            raise WaitRequested("others were at the same rows", PASS_DELAY) from None

    async def step(self, request_id: UUID) -> timedelta | None:
        """Take the next step in one transaction; how long to wait before the one after it, None when all is done."""
        async with self._pool.acquire() as connection, connection.transaction():
            request = await privacy_requests.lock(connection, request_id)
            if request is None or request.status is PrivacyRequestStatus.DONE:
                return None
            if request.progress is None:
                progress = await self._begin(connection, request)
                if request.kind is PrivacyRequestKind.DEAUTHORIZE:
                    await _finish(connection, request, progress)
                    return None
            else:
                progress = msgspec.json.decode(request.progress, type=Progress)
                if progress.complete:
                    return await self._end(connection, request, progress)
                progress = await advance(connection, progress)
            await privacy_requests.note(connection, request_id, to_json(progress))
            return PASS_DELAY if progress.through and progress.at_start and not progress.complete else timedelta(0)

    async def carry_out(self, request_id: UUID) -> None:
        """Carry a request out to its end, here and now."""
        wait = await self.step(request_id)
        while wait is not None:
            await asyncio.sleep(wait.total_seconds())
            wait = await self.step(request_id)

    async def counts(self, request_id: UUID) -> dict[str, int] | None:
        """Say how many rows went, by table; None while it is not done."""
        async with self._pool.acquire() as connection, connection.transaction():
            request = await privacy_requests.lock(connection, request_id)
        if request is None or request.counts is None:
            return None
        return msgspec.json.decode(request.counts, type=dict[str, int])

    async def _begin(self, connection: Connection, request: PrivacyRequest) -> Progress:
        """Find out whose data goes where. The accounts are disconnected at once."""
        if request.kind is PrivacyRequestKind.FORGET:
            account_id, contact = UUID(request.scope), request.subject or ""
            return Progress(people=[await person_at(connection, request.organization_id, account_id, contact)])
        user_id = request.subject or ""
        given = await grantors.granted_by(connection, user_id, [request.provider])
        deleting = request.kind is PrivacyRequestKind.DATA_DELETION
        ended = [one for one in given if self._is_of(one, request) and await _let_go(connection, one, request)]
        log.info("a person let go of accounts", request_id=str(request.id), kind=request.kind, accounts=len(ended))
        if not deleting:
            return Progress(people=[])
        wrote_to = [one for one in await grantors.known_to(connection, user_id) if self._is_of(one, request)]
        places = {one.id: one.organization_id for one in [*ended, *wrote_to]}
        people = [await person_at(connection, owner, account_id, user_id) for account_id, owner in places.items()]
        return Progress(people=[*people, Person(organization_id=PLATFORM, account_id=None, ids=[user_id])])

    def _is_of(self, account: Known, request: PrivacyRequest) -> bool:
        """Whether an account is served by the app by whose ids the request speaks: another app's are other people's."""
        seen = SendingAccount(
            id=account.id,
            organization_id=account.organization_id,
            provider=account.provider,
            external_account_id=account.external_account_id,
            metadata=msgspec.json.decode(account.metadata),
        )
        return self._providers[account.provider].sender.app(seen) == request.scope

    async def _end(self, connection: Connection, request: PrivacyRequest, progress: Progress) -> timedelta | None:
        """End a request, once the tokens are gone too: the jobs that disconnect give them back and delete them."""
        if request.kind is PrivacyRequestKind.DATA_DELETION and request.subject is not None:
            held = [one.account_id for one in progress.people if one.account_id is not None]
            if await grantors.tokens_left(connection, request.subject, held):
                if datetime.now(UTC) < request.received_at + _TOKENS_WAIT:
                    return _TOKENS_DELAY
                await grantors.delete_tokens(connection, request.subject, held)
        await _finish(connection, request, progress)
        return None


async def _let_go(connection: Connection, account: Known, request: PrivacyRequest) -> bool:
    """Disconnect an account that a person gave us; False if it was connected after they took it back."""
    at = request.received_at if request.issued_at is None else request.issued_at + _CLOCKS_DIFFER
    at = min(at, request.received_at)
    current = await accounts.get(connection, account.organization_id, account.id)
    if current is None or current.connected_at > at:
        return False
    if request.kind is PrivacyRequestKind.DATA_DELETION:
        await _scrub(connection, account, request.subject or "")
    await note_removal(connection, account.id, account.organization_id, at, REASON)
    return True


async def _scrub(connection: Connection, account: Known, user_id: str) -> None:
    """An account that is the person's own (its metadata names them) keeps its id, and by which login it was made."""
    metadata: dict[str, Any] = msgspec.json.decode(account.metadata)
    if names(metadata, [user_id]):
        kept = {key: value for key, value in metadata.items() if key == "login"}
        await grantors.scrub(connection, account.id, user_id, to_json(kept))


async def _finish(connection: Connection, request: PrivacyRequest, progress: Progress) -> None:
    await privacy_requests.finish(connection, request.id, to_json(progress.counts))
    log.info("a privacy request is done", request_id=str(request.id), kind=request.kind, **progress.counts)


def _request_id(payload: Any) -> UUID:
    try:
        return UUID(payload["requestId"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PermanentFailure("the payload names no request") from None
