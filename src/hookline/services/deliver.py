"""Deliver: run SEND_MESSAGE jobs. Pace → write the attempt down → call → record what the platform said.

No transaction is held across a call. A call whose outcome is not known is never made again by itself: the message is
UNKNOWN until the platform's reports say what became of it (services/reconcile.py), or a person decides.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.domain.job import ENDED, Ended, IntegrationJobStatus
from hookline.domain.message import MessageStatus
from hookline.domain.outbound import OutboundMessage, OutboundType
from hookline.domain.provider_error import ErrorClass, LimitScope, NotReached, OutcomeUnknown, ProviderError
from hookline.domain.sending import Pace, Reply, Usage
from hookline.providers.base import Provider
from hookline.providers.http import HttpClient
from hookline.providers.meta.graph import Graph
from hookline.providers.sender import Sender
from hookline.services import consequence, facts, undecided
from hookline.services.batching import MicroBatcher
from hookline.services.consequence import Consequence
from hookline.services.failure import RetryPolicy
from hookline.services.pacing import Pacer
from hookline.services.send_begin import Beginning, Begun, Settled, Start, Uncertain, begin
from hookline.services.send_finish import Ending, finish
from hookline.services.sending_accounts import AccessToken, NoteRefusal, Ready, SendingAccounts
from hookline.store import outbox
from hookline.store.attempts import AttemptOutcome
from hookline.store.jobs import Job
from hookline.store.paces import account_key
from hookline.store.pool import DATABASE_AWAY

BATCH: Final = 256
FLUSHERS: Final = 2
CALL_SECONDS: Final = 20.0
_QUICK_PAUSE_SECONDS: Final = 0.3
_TYPING_IS_OLD_AFTER: Final = timedelta(seconds=20)
# How long the record of what the platform said waits for the database, before the attempt is left open.
_RECORD_SECONDS: Final = 60.0

_DONE: Final = IntegrationJobStatus.DONE
_NEVER_BEGUN: Final = "This message could not be sent; its job says why."
_NOT_RECORDED: tuple[type[Exception], ...] = (*DATABASE_AWAY, asyncpg.TransactionRollbackError)
_SOON: Final = timedelta(seconds=1)

log = structlog.get_logger(__name__)


class DeliveryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How long things may take. unknown_for: until a person decides. expiry: until a message is not sent any more."""

    unknown_for: timedelta = timedelta(minutes=10)
    expiry: timedelta = timedelta(hours=72)


class _Payload(msgspec.Struct, rename="camel"):
    message_id: UUID | None = None
    type: OutboundType = OutboundType.TEXT
    action: OutboundMessage | None = None


class _Called(msgspec.Struct):
    """What came of calling: a reply, or the last refusal; and how many calls that took."""

    calls: int = 0
    reply: Reply | None = None
    error: ProviderError | NotReached | OutcomeUnknown | None = None


_payload_decoder = msgspec.json.Decoder(_Payload)


