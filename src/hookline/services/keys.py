"""The vault's keys: fetching the keyset, and keeping it in force while something is encrypted.

Every process fetches the keyset when it first needs it, and again when it meets a key that it does not know. Whoever
encrypts holds the keyset in force to the end of its transaction, so that a rotation knows that nothing encrypted with
an older key can appear behind it.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg

from hookline.domain.errors import HooklineError, Unavailable
from hookline.security.keyset import Keyset, UnknownKey
from hookline.security.vault import Vault
from hookline.store import keysets
from hookline.store.keysets import KeysetRow
from hookline.store.pool import ACQUIRE_SECONDS, Connection

Result = TypeVar("Result")


class MasterKeyAway(Unavailable):
    """The master key's service does not open or wrap the keyset now."""


async def prepare(pool: asyncpg.Pool, vault: Vault) -> None:
    """Open the vault for encrypting; the first process ever makes the keyset. Call outside any transaction.

    Raises: MasterKeyAway, if the master key's service does not answer; StartupError, if this installation may not use
    the master key.
    """
    if vault.opened:
        return
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        if await keysets.read(connection) is None:
            # Committed by itself: nobody may encrypt with a key that a rollback takes away.
            await keysets.add(connection, await _make(vault))
        await reload(connection, vault)


async def reload(connection: Connection, vault: Vault) -> None:
    """Fetch the keyset that is in force.

    Raises: as `prepare`; UnknownKey, if nothing was ever encrypted.
    """
    async with vault.turn:
        row = await keysets.read(connection)
        if row is None:
            raise UnknownKey("there is no keyset")
        if row.version != vault.version:
            vault.take(row.version, await unwrap(vault, row))


async def hold(connection: Connection, vault: Vault) -> None:
    """Let what this transaction encrypts from now on be encrypted with the key in force. `prepare` comes before it.

    Raises: as `reload`.
    """
    await keysets.hold(connection)
    # A statement of its own, after the lock: it sees what was committed before.
    if await keysets.version(connection) != vault.version:
        await reload(connection, vault)


async def unwrap(vault: Vault, row: KeysetRow) -> Keyset:
    """Open a stored keyset. Raises: as `prepare`."""
    return await _in_thread(lambda: Keyset.unwrap(row.wrapped, vault.masters.aead(row.wrapped_by)))


async def wrap(vault: Vault, keyset: Keyset) -> bytes:
    """Wrap a keyset by the configured master key. Raises: as `prepare`."""
    return await _in_thread(lambda: keyset.wrap(vault.masters.aead(vault.masters.uri)))


async def _make(vault: Vault) -> KeysetRow:
    keyset = await _in_thread(Keyset.new)
    made_at = {keyset.primary_id: datetime.now(UTC)}
    return KeysetRow(version=1, wrapped_by=vault.masters.uri, wrapped=await wrap(vault, keyset), made_at=made_at)


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Do what may wait for the master key's service. Its own errors are told by their class: texts may hold names."""
    try:
        return await asyncio.to_thread(work)
    except HooklineError:
        raise
    except Exception as error:
        raise MasterKeyAway(f"the master key does not open the keyset now ({type(error).__name__})") from error
