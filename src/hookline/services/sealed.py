"""Secrets in the database: encrypted before they are written, decrypted only where they are used."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

from hookline.security.keyset import UnknownKey
from hookline.security.vault import Vault
from hookline.services import keys
from hookline.store import secrets
from hookline.store.pool import Connection
from hookline.store.secrets import SealedSecret

Row = TypeVar("Row")
Result = TypeVar("Result")


async def opened(
    connection: Connection, vault: Vault, read: Callable[[], Awaitable[Row | None]], decrypt: Callable[[Row], Result]
) -> Result | None:
    """Read a row and decrypt what it holds; None if there is none.

    A key that is not known here is of a newer keyset, which is fetched then; the row is read again, as it may have
    been encrypted again meanwhile.
    Raises: Undecryptable; Unavailable, if the master key's service does not answer.
    """
    row = await read()
    if row is None:
        return None
    if vault.opened:
        with suppress(UnknownKey):
            return decrypt(row)
    await keys.reload(connection, vault)
    row = await read()
    return None if row is None else decrypt(row)


async def put(
    connection: Connection, vault: Vault, owner_id: UUID, purpose: str, organization_id: str, text: str
) -> None:
    """Keep a secret of an owner under a purpose, in the place of an earlier one. `keys.prepare` comes before it."""
    await keys.hold(connection, vault)
    ciphertext = vault.encrypt(text, account_id=owner_id, organization_id=organization_id, purpose=purpose)
    secret = SealedSecret(owner_id=owner_id, purpose=purpose, organization_id=organization_id, ciphertext=ciphertext)
    await secrets.put(connection, secret, vault.keyset.primary_id)


async def get(connection: Connection, vault: Vault, owner_id: UUID, purpose: str, organization_id: str) -> str | None:
    """Read a secret; None if there is none. Raises: as `opened`."""
    return await opened(
        connection,
        vault,
        lambda: secrets.get(connection, owner_id, purpose, organization_id),
        lambda text: vault.decrypt(text, account_id=owner_id, organization_id=organization_id, purpose=purpose),
    )
