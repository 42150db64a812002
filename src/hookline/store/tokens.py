"""The table oauth_tokens: an account's token, encrypted, and what is known of it. One row an account."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import ConnectedAccountStatus
from hookline.store.pool import Connection


class TokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of a token."""

    id: UUID
    connected_account_id: UUID
    scopes: list[str]
    expires_at: datetime | None
    data_access_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


class OAuthToken(TokenInfo, frozen=True, kw_only=True):
    """A row; the two tokens in it are ciphertexts.

    refresh_token_encrypted: what renews the access token: for a page, its user's token.
    by_consent: our app got it in a dialog; otherwise somebody brought it, and it is not ours to revoke.
    due_at: when to look after it next; None: not before somebody connects again.
    generation: counts the tokens that stood in this row; it is the fence of whoever renews one.
    """

    organization_id: str
    access_token_encrypted: str
    refresh_token_encrypted: str | None
    refresh_expires_at: datetime | None
    app_scoped_user_id: str | None
    by_consent: bool
    due_at: datetime | None
    generation: int


class UsableToken(msgspec.Struct, frozen=True, kw_only=True):
    """An account's state and its token, if it has one."""

    status: ConnectedAccountStatus
    last_error: str | None
    access_token_encrypted: str | None


_COLUMNS = ", ".join(OAuthToken.__struct_fields__)
_INFO_COLUMNS = ", ".join(TokenInfo.__struct_fields__)


def _token(record: Any) -> OAuthToken:
    return msgspec.convert(dict(record), OAuthToken)


_CHANGES = """access_token_encrypted = $3, refresh_token_encrypted = $4, expires_at = $5, scopes = $6, key_id = $7,
    data_access_expires_at = $8, app_scoped_user_id = $9, refresh_expires_at = $10, by_consent = $11, due_at = $12,
    attended_until = NULL, generation = oauth_tokens.generation + 1, updated_at = now()"""

_KEEP = f"""
INSERT INTO oauth_tokens
    (connected_account_id, organization_id, access_token_encrypted, refresh_token_encrypted, expires_at, scopes, key_id,
     data_access_expires_at, app_scoped_user_id, refresh_expires_at, by_consent, due_at, id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (connected_account_id) DO UPDATE SET {_CHANGES}, created_at = now()
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only, here and below


async def keep(connection: Connection, row: OAuthToken, key_id: str) -> OAuthToken:
    """Store the token of a new consent in the place of the account's former one, whose id stays.

    The row's times and generation are the database's.
    """
    return _token(await connection.fetchrow(_KEEP, *_values(row, key_id), row.id))


_RENEW = f"""
UPDATE oauth_tokens SET {_CHANGES}
WHERE connected_account_id = $1 AND organization_id = $2 AND generation = $13
RETURNING {_COLUMNS}
"""  # noqa: S608


async def renew(connection: Connection, row: OAuthToken, key_id: str) -> OAuthToken | None:
    """Replace a token by what it was renewed to; None if it was replaced or deleted since `row.generation`."""
    record = await connection.fetchrow(_RENEW, *_values(row, key_id), row.generation)
    return None if record is None else _token(record)


def _values(row: OAuthToken, key_id: str) -> list[Any]:
    return [
        row.connected_account_id,
        row.organization_id,
        row.access_token_encrypted,
        row.refresh_token_encrypted,
        row.expires_at,
        row.scopes,
        key_id,
        row.data_access_expires_at,
        row.app_scoped_user_id,
        row.refresh_expires_at,
        row.by_consent,
        row.due_at,
    ]


_GET = f"SELECT {_COLUMNS} FROM oauth_tokens WHERE connected_account_id = $1 AND organization_id = $2"  # noqa: S608


async def get(
    connection: Connection, organization_id: str, account_id: UUID, *, lock: bool = False
) -> OAuthToken | None:
    """Read an account's token."""
    record = await connection.fetchrow(_GET + (" FOR UPDATE" if lock else ""), account_id, organization_id)
    return None if record is None else _token(record)


_USABLE = """
SELECT a.status, a.last_error, t.access_token_encrypted
FROM connected_accounts a LEFT JOIN oauth_tokens t ON t.connected_account_id = a.id
WHERE a.id = $1 AND a.organization_id = $2
"""


async def usable(connection: Connection, organization_id: str, account_id: UUID) -> UsableToken | None:
    """Read an account's token and whether the account is fit to use it; None if there is no such account."""
    record = await connection.fetchrow(_USABLE, account_id, organization_id)
    return None if record is None else msgspec.convert(dict(record), UsableToken)


_INFOS = f"""
SELECT {_INFO_COLUMNS} FROM oauth_tokens WHERE organization_id = $1 AND connected_account_id = ANY ($2::uuid[])
"""  # noqa: S608


async def infos(connection: Connection, organization_id: str, account_ids: Sequence[UUID]) -> dict[UUID, TokenInfo]:
    """Tell by account what may be shown of the tokens."""
    records = await connection.fetch(_INFOS, organization_id, account_ids)
    return {record["connected_account_id"]: msgspec.convert(dict(record), TokenInfo) for record in records}


