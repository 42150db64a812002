"""The table sealed_secrets: ciphertexts that are no account's tokens. What they say, only the vault can tell."""

from uuid import UUID

import msgspec

from hookline.store.pool import Connection


class SealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    owner_id: UUID
    purpose: str
    organization_id: str
    ciphertext: str


_PUT = """
INSERT INTO sealed_secrets (owner_id, purpose, organization_id, ciphertext, key_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner_id, purpose, organization_id)
DO UPDATE SET ciphertext = excluded.ciphertext, key_id = excluded.key_id, updated_at = now()
"""


async def put(connection: Connection, secret: SealedSecret, key_id: str) -> None:
    """Keep a secret, in the place of an earlier one."""
    await connection.execute(_PUT, secret.owner_id, secret.purpose, secret.organization_id, secret.ciphertext, key_id)


_GET = "SELECT ciphertext FROM sealed_secrets WHERE owner_id = $1 AND purpose = $2 AND organization_id = $3"


async def get(connection: Connection, owner_id: UUID, purpose: str, organization_id: str) -> str | None:
    """Read a secret's ciphertext."""
    found: str | None = await connection.fetchval(_GET, owner_id, purpose, organization_id)
    return found


_FORGET = "DELETE FROM sealed_secrets WHERE owner_id = ANY ($1::uuid[])"


async def forget(connection: Connection, owner_ids: list[UUID]) -> None:
    """Delete all secrets of these owners."""
    await connection.execute(_FORGET, owner_ids)


_OF_OTHER_KEYS = """
SELECT owner_id, purpose, organization_id, ciphertext FROM sealed_secrets
WHERE key_id <> $1 AND (owner_id, purpose, organization_id) > ($2, $3, $4)
ORDER BY owner_id, purpose, organization_id LIMIT $5 FOR UPDATE
"""


async def of_other_keys(
    connection: Connection, key_id: str, after: SealedSecret | None, limit: int
) -> list[SealedSecret]:
    """Read and lock secrets that another key encrypted, in order, after a given one (the owner's view)."""
    start = (after.owner_id, after.purpose, after.organization_id) if after else (UUID(int=0), "", "")
    records = await connection.fetch(_OF_OTHER_KEYS, key_id, *start, limit)
    return [msgspec.convert(dict(record), SealedSecret) for record in records]


_COUNT_BY_KEY = "SELECT key_id, count(*) AS count FROM sealed_secrets GROUP BY key_id"


async def count_by_key(connection: Connection) -> dict[str, int]:
    """Count the secrets of each key (the owner's view)."""
    return {record["key_id"]: record["count"] for record in await connection.fetch(_COUNT_BY_KEY)}
