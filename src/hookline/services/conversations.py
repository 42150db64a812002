"""Conversations: kept up to date by everything that is recorded, and read by agents.

What opens the window is each platform's policy; history never does.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from hookline.domain.event import ContactItem, Origin
from hookline.domain.ids import new_id
from hookline.domain.message import MessageDirection, MessageType
from hookline.providers import PROVIDERS
from hookline.store import conversations
from hookline.store.conversations import Happened
from hookline.store.events import StoredEvent
from hookline.store.messages import Message
from hookline.store.pool import Connection

_SILENT = frozenset({MessageType.REACTION, MessageType.SYSTEM})  # nothing that somebody has to read
_OUTSIDE = frozenset({MessageType.COMMENT})  # said in public, not in the conversation

_Key = tuple[UUID, str]


async def note_messages(connection: Connection, added: Iterable[Message]) -> None:
    """Bring the conversations of new messages up to date."""
    found: dict[_Key, Happened] = {}
    now = datetime.now(UTC)
    for row in added:
        if row.contact is not None and row.type not in _OUTSIDE:
            _add(_of(found, row, row.contact), row, min(row.sent_at or row.created_at, now))
    await conversations.note(connection, list(found.values()))


def _of(found: dict[_Key, Happened], row: Message, contact: str) -> Happened:
    key = (row.connected_account_id, contact)
    if key not in found:
        found[key] = Happened(
            id=new_id(),
            organization_id=row.organization_id,
            connected_account_id=row.connected_account_id,
            provider=row.provider,
            contact=contact,
        )
    return found[key]


def _add(happened: Happened, row: Message, at: datetime) -> None:
    if happened.last_message_at is None or at >= happened.last_message_at:
        happened.last_message_at, happened.last_message_id = at, row.id
    if row.direction is not MessageDirection.INBOUND or row.origin is not Origin.LIVE:
        return
    happened.unread_count += row.type not in _SILENT
    policy = PROVIDERS[row.provider].sender.policy
    taken_back = row.type is MessageType.REACTION and not row.text
    if row.type not in policy.opened_by or taken_back:
        return
    if happened.last_inbound_at is None or at >= happened.last_inbound_at:
        happened.last_inbound_at, happened.window_until = at, at + policy.window
        if row.type not in _SILENT and row.type is not MessageType.CALL:
            happened.last_inbound_id = row.external_id


async def note_people(connection: Connection, notices: Iterable[tuple[StoredEvent, ContactItem]]) -> None:
    """Note that people did what opens the window. A preference begins a conversation: sending meets it."""
    for event, item in notices:
        contact = item.contact.external_id
        if contact is None:
            continue
        if item.kind in PROVIDERS[event.provider].sender.policy.opened_by_notices:
            at = item.at or event.received_at
            window_until = at + PROVIDERS[event.provider].sender.policy.window
            await conversations.note(connection, [_noticed(event, contact, at, window_until)])
        elif item.kind == "preference":
            await conversations.note(connection, [_noticed(event, contact)])


def _noticed(
    event: StoredEvent, contact: str, at: datetime | None = None, window_until: datetime | None = None
) -> Happened:
    return Happened(
        id=new_id(),
        organization_id=event.organization_id,
        connected_account_id=event.connected_account_id,
        provider=event.provider,
        contact=contact,
        last_inbound_at=at,
        window_until=window_until,
    )