_DELETE = "DELETE FROM oauth_tokens WHERE connected_account_id = $1 AND generation = $2"


async def delete(connection: Connection, row: OAuthToken) -> None:
    """Delete a token, unless it was replaced meanwhile."""
    await connection.execute(_DELETE, row.connected_account_id, row.generation)


# A token is taken by giving it a later time to be looked after; the job that it gets sets the right one.
_TAKE_DUE = """
UPDATE oauth_tokens t SET due_at = now() + $2::interval
FROM (
    SELECT d.id, a.provider FROM oauth_tokens d JOIN connected_accounts a ON a.id = d.connected_account_id
    WHERE d.due_at <= now() AND a.status <> 'DISCONNECTED' ORDER BY d.due_at LIMIT $1 FOR UPDATE OF d SKIP LOCKED
) AS due
WHERE t.id = due.id
RETURNING t.connected_account_id, t.organization_id, due.provider
"""


async def take_due(connection: Connection, limit: int, again_after: timedelta) -> list[tuple[UUID, str, str]]:
    """Take tokens that are due: account, organization and provider.

    None is lost: each is due again after a while, if nobody sets another time.
    """
    return [tuple(record) for record in await connection.fetch(_TAKE_DUE, limit, again_after)]


_ATTEND = """
UPDATE oauth_tokens SET attended_until = now() + $3::interval
WHERE connected_account_id = $1 AND generation = $2
  AND (attended_until IS NULL OR attended_until < now())
RETURNING id
"""


async def attend(connection: Connection, row: OAuthToken, at_most: timedelta) -> bool:
    """Take the right to renew a token; False if another process has it, or the token was replaced meanwhile."""
    return await connection.fetchval(_ATTEND, row.connected_account_id, row.generation, at_most) is not None


_SET_DUE = """
UPDATE oauth_tokens SET due_at = $3, attended_until = NULL
WHERE connected_account_id = $1 AND generation = $2
"""


async def set_due(connection: Connection, row: OAuthToken, due_at: datetime | None) -> None:
    """Set when to look after a token next and give up the right to renew it, unless it was replaced meanwhile."""
    await connection.execute(_SET_DUE, row.connected_account_id, row.generation, due_at)


_LEAVE = """
UPDATE oauth_tokens SET attended_until = NULL WHERE connected_account_id = $1 AND generation = $2
"""


async def leave(connection: Connection, row: OAuthToken) -> None:
    """Give up the right to renew a token; when it is due next is as others have set it meanwhile."""
    await connection.execute(_LEAVE, row.connected_account_id, row.generation)


_SET_SCOPES = """
UPDATE oauth_tokens SET scopes = $3 WHERE connected_account_id = $1 AND generation = $2 AND scopes <> $3
"""


async def set_scopes(connection: Connection, row: OAuthToken, scopes: list[str]) -> None:
    """Note which permissions a token has by now, unless it was replaced meanwhile."""
    await connection.execute(_SET_SCOPES, row.connected_account_id, row.generation, scopes)


_USED_ELSEWHERE = """
SELECT EXISTS (
    SELECT FROM oauth_tokens t JOIN connected_accounts a ON a.id = t.connected_account_id
    WHERE t.app_scoped_user_id = $1 AND t.connected_account_id <> $2 AND a.status <> 'DISCONNECTED')
"""


async def user_serves_others(connection: Connection, app_scoped_user_id: str, account_id: UUID) -> bool:
    """Say whether another live account works by the same person's consent (the worker's view)."""
    return bool(await connection.fetchval(_USED_ELSEWHERE, app_scoped_user_id, account_id))


_OF_OTHER_KEYS = f"""
SELECT {_COLUMNS} FROM oauth_tokens WHERE key_id <> $1 AND id > $2 ORDER BY id LIMIT $3 FOR UPDATE
"""  # noqa: S608


async def of_other_keys(connection: Connection, key_id: str, after: UUID, limit: int) -> list[OAuthToken]:
    """Read and lock tokens that another key encrypted, in order, after a given one (the owner's view)."""
    return [_token(record) for record in await connection.fetch(_OF_OTHER_KEYS, key_id, after, limit)]


_RESEAL = """
UPDATE oauth_tokens SET access_token_encrypted = $2, refresh_token_encrypted = $3, key_id = $4 WHERE id = $1
"""


async def reseal(connection: Connection, token_id: UUID, access: str, refresh: str | None, key_id: str) -> None:
    """Replace the ciphertexts of a token by those of another key; the token is the same."""
    await connection.execute(_RESEAL, token_id, access, refresh, key_id)


_COUNT_BY_KEY = "SELECT key_id, count(*) AS count FROM oauth_tokens GROUP BY key_id"


async def count_by_key(connection: Connection) -> dict[str, int]:
    """Count the tokens of each key (the owner's view)."""
    return {record["key_id"]: record["count"] for record in await connection.fetch(_COUNT_BY_KEY)}
