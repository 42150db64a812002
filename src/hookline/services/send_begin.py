"""Begin to send: mark messages as being sent and write their attempts down, before anything is called.

Many at once, in one transaction. What this decides of each message:
QUEUED → SENDING, unless the account is lost by now, the pair must wait, the message is too old, or its template cannot
be sent any more. Found SENDING: a worker was lost in the middle of the call, so it may have been sent → UNKNOWN.
Anything else → left alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.domain.ids import new_id
from hookline.domain.message import MessageStatus
from hookline.domain.outbound import OutboundMessage
from hookline.domain.refusal import TemplateRefused
from hookline.domain.sending import PairPace
from hookline.domain.template import Misfit
from hookline.providers.templates import Templates
from hookline.services import facts
from hookline.services.sending_accounts import refusal_of
from hookline.services.template_check import Wanted, misfits
from hookline.store import accounts, attempts, outbox, paces, sends
from hookline.store.accounts import AccountState
from hookline.store.attempts import NewAttempt
from hookline.store.jobs import Job
from hookline.store.messages import Message
from hookline.store.outbox import Fact
from hookline.store.paces import Pair, PairKey
from hookline.store.pool import Connection, database_time

UNKNOWN_CODE: Final = "outcome-unknown"
UNKNOWN_TEXT: Final = "It is not known whether the platform has sent this message; its report is waited for."
EXPIRED_CODE: Final = "expired"
EXPIRED_TEXT: Final = "This message could not be sent in time, and is not sent any more."


class Start(msgspec.Struct, frozen=True):
    """A wish to begin: the job, the message that it names, and the pace of its pair of account and contact.

    templates: the rules of its platform, if the message is a template.
    """

    job: Job
    message_id: UUID
    pair: PairPace | None
    templates: Templates | None = None


class Begun(msgspec.Struct, frozen=True):
    """A message that is to be called for now."""

    attempt_id: UUID
    row: Message
    said: OutboundMessage


class Uncertain(msgspec.Struct, frozen=True):
    """A message that may have been sent, and for how long its report has been waited for, by the database's clock."""

    row: Message
    waited: timedelta


class Settled(msgspec.Struct, frozen=True):
    """A message of which nothing is left to do."""

    row: Message


Beginning = Begun | Uncertain | Settled


class _Stored(msgspec.Struct, rename="camel"):
    """What a message's `meta_json` holds of us. queued_at: when somebody had it sent again."""

    request: OutboundMessage
    queued_at: datetime | None = None


_stored_decoder = msgspec.json.Decoder(_Stored)


async def begin(pool: asyncpg.Pool, starts: Sequence[Start], expiry: timedelta) -> list[Beginning | Exception]:
    """Begin with messages, in one transaction; for each what it comes to, or why it must wait or cannot be.

    Two starts never name the same message: its job is claimed once.
    """
    async with pool.acquire() as connection, connection.transaction():
        now = await database_time(connection)
        rows = await sends.lock(connection, [(one.job.organization_id, one.message_id) for one in starts])
        keys = [_pair_key(rows[one.message_id]) for one in starts if one.pair is not None and one.message_id in rows]
        pairs = await paces.lock_pairs(connection, keys) if keys else {}
        work = _Work(now, expiry, pairs, await accounts.states(connection, _accounts_of(rows)))
        await work.check_templates(connection, starts, rows)
        results = [work.decide(one, rows.get(one.message_id)) for one in starts]
        await work.write(connection)
        return [
            Uncertain(one, now - await _tried_at(connection, one, now)) if isinstance(one, Message) else one
            for one in results
        ]


