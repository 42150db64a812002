"""End attempts to send: what the platform said becomes the message's status, in one transaction with the job's end.

Many at once. A reply is recorded on its attempt and its message whoever holds the job by then; the job is ended only if
this worker's claim on it still stands, and otherwise its present holder is told to look again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.event import Origin
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobStatus, Verdict
from hookline.domain.message import MessageStatus, advances
from hookline.domain.provider_error import ProviderError
from hookline.domain.sending import PairPace, Reply
from hookline.domain.text import to_json
from hookline.services import facts, marks
from hookline.services.record import settle_held
from hookline.services.send_begin import UNKNOWN_CODE, UNKNOWN_TEXT, Begun
from hookline.store import attempts, claims, jobs, messages, outbox, paces, sends
from hookline.store.attempts import AttemptOutcome, EndedAttempt
from hookline.store.jobs import Job
from hookline.store.messages import Key, Message
from hookline.store.outbox import Fact
from hookline.store.paces import Pair, PairKey
from hookline.store.pool import Connection, database_time


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended.

    outcome: of the attempt. status: what the message becomes: SENT, FAILED, QUEUED (it is tried again), UNKNOWN.
    job_ends: what becomes of the job here and now; None leaves it to the caller, who will wait or retry.
    defer: another job goes on after this; attempts_left: and so many of it may fail. called_at: when the last call was
    made: the platform's own time of the message is not before that.
    pair: whose pace the reply counts for. strike: the platform found the pair too fast.
    """

    job: Job
    begun: Begun
    outcome: AttemptOutcome
    status: MessageStatus
    at: datetime
    called_at: datetime
    calls: int = 1
    reply: Reply | None = None
    error: ProviderError | None = None
    code: str | None = None
    text: str | None = None
    job_ends: IntegrationJobStatus | None = None
    defer: timedelta | None = None
    attempts_left: int = 0
    pair: PairPace | None = None
    strike: bool = False


async def finish(pool: asyncpg.Pool, endings: Sequence[Ending], *, absorb: bool = False) -> list[bool]:
    """Record how attempts ended, in one transaction; for each whether the claim on its job still stood.

    absorb: where an echo stands in the log as a message of its own under an id that one of these is given, it goes.
    Raises: asyncpg.UniqueViolationError, if there is such an echo, without `absorb`.
    """
    async with pool.acquire() as connection, connection.transaction():
        stood = await _end_jobs(connection, endings)
        rows = await sends.lock(connection, [(one.job.organization_id, one.begun.row.id) for one in endings])
        recording = _Recording()
        if absorb:
            await recording.absorb(connection, rows, endings)
        for one in endings:
            if one.begun.row.id in rows:
                recording.apply(rows[one.begun.row.id], one)
        await recording.write(connection, endings)
        lost = [one for one in endings if one.job_ends is not None and one.job.id not in stood]
        await sends.wake(connection, [*((one.job.organization_id, one.job.id) for one in lost), *recording.waiting])
        return [one.job.id in stood for one in endings]


async def _end_jobs(connection: Connection, endings: Sequence[Ending]) -> set[UUID]:
    """End the jobs that end here, if the claims on them still stand; the ids of those whose did."""
    done = [one for one in endings if one.job_ends is IntegrationJobStatus.DONE]
    stood = await claims.finish(connection, [one.job for one in done]) if done else set()
    for one in endings:
        if one.job_ends is IntegrationJobStatus.FAILED:
            verdict = Verdict(IntegrationJobStatus.FAILED, one.job.attempts)
            if await claims.fail(connection, one.job, verdict, one.text or "", releases_key=False):
                stood.add(one.job.id)
        elif one.defer is not None and one.job.id in stood:
            await _defer(connection, one, one.defer)
    return stood


async def _defer(connection: Connection, ending: Ending, wait: timedelta) -> None:
    """Let another job go on with a message later, which holds nobody meanwhile."""
    job = ending.job
    await jobs.enqueue(
        connection,
        organization_id=job.organization_id,
        provider=job.provider,
        job_type=job.job_type,
        payload_json=job.payload_json,
        run_at=ending.at + wait,
        connected_account_id=job.connected_account_id,
        max_attempts=ending.attempts_left,
    )


