"""What becomes of messages when their jobs are cancelled, or run again, by people."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from hookline.domain.message import MessageStatus
from hookline.services import facts
from hookline.services.undecided import UNDECIDED_CODE, UNDECIDED_TEXT, queue_again
from hookline.store import outbox, sends
from hookline.store.jobs import Job
from hookline.store.messages import Message
from hookline.store.pool import Connection

CANCELLED_CODE: Final = "cancelled"


class _Payload(msgspec.Struct, rename="camel"):
    message_id: UUID | None = None


_decoder = msgspec.json.Decoder(_Payload)


async def cancel_messages(connection: Connection, organization_id: str, cancelled: Sequence[Job]) -> None:
    """What was not begun with has failed; what may be on its way is left to people. A late answer still counts."""
    reason = cancelled[0].last_error or CANCELLED_CODE

    def change(row: Message, now: datetime) -> bool:
        if row.status is MessageStatus.QUEUED:
            sends.fail(row, CANCELLED_CODE, reason, now)
        elif row.status in (MessageStatus.SENDING, MessageStatus.UNKNOWN):
            row.status, row.error_code, row.error_text = MessageStatus.UNKNOWN, UNDECIDED_CODE, UNDECIDED_TEXT
        else:
            return False
        return True

    await _change(connection, organization_id, cancelled, change)


async def queue_messages(connection: Connection, organization_id: str, retried: Sequence[Job]) -> None:
    """What had failed before the platform took it is QUEUED again."""

    def change(row: Message, now: datetime) -> bool:
        if row.status is not MessageStatus.FAILED or row.external_id is not None:
            return False
        queue_again(row, now)
        return True

    await _change(connection, organization_id, retried, change)


async def _change(
    connection: Connection,
    organization_id: str,
    of_jobs: Sequence[Job],
    change: Callable[[Message, datetime], bool],
) -> None:
    ids = [message_id for job in of_jobs if (message_id := _named(job)) is not None]
    rows = await sends.lock(connection, [(organization_id, message_id) for message_id in ids])
    now = datetime.now(UTC)
    changed = [row for row in rows.values() if change(row, now)]
    await sends.update(connection, changed)
    for row in changed:
        await outbox.add(connection, facts.status_changed(row, row.status, now))


def _named(job: Job) -> UUID | None:
    try:
        return _decoder.decode(job.payload_json).message_id
    except msgspec.MsgspecError:
        return None
