"""Messages of which nobody knows whether they were sent: left to people past their time, and what people decide.

Also: messages whose account is lost, or gone, before they could be sent.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.errors import Conflict, NotFound
from hookline.domain.job import IntegrationJobType
from hookline.domain.message import MessageStatus
from hookline.domain.provider_error import ProviderError
from hookline.domain.text import to_json
from hookline.services import facts
from hookline.services.send_begin import UNKNOWN_CODE
from hookline.store import attempts, jobs, outbox, sends
from hookline.store.jobs import ClaimedJob
from hookline.store.messages import Message
from hookline.store.pool import Connection, organization_transaction

UNDECIDED_CODE: Final = "outcome-undecided"
UNDECIDED_TEXT: Final = (
    "The platform has not reported whether it sent this message. Look into the conversation there, then decide: send it"
    " again, or take it as failed."
)
GIVEN_UP_TEXT: Final = "It was not known whether the platform had sent this message; it was taken as failed."


class Decision(StrEnum):
    """What a person may decide about such a message."""

    RESEND = "resend"
    FAILED = "failed"


async def leave_to_people(pool: asyncpg.Pool, organization_id: str, message_id: UUID) -> None:
    """Mark a message whose report never came for a person to decide, and tell it."""
    async with pool.acquire() as connection, connection.transaction():
        row = (await sends.lock(connection, [(organization_id, message_id)])).get(message_id)
        if row is None or row.status is not MessageStatus.UNKNOWN or row.error_code == UNDECIDED_CODE:
            return
        row.error_code, row.error_text = UNDECIDED_CODE, UNDECIDED_TEXT
        await sends.update(connection, [row])
        await outbox.add(connection, facts.message_undecided(row, datetime.now(UTC)))


async def fail_unsent(pool: asyncpg.Pool, job: ClaimedJob, message_id: UUID, code: str | None, text: str) -> None:
    """Let a message fail that was not begun with; any other is left alone."""
    async with pool.acquire() as connection, connection.transaction():
        row = (await sends.lock(connection, [(job.organization_id, message_id)])).get(message_id)
        if row is None or row.status is not MessageStatus.QUEUED:
            return
        now = datetime.now(UTC)
        sends.fail(row, code, text, now)
        await sends.update(connection, [row])
        await outbox.add(connection, facts.status_changed(row, row.status, now))


async def explain_wait(pool: asyncpg.Pool, job: ClaimedJob, message_id: UUID, error: ProviderError) -> None:
    """Say on a message that was not begun with why it waits, if it does not say so yet; any other is left alone."""
    sentence = error.error_class.sentence
    async with pool.acquire() as connection, connection.transaction():
        row = (await sends.lock(connection, [(job.organization_id, message_id)])).get(message_id)
        if row is None or row.status is not MessageStatus.QUEUED or (row.error_text or "").startswith(sentence):
            return
        row.error_code, row.error_text = error.code, f"{sentence} {error.text}"
        await sends.update(connection, [row])


async def resolve(pool: asyncpg.Pool, organization_id: str, message_id: UUID, decision: Decision) -> Message:
    """Do what a person decided about a message whose outcome is not known.

    Raises: NotFound; Conflict, if its outcome is known.
    """
    async with organization_transaction(pool, organization_id) as connection:
        row = (await sends.lock(connection, [(organization_id, message_id)])).get(message_id)
        if row is None:
            raise NotFound("there is no such message in this organization")
        if row.status is not MessageStatus.UNKNOWN:
            raise Conflict(f"this message is {row.status}: there is nothing to decide")
        now = datetime.now(UTC)
        if decision is Decision.RESEND:
            queue_again(row, now)
        else:
            sends.fail(row, UNKNOWN_CODE, GIVEN_UP_TEXT, now)
        await sends.update(connection, [row])
        await outbox.add(connection, facts.status_changed(row, row.status, now))
        await _run(connection, row, again=decision is Decision.RESEND)
        return row


def queue_again(row: Message, now: datetime) -> None:
    """Change a locked row in memory: it is to be sent, as if it were new."""
    row.status, row.error_code, row.error_text, row.failed_at = MessageStatus.QUEUED, None, None, None
    known = msgspec.json.decode(row.meta_json) if row.meta_json else {}
    row.meta_json = to_json({**known, "queuedAt": now})


async def _run(connection: Connection, row: Message, *, again: bool) -> None:
    """Let the job that waits for the message's outcome go on; to send it again, a new one if that has ended."""
    known = await attempts.of_message(connection, row.organization_id, row.id)
    waiting = None if not known else await jobs.get(connection, row.organization_id, known[-1].job_id)
    if waiting is not None and waiting.status in ("PENDING", "PROCESSING"):
        await sends.wake(connection, [(row.organization_id, waiting.id)])
    elif again:
        await jobs.enqueue(
            connection,
            organization_id=row.organization_id,
            provider=row.provider,
            job_type=IntegrationJobType.SEND_MESSAGE,
            payload_json=to_json({"messageId": row.id, "type": row.type}),
            connected_account_id=row.connected_account_id,
            ordering_key=f"out:{row.connected_account_id}:{row.contact}",
        )
