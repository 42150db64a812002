"""Record what events say: a batch of parsed events becomes messages, changes, account facts and the feed's facts.

Set by set, in the caller's transaction: all messages first, then what refers to messages, whether they are old, new in
this batch, or not there yet (then it is held). Nothing here commits.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from hookline.domain.event import (
    AccountItem,
    ContactItem,
    EditItem,
    Item,
    ItemResult,
    MessageItem,
    Origin,
    Outcome,
    SkippedItem,
    StatusItem,
    UnsendItem,
    WatermarkItem,
)
from hookline.domain.message import MessageDirection, MessageStatus
from hookline.domain.provider_error import ProviderError
from hookline.domain.template import TemplateChange
from hookline.domain.text import to_json
from hookline.services import (
    conversations,
    facts,
    inbound_media,
    marks,
    people,
    reconcile,
    send_failures,
    template_news,
)
from hookline.services.change import Change, Effect, apply, fill_in, set_clock
from hookline.services.disconnect import REMOVED, note_removal
from hookline.services.entry import Entry, change_of, hold, result_of, row_of
from hookline.services.inbound_media import Providers
from hookline.services.marks import Mark
from hookline.services.notices import recognize
from hookline.store import accounts, held, messages, outbox
from hookline.store.events import StoredEvent
from hookline.store.held import HeldChange, Person
from hookline.store.messages import Key, Message
from hookline.store.outbox import Fact
from hookline.store.pool import Connection

Kind = TypeVar("Kind", bound=Item)

_NOTICES = (AccountItem, ContactItem)
_held_decoder = msgspec.json.Decoder(StatusItem | EditItem | UnsendItem | MessageItem)


class Parsed(msgspec.Struct, frozen=True):
    """An event and what it says."""

    event: StoredEvent
    items: list[Item]


async def record(connection: Connection, providers: Providers, batch: Sequence[Parsed]) -> dict[UUID, list[ItemResult]]:
    """Apply everything a batch of events says and write the feed; returns each event's results, in payload order."""
    recording = _Recording(connection)
    entries = [
        Entry(parsed.event, position, item, known=position < len(before) and before[position] == item.kind)
        for parsed in batch
        for before in [_applied_before(parsed.event)]
        for position, item in enumerate(parsed.items)
    ]
    for order, entry in enumerate(entries):
        entry.order = order
    await _recognize(connection, entries)
    await recording.meet_people([entry for entry in entries if not entry.known])
    await recording.add_messages(_of(entries, MessageItem))
    await recording.change_messages(entries)
    await inbound_media.note(connection, providers, recording.with_files())
    await recording.move_watermarks(_of(entries, WatermarkItem))
    await recording.note_accounts(_of(entries, AccountItem))
    recording.note_the_rest(entries)
    await conversations.note_people(connection, _notices(entries))
    recording.late += await send_failures.alert(connection, recording.failures, recording.now)
    await outbox.add_all(connection, [fact for entry in entries for fact in entry.facts] + recording.late)
    results: dict[UUID, list[ItemResult]] = {parsed.event.id: [] for parsed in batch}
    for entry in entries:
        results[entry.event.id].append(result_of(entry))
    return results


def _of(entries: Sequence[Entry], kind: type[Kind]) -> list[tuple[Entry, Kind]]:
    """List the entries of one kind of item, each with its item."""
    return [(entry, item) for entry in entries if isinstance(item := entry.item, kind)]


async def settle_held(connection: Connection, keys: Iterable[Key]) -> None:
    """Apply what was held for messages that are there by now. The caller's transaction; nobody else is told."""
    recording = _Recording(connection)
    await recording.apply_held(await held.take(connection, keys))
    await messages.update(connection, list(recording.touched.values()))
    await recording.move_watermarks([])
    await outbox.add_all(connection, recording.late)


