"""The tables held_changes and contact_watermarks: what was said of messages that are not there yet."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from hookline.store.arrays import columns
from hookline.store.messages import BY_KEY, Key, joined_keys
from hookline.store.pool import Connection


class HeldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change (JSON text of the item) that waits for its message. `position` counts within its event."""

    webhook_event_id: UUID
    position: int
    organization_id: str
    connected_account_id: UUID
    external_id: str
    change: str


_ADD = """
INSERT INTO held_changes (webhook_event_id, position, organization_id, connected_account_id, external_id, change)
SELECT event, position, organization_id, account, external_id, change::json
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::uuid[], $5::text[], $6::text[])
    AS h(event, position, organization_id, account, external_id, change)
ON CONFLICT DO NOTHING
"""


async def add(connection: Connection, changes: Sequence[HeldChange]) -> None:
    """Keep changes until their messages come; what is kept already (a replay) is kept once."""
    if changes:
        await connection.execute(_ADD, *columns(changes, HeldChange.__struct_fields__))


_TAKE = """
DELETE FROM held_changes h
USING unnest(string_to_array($2, $1)::uuid[], string_to_array($3, $1)) AS k(account, external_id)
WHERE h.connected_account_id = k.account AND h.external_id = k.external_id
RETURNING h.webhook_event_id, h.position, h.organization_id, h.connected_account_id, h.external_id, h.change
"""


async def take(connection: Connection, keys: Iterable[Key]) -> list[HeldChange]:
    """Remove and return what waited for these messages, in the order in which it came."""
    pairs = sorted(set(keys))
    if not pairs:
        return []
    records: Sequence[Any] = await connection.fetch(_TAKE, *joined_keys(pairs))
    changes = [HeldChange(**dict(record)) for record in records]
    return sorted(changes, key=lambda change: (change.webhook_event_id, change.position))


_MATCHED = f"""
SELECT k.account, k.external_id
FROM (
    SELECT connected_account_id AS account, external_id FROM held_changes
    WHERE created_at > now() - interval '5 minutes'
) AS k
JOIN messages m ON {BY_KEY}
LIMIT $1
"""  # noqa: S608 - constants only


async def matched(connection: Connection, limit: int) -> list[Key]:
    """List recently held changes whose message is there after all: the two were committed at the same moment."""
    records = await connection.fetch(_MATCHED, limit)
    return [(record[0], record[1]) for record in records]


_EXPIRE = """
DELETE FROM held_changes WHERE (webhook_event_id, position) IN (
    SELECT webhook_event_id, position FROM held_changes WHERE created_at < now() - $1::interval LIMIT $2)
"""


async def expire(connection: Connection, older_than: timedelta, limit: int) -> None:
    """Give up on up to `limit` messages that never came (sent by other means than this program)."""
    await connection.execute(_EXPIRE, older_than, limit)


Person = tuple[UUID, str]  # (connected account, contact)
Marks = tuple[datetime | None, datetime | None]  # up to when messages were (delivered, read)

_WATERMARKS = """
SELECT w.connected_account_id, w.contact, w.delivered_until, w.read_until
FROM unnest($1::uuid[], $2::text[]) AS k(account, contact)
JOIN contact_watermarks w ON w.connected_account_id = k.account AND w.contact = k.contact
"""


async def watermarks(connection: Connection, people: Iterable[Person]) -> dict[Person, Marks]:
    """Read up to when each person's messages were (delivered, read), where that was told as a moment."""
    pairs = sorted(set(people))
    if not pairs:
        return {}
    records = await connection.fetch(_WATERMARKS, [account for account, _ in pairs], [contact for _, contact in pairs])
    return {(record[0], record[1]): (record[2], record[3]) for record in records}


_RAISE_WATERMARKS = """
INSERT INTO contact_watermarks AS w (connected_account_id, contact, organization_id, delivered_until, read_until)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
ON CONFLICT (connected_account_id, contact) DO UPDATE SET
    delivered_until = greatest(w.delivered_until, excluded.delivered_until),
    read_until = greatest(w.read_until, excluded.read_until)
"""


async def raise_watermarks(
    connection: Connection, raised: Mapping[Person, tuple[str, datetime | None, datetime | None]]
) -> None:
    """Note up to when people's messages were delivered and read: (organization, delivered, read) each."""
    if not raised:
        return
    rows = [(*person, *values) for person, values in sorted(raised.items())]
    await connection.execute(_RAISE_WATERMARKS, *map(list, zip(*rows, strict=True)))
