"""The tables contacts and contact_ids: a row a person and account, and all the ids by which they have been named.

Here they are read and written in batches while webhooks are recorded; what the API asks is in store/contact_lists.py.

Locks are taken in one order everywhere: new ids by account and id, then contacts by id. The row of an id belongs to
the contact that it names: it is changed only under that contact's lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.store.arrays import columns, joined
from hookline.store.pool import Connection

FETCHED: Final = "FETCHED"
REFUSED: Final = "REFUSED"


class Contact(msgspec.Struct, kw_only=True):
    """A row. `name` is the person's own, `saved_name` the one in the business's address book.

    profile_status: FETCHED, or REFUSED (then `profile_error` says why); None where nobody asked.
    """

    id: UUID
    organization_id: str
    connected_account_id: UUID
    provider: IntegrationProvider
    external_id: str
    name: str | None = None
    saved_name: str | None = None
    username: str | None = None
    picture_url: str | None = None
    phone: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None
    marketing_opted_out_at: datetime | None = None
    marketing_preference_at: datetime | None = None
    named_at: datetime | None = None
    saved_at: datetime | None = None
    identified_at: datetime | None = None
    profile_status: str | None = None
    profile_error: str | None = None
    profile_at: datetime | None = None
    profile_due_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def display_name(self) -> str | None:
        """The name to show: the business's own for this person, else the person's."""
        return self.saved_name or self.name


_FIELDS = Contact.__struct_fields__
COLUMNS: Final = ", ".join(_FIELDS)  # what `contact_from` reads
_OF_C = ", ".join("c." + name for name in _FIELDS)


def contact_from(record: Any) -> Contact:
    """Read a row that holds COLUMNS."""
    return msgspec.convert(dict(record), Contact, strict=False)


Key = tuple[UUID, str]  # (connected account, one of the ids of a person)


class Sighting(msgspec.Struct, frozen=True):
    """What a webhook says of a person, as far as it is compared with what is known; None was not said."""

    connected_account_id: UUID
    external_id: str
    name: str | None
    username: str | None
    phone: str | None
    user_id: str | None
    parent_user_id: str | None


class Met(msgspec.Struct, frozen=True):
    """What is not as a sighting says, or worth knowing of it. `place` is the sighting's."""

    place: int
    is_news: bool
    display_name: str | None


_SAID = Sighting.__struct_fields__[2:]
_DIFFERS = " OR ".join(f"coalesce(k.{name}, c.{name}) IS DISTINCT FROM c.{name}" for name in _SAID)
# Whoever is known as described gives no row: of the hundreds in a batch, few do.
_MEET = f"""
SELECT place, is_news, display_name
FROM (
    SELECT k.place::integer, k.name AS said, coalesce(c.saved_name, c.name) AS display_name,
           c.id IS NULL OR i.former_at IS NOT NULL OR coalesce(c.profile_due_at <= now(), false)
           OR {_DIFFERS} AS is_news
    FROM unnest(
        string_to_array($2, $1)::uuid[], string_to_array($3, $1), string_to_array($4, $1, ''),
        string_to_array($5, $1, ''), string_to_array($6, $1, ''), string_to_array($7, $1, ''),
        string_to_array($8, $1, '')
    ) WITH ORDINALITY AS k(account, external_id, name, username, phone, user_id, parent_user_id, place)
    LEFT JOIN contact_ids i ON i.connected_account_id = k.account AND i.external_id = k.external_id
    LEFT JOIN contacts c ON c.organization_id = i.organization_id AND c.id = i.contact_id
) AS met
WHERE is_news OR display_name <> coalesce(said, '')
"""  # noqa: S608 - constants only, here and below


async def meet(connection: Connection, sightings: Sequence[Sighting]) -> list[Met]:
    """Compare what is said of people with what is known; gives whoever is not known so, or shown by another name."""
    if not sightings:
        return []
    texts = [
        [str(one.connected_account_id) for one in sightings],
        [one.external_id for one in sightings],
        *([getattr(one, name) or "" for one in sightings] for name in _SAID),
    ]
    return [Met(record[0] - 1, record[1], record[2]) for record in await connection.fetch(_MEET, *joined(*texts))]


