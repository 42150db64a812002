"""Take in what people demand of us by the platform or by an operator: durable at once, carried out by a job.

A request that is the same as another one, still open or of the very same callback, is that one.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from hookline.domain.errors import InvalidRequest, NotFound, Unavailable
from hookline.domain.ids import new_id, stored_external_id
from hookline.domain.job import IntegrationJobType
from hookline.domain.privacy import PLATFORM, Person, PersonCallback, PrivacyRequestKind, PrivacyRequestStatus
from hookline.domain.text import to_json
from hookline.providers.base import Provider
from hookline.services.forget import count
from hookline.store import accounts, contacts, jobs, privacy_requests
from hookline.store.accounts import ConnectedAccount
from hookline.store.pool import Connection, organization_transaction
from hookline.store.privacy_requests import PrivacyRequest

# Nobody else would carry it out: a request is tried for as long as it takes.
_ATTEMPTS: Final = 10_000
_TRIES: Final = 3
# Asked again after so long, a request gets another job: the first one may have been cancelled.
_OVERDUE: Final = timedelta(hours=1)


async def take(
    pool: asyncpg.Pool, kind: PrivacyRequestKind, provider: Provider, callback: PersonCallback
) -> PrivacyRequest:
    """Take a platform's callback in. Raises: Unavailable."""
    wanted = PrivacyRequest(
        id=new_id(),
        organization_id=PLATFORM,
        kind=kind,
        provider=provider.name,
        scope=provider.callbacks.app,
        subject=callback.user_id,
        digest=callback.digest,
        code=_new_code(),
        issued_at=callback.issued_at,
        received_at=datetime.now(UTC),
    )
    return await _take(pool, wanted, None)


async def take_forget(pool: asyncpg.Pool, organization_id: str, account_id: UUID, contact: str) -> PrivacyRequest:
    """Take in that a contact of one account is to be forgotten.

    Raises: NotFound, if there is no such account; InvalidRequest, if the contact is nobody.
    """
    known_as = _known_as(contact)
    async with organization_transaction(pool, organization_id) as connection:
        account = await _account(connection, organization_id, account_id)
    wanted = PrivacyRequest(
        id=new_id(),
        organization_id=organization_id,
        kind=PrivacyRequestKind.FORGET,
        provider=account.provider,
        scope=str(account.id),
        subject=known_as,
        code=_new_code(),
        received_at=datetime.now(UTC),
    )
    return await _take(pool, wanted, account.id)


def _new_code() -> str:
    return secrets.token_hex(16)


async def _take(pool: asyncpg.Pool, wanted: PrivacyRequest, account_id: UUID | None) -> PrivacyRequest:
    """Add a request and its job, or give the one that there is already, which may end at any moment."""
    for _ in range(_TRIES):
        async with organization_transaction(pool, wanted.organization_id) as connection:
            if await privacy_requests.add(connection, wanted):
                await _enqueue(connection, wanted, account_id)
                return wanted
            found = await privacy_requests.find(connection, wanted)
            if found is not None:
                if found.status is not PrivacyRequestStatus.DONE and found.received_at < datetime.now(UTC) - _OVERDUE:
                    await _enqueue(connection, found, account_id)
                return found
    raise Unavailable("another request for the same person ends just now")


async def _enqueue(connection: Connection, request: PrivacyRequest, account_id: UUID | None) -> None:
    await jobs.enqueue(
        connection,
        organization_id=request.organization_id,
        provider=request.provider,
        job_type=IntegrationJobType.PRIVACY_REQUEST,
        payload_json=to_json({"requestId": request.id}),
        connected_account_id=account_id,
        max_attempts=_ATTEMPTS,
    )


async def count_forgotten(pool: asyncpg.Pool, organization_id: str, account_id: UUID, contact: str) -> dict[str, int]:
    """Count what would go if a contact were forgotten now, by table. Raises: NotFound, if there is no such account."""
    async with pool.acquire() as connection:
        await _account(connection, organization_id, account_id)
        person = await person_at(connection, organization_id, account_id, _known_as(contact))
    return await count(pool, [person])


async def person_at(connection: Connection, organization_id: str, account_id: UUID, contact: str) -> Person:
    """Say who is to be forgotten, by all the ids that an account knows them by.

    The platforms write phone numbers without a plus; the generic envelope keeps what its sender wrote.
    """
    given = {contact, f"+{contact}"} if contact.isdigit() else {contact}
    ids = await contacts.all_ids(connection, organization_id, account_id, sorted(given))
    return Person(organization_id=organization_id, account_id=account_id, ids=sorted({*given, *ids}))


def _known_as(contact: str) -> str:
    """Give the id as the log knows it: a phone number without its plus."""
    known_as = contact.strip().removeprefix("+")
    if not known_as or "\x00" in known_as:
        raise InvalidRequest("the contact must be the platform's id of a person")
    return stored_external_id(known_as)


async def _account(connection: Connection, organization_id: str, account_id: UUID) -> ConnectedAccount:
    account = await accounts.get(connection, organization_id, account_id)
    if account is None:
        raise NotFound("there is no such account in this organization")
    return account
