"""Up to when a person's messages were delivered or read, where a platform tells it as a moment and not one by one.

A mark is noted for every message that is learned of, or that the platform takes, after it was told.
"""

from collections.abc import Iterable
from datetime import datetime

from hookline.domain.event import StatusItem, WatermarkItem
from hookline.domain.message import MessageDirection, MessageStatus
from hookline.services.change import apply_status
from hookline.store import held
from hookline.store.held import Marks, Person
from hookline.store.messages import Message
from hookline.store.pool import Connection


async def apply_known(connection: Connection, rows: Iterable[Message], now: datetime) -> list[Message]:
    """Move messages in memory that were sent before a mark that is known already; gives those that it moved."""
    sent = [row for row in rows if row.direction is MessageDirection.OUTBOUND and row.contact and row.sent_at]
    known = await held.watermarks(connection, [_person(row) for row in sent])
    moved: list[Message] = []
    for row in sent:
        delivered, read = known.get(_person(row), (None, None))
        before = row.status
        for status, until in ((MessageStatus.DELIVERED, delivered), (MessageStatus.READ, read)):
            if until is not None and row.sent_at is not None and row.sent_at <= until:
                apply_status(row, status_by_mark(row, status, until), now)
        if row.status is not before:
            moved.append(row)
    return moved


def raise_mark(known: dict[Person, Marks], person: Person, item: WatermarkItem) -> bool:
    """Raise up to when a person's messages were delivered, or read, to where an item has it; False if that is known."""
    delivered, read = known.get(person, (None, None))
    is_read = item.status is MessageStatus.READ
    before = read if is_read else delivered
    if before is not None and item.until <= before:
        return False
    known[person] = (delivered, item.until) if is_read else (item.until, read)
    return True


def status_by_mark(row: Message, status: MessageStatus, until: datetime) -> StatusItem:
    """Say of one message what a mark says of all."""
    return StatusItem(index=0, kind="status", external_id=row.external_id or "", status=status, at=until)


def _person(row: Message) -> Person:
    return row.connected_account_id, row.contact or ""