class Known(msgspec.Struct):
    """An id and whom it names. `contact_id` is to be looked up among the contacts."""

    contact_id: UUID
    former_at: datetime | None = None


_READ = """
SELECT i.connected_account_id, i.external_id, i.contact_id, i.former_at
FROM unnest(string_to_array($2, $1)::uuid[], string_to_array($3, $1)) AS k(account, external_id)
JOIN contact_ids i ON i.connected_account_id = k.account AND i.external_id = k.external_id
"""


async def read_ids(connection: Connection, keys: Iterable[Key]) -> dict[Key, Known]:
    """Read whom ids name."""
    pairs = sorted(set(keys))
    if not pairs:
        return {}
    texts = joined([str(account) for account, _ in pairs], [external_id for _, external_id in pairs])
    records = await connection.fetch(_READ, *texts)
    return {(record[0], record[1]): Known(record[2], record[3]) for record in records}


class Claim(msgspec.Struct, frozen=True):
    """A new id of a person."""

    connected_account_id: UUID
    external_id: str
    organization_id: str
    contact_id: UUID

    @property
    def key(self) -> Key:
        """The account, and the id."""
        return self.connected_account_id, self.external_id


# Whoever adds the same id at the same time is waited for; then it is theirs.
_CLAIM = """
INSERT INTO contact_ids (connected_account_id, external_id, organization_id, contact_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[])
ON CONFLICT DO NOTHING
RETURNING connected_account_id, external_id
"""


async def claim_ids(connection: Connection, claims: Iterable[Claim]) -> set[Key]:
    """Add ids that are not there yet; gives those that were added. In one order: two batches never wait in a circle."""
    ordered = sorted(claims, key=lambda one: one.key)
    if not ordered:
        return set()
    records = await connection.fetch(_CLAIM, *columns(ordered, Claim.__struct_fields__))
    return {(record[0], record[1]) for record in records}


_LOCK = f"""
SELECT {_OF_C}
FROM unnest($1::text[], $2::uuid[]) AS k(organization_id, id)
JOIN contacts c ON c.organization_id = k.organization_id AND c.id = k.id
ORDER BY c.id FOR UPDATE OF c
"""  # noqa: S608


async def lock(connection: Connection, ids: Mapping[UUID, str]) -> dict[UUID, Contact]:
    """Lock and read contacts, given each one's organization; they are changed in memory and written back."""
    if not ids:
        return {}
    records = await connection.fetch(_LOCK, list(ids.values()), list(ids))
    return {record["id"]: contact_from(record) for record in records}


_OF_CONTACTS = """
SELECT connected_account_id, external_id, contact_id, former_at FROM contact_ids WHERE contact_id = ANY ($1::uuid[])
"""


async def ids_of(connection: Connection, contact_ids: Iterable[UUID]) -> dict[Key, Known]:
    """Read all the ids of contacts."""
    records = await connection.fetch(_OF_CONTACTS, list(contact_ids))
    return {(record[0], record[1]): Known(record[2], record[3]) for record in records}


async def insert(connection: Connection, contacts: Sequence[Contact]) -> None:
    """Add contacts, whose ids have been claimed."""
    if contacts:
        records = [msgspec.structs.astuple(one) for one in contacts]
        await connection.copy_records_to_table("contacts", records=records, columns=_FIELDS)


