"""The table encryption_keysets: one row, the keyset in its wrapped form, shared by every machine."""

from datetime import datetime

import msgspec

from hookline.store.pool import Connection

_LOCK = 0x486F6F6B_6B657973  # an advisory lock of our own


class KeysetRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `wrapped_by` names the master key; `made_at` tells for every key id since when it exists."""

    version: int
    wrapped_by: str
    wrapped: bytes
    made_at: dict[str, datetime]


_READ = "SELECT version, wrapped_by, wrapped, made_at FROM encryption_keysets"


async def read(connection: Connection) -> KeysetRow | None:
    """Read the keyset; None if nothing was ever encrypted."""
    record = await connection.fetchrow(_READ)
    if record is None:
        return None
    made_at = msgspec.json.decode(record["made_at"], type=dict[str, datetime])
    return KeysetRow(
        version=record["version"], wrapped_by=record["wrapped_by"], wrapped=record["wrapped"], made_at=made_at
    )


_VERSION = "SELECT version FROM encryption_keysets"


async def version(connection: Connection) -> int:
    """Read which keyset is in force; 0 if there is none."""
    found: int | None = await connection.fetchval(_VERSION)
    return found or 0


_ADD = """
INSERT INTO encryption_keysets (id, version, wrapped_by, wrapped, made_at) VALUES (1, $1, $2, $3, $4)
ON CONFLICT (id) DO NOTHING
"""


async def add(connection: Connection, row: KeysetRow) -> None:
    """Store the first keyset, unless another process has stored one."""
    made_at = msgspec.json.encode(row.made_at).decode()
    await connection.execute(_ADD, row.version, row.wrapped_by, row.wrapped, made_at)


_REPLACE = """
UPDATE encryption_keysets SET version = $1, wrapped_by = $2, wrapped = $3, made_at = $4, updated_at = now()
WHERE version = $1 - 1
RETURNING version
"""


async def replace(connection: Connection, row: KeysetRow) -> bool:
    """Put the next version into force; False if another one came first."""
    made_at = msgspec.json.encode(row.made_at).decode()
    return await connection.fetchval(_REPLACE, row.version, row.wrapped_by, row.wrapped, made_at) is not None


# Whoever encrypts holds the lock, shared, to the end of its transaction; whoever changes the keyset holds it alone.
_HOLD = "SELECT pg_advisory_xact_lock_shared($1)"
_HOLD_ALONE = "SELECT pg_advisory_xact_lock($1)"


async def hold(connection: Connection, *, alone: bool = False) -> None:
    """Keep the keyset in force as it is until the transaction ends."""
    await connection.execute(_HOLD_ALONE if alone else _HOLD, _LOCK)
