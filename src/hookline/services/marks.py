"""Up to when a person's messages were delivered or read, where a platform does not tell it of each one.

Messenger tells a moment. Instagram names the newest message that was read, and its moment is when that was sent.
A mark is noted for every message that is learned of, or that the platform takes, after it was told.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from hookline.domain.event import Outcome, StatusItem
from hookline.domain.message import MessageDirection, MessageStatus
from hookline.services.change import BELOW, apply_status
from hookline.store import held, messages
from hookline.store.held import Marks, Person
from hookline.store.messages import Message
from hookline.store.outbox import Fact
from hookline.store.pool import Connection


class Mark(msgspec.Struct, frozen=True):
    """Everything sent to a person `until` a moment has reached a status; `at`: when it did."""

    organization_id: str
    person: Person
    status: MessageStatus
    until: datetime
    at: datetime


class Moved(msgspec.Struct):
    """What a mark did: HELD, if it is news but no message was there for it; and what is to be told."""

    outcome: Outcome
    facts: list[Fact]


def implied_by(row: Message, item: StatusItem, now: datetime) -> list[Mark]:
    """Say what the status of a message means for those before it: a mark at when it was sent, if that is known."""
    if row.direction is not MessageDirection.OUTBOUND or row.contact is None or row.sent_at is None:
        return []
    return [Mark(row.organization_id, _person(row), item.status, until=row.sent_at, at=item.at or now)]


async def move(
    connection: Connection, said: Sequence[Mark], apply: Callable[[Message, StatusItem], list[Fact]]
) -> list[Moved]:
    """Move what marks are about, by `apply`, and note them for messages that we learn of later; what each did."""
    if not said:
        return []
    known = await held.watermarks(connection, [one.person for one in said])
    until: dict[Person, datetime] = {}
    raised: dict[Person, tuple[str, datetime | None, datetime | None]] = {}
    done: list[Moved] = []
    for one in said:
        until[one.person] = max(one.until, until.get(one.person, one.until))
        is_news = raise_mark(known, one)
        if is_news:
            raised[one.person] = (one.organization_id, *known[one.person])
        done.append(Moved(Outcome.HELD if is_news else Outcome.DUPLICATE, []))
    sent = await messages.lock_sent_before(connection, until, BELOW[MessageStatus.READ])
    changed: dict[UUID, Message] = {}
    for one, effect in zip(said, done, strict=True):
        for row in sent.get(one.person, ()):
            if row.sent_at is not None and row.sent_at <= one.until and row.status in BELOW[one.status]:
                effect.outcome = Outcome.APPLIED
                effect.facts += apply(row, status_by_mark(row, one.status, one.at))
                changed[row.id] = row
    await messages.update(connection, list(changed.values()))
    await held.raise_watermarks(connection, raised)
    return done


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


def raise_mark(known: dict[Person, Marks], mark: Mark) -> bool:
    """Raise up to when a person's messages were delivered, or read, to where a mark is; False if that is known."""
    delivered, read = known.get(mark.person, (None, None))
    is_read = mark.status is MessageStatus.READ
    before = read if is_read else delivered
    if before is not None and mark.until <= before:
        return False
    known[mark.person] = (delivered, mark.until) if is_read else (mark.until, read)
    return True


def status_by_mark(row: Message, status: MessageStatus, at: datetime) -> StatusItem:
    """Say of one message what a mark says of all."""
    return StatusItem(index=0, kind="status", external_id=row.external_id or "", status=status, at=at)


def _person(row: Message) -> Person:
    return row.connected_account_id, row.contact or ""