class _Recording:
    """What one batch has gathered so far.

    late: what came of changes that had been held, and of marks. implied: marks that a message's own status sets.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now = datetime.now(UTC)
        self.rows: dict[Key, Message] = {}
        self.added: dict[Key, Message] = {}
        self.first: dict[Key, Entry] = {}
        self.touched: dict[UUID, Message] = {}
        self.filled: list[Message] = []
        self.late: list[Fact] = []
        self.failures: dict[UUID, tuple[Message, ProviderError]] = {}
        self.implied: list[Mark] = []
        self.people = people.NOBODY

    async def meet_people(self, entries: Sequence[Entry]) -> None:
        """Record what is said of people; who they are is told before what they did."""
        self.people = await people.record(self.connection, [(entry.event, entry.item) for entry in entries])
        for place, told in self.people.facts.items():
            entries[place].facts += told

    async def add_messages(self, entries: Sequence[tuple[Entry, MessageItem]]) -> None:
        """Add the messages that are not there yet; one that comes twice is a duplicate of its first."""
        first = self.first
        for entry, item in entries:
            entry.row = row_of(entry, item, self.now)
            first.setdefault(entry.key(entry.external_id or ""), entry)
        await self._name_own_side([entry.row for entry in first.values() if entry.row])
        await reconcile.own_echoes(self.connection, _echoes(first.values()))
        await marks.apply_known(self.connection, [entry.row for entry in first.values() if entry.row], self.now)
        self.added = await messages.insert(
            self.connection, {key: entry.row for key, entry in first.items() if entry.row}
        )
        await conversations.note_messages(self.connection, self.added.values())
        for key, row in self.added.items():
            first[key].message_id = row.id
            first[key].facts.append(facts.message_added(row, self.people.name_of(row, first[key].item)))
        for entry, _ in entries:
            if entry.message_id is None:
                entry.outcome = Outcome.DUPLICATE

    def with_files(self) -> list[Message]:
        """The messages that bring files: those that are new, and those that history left without."""
        return [row for row in (*self.added.values(), *self.filled) if row.media]

    async def _name_own_side(self, rows: Sequence[Message]) -> None:
        """Where a message does not say which of our addresses it is about, it is the account's own id."""
        unnamed = [row for row in rows if not (row.recipient and row.sender)]
        if not unnamed:
            return
        names = await accounts.external_ids(self.connection, list({row.connected_account_id for row in unnamed}))
        for row in unnamed:
            own = names.get(row.connected_account_id, "")
            if row.direction is MessageDirection.INBOUND:
                row.recipient = row.recipient or own
            else:
                row.sender = row.sender or own

    async def change_messages(self, entries: Sequence[Entry]) -> None:
        """Apply what refers to messages; hold what refers to one that is not there."""
        waiting = await held.take(self.connection, self.added)
        changing = [(entry, *change) for entry in entries if (change := change_of(entry)) is not None]
        known = [entry for entry in entries if entry.outcome is Outcome.DUPLICATE]
        wanted = {target for _, _, target in changing} | {entry.key(entry.external_id or "") for entry in known}
        self.rows = self.added | await messages.lock(self.connection, wanted - self.added.keys())
        missing = [(one.event, one.item) for one, _, to in changing if to not in self.rows]
        self.rows |= await reconcile.by_callback(self.connection, _statuses(missing))
        for entry in known:
            self._meet_again(entry, self.rows.get(entry.key(entry.external_id or "")))
        await self.apply_held(waiting)
        unmet = [(entry, target) for entry, item, target in changing if not self._change(entry, item, target)]
        await held.add(self.connection, [hold(entry, target) for entry, target in unmet])
        await messages.update(self.connection, list(self.touched.values()))

    def _meet_again(self, entry: Entry, original: Message | None) -> None:
        """A message that is known already is a duplicate, unless it brings the media that history left out."""
        if original is None:
            return
        entry.message_id = original.id
        if isinstance(entry.item, MessageItem) and fill_in(original, entry.item):
            entry.outcome = Outcome.APPLIED
            self.touched[original.id] = original
            self.filled.append(original)
        elif isinstance(entry.item, MessageItem) and set_clock(original, entry.item):
            self.touched[original.id] = original

    async def apply_held(self, waiting: Sequence[HeldChange]) -> None:
        """Apply changes that have waited for their message."""
        unread = {(one.connected_account_id, one.external_id) for one in waiting} - self.rows.keys()
        self.rows |= await messages.lock(self.connection, unread)
        for one in waiting:
            row = self.rows[(one.connected_account_id, one.external_id)]
            item = _held_decoder.decode(one.change)
            self.late += self._apply(row, item)[1]

    def _change(self, entry: Entry, item: Change, target: Key) -> bool:
        """Change the message that an entry refers to; False if it is not there."""
        row = self.rows.get(target)
        if row is None:
            return False
        effect, told = self._apply(row, item)
        # Nothing is told of a message before the message itself, should it come later in the batch.
        teller = self.first[target] if target in self.added else entry
        (teller if teller.order > entry.order else entry).facts.extend(told)
        if not isinstance(item, MessageItem):
            entry.outcome, entry.reason, entry.message_id = effect.outcome, effect.reason, row.id
        return True

    def _apply(self, row: Message, item: Change) -> tuple[Effect, list[Fact]]:
        effect = apply(row, item, self.now)
        if effect.touched:
            self.touched[row.id] = row
        if isinstance(item, StatusItem) and item.covers_earlier:
            self.implied += marks.implied_by(row, item, self.now)
        if effect.moved and isinstance(item, StatusItem) and item.status is MessageStatus.FAILED:
            failure = send_failures.explain(row)
            if failure is not None and failure.alerts:
                self.failures[row.connected_account_id] = (row, failure)
        return effect, [_fact(row, item, self.now)] if effect.moved else []

    async def move_watermarks(self, entries: Sequence[tuple[Entry, WatermarkItem]]) -> None:
        """Move everything sent up to a moment: one that was told, or that of a message by which others are known."""
        told = [
            Mark(entry.event.organization_id, _person(entry, item), item.status, until=item.until, at=item.until)
            for entry, item in entries
        ]
        moved = await marks.move(self.connection, [*told, *self.implied], lambda row, item: self._apply(row, item)[1])
        for (entry, _), one in zip(entries, moved, strict=False):
            entry.outcome = one.outcome
            entry.facts += one.facts
        for one in moved[len(entries) :]:
            self.late += one.facts

    async def note_accounts(self, entries: Sequence[tuple[Entry, AccountItem]]) -> None:
        """Merge what the platform said of accounts into their metadata, and tell it."""
        stating = {entry.event.connected_account_id for entry, item in entries if item.metadata}
        known = await accounts.lock(self.connection, sorted(stating)) if stating else {}
        merged: dict[UUID, dict[str, Any]] = {}
        for entry, item in entries:
            event = entry.event
            if entry.known:
                entry.outcome = Outcome.DUPLICATE
                continue
            at = item.at or event.received_at
            entry.facts.append(facts.account_notice(event.organization_id, event.connected_account_id, item, at))
            if item.kind == REMOVED:
                await note_removal(self.connection, event.connected_account_id, event.organization_id, at)
            if item.metadata and event.connected_account_id in known:
                before = merged.get(event.connected_account_id) or msgspec.json.decode(
                    known[event.connected_account_id].metadata
                )
                merged[event.connected_account_id] = {**before, **item.metadata}
        for account_id, metadata in merged.items():
            await accounts.set_metadata(self.connection, account_id, to_json(metadata))
        await template_news.note_changes(self.connection, _template_changes(entries))

    def note_the_rest(self, entries: Sequence[Entry]) -> None:
        """Tell what people did; say why what has no effect has none."""
        for entry in entries:
            item, event = entry.item, entry.event
            if isinstance(item, ContactItem) and entry.known:
                entry.outcome = Outcome.DUPLICATE
            elif isinstance(item, ContactItem):
                at = item.at or event.received_at
                entry.facts.append(facts.contact_notice(event.organization_id, event.connected_account_id, item, at))
            elif isinstance(item, SkippedItem):
                entry.outcome, entry.reason = item.outcome, item.reason


