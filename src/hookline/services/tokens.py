"""An account's tokens: kept encrypted, given out one at a time to whoever calls the platform for the account."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from hookline.domain.account import ConnectedAccountStatus
from hookline.domain.ids import new_id
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import Credentials
from hookline.security.vault import ACCESS, REFRESH, Vault
from hookline.services import keys
from hookline.services.sealed import opened
from hookline.store import tokens
from hookline.store.accounts import ConnectedAccount
from hookline.store.pool import Connection
from hookline.store.tokens import OAuthToken, UsableToken

# The platforms tell nobody when a token ends: each is looked after once a day, and they are spread over it.
LOOK_EVERY: Final = timedelta(days=1)
_SPREAD: Final = 0.1
_SOONEST: Final = timedelta(minutes=5)


async def access_token(connection: Connection, vault: Vault, account_id: UUID, organization_id: str) -> str:
    """Give the token by which to act for an account. It goes into a call, and nowhere else.

    Raises: ProviderError of class REAUTHORIZE, if there is none, or it is known not to hold; Undecryptable;
    Unavailable, if the master key's service does not answer.
    """

    async def read() -> str | None:
        row = await tokens.usable(connection, organization_id, account_id)
        return None if row is None else _fit(row)

    token = await opened(
        connection,
        vault,
        read,
        lambda text: vault.decrypt(text, account_id=account_id, organization_id=organization_id),
    )
    if token is None:
        raise _without_token()
    return token


def _fit(row: UsableToken) -> str:
    """Give a token's ciphertext, if there is one and it is not known to be refused."""
    if row.status is ConnectedAccountStatus.ERROR:
        raise ProviderError(ErrorClass.REAUTHORIZE, None, row.last_error or "connect the account again")
    if row.status is ConnectedAccountStatus.DISCONNECTED or row.access_token_encrypted is None:
        raise _without_token()
    return row.access_token_encrypted


def _without_token() -> ProviderError:
    return ProviderError(ErrorClass.REAUTHORIZE, None, "the account has no access token; connect it again")


async def credentials(
    connection: Connection, vault: Vault, organization_id: str, account_id: UUID
) -> tuple[OAuthToken, Credentials] | None:
    """Give the stored row of an account's tokens, and the tokens, whatever the account's state; None if there are none.

    Raises: as `access_token`, but ProviderError.
    """
    return await opened(
        connection,
        vault,
        lambda: tokens.get(connection, organization_id, account_id),
        lambda row: (row, _decrypted(vault, row)),
    )


async def keep(connection: Connection, vault: Vault, account: ConnectedAccount, mine: Credentials) -> OAuthToken:
    """Store the tokens of a new consent for an account. `keys.prepare` comes before it."""
    await keys.hold(connection, vault)
    row = encrypted(vault, account.organization_id, account.id, mine, generation=0)
    return await tokens.keep(connection, row, vault.keyset.primary_id)


def encrypted(
    vault: Vault, organization_id: str, account_id: UUID, mine: Credentials, *, generation: int
) -> OAuthToken:
    """Make the row of an account's tokens; the keyset is held. Its own id and times are the database's to keep."""
    now = datetime.now(UTC)
    refresh = mine.refresh_token

    def seal(text: str, purpose: str) -> str:
        return vault.encrypt(text, account_id=account_id, organization_id=organization_id, purpose=purpose)

    return OAuthToken(
        id=new_id(),
        connected_account_id=account_id,
        organization_id=organization_id,
        access_token_encrypted=seal(mine.access_token, ACCESS),
        refresh_token_encrypted=None if refresh is None else seal(refresh, REFRESH),
        scopes=list(mine.scopes),
        expires_at=mine.expires_at,
        refresh_expires_at=mine.refresh_expires_at,
        data_access_expires_at=mine.data_access_expires_at,
        app_scoped_user_id=mine.user_id,
        by_consent=mine.by_consent,
        due_at=next_look(mine, now),
        generation=generation,
        created_at=now,
        updated_at=now,
    )


def next_look(mine: Credentials, now: datetime) -> datetime:
    """Say when to look after tokens next: within a day, and while half of what is left of a short-lived one is left."""
    wait = LOOK_EVERY * (1 - _SPREAD * random.random())  # noqa: S311 - no secret
    if mine.expires_at is not None:
        wait = max(_SOONEST, min(wait, (mine.expires_at - now) / 2))
    return now + wait


def _decrypted(vault: Vault, row: OAuthToken) -> Credentials:
    def unseal(text: str, purpose: str) -> str:
        return vault.decrypt(
            text, account_id=row.connected_account_id, organization_id=row.organization_id, purpose=purpose
        )

    refresh = row.refresh_token_encrypted
    return Credentials(
        access_token=unseal(row.access_token_encrypted, ACCESS),
        refresh_token=None if refresh is None else unseal(refresh, REFRESH),
        expires_at=row.expires_at,
        refresh_expires_at=row.refresh_expires_at,
        data_access_expires_at=row.data_access_expires_at,
        scopes=tuple(row.scopes),
        user_id=row.app_scoped_user_id,
        by_consent=row.by_consent,
    )
