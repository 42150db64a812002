"""Rows that are one person's by account and contact: found by an index, and deleted.

Rows that name people elsewhere are in store/personal_walks.py. To a list of sweeps (services/forget.py) each table is a
pair of functions: `find` what is the person's, a few hundred rows after a place; `erase` what was found.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from hookline.domain.privacy import Person
from hookline.store import contacts
from hookline.store.pool import Connection

BATCH: Final = 500
START: Final = UUID(int=0)


class Found(msgspec.Struct, frozen=True):
    """The next rows that are a person's.

    doomed: keys of those to be deleted. redacted: keys, and the JSON text that is left of them.
    following: after which place to go on; None at the end.
    """

    doomed: Sequence[Any] = ()
    redacted: Sequence[tuple[UUID, str]] = ()
    following: str | None = None

    @property
    def count(self) -> int:
        """How many rows that are."""
        return len(self.doomed) + len(self.redacted)


class Sweep(msgspec.Struct, frozen=True):
    """A table's. erase: says how many rows it changed; fewer than were found, if somebody is at work with them."""

    table: str
    find: Callable[[Connection, Person, str | None], Awaitable[Found]]
    erase: Callable[[Connection, Person, Found], Awaitable[int]]


_MESSAGES = """
SELECT found.id FROM unnest($1::text[]) AS k(contact) CROSS JOIN LATERAL (
    SELECT m.id FROM messages m
    WHERE m.connected_account_id = $2 AND m.contact = k.contact AND m.organization_id = $3 AND m.id > $4
    ORDER BY m.id LIMIT $5
) AS found ORDER BY found.id LIMIT $5
"""


async def find_messages(connection: Connection, person: Person, after: str | None) -> Found:
    """Find a person's messages, in both directions."""
    place = START if after is None else UUID(after)
    records = await connection.fetch(_MESSAGES, person.ids, person.account_id, person.organization_id, place, BATCH)
    ids = [record[0] for record in records]
    return Found(doomed=ids, following=str(ids[-1]) if len(ids) == BATCH else None)


# One that is being sent just now has its reply recorded first. In the order in which everybody locks messages.
_ERASE_MESSAGES = """
WITH locked AS MATERIALIZED (
    SELECT id FROM messages
    WHERE organization_id = $1 AND id = ANY ($2::uuid[])
      AND (status <> 'SENDING' OR updated_at < now() - interval '10 minutes')
    ORDER BY id FOR UPDATE
),
attempts AS (
    DELETE FROM send_attempts WHERE organization_id = $1 AND message_id = ANY (ARRAY(SELECT id FROM locked))
),
files AS (
    DELETE FROM media WHERE organization_id = $1 AND message_id = ANY (ARRAY(SELECT id FROM locked))
),
gone AS (
    DELETE FROM messages WHERE organization_id = $1 AND id = ANY (ARRAY(SELECT id FROM locked)) RETURNING 1
)
SELECT count(*) FROM gone
"""


async def erase_messages(connection: Connection, person: Person, found: Found) -> int:
    """Delete messages with the attempts to send them and with their files, which upkeep then clears away."""
    return int(await connection.fetchval(_ERASE_MESSAGES, person.organization_id, found.doomed))


def keyed(table: str) -> Sweep:
    """Make the sweep of a table that holds at most one row a person, under (connected_account_id, contact)."""
    where = "connected_account_id = $1 AND contact = ANY ($2::text[]) AND organization_id = $3"
    select = f"SELECT contact FROM {table} WHERE {where}"  # noqa: S608 - names of tables, from the code
    delete = f"WITH gone AS (DELETE FROM {table} WHERE {where} RETURNING 1) SELECT count(*) FROM gone"  # noqa: S608

    async def find(connection: Connection, person: Person, after: str | None) -> Found:
        records = await connection.fetch(select, person.account_id, person.ids, person.organization_id)
        return Found(doomed=[record[0] for record in records])

    async def erase(connection: Connection, person: Person, found: Found) -> int:
        return int(await connection.fetchval(delete, person.account_id, found.doomed, person.organization_id))

    return Sweep(table, find, erase)


_CONTACTS = """
SELECT DISTINCT contact_id FROM contact_ids
WHERE connected_account_id = $1 AND external_id = ANY ($2::text[]) AND organization_id = $3
"""


async def find_contacts(connection: Connection, person: Person, after: str | None) -> Found:
    """Find the contacts that a person is."""
    records = await connection.fetch(_CONTACTS, person.account_id, list(person.ids), person.organization_id)
    return Found(doomed=[record[0] for record in records])


async def erase_contacts(connection: Connection, person: Person, found: Found) -> int:
    """Delete contacts with all their ids. Not by what was found: two may have become one meanwhile."""
    if person.account_id is not None:
        await contacts.forget(connection, person.organization_id, person.account_id, person.ids)
    return found.count


CONTACTS: Final = Sweep("contacts", find_contacts, erase_contacts)
MESSAGES: Final = Sweep("messages", find_messages, erase_messages)
CONVERSATIONS: Final = keyed("conversations")
WATERMARKS: Final = keyed("contact_watermarks")
PAIR_PACES: Final = keyed("pair_paces")