_WRITTEN = {
    "external_id": "text",
    "name": "text",
    "saved_name": "text",
    "username": "text",
    "picture_url": "text",
    "phone": "text",
    "user_id": "text",
    "parent_user_id": "text",
    "marketing_opted_out_at": "timestamptz",
    "marketing_preference_at": "timestamptz",
    "named_at": "timestamptz",
    "saved_at": "timestamptz",
    "identified_at": "timestamptz",
    "profile_status": "text",
    "profile_error": "text",
    "profile_at": "timestamptz",
    "profile_due_at": "timestamptz",
    "updated_at": "timestamptz",
}
_UPDATE = f"""
UPDATE contacts c SET {", ".join(f"{name} = n.{name}" for name in _WRITTEN)}
FROM unnest($1::uuid[], $2::text[], {", ".join(f"${at}::{type_}[]" for at, type_ in enumerate(_WRITTEN.values(), 3))})
    AS n(id, organization_id, {", ".join(_WRITTEN)})
WHERE c.organization_id = n.organization_id AND c.id = n.id
"""  # noqa: S608


async def update(connection: Connection, contacts: Sequence[Contact]) -> None:
    """Write back locked contacts."""
    if contacts:
        await connection.execute(_UPDATE, *columns(contacts, ("id", "organization_id", *_WRITTEN)))


_MOVE = """
UPDATE contact_ids i SET contact_id = k.contact_id, former_at = k.former_at
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[]) AS k(account, external_id, contact_id, former_at)
WHERE i.connected_account_id = k.account AND i.external_id = k.external_id
"""


async def move_ids(connection: Connection, moved: Mapping[Key, Known]) -> None:
    """Let ids name another contact, or be a former one. Whoever they named is locked."""
    if moved:
        accounts, external_ids = [key[0] for key in moved], [key[1] for key in moved]
        contacts, former = [one.contact_id for one in moved.values()], [one.former_at for one in moved.values()]
        await connection.execute(_MOVE, accounts, external_ids, contacts, former)


_DELETE = """
DELETE FROM contacts c USING unnest($1::text[], $2::uuid[]) AS k(organization_id, id)
WHERE c.organization_id = k.organization_id AND c.id = k.id
"""


async def delete(connection: Connection, contacts: Sequence[Contact]) -> None:
    """Delete locked contacts, whose ids name others by now."""
    if contacts:
        await connection.execute(_DELETE, [one.organization_id for one in contacts], [one.id for one in contacts])


_GET = f"SELECT {COLUMNS} FROM contacts WHERE organization_id = $1 AND id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, contact_id: UUID) -> Contact | None:
    """Read one contact of an organization."""
    record = await connection.fetchrow(_GET, organization_id, contact_id)
    return None if record is None else contact_from(record)


_ALL_IDS = """
SELECT DISTINCT others.external_id
FROM contact_ids i JOIN contact_ids others ON others.contact_id = i.contact_id
WHERE i.connected_account_id = $1 AND i.external_id = ANY ($2::text[]) AND i.organization_id = $3
"""


async def all_ids(
    connection: Connection, organization_id: str, account_id: UUID, external_ids: Sequence[str]
) -> list[str]:
    """List all the ids of whoever is named by some of them: messages and conversations name a person by any."""
    records = await connection.fetch(_ALL_IDS, account_id, list(external_ids), organization_id)
    return sorted(record[0] for record in records)


# The contacts first, in order, as everybody locks them.
_FORGET = """
WITH named AS MATERIALIZED (
    SELECT c.id FROM contacts c
    WHERE c.organization_id = $3 AND c.id IN (
        SELECT contact_id FROM contact_ids WHERE connected_account_id = $1 AND external_id = ANY ($2::text[]))
    ORDER BY c.id FOR UPDATE
), gone AS (
    DELETE FROM contacts c USING named WHERE c.organization_id = $3 AND c.id = named.id RETURNING c.id
), ids AS (
    DELETE FROM contact_ids i USING named WHERE i.contact_id = named.id
)
SELECT count(*) FROM gone
"""


async def forget(connection: Connection, organization_id: str, account_id: UUID, external_ids: Sequence[str]) -> int:
    """Delete the contacts that are named by these ids, with all their ids; gives how many contacts that were.

    What else names the person is found by `all_ids`, which is asked before.
    """
    return int(await connection.fetchval(_FORGET, account_id, list(external_ids), organization_id))