class _Recording:
    """What one batch has changed so far."""

    def __init__(self) -> None:
        self._changed: list[Message] = []
        self._named: list[Key] = []
        self._displaced: list[Message] = []
        self._facts: list[Fact] = []
        self.waiting: list[tuple[str, UUID]] = []

    async def absorb(self, connection: Connection, rows: dict[UUID, Message], endings: Sequence[Ending]) -> None:
        """Take echoes of these messages out of the log, and over what is known of them."""
        for one in endings:
            row = rows.get(one.begun.row.id)
            if row is None or one.reply is None or one.reply.external_id in (None, row.external_id):
                continue
            echo = await sends.remove_echo(connection, row.connected_account_id, str(one.reply.external_id), row.id)
            if echo is not None:
                row.external_id = echo.external_id
                row.sent_at = echo.sent_at
                if advances(row.status, echo.status):
                    row.status, row.error_code, row.error_text = echo.status, echo.error_code, echo.error_text
                    self._facts.append(facts.status_changed(row, row.status, one.at))
                self._facts.append(facts.message_merged(row, echo.id, one.at))

    def apply(self, row: Message, ending: Ending) -> None:
        """Change a locked message by how an attempt ended."""
        if ending.status is MessageStatus.SENT and ending.reply is not None:
            self._sent(row, ending, ending.reply)
        elif advances(MessageStatus.UNKNOWN, row.status):
            return  # the platform's report came before its answer
        elif ending.status is MessageStatus.QUEUED:
            if row.status is MessageStatus.UNKNOWN:  # somebody else took the job over, and waits
                self.waiting.append((row.organization_id, ending.job.id))
            row.status, row.error_code, row.error_text = MessageStatus.QUEUED, ending.code, ending.text
            self._changed.append(row)
        elif ending.status is MessageStatus.FAILED:
            sends.fail(row, ending.code, ending.text or "", ending.at)
            self._tell(row, ending.at)
        elif row.status is not MessageStatus.UNKNOWN:
            row.status, row.error_code, row.error_text = MessageStatus.UNKNOWN, UNKNOWN_CODE, UNKNOWN_TEXT
            self._tell(row, ending.at)

    def _sent(self, row: Message, ending: Ending, reply: Reply) -> None:
        """The platform took it. If it is known under another id by now, that is another message: it is kept apart."""
        if row.external_id is not None and row.external_id != reply.external_id:
            self._displaced.append(msgspec.structs.replace(row))
        row.external_id = reply.external_id
        row.contact = _contact(row.contact, reply.contact)
        if reply.meta:
            known = msgspec.json.decode(row.meta_json) if row.meta_json else {}
            row.meta_json = to_json({**known, **reply.meta})
        row.sent_at = row.sent_at or ending.called_at
        if advances(row.status, MessageStatus.SENT):
            row.status, row.error_code, row.error_text = MessageStatus.SENT, None, None
            self._facts.append(facts.status_changed(row, row.status, ending.at))
        self._changed.append(row)
        if reply.external_id is not None:
            self._named.append((row.connected_account_id, reply.external_id))

    def _tell(self, row: Message, at: datetime) -> None:
        self._changed.append(row)
        self._facts.append(facts.status_changed(row, row.status, at))

    async def write(self, connection: Connection, endings: Sequence[Ending]) -> None:
        """Write the messages, the attempts, the pairs and the feed; then what had come for these messages already."""
        await sends.update(connection, self._changed)
        await self._apply_marks(connection)
        await attempts.end(connection, [_ended(one) for one in endings])
        await _keep_pairs(connection, endings)
        for row in self._displaced:
            twin = msgspec.structs.replace(row, id=new_id(), origin=Origin.ECHO)
            await sends.add_twin(connection, twin)
            self._facts.append(facts.message_added(twin))
        await outbox.add_all(connection, self._facts)
        if self._named:
            await settle_held(connection, self._named)

    async def _apply_marks(self, connection: Connection) -> None:
        """Take over from what was read, up to a moment, while the answer was on its way."""
        now = datetime.now(UTC)
        moved = await marks.apply_known(connection, self._changed, now)
        await messages.update(connection, moved)
        self._facts += [facts.status_changed(row, row.status, now) for row in moved]


def _contact(known: str | None, told: str | None) -> str | None:
    """A number may be answered under another spelling than the one that was dialled: that is how they will write back.

    Source: protocol reference 0.2 (wa_id).
    """
    both_numbers = known is not None and told is not None and known.isdigit() and told.isdigit()
    return told if both_numbers else known


def _ended(ending: Ending) -> EndedAttempt:
    error = ending.error
    return EndedAttempt(
        id=ending.begun.attempt_id,
        organization_id=ending.job.organization_id,
        message_id=ending.begun.row.id,
        ended_at=ending.at,
        outcome=ending.outcome,
        calls=ending.calls,
        external_id=None if ending.reply is None else ending.reply.external_id,
        error_class=None if error is None else error.error_class,
        error_code=None if error is None else error.code,
        error_text=ending.text if error is None else error.text,
        http_status=None if error is None else error.http_status,
    )


async def _keep_pairs(connection: Connection, endings: Sequence[Ending]) -> None:
    """Count pairs by when their messages arrived at the latest: the platform's clock runs from there.

    One that the platform found too fast waits 4^n seconds, n counting from 0 (protocol reference 6.2, 131056).
    """
    counted = {_pair_key(one.begun.row): one for one in endings if one.pair is not None}
    if not counted:
        return
    now = await database_time(connection)
    changed: dict[PairKey, Pair] = {}
    for key, pair in (await paces.lock_pairs(connection, list(counted))).items():
        ending = counted[key]
        due_at = now + timedelta(seconds=0 if ending.pair is None else ending.pair.interval_seconds)
        if ending.strike:
            pair.blocked_until = now + timedelta(seconds=strike_seconds(pair.strikes))
            pair.strikes += 1
        elif pair.due_at >= due_at and pair.strikes == 0:
            continue
        elif ending.outcome is AttemptOutcome.SENT:
            pair.due_at, pair.strikes, pair.blocked_until = max(pair.due_at, due_at), 0, None
        changed[key] = pair
    await paces.keep_pairs(connection, changed)


def strike_seconds(strikes: int) -> float:
    """How long a pair waits after so many refusals in a row: 1, 4, 16, … seconds, an hour at most."""
    return min(4.0**strikes, 3600.0)


def _pair_key(row: Message) -> PairKey:
    return row.connected_account_id, row.contact or ""
