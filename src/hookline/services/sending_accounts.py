"""The accounts that messages leave from, as a worker needs them: their state and token, kept for a few seconds.

A token is asked for through a function that bootstrap hands over; it goes into calls, and nowhere else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.account import ConnectedAccountStatus
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.domain.sending import SendingAccount
from hookline.store import accounts
from hookline.store.pool import Connection

# Raises ProviderError of class REAUTHORIZE, if the account has none that holds.
AccessToken = Callable[[Connection, UUID, str], Awaitable[str]]
# Puts the account into ERROR after such a refusal; given the token that was refused.
NoteRefusal = Callable[[Connection, UUID, str, ProviderError, str | None], Awaitable[object]]

KEPT_SECONDS: Final = 5.0


class Ready(msgspec.Struct, frozen=True):
    """An account that can send now."""

    account: SendingAccount
    token: str

    def __repr__(self) -> str:
        return f"Ready({self.account.id})"  # a token is in no trace-back


class _Kept(msgspec.Struct, frozen=True):
    found: "asyncio.Task[Ready]"
    until: float


class SendingAccounts:
    """A worker's accounts. Asked for by many at once, one is read once."""

    def __init__(self, pool: asyncpg.Pool, access_token: AccessToken) -> None:
        self._pool = pool
        self._access_token = access_token
        self._kept: dict[UUID, _Kept] = {}

    async def get(self, organization_id: str, account_id: UUID) -> Ready:
        """Give an account that can send.

        Raises: ProviderError, of class REAUTHORIZE if it is in ERROR or has no token, PERMANENT if it is disconnected.
        """
        now = asyncio.get_running_loop().time()
        kept = self._kept.get(account_id)
        if kept is None or kept.until < now:
            self._kept = {id_: one for id_, one in self._kept.items() if one.until >= now}
            found = asyncio.create_task(self._read(organization_id, account_id), name="account")
            kept = self._kept[account_id] = _Kept(found, now + KEPT_SECONDS)
        try:
            return await asyncio.shield(kept.found)
        except Exception:
            if self._kept.get(account_id) is kept:
                del self._kept[account_id]
            raise

    def forget(self, account_id: UUID) -> None:
        """Read an account anew next time: the platform refused its token."""
        self._kept.pop(account_id, None)

    async def _read(self, organization_id: str, account_id: UUID) -> Ready:
        async with self._pool.acquire() as connection:
            row = await accounts.get(connection, organization_id, account_id)
            if row is None:
                raise _gone()
            refusal = refusal_of(row.status, row.last_error)
            if refusal is not None:
                raise refusal
            token = await self._access_token(connection, account_id, organization_id)
        account = SendingAccount(
            id=row.id,
            organization_id=row.organization_id,
            provider=row.provider,
            external_account_id=row.external_account_id,
            metadata=msgspec.json.decode(row.metadata),
        )
        return Ready(account, token)


def refusal_of(status: ConnectedAccountStatus, last_error: str | None) -> ProviderError | None:
    """Say why an account in this state cannot send, if it cannot."""
    match status:
        case ConnectedAccountStatus.DISCONNECTED:
            return _gone()
        case ConnectedAccountStatus.ERROR:
            return ProviderError(ErrorClass.REAUTHORIZE, None, last_error or "connect the account again")
    return None


def _gone() -> ProviderError:
    return ProviderError(ErrorClass.PERMANENT, "account-disconnected", "the account is disconnected")