class Deliver:
    """The handler of SEND_MESSAGE jobs of one worker process."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        providers: Mapping[IntegrationProvider, Provider],
        http: HttpClient,
        platforms: Mapping[str, str],
        policy: RetryPolicy,
        *,
        access_token: AccessToken,
        note_refusal: NoteRefusal,
        options: DeliveryOptions | None = None,
    ) -> None:
        self._pool = pool
        self._providers = providers
        self._http = http
        self._platforms = platforms
        self._policy = policy
        self._note_refusal = note_refusal
        self._options = options or DeliveryOptions()
        self._accounts = SendingAccounts(pool, access_token)
        self._graphs: dict[str, Graph] = {}
        self._pacer = Pacer(pool)
        self._beginnings: MicroBatcher[Start, Beginning] = MicroBatcher(self._begin, max_items=BATCH, flushers=FLUSHERS)
        self._endings: MicroBatcher[Ending, bool] = MicroBatcher(self._finish, max_items=BATCH, flushers=FLUSHERS)

    async def __call__(self, job: Job) -> Ended | None:
        """Send one message, or show or mark what stands in no log.

        Raises: WaitRequested, PermanentFailure, or what is tried again with backoff.
        """
        payload = _read(job)
        try:
            return await self._run(job, payload)
        except WaitRequested:
            raise
        except _NOT_RECORDED as error:  # no fault of the message: it is looked at again in a moment
            raise WaitRequested(f"the database did not take it ({type(error).__name__})", _SOON) from None
        except Exception as error:
            if payload.message_id is not None and consequence.is_last(error, job, self._policy):
                await undecided.fail_unsent(self._pool, job, payload.message_id, None, _NEVER_BEGUN)
            raise

    async def _run(self, job: Job, payload: _Payload) -> Ended | None:
        if job.connected_account_id is None:
            raise PermanentFailure("the job names no account")
        try:
            ready = await self._accounts.get(job.organization_id, job.connected_account_id)
        except ProviderError as error:
            return await self._cannot_send(job, payload, error)
        if payload.action is not None:
            if payload.action.account_id != ready.account.id:
                raise PermanentFailure("the action is of another account")
            return await self._act(job, ready, payload.action)
        pace = self._sender(ready).pace(ready.account, payload.type)
        slot = await self._slot(ready, pace)
        began = await self._beginnings.submit(Start(job, _message_id(payload), pace.pair))
        match began:
            case Settled():
                return None
            case Uncertain():
                return await self._await_report(job, began)
        return await self._send(job, ready, began, pace, slot)

    async def close(self) -> None:
        """Wait for everything that is on its way to the database."""
        await self._beginnings.close()
        await self._endings.close()
        await self._pacer.close()

    async def _send(self, job: Job, ready: Ready, begun: Begun, pace: Pace, slot: float) -> Ended | None:
        """Call, with a few quick retries where nothing was done for certain, and record what came of it."""
        called = await self._call(ready, begun.said, begun.row.id, pace, slot)
        ending, after = self._ending(job, begun, pace, called)
        if after is not None:
            await self._follow(job, ready, called, after)
        await self._endings.submit(ending)
        if ending.job_ends is not None:
            return ENDED
        raise self._wait_of(called, after)

    async def _call(
        self, ready: Ready, said: OutboundMessage, message_id: UUID | None, pace: Pace, slot: float
    ) -> _Called:
        called = _Called()
        call = self._sender(ready).build(said, ready.account, message_id)
        while True:
            while not await self._pacer.wait_for(slot):
                slot = await self._near_slot(ready, pace)
            called.calls += 1
            try:
                answer = await self._graph(ready).call(
                    "POST",
                    call.path,
                    token=ready.token,
                    json=call.body,
                    timeout_seconds=CALL_SECONDS,
                    on_headers=self._usage_reader(ready, pace),
                )
                called.reply, called.error = self._sender(ready).read_reply(answer), None
                return called
            except (ProviderError, NotReached, OutcomeUnknown) as error:
                called.error = error
            if called.calls > _quick_retries(called.error):
                return called
            await asyncio.sleep(_QUICK_PAUSE_SECONDS * called.calls * random.uniform(0.8, 1.2))  # noqa: S311
            slot = await self._near_slot(ready, pace)

    def _ending(self, job: Job, begun: Begun, pace: Pace, called: _Called) -> tuple[Ending, Consequence | None]:
        """Say how an attempt ended: for the message, for the job, and what else follows."""
        error, reply = called.error, called.reply
        base = _Base(job, begun, called.calls, pace, consequence.most_attempts(job, self._policy))
        if reply is not None and reply.external_id is not None:
            return base.ending(AttemptOutcome.SENT, MessageStatus.SENT, reply=reply, job_ends=_DONE), None
        if reply is not None and begun.said.reaction is not None:  # some platforms name no message for it
            return base.ending(AttemptOutcome.SENT, MessageStatus.SENT, reply=reply, job_ends=_DONE), None
        if isinstance(error, NotReached):
            after = consequence.unreached(error, job, self._policy)
            ends = IntegrationJobStatus.FAILED if after.failed else None
            return base.ending(AttemptOutcome.UNREACHED, after.status, text=str(error), job_ends=ends), after
        if isinstance(error, ProviderError) and not consequence.is_ambiguous(error):
            after = consequence.of(error, job, self._policy)
            return base.refusal(error, after), after
        return base.ending(AttemptOutcome.UNKNOWN, MessageStatus.UNKNOWN, text=_words(error)), None

    async def _follow(self, job: Job, ready: Ready, called: _Called, after: Consequence) -> None:
        """Do what a refusal means for others than this message: the account, the app, and people."""
        error = called.error
        if not isinstance(error, ProviderError):
            return
        if after.reauthorize:
            self._accounts.forget(ready.account.id)
            async with self._pool.acquire() as connection, connection.transaction():
                await self._note_refusal(
                    connection, ready.account.id, ready.account.organization_id, error, ready.token
                )
        news = True
        if after.scope in (LimitScope.ACCOUNT, LimitScope.APP) and after.wait is not None:
            app = self._sender(ready).app(ready.account)
            key = app if after.scope is LimitScope.APP else account_key(ready.account.id)
            news = await self._pacer.block(key, after.wait, f"{error.code}: {error.text}"[:500])
        if after.alert and news:
            async with self._pool.acquire() as connection, connection.transaction():
                account, now = ready.account, datetime.now(UTC)
                await outbox.add(
                    connection, facts.account_alert(account.organization_id, account.id, error, after.wait, now)
                )

    def _wait_of(self, called: _Called, after: Consequence | None) -> Exception:
        """Give what the job is to raise: a wait, or an ordinary failure."""
        if after is None:
            return WaitRequested("it is not known whether the message was sent", self._options.unknown_for)
        if after.wait is not None:
            return WaitRequested(_words(called.error), after.wait)
        return called.error or RuntimeError("the message could not be sent")

    async def _await_report(self, job: Job, found: Uncertain) -> Ended | None:
        """Wait for the platform's report on a message; past its time, leave it to a person and let others follow."""
        left = self._options.unknown_for - found.waited
        if left > timedelta(0):
            raise WaitRequested("it is not known whether the message was sent", left)
        await undecided.leave_to_people(self._pool, job.organization_id, found.row.id)
        return None

    async def _act(self, job: Job, ready: Ready, said: OutboundMessage) -> Ended | None:
        """Mark as read, or show that somebody writes; a typing indicator that comes too late is not shown."""
        if said.typing is not None and datetime.now(UTC) - job.created_at > _TYPING_IS_OLD_AFTER:
            return None
        pace = self._sender(ready).pace(ready.account, said.type)
        called = await self._call(ready, said, None, pace, await self._slot(ready, pace))
        if not isinstance(called.error, ProviderError):
            if isinstance(called.error, NotReached):
                raise called.error from None
            return None  # nothing is lost if it was not shown
        after = consequence.of(called.error, job, self._policy)
        await self._follow(job, ready, called, after)
        if after.status is MessageStatus.FAILED:
            raise PermanentFailure(_words(called.error))
        raise self._wait_of(called, after)

    async def _cannot_send(self, job: Job, payload: _Payload, error: ProviderError) -> Ended | None:
        """The account has no token that holds, or is gone: the message waits for its owner, or has failed."""
        if error.error_class is not ErrorClass.PERMANENT:
            raise WaitRequested(error.text, consequence.REAUTHORIZE_AGAIN)
        if payload.message_id is not None:
            await undecided.fail_unsent(self._pool, job, payload.message_id, error.code, error.text)
        raise PermanentFailure(error.text) from None

    async def _slot(self, ready: Ready, pace: Pace) -> float:
        key = account_key(ready.account.id, pace.lane)
        return await self._pacer.slot(key, pace.per_second, self._sender(ready).app(ready.account))

    async def _near_slot(self, ready: Ready, pace: Pace) -> float:
        """Reserve another slot for a message that is begun: it waits here for as long as that takes."""
        while True:
            try:
                return await self._slot(ready, pace)
            except WaitRequested as wait:
                await asyncio.sleep(min(wait.delay.total_seconds(), 1.0))

    def _usage_reader(self, ready: Ready, pace: Pace) -> Callable[[Mapping[str, str]], None]:
        sender = self._sender(ready)

        def read(headers: Mapping[str, str]) -> None:
            usage: Usage = sender.read_usage(headers, ready.account)
            self._pacer.note_usage(account_key(ready.account.id), sender.app(ready.account), usage)

        return read

    def _sender(self, ready: Ready) -> Sender:
        return self._providers[ready.account.provider].sender

    def _graph(self, ready: Ready) -> Graph:
        sender = self._sender(ready)
        app = sender.app(ready.account)
        if app not in self._graphs:
            self._graphs[app] = sender.graph(ready.account, self._http, self._platforms)
        return self._graphs[app]

    async def _begin(self, starts: Sequence[Start]) -> Sequence[Beginning | Exception]:
        return await begin(self._pool, starts, self._options.expiry)

    async def _finish(self, endings: Sequence[Ending]) -> Sequence[bool | Exception]:
        """Record a batch. What the platform did must not be lost to an outage."""
        deadline = asyncio.get_running_loop().time() + _RECORD_SECONDS
        while True:
            try:
                return await finish(self._pool, endings)
            except asyncpg.UniqueViolationError:  # an echo was faster than our own record, and stands as a message
                return await finish(self._pool, endings, absorb=True)
            except _NOT_RECORDED as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                log.warning("what was sent is recorded again", messages=len(endings), error=type(error).__name__)
                await asyncio.sleep(0.5)


