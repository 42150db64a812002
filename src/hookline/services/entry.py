"""One item on its way into the log: what is known of it so far, and what becomes of it by itself. Pure."""

from datetime import datetime
from uuid import UUID

import msgspec

from hookline.domain.event import EditItem, Item, ItemResult, MessageItem, Outcome, StatusItem, UnsendItem
from hookline.domain.ids import new_id
from hookline.domain.message import MessageDirection, MessageStatus
from hookline.domain.text import to_json
from hookline.services.change import Change
from hookline.store.events import StoredEvent
from hookline.store.held import HeldChange
from hookline.store.messages import Key, Message
from hookline.store.outbox import Fact


class Entry(msgspec.Struct):
    """One item on its way: its place in its event, what has become of it so far, and what of that is to be told."""

    event: StoredEvent
    position: int
    item: Item
    known: bool  # an earlier processing of this event applied it, or it is a notice that was told before
    row: Message | None = None
    outcome: Outcome = Outcome.APPLIED
    reason: str | None = None
    message_id: UUID | None = None
    facts: list[Fact] = msgspec.field(default_factory=list)
    order: int = 0  # among all items of the batch

    @property
    def external_id(self) -> str | None:
        """The platform's id, or for a message that came without one: its place in its event, the same at a replay."""
        if self.item.external_id == "" and isinstance(self.item, MessageItem):
            return f"event:{self.event.id}:{self.position}"
        return self.item.external_id

    def key(self, external_id: str) -> Key:
        return (self.event.connected_account_id, external_id)


def change_of(entry: Entry) -> tuple[Change, Key] | None:
    """Name what an item changes, and which message, if it does: a reaction that is known already does not."""
    match entry.item:
        case (StatusItem() | EditItem() | UnsendItem()) as item:
            return item, entry.key(item.external_id)
        case MessageItem(reacts_to=str() as external_id) as item if entry.outcome is Outcome.APPLIED:
            return item, entry.key(external_id)
    return None


def hold(entry: Entry, target: Key) -> HeldChange:
    """Keep a change for its message. A reaction is in the log all the same."""
    if not isinstance(entry.item, MessageItem):
        entry.outcome = Outcome.HELD
    return HeldChange(
        webhook_event_id=entry.event.id,
        position=entry.position,
        organization_id=entry.event.organization_id,
        connected_account_id=target[0],
        external_id=target[1],
        change=to_json(entry.item),
    )


def row_of(entry: Entry, item: MessageItem, now: datetime) -> Message:
    """Make the log's row of a message."""
    event = entry.event
    inbound = item.direction is MessageDirection.INBOUND
    status = item.status or (MessageStatus.RECEIVED if inbound else MessageStatus.SENT)
    return Message(
        id=new_id(),
        organization_id=event.organization_id,
        connected_account_id=event.connected_account_id,
        provider=event.provider,
        direction=item.direction,
        type=item.type,
        origin=item.origin,
        external_id=entry.external_id,
        contact=item.contact.external_id or (item.sender if inbound else item.recipient) or None,
        sender=item.sender,
        recipient=item.recipient,
        text=item.text,
        status=MessageStatus.RECEIVED if inbound else status,
        sent_at=item.sent_at,
        failed_at=(item.sent_at or now) if status is MessageStatus.FAILED else None,
        error_code=item.error_code,
        error_text=item.error_text,
        reply_to=item.reply_to,
        media=to_json(item.media) if item.media else None,
        meta_json=to_json(item.meta) if item.meta else None,
        webhook_event_id=event.id,
        created_at=now,
        updated_at=now,
    )


def result_of(entry: Entry) -> ItemResult:
    return ItemResult(
        index=entry.item.index,
        kind=entry.item.kind,
        external_id=entry.external_id,
        outcome=entry.outcome,
        reason=entry.reason,
        message_id=entry.message_id,
    )
