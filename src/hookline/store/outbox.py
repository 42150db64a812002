"""The table outbox: every fact, written in the transaction that made it true; the feed reads it in order.

The order is (tx_id, seq), and a reader takes only facts of transactions older than every one still running: nothing
can then appear before a cursor that was handed out.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.store.pool import Connection


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, to be written. `data` is JSON text, `occurred_at` the platform's time if it has one."""

    id: UUID
    organization_id: str
    type: str
    occurred_at: datetime
    data: str
    connected_account_id: UUID | None = None
    message_id: UUID | None = None


class FeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A fact with its place in the feed."""

    tx_id: str
    seq: int
    id: UUID
    organization_id: str
    type: str
    connected_account_id: UUID | None
    message_id: UUID | None
    occurred_at: datetime
    data: str


_ADDED = Fact.__struct_fields__
_ADD = f"""
INSERT INTO outbox ({", ".join(_ADDED)}) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""  # noqa: S608 - constants only


async def add(connection: Connection, fact: Fact) -> None:
    """Write one fact."""
    await connection.execute(_ADD, *msgspec.structs.astuple(fact))


async def add_all(connection: Connection, facts: Sequence[Fact]) -> None:
    """Write facts, in order, as the owner: COPY does not pass row-level security."""
    if facts:
        await connection.copy_records_to_table("outbox", records=map(msgspec.structs.astuple, facts), columns=_ADDED)


_READ = """
SELECT tx_id::text, seq, id, organization_id, type, connected_account_id, message_id, occurred_at, data
FROM outbox
WHERE organization_id = $1 AND (tx_id, seq) > ($2::text::xid8, $3)
  AND tx_id < pg_snapshot_xmin(pg_current_snapshot())
  AND ($5::text[] IS NULL OR type = ANY ($5))
  AND ($6::uuid IS NULL OR connected_account_id = $6)
ORDER BY tx_id, seq LIMIT $4
"""


async def read(
    connection: Connection,
    organization_id: str,
    *,
    after: tuple[str, int],
    limit: int,
    types: Sequence[str] | None = None,
    account_id: UUID | None = None,
) -> list[FeedRow]:
    """Read an organization's facts after the place `(tx_id, seq)`, oldest first; ("0", 0) is the beginning."""
    tx_id, seq = after
    records: Sequence[Any] = await connection.fetch(_READ, organization_id, tx_id, seq, limit, types, account_id)
    return [FeedRow(**dict(record)) for record in records]


_SETTLED = "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::numeric - 1)::text"


async def settled(connection: Connection) -> tuple[str, int]:
    """Give a place behind everything that a reader may take now, whatever it filters by.

    Asked before `read`, it tells where a reader who got fewer facts than it asked for can go on from.
    """
    return str(await connection.fetchval(_SETTLED)), 2**63 - 1