class _Base:
    """What all endings of one attempt have in common."""

    def __init__(self, job: Job, begun: Begun, calls: int, pace: Pace, most: int) -> None:
        self._job = job
        self._begun = begun
        self._calls = calls
        self._pace = pace
        self._most = most

    def ending(self, outcome: AttemptOutcome, status: MessageStatus, **more: Any) -> Ending:
        """An attempt that ended so."""
        return Ending(
            job=self._job,
            begun=self._begun,
            outcome=outcome,
            status=status,
            at=datetime.now(UTC),
            calls=self._calls,
            pair=self._pace.pair,
            **more,
        )

    def refusal(self, error: ProviderError, after: Consequence) -> Ending:
        """An attempt that the platform refused."""
        return self.ending(
            AttemptOutcome.REFUSED,
            after.status,
            error=error,
            code=error.code,
            text=f"{error.error_class.sentence} {error.text}",
            job_ends=_DONE if after.defer is not None else IntegrationJobStatus.FAILED if after.failed else None,
            defer=after.defer,
            attempts_left=max(0, self._most - self._job.attempts - 1),
            strike=after.scope is LimitScope.PAIR,
        )


def _read(job: Job) -> _Payload:
    try:
        payload = _payload_decoder.decode(job.payload_json)
    except msgspec.MsgspecError:
        payload = _Payload()
    if payload.message_id is None and payload.action is None:
        raise PermanentFailure(
            'the payload is neither {"messageId": "…"} nor {"action": {…}}; POST /api/messages makes it'
        )
    return payload


def _message_id(payload: _Payload) -> UUID:
    assert payload.message_id is not None  # noqa: S101 - `_read` has seen to it
    return payload.message_id


def _quick_retries(error: Exception) -> int:
    if isinstance(error, ProviderError):
        return consequence.quick_retries(error)
    return consequence.QUICK_RETRIES if isinstance(error, NotReached) else 0


def _words(error: BaseException | None) -> str:
    return "the platform's answer names no message" if error is None else str(error)
