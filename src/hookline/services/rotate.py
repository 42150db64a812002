"""Rotating the keys: a new key encrypts from now on, everything is encrypted again, and keys that nothing needs go.

Without downtime: other processes fetch the keyset anew when they next encrypt, or meet a key that they do not know.
Interrupted at any point, all stays readable, and another rotation finishes the work.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.errors import Conflict
from hookline.security.keyset import Keyset, Undecryptable
from hookline.security.vault import ACCESS, REFRESH, Vault
from hookline.services import keys
from hookline.store import keysets, secrets, tokens
from hookline.store.keysets import KeysetRow
from hookline.store.pool import Connection
from hookline.store.secrets import SealedSecret
from hookline.store.tokens import OAuthToken

BATCH = 200
_ATTEMPTS = 10


class Key(msgspec.Struct, frozen=True, rename="camel"):
    """A key of the keyset, and how many rows are encrypted with it."""

    id: str
    primary: bool
    made_at: datetime | None
    rows: int


class Rotation(msgspec.Struct, frozen=True, rename="camel"):
    """What a rotation did. `unreadable`: rows that no key decrypts; while there are any, no key is dropped."""

    key_id: str
    resealed: int
    unreadable: int
    dropped: list[str]


async def list_keys(pool: asyncpg.Pool, vault: Vault) -> list[Key]:
    """List the keys, oldest first.

    Raises: as `keys.prepare`.
    """
    await keys.prepare(pool, vault)
    async with pool.acquire() as connection:
        await keys.reload(connection, vault)
        row, used = await keysets.read(connection), await _rows_by_key(connection)
    made_at = row.made_at if row else {}
    found = [
        Key(one, one == vault.keyset.primary_id, made_at.get(one), used.get(one, 0)) for one in vault.keyset.key_ids
    ]
    return sorted(found, key=lambda key: (key.made_at or datetime.min.replace(tzinfo=UTC), key.id))


async def rotate(pool: asyncpg.Pool, vault: Vault) -> Rotation:
    """Add a key, encrypt everything with it, and drop the keys that nothing is encrypted with.

    Raises: as `keys.prepare`; Conflict, if others rotate all the time.
    """
    await keys.prepare(pool, vault)
    await _replace(pool, vault, Keyset.with_new_primary)
    resealed, unreadable = await _reseal(pool, vault)
    dropped = await _drop_unused(pool, vault)
    return Rotation(vault.keyset.primary_id, resealed, unreadable, dropped)


async def _replace(pool: asyncpg.Pool, vault: Vault, change: Callable[[Keyset], Keyset]) -> None:
    """Put a changed keyset into force. The master key's service is called outside the transaction."""
    for _ in range(_ATTEMPTS):
        async with pool.acquire() as connection:
            await keys.reload(connection, vault)
            row = await keysets.read(connection)
        if row is None or row.version != vault.version:
            continue
        keyset = change(vault.keyset)
        now = datetime.now(UTC)
        made_at = {key_id: row.made_at.get(key_id, now) for key_id in sorted(keyset.key_ids)}
        following = KeysetRow(
            version=row.version + 1,
            wrapped_by=vault.masters.uri,
            wrapped=await keys.wrap(vault, keyset),
            made_at=made_at,
        )
        async with pool.acquire() as connection, connection.transaction():
            await keysets.hold(connection, alone=True)
            replaced = await keysets.replace(connection, following)
        if replaced:
            vault.take(following.version, keyset)
            return
    raise Conflict("the keys are being rotated by others all the time: try again")


async def _reseal(pool: asyncpg.Pool, vault: Vault) -> tuple[int, int]:
    """Encrypt with the primary key what another one encrypted; how much, and how much could not be read."""
    resealed = unreadable = 0
    token: UUID | None = UUID(int=0)
    while token is not None:
        async with pool.acquire() as connection, connection.transaction():
            await keys.hold(connection, vault)
            found = await tokens.of_other_keys(connection, vault.keyset.primary_id, token, BATCH)
            done = [await _reseal_token(connection, vault, one) for one in found]
        token = found[-1].id if found else None
        resealed, unreadable = resealed + sum(done), unreadable + done.count(False)
    secret: SealedSecret | None = None
    while True:
        async with pool.acquire() as connection, connection.transaction():
            await keys.hold(connection, vault)
            others = await secrets.of_other_keys(connection, vault.keyset.primary_id, secret, BATCH)
            done = [await _reseal_secret(connection, vault, one) for one in others]
        resealed, unreadable = resealed + sum(done), unreadable + done.count(False)
        if not others:
            return resealed, unreadable
        secret = others[-1]


async def _reseal_token(connection: Connection, vault: Vault, row: OAuthToken) -> bool:
    ciphertexts = {ACCESS: row.access_token_encrypted, REFRESH: row.refresh_token_encrypted}
    try:
        again = {
            purpose: None
            if text is None
            else _again(vault, text, row.connected_account_id, row.organization_id, purpose)
            for purpose, text in ciphertexts.items()
        }
    except Undecryptable:
        return False
    access = again[ACCESS]
    assert access is not None  # noqa: S101 - the column is NOT NULL
    await tokens.reseal(connection, row.id, access, again[REFRESH], vault.keyset.primary_id)
    return True


async def _reseal_secret(connection: Connection, vault: Vault, row: SealedSecret) -> bool:
    try:
        again = _again(vault, row.ciphertext, row.owner_id, row.organization_id, row.purpose)
    except Undecryptable:
        return False
    await secrets.put(connection, msgspec.structs.replace(row, ciphertext=again), vault.keyset.primary_id)
    return True


def _again(vault: Vault, ciphertext: str, owner_id: UUID, organization_id: str, purpose: str) -> str:
    plaintext = vault.decrypt(ciphertext, account_id=owner_id, organization_id=organization_id, purpose=purpose)
    return vault.encrypt(plaintext, account_id=owner_id, organization_id=organization_id, purpose=purpose)


async def _drop_unused(pool: asyncpg.Pool, vault: Vault) -> list[str]:
    """Drop the keys that no row is encrypted with. No row can come to one: whoever encrypts holds the keyset."""
    async with pool.acquire() as connection:
        await keys.reload(connection, vault)
        used = await _rows_by_key(connection)
    unused = sorted(vault.keyset.key_ids - used.keys() - {vault.keyset.primary_id})
    if unused and not used.keys() - {vault.keyset.primary_id}:
        await _replace(pool, vault, lambda keyset: keyset.without(unused))
        return unused
    return []


async def _rows_by_key(connection: Connection) -> dict[str, int]:
    found: dict[str, int] = {}
    for counted in (await tokens.count_by_key(connection), await secrets.count_by_key(connection)):
        for key_id, count in counted.items():
            found[key_id] = found.get(key_id, 0) + count
    return found
