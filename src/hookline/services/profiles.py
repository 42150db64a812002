"""FETCH_PROFILE: ask the platform who somebody is, where webhooks tell only an id.

Asked when a person is met, and now and then while they are active (`register.ask`). What the platform does not say is
noted, and not asked again before that.
"""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from hookline.domain.account import ConnectedAccountStatus
from hookline.domain.errors import PermanentFailure
from hookline.domain.ids import parse_id
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import Credentials, Profile
from hookline.security.vault import Vault
from hookline.services import account_jobs, facts
from hookline.services.refresh import Clients, ref_of
from hookline.services.refusal import note_refusal
from hookline.services.tokens import credentials
from hookline.store import accounts, contacts, outbox
from hookline.store.accounts import ConnectedAccount
from hookline.store.contacts import Contact
from hookline.store.jobs import Job

_MAX_ERROR_CHARACTERS = 500


class ProfileFetch:
    """Runs the jobs of type FETCH_PROFILE. refresh: when a person's profile is asked for again; None: never."""

    def __init__(self, pool: asyncpg.Pool, vault: Vault, clients: Clients, refresh: timedelta | None) -> None:
        self._pool = pool
        self._vault = vault
        self._clients = clients
        self._refresh = refresh

    async def __call__(self, job: Job) -> None:
        """Ask, and note the answer. Nobody is asked for an account that cannot: the next message asks again.

        Raises: PermanentFailure, if the job names nobody; WaitRequested; what a failed call raises.
        """
        found = await self._read(job, _named(job))
        if found is None:
            return
        contact, account, mine = found
        try:
            client = self._clients(account.provider)
            profile = await client.profile(ref_of(account), mine, contact.external_id)
        except ProviderError as error:
            await self._refused(contact, mine, error)
        else:
            await self._note(contact, profile)

    async def _read(self, job: Job, contact_id: UUID) -> tuple[Contact, ConnectedAccount, Credentials] | None:
        async with self._pool.acquire() as connection:
            contact = await contacts.get(connection, job.organization_id, contact_id)
            if contact is None:
                return None
            account = await accounts.get(connection, job.organization_id, contact.connected_account_id)
            if account is None or account.status is not ConnectedAccountStatus.CONNECTED:
                return None
            found = await credentials(connection, self._vault, account.organization_id, account.id)
        return None if found is None else (contact, account, found[1])

    async def _refused(self, contact: Contact, mine: Credentials, error: ProviderError) -> None:
        if error.error_class is ErrorClass.RECIPIENT:
            await self._note(contact, error)
            return
        async with self._pool.acquire() as connection, connection.transaction():
            await note_refusal(
                connection,
                self._vault,
                contact.connected_account_id,
                contact.organization_id,
                error,
                used=mine.access_token,
            )
        if error.error_class is not ErrorClass.REAUTHORIZE:
            raise account_jobs.as_job_error(error) from None

    async def _note(self, asked: Contact, answer: Profile | ProviderError) -> None:
        """Write down what was answered about somebody who may have changed, or be gone, since they were asked for."""
        async with self._pool.acquire() as connection, connection.transaction():
            contact = (await contacts.lock(connection, {asked.id: asked.organization_id})).get(asked.id)
            if contact is None:
                return
            now = datetime.now(UTC)
            contact.profile_at = now
            contact.profile_due_at = None if self._refresh is None else now + self._refresh
            if isinstance(answer, ProviderError):
                contact.profile_status, contact.profile_error = contacts.REFUSED, str(answer)[:_MAX_ERROR_CHARACTERS]
            elif _take_over(contact, answer, now):
                contact.updated_at = now
                await outbox.add(connection, facts.contact_changed(contact, is_new=False))
            await contacts.update(connection, [contact])


def _named(job: Job) -> UUID:
    payload = job.payload
    contact_id = parse_id(str(payload.get("contactId"))) if isinstance(payload, dict) else None
    if contact_id is None:
        raise PermanentFailure("the job names no contact")
    return contact_id


def _take_over(contact: Contact, profile: Profile, now: datetime) -> bool:
    """Take over a profile; says whether that shows. What it leaves out may be known otherwise, and stays."""
    before = contact.name, contact.username, _picture(contact.picture_url)
    contact.profile_status, contact.profile_error = contacts.FETCHED, None
    contact.name, contact.username = profile.name or contact.name, profile.username or contact.username
    contact.picture_url = profile.picture_url
    changed = before != (contact.name, contact.username, _picture(contact.picture_url))
    if changed:
        contact.named_at = now
    return changed


def _picture(url: str | None) -> str:
    """Name a picture apart from what its address is signed with, which is another every time.

    Source: protocol reference 3 (pictures' addresses expire).
    """
    parts = urlsplit(url or "")
    return parts.netloc + parts.path
