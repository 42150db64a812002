"""Notices about accounts and people: recognizing those that the platform delivers again."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from hookline.domain.event import AccountItem, ContactItem
from hookline.domain.text import to_json
from hookline.store import notices
from hookline.store.events import StoredEvent
from hookline.store.notices import Notice
from hookline.store.pool import Connection


async def recognize(
    connection: Connection, said: Sequence[tuple[StoredEvent, AccountItem | ContactItem]]
) -> list[bool]:
    """Say of each notice whether it has been told before, here or earlier; from now on all of them have.

    A notice that says no time could as well be a new one, and is told again. Source: protocol reference 1.4.
    """
    named = [_notice(event, item) for event, item in said]
    new = await notices.tell(connection, {notice for notice in named if notice is not None})
    known: list[bool] = []
    for notice in named:
        known.append(notice is not None and notice not in new)
        new.discard(notice)
    return known


def _notice(event: StoredEvent, item: AccountItem | ContactItem) -> Notice | None:
    if item.at is None:
        return None
    contact = item.contact if isinstance(item, ContactItem) else None
    said = to_json([item.kind, item.external_id, contact, item.at, item.data])
    fingerprint = UUID(bytes=hashlib.sha256(said.encode()).digest()[:16])
    return Notice(event.organization_id, event.connected_account_id, fingerprint)
