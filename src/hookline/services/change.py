"""How statuses, edits, unsends and reactions change a message: pure rules on a row in memory."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from hookline.domain.event import EditItem, MessageItem, Origin, Outcome, StatusItem, UnsendItem
from hookline.domain.message import MessageDirection, MessageStatus, MessageType, advances
from hookline.domain.text import to_json
from hookline.store.messages import Message

Change = StatusItem | EditItem | UnsendItem | MessageItem

# The column that remembers when a status was reached, the platform's clock.
_TIME_OF = {
    MessageStatus.SENT: "sent_at",
    MessageStatus.DELIVERED: "delivered_at",
    MessageStatus.READ: "read_at",
    MessageStatus.PLAYED: "read_at",
    MessageStatus.FAILED: "failed_at",
}


class Effect(msgspec.Struct, frozen=True):
    """What a change did: `moved` if it is worth telling, `touched` if the row must be written back."""

    outcome: Outcome
    reason: str | None = None
    moved: bool = False
    touched: bool = False


_KNOWN = Effect(Outcome.DUPLICATE)


def apply(row: Message, change: Change, now: datetime) -> Effect:
    """Change a row in memory by an item that refers to it."""
    match change:
        case StatusItem():
            return apply_status(row, change, now)
        case EditItem():
            return _apply_edit(row, change, now)
        case UnsendItem():
            return _apply_unsend(row, change, now)
        case MessageItem():
            return _apply_reaction(row, change, now)


def apply_status(row: Message, item: StatusItem, now: datetime) -> Effect:
    """Move the status forward if it advances; a late one only fills in the time at which it was reached."""
    if row.direction is not MessageDirection.OUTBOUND:
        return Effect(Outcome.IGNORED, "a status of a message that came in")
    moved = advances(row.status, item.status)
    touched = moved
    column = _TIME_OF.get(item.status)
    late_failure = item.status is MessageStatus.FAILED and not moved
    if column and not late_failure and getattr(row, column) is None:
        setattr(row, column, item.at or now)
        touched = True
    if moved:
        row.status = item.status
        row.error_code, row.error_text = item.error_code, item.error_text
    elif late_failure and row.status is not MessageStatus.FAILED:
        return Effect(Outcome.IGNORED, f"failed after {row.status.lower()}")
    if item.meta:
        # What a late one says of the same things is older than what is known.
        meta = _merged(row.meta_json, item.meta) if moved else _completed(row.meta_json, item.meta)
        touched = touched or meta != row.meta_json
        row.meta_json = meta
    return Effect(Outcome.APPLIED, None, moved, touched) if touched else _KNOWN


def _apply_edit(row: Message, item: EditItem, now: datetime) -> Effect:
    """Take the newest text: by the platform's count of edits where it counts, else by its clock."""
    at = item.at or now
    if item.version is not None and row.edit_version is not None:
        newer = item.version > row.edit_version
    else:
        newer = row.edited_at is None or at > row.edited_at
    if not newer:
        return _KNOWN
    row.text, row.edited_at, row.edit_version = item.text, at, item.version
    if item.meta:
        row.meta_json = _merged(row.meta_json, item.meta)
    return Effect(Outcome.APPLIED, None, moved=True, touched=True)


def _apply_unsend(row: Message, item: UnsendItem, now: datetime) -> Effect:
    if row.unsent_at is not None:
        return _KNOWN
    row.unsent_at = item.at or now
    return Effect(Outcome.APPLIED, None, moved=True, touched=True)


def _apply_reaction(row: Message, item: MessageItem, now: datetime) -> Effect:
    """Keep one reaction a person: the latest by the platform's clock; an empty emoji takes it back."""
    at = item.sent_at or now
    reactions: list[dict[str, Any]] = msgspec.json.decode(row.reactions) if row.reactions else []
    mine = next((one for one in reactions if one["from"] == item.sender), None)
    if mine is not None and datetime.fromisoformat(mine["at"]) > at:
        return _KNOWN
    others = [one for one in reactions if one is not mine]
    # A reaction that was taken back stays as an empty one, so that an older one cannot come after it.
    row.reactions = to_json([*others, {"from": item.sender, "emoji": item.text, "at": at}])
    return Effect(Outcome.APPLIED, None, moved=False, touched=True)


def fill_in(row: Message, item: MessageItem) -> bool:
    """Give an old message what history first handed over without: its media come in a later webhook, under its id.

    Source: protocol reference 2.3.
    """
    is_placeholder = row.origin is Origin.HISTORY and row.type is MessageType.OTHER and not row.media
    if not is_placeholder or item.origin is not Origin.HISTORY or not item.media:
        return False
    row.type, row.media, row.text = item.type, to_json(item.media), item.text or row.text
    if item.meta:
        row.meta_json = _merged(row.meta_json, item.meta)
    return True


def set_clock(row: Message, item: MessageItem) -> bool:
    """Take over from the echo of what we sent when that was, by the platform's clock, which watermarks go by.

    Source: protocol reference 3 (read, delivery).
    """
    if row.origin is not Origin.API or item.origin is not Origin.ECHO or item.sent_at in (None, row.sent_at):
        return False
    row.sent_at = item.sent_at
    return True


def _merged(meta_json: str | None, more: dict[str, Any]) -> str:
    known = msgspec.json.decode(meta_json) if meta_json else {}
    return to_json({**known, **more})


def _completed(meta_json: str | None, older: dict[str, Any]) -> str:
    known = msgspec.json.decode(meta_json) if meta_json else {}
    more = {name: value for name, value in older.items() if name not in known}
    return to_json({**known, **more}) if more or meta_json is None else meta_json


# What a watermark of a status can still move.
BELOW: dict[MessageStatus, Sequence[MessageStatus]] = {
    status: tuple(one for one in MessageStatus if advances(one, status))
    for status in (MessageStatus.DELIVERED, MessageStatus.READ)
}