def _applied_before(event: StoredEvent) -> list[str | None]:
    """Name the kinds of the items, by position, that an earlier processing of this event applied.

    Messages and their changes know by themselves what has happened; a notice tells something once, also at a replay.
    """
    if event.result is None:
        return []
    results = msgspec.json.decode(event.result, type=list[ItemResult])
    done = (Outcome.APPLIED, Outcome.DUPLICATE)
    return [one.kind if one.outcome in done else None for one in results]


def _template_changes(
    entries: Sequence[tuple[Entry, AccountItem]],
) -> list[tuple[StoredEvent, TemplateChange, datetime]]:
    """List what is new of templates."""
    return [
        (entry.event, item.template, item.at or entry.event.received_at)
        for entry, item in entries
        if item.template is not None and not entry.known
    ]


def _echoes(entries: Iterable[Entry]) -> list[tuple[StoredEvent, MessageItem]]:
    return [
        (one.event, one.item) for one in entries if isinstance(one.item, MessageItem) and one.item.origin is Origin.ECHO
    ]


def _statuses(items: Iterable[tuple[StoredEvent, Item]]) -> list[tuple[StoredEvent, StatusItem]]:
    return [(event, item) for event, item in items if isinstance(item, StatusItem)]


def _notices(entries: Iterable[Entry]) -> list[tuple[StoredEvent, ContactItem]]:
    """List what is new of people."""
    return [(entry.event, entry.item) for entry in entries if isinstance(entry.item, ContactItem) and not entry.known]


async def _recognize(connection: Connection, entries: Sequence[Entry]) -> None:
    """Know the notices that the platform delivers again."""
    unknown: list[Entry] = []
    said: list[tuple[StoredEvent, AccountItem | ContactItem]] = []
    for entry in entries:
        if isinstance(entry.item, _NOTICES) and not entry.known:
            unknown.append(entry)
            said.append((entry.event, entry.item))
    for entry, known in zip(unknown, await recognize(connection, said), strict=True):
        entry.known = known


def _person(entry: Entry, item: WatermarkItem) -> Person:
    return entry.event.connected_account_id, item.contact


def _fact(row: Message, item: Change, now: datetime) -> Fact:
    match item:
        case StatusItem():
            return facts.status_changed(row, item.status, item.at or now)
        case EditItem():
            return facts.edited(row, item, item.at or now)
        case UnsendItem():
            return facts.unsent(row, item, item.at or now)
    raise TypeError("a reaction is told as a message")