class _Work:
    """What one batch has decided so far."""

    def __init__(
        self, now: datetime, expiry: timedelta, pairs: dict[PairKey, Pair], states: dict[UUID, AccountState]
    ) -> None:
        self._now = now
        self._expiry = expiry
        self._pairs = pairs
        self._states = states
        self._used: dict[PairKey, Pair] = {}
        self._begun: list[tuple[Message, NewAttempt]] = []
        self._changed: list[Message] = []
        self._facts: list[Fact] = []
        self._misfits: dict[UUID, Misfit] = {}

    async def check_templates(self, connection: Connection, starts: Sequence[Start], rows: dict[UUID, Message]) -> None:
        """See which templates their platform would refuse by now."""
        wanted: dict[UUID, Wanted] = {}
        for one in starts:
            row = rows.get(one.message_id)
            if one.templates is None or row is None or row.status is not MessageStatus.QUEUED:
                continue
            stored = _read(row)
            if stored is not None and stored.request.template is not None:
                wanted[row.id] = (row.connected_account_id, stored.request.template, one.templates)
        if wanted:
            found = zip(wanted, await misfits(connection, list(wanted.values())), strict=True)
            self._misfits = {id_: misfit for id_, misfit in found if misfit is not None}

    def decide(self, start: Start, row: Message | None) -> Begun | Settled | Message | Exception:
        """Decide about one message; the message itself if its outcome is not known."""
        if row is None or row.connected_account_id != start.job.connected_account_id:
            return PermanentFailure("there is no such message of this account")
        if row.status is MessageStatus.UNKNOWN:
            return row
        if row.status is MessageStatus.SENDING:
            return self._lost(row)
        return self._decide_queued(start, row) if row.status is MessageStatus.QUEUED else Settled(row)

    def _decide_queued(self, start: Start, row: Message) -> Begun | Settled | Exception:
        stored = _read(row)
        if stored is None:
            return PermanentFailure("the message does not say what is to be sent")
        if (stored.queued_at or row.created_at) + self._expiry < self._now:
            return self._fails(row, row.error_code or EXPIRED_CODE, f"{EXPIRED_TEXT} {row.error_text or ''}".strip())
        state = self._states.get(row.connected_account_id)
        if state is not None and (refusal := refusal_of(*state)) is not None:
            return refusal
        if row.id in self._misfits:
            return self._fails(row, TemplateRefused.slug, self._misfits[row.id].text)
        wait = self._pair_wait(start, row)
        return wait if wait is not None else self._go(start, row, stored.request)

    def _lost(self, row: Message) -> Message:
        row.status, row.error_code, row.error_text = MessageStatus.UNKNOWN, UNKNOWN_CODE, UNKNOWN_TEXT
        self._changed.append(row)
        self._facts.append(facts.status_changed(row, row.status, self._now))
        return row

    def _fails(self, row: Message, code: str, text: str) -> Settled:
        sends.fail(row, code, text, self._now)
        self._changed.append(row)
        self._facts.append(facts.status_changed(row, row.status, self._now))
        return Settled(row)

    def _pair_wait(self, start: Start, row: Message) -> WaitRequested | None:
        """Keep to the pair's pace (GCRA): how long it must wait, or None, and it is counted."""
        if start.pair is None:
            return None
        key = _pair_key(row)
        pair = self._used.get(key) or self._pairs.get(key)
        if pair is None:
            pair = Pair(
                connected_account_id=key[0], contact=key[1], organization_id=row.organization_id, due_at=self._now
            )
        if pair.blocked_until is not None and pair.blocked_until > self._now:
            return WaitRequested(
                "the platform asked to wait before writing to this person", pair.blocked_until - self._now
            )
        interval = timedelta(seconds=start.pair.interval_seconds)
        early = pair.due_at - self._now - interval * (start.pair.burst - 1)
        if early > timedelta(0):
            return WaitRequested("this person is written to as fast as the platform allows", early)
        pair.due_at = max(pair.due_at, self._now) + interval
        self._used[key] = pair
        return None

    def _go(self, start: Start, row: Message, said: OutboundMessage) -> Begun:
        attempt = NewAttempt(
            id=new_id(),
            organization_id=row.organization_id,
            message_id=row.id,
            job_id=start.job.id,
            lease=start.job.lease,
        )
        self._begun.append((row, attempt))
        return Begun(attempt.id, row, said)

    async def write(self, connection: Connection) -> None:
        """Write down what was decided."""
        await sends.update(connection, self._changed)
        if self._begun:
            await sends.mark_sending(connection, [row for row, _ in self._begun])
            await attempts.begin(connection, [attempt for _, attempt in self._begun])
        await paces.keep_pairs(connection, self._used)
        await outbox.add_all(connection, self._facts)


def _read(row: Message) -> _Stored | None:
    try:
        return _stored_decoder.decode(row.meta_json or "{}")
    except msgspec.MsgspecError:
        return None


async def _tried_at(connection: Connection, row: Message, now: datetime) -> datetime:
    """When a message was last tried; now, if nobody wrote it down."""
    known = await attempts.of_message(connection, row.organization_id, row.id)
    return known[-1].started_at if known else now


def _accounts_of(rows: dict[UUID, Message]) -> set[UUID]:
    return {row.connected_account_id for row in rows.values()}


def _pair_key(row: Message) -> PairKey:
    return row.connected_account_id, row.contact or ""
