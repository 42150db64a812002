"""Find our own messages again by what the platforms give back, where the answer to the call was lost or is still on
its way: WhatsApp's statuses carry our id, Messenger's echoes too; Instagram's echo is known by what it says, and when.

Called while a batch of events is recorded, in its transaction, before anything is looked up by the platform's id: the
messages found get that id, and the rest of the recording then meets them as it meets all others.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from hookline.domain.event import MessageItem, Origin, StatusItem
from hookline.domain.ids import parse_id
from hookline.domain.message import MessageDirection, MessageStatus, advances
from hookline.services import facts
from hookline.store import attempts, outbox, sends
from hookline.store.events import StoredEvent
from hookline.store.messages import Key, Message
from hookline.store.outbox import Fact
from hookline.store.pool import Connection

# An echo's time is the platform's clock, the attempt's is ours.
CLOCKS_APART: Final = timedelta(minutes=2)


async def by_callback(connection: Connection, statuses: Iterable[tuple[StoredEvent, StatusItem]]) -> dict[Key, Message]:
    """Name messages by statuses that carry our id (`biz_opaque_callback_data`) and whose own id is not known here.

    Gives the messages that are named now, by that id, locked. Source: protocol reference 2.2, 7.
    """
    named: dict[UUID, tuple[StoredEvent, StatusItem]] = {}
    for event, status in statuses:
        message_id = parse_id(str(status.meta.get("biz_opaque_callback_data")))
        if message_id is not None and status.external_id is not None:
            named.setdefault(message_id, (event, status))
    found = await _unnamed(connection, {key: event for key, (event, _) in named.items()})
    for message_id in named.keys() - found.keys():  # sent again meanwhile, under another id: both were sent
        event, status = named[message_id]
        await attempts.settle(connection, event.organization_id, message_id, str(status.external_id))
    return {
        (row.connected_account_id, str(named[id_][1].external_id)): row
        for id_, row in (await _name(connection, found, {id_: str(named[id_][1].external_id) for id_ in found})).items()
    }


async def own_echoes(connection: Connection, echoes: Iterable[tuple[StoredEvent, MessageItem]]) -> None:
    """Name messages by echoes of our own sends: by our id in the metadata, or by their words and time."""
    for event, echo in echoes:
        if echo.origin is not Origin.ECHO or echo.direction is not MessageDirection.OUTBOUND or not echo.external_id:
            continue
        message_id = parse_id(str(echo.meta.get("metadata")))
        if message_id is not None:
            found = await _unnamed(connection, {message_id: event})
        else:
            found = await _alike(connection, event, echo)
        await _name(connection, found, dict.fromkeys(found, echo.external_id))


async def _unnamed(connection: Connection, wanted: dict[UUID, StoredEvent]) -> dict[UUID, Message]:
    """Lock the messages with these ids of ours that belong to the events' accounts and have no other id yet."""
    if not wanted:
        return {}
    keys = await sends.unnamed(
        connection,
        [(event.connected_account_id, event.organization_id, id_) for id_, event in wanted.items()],
    )
    rows = await sends.lock(connection, keys) if keys else {}
    return {id_: row for id_, row in rows.items() if row.external_id is None}


async def _alike(connection: Connection, event: StoredEvent, echo: MessageItem) -> dict[UUID, Message]:
    """Lock the oldest message on its way to that person that says what the echo says.

    Source: protocol reference 7 (Instagram gives nothing of ours back).
    """
    contact = echo.contact.external_id or echo.recipient
    for row in await sends.lock_open(connection, event.connected_account_id, contact):
        same_time = echo.sent_at is None or row.created_at <= echo.sent_at + CLOCKS_APART
        if same_time and _says(row, echo):
            return {row.id: row}
    return {}


def _says(row: Message, echo: MessageItem) -> bool:
    """Texts must be equal; a file, sticker or template is known by its kind."""
    if row.text or echo.text:
        return row.text.strip() == echo.text.strip()
    return row.type == echo.type or not echo.media


async def _name(connection: Connection, found: dict[UUID, Message], ids: dict[UUID, str]) -> dict[UUID, Message]:
    """Give messages their ids: they were sent. Their attempts are settled, and jobs that waited for it go on."""
    now = datetime.now(UTC)
    told: list[Fact] = []
    for id_, row in found.items():
        row.external_id = ids[id_]
        if advances(row.status, MessageStatus.SENT):
            row.status, row.error_code, row.error_text = MessageStatus.SENT, None, None
            row.sent_at = row.sent_at or now
            told.append(facts.status_changed(row, row.status, now))
    await sends.update(connection, list(found.values()))
    for row in found.values():
        job_ids = await attempts.settle(connection, row.organization_id, row.id, str(row.external_id))
        await sends.wake(connection, [(row.organization_id, job_id) for job_id in job_ids])
    await outbox.add_all(connection, told)
    return found
