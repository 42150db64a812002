"""The table contacts as the API reads it: lists, the search, and the names of the people of messages."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.store.contacts import COLUMNS, Contact, Key, contact_from
from hookline.store.pages import Listed, fetch_page
from hookline.store.pool import Connection


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of contacts is narrowed to; None does not narrow. Times are `created_at`, until is exclusive.

    external_id: any of a person's ids, former ones too. text: for few contacts only, `search_page` is for many.
    """

    account_id: UUID | None = None
    provider: IntegrationProvider | None = None
    external_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


_LISTED: Final = Listed(
    "contacts",
    {
        "account_id": "connected_account_id = {}",
        "provider": "provider = {}",
        # With the accounts named, the index by account and id serves.
        "external_id": "id IN (SELECT i.contact_id FROM contact_ids i WHERE i.external_id = {} AND"
        " i.connected_account_id = ANY (ARRAY(SELECT id FROM connected_accounts WHERE organization_id = $1)))",
        "since": "created_at >= {}",
        "until": "created_at < {}",
        "text": "strpos(lower(contact_words(name, saved_name, username, phone)), lower({})) > 0",
    },
)


async def list_page(
    connection: Connection, organization_id: str, chosen: Filter, *, before: UUID | None, limit: int
) -> list[Contact]:
    """List an organization's contacts, the newest first, before the contact `before`."""
    records = await fetch_page(
        connection, _LISTED, COLUMNS, chosen, organization_id=organization_id, before=before, limit=limit
    )
    return [contact_from(record) for record in records]


_SEARCH = f"SELECT {COLUMNS} FROM search_contacts($1, $2, $3, $4, $5, $6, $7, $8) WHERE organization_id = $1"  # noqa: S608


async def search_page(
    connection: Connection, organization_id: str, query: str, chosen: Filter, *, before: UUID | None, limit: int
) -> list[Contact]:
    """List an organization's contacts whose names, user name or phone contain `query`, case ignored, newest first.

    A query of one or two characters looks through the newest 5,000 contacts.
    """
    if chosen.external_id is not None:  # at most one contact an account
        narrowed = msgspec.structs.replace(chosen, text=query)
        return await list_page(connection, organization_id, narrowed, before=before, limit=limit)
    records = await connection.fetch(
        _SEARCH,
        organization_id,
        query,
        before,
        limit,
        chosen.account_id,
        chosen.provider,
        chosen.since,
        chosen.until,
    )
    return [contact_from(record) for record in records]


_NAMES = """
SELECT i.connected_account_id, i.external_id, coalesce(c.saved_name, c.name)
FROM unnest($2::uuid[], $3::text[]) AS k(account, external_id)
JOIN contact_ids i ON i.connected_account_id = k.account AND i.external_id = k.external_id
JOIN contacts c ON c.organization_id = i.organization_id AND c.id = i.contact_id
WHERE i.organization_id = $1
"""


async def names(connection: Connection, organization_id: str, keys: Iterable[Key]) -> dict[Key, str | None]:
    """Name people by their ids, as an organization knows them now."""
    pairs = sorted(set(keys))
    if not pairs:
        return {}
    records = await connection.fetch(_NAMES, organization_id, [key[0] for key in pairs], [key[1] for key in pairs])
    return {(record[0], record[1]): record[2] for record in records}
