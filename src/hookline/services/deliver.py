"""Deliver: run SEND_MESSAGE jobs. Pace → write the attempt down → call → record what the platform said.

No transaction is held across a call. A call whose outcome is not known is never made again by itself: the message is
UNKNOWN until the platform's reports say what became of it (services/reconcile.py), or a person decides.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.domain.job import ENDED, Ended
from hookline.domain.message import MessageStatus
from hookline.domain.outbound import OutboundMessage, OutboundType
from hookline.domain.outbound_template import Template
from hookline.domain.provider_error import ErrorClass, LimitScope, NotReached, ProviderError
from hookline.domain.sending import Pace
from hookline.providers.base import Provider
from hookline.providers.http import HttpClient
from hookline.services import consequence, facts, undecided
from hookline.services.batching import MicroBatcher
from hookline.services.consequence import Consequence
from hookline.services.failure import RetryPolicy
from hookline.services.media_links import MediaLinks
from hookline.services.pacing import Pacer
from hookline.services.send_begin import Beginning, Begun, Settled, Start, Uncertain, begin
from hookline.services.send_call import Called, Caller
from hookline.services.send_finish import Ending, finish
from hookline.services.send_outcome import Attempted, words
from hookline.services.sending_accounts import AccessToken, NoteRefusal, Ready, SendingAccounts
from hookline.services.template_news import note_status
from hookline.store import outbox
from hookline.store.jobs import Job
from hookline.store.paces import account_key
from hookline.store.pool import DATABASE_AWAY

BATCH: Final = 256
FLUSHERS: Final = 2
# A second batch goes beside one that is held up, as by a lock; otherwise whoever comes shares the next one.
CROWD: Final = 64
_TYPING_IS_OLD_AFTER: Final = timedelta(seconds=20)
# How long the record of what the platform said waits for the database, before the attempt is left open.
_RECORD_SECONDS: Final = 60.0

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
        links: MediaLinks,
        options: DeliveryOptions | None = None,
    ) -> None:
        self._pool = pool
        self._providers = providers
        self._policy = policy
        self._note_refusal = note_refusal
        self._links = links
        self._options = options or DeliveryOptions()
        self._accounts = SendingAccounts(pool, access_token)
        self._pacer = Pacer(pool)
        self._caller = Caller(providers, http, platforms, self._pacer)
        self._beginnings: MicroBatcher[Start, Beginning] = MicroBatcher(
            self._begin, max_items=BATCH, flushers=FLUSHERS, crowd=CROWD
        )
        self._endings: MicroBatcher[Ending, bool] = MicroBatcher(
            self._finish, max_items=BATCH, flushers=FLUSHERS, crowd=CROWD
        )

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
        pace = self._caller.sender(ready).pace(ready.account, payload.type)
        slot = await self._caller.slot(ready, pace)
        rules = self._providers[ready.account.provider].templates if payload.type is OutboundType.TEMPLATE else None
        try:
            began = await self._beginnings.submit(Start(job, _message_id(payload), pace.pair, rules))
        except ProviderError as error:  # the account was lost since it was read
            self._accounts.forget(ready.account.id)
            return await self._cannot_send(job, payload, error)
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
        said = self._links.fill_in(begun.said, begun.row.organization_id)
        called = await self._caller.call(ready, said, begun.row.id, pace, slot)
        ending, after = Attempted(job, begun, pace, called, datetime.now(UTC)).ending(self._policy)
        if after is not None:
            await self._follow(ready, called, after)
        await self._endings.submit(ending)
        await self._note_template(ready, begun.said.template, called)
        if ending.job_ends is not None:
            return ENDED
        raise self._wait_of(called, after)

    async def _follow(self, ready: Ready, called: Called, after: Consequence) -> None:
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
            app = self._caller.sender(ready).app(ready.account)
            key = app if after.scope is LimitScope.APP else account_key(ready.account.id)
            news = await self._pacer.block(key, after.wait, f"{error.code}: {error.text}"[:500])
        if after.alert and news:
            async with self._pool.acquire() as connection, connection.transaction():
                account, now = ready.account, datetime.now(UTC)
                await outbox.add(
                    connection, facts.account_alert(account.organization_id, account.id, error, after.wait, now)
                )

    async def _note_template(self, ready: Ready, template: Template | None, called: Called) -> None:
        """Keep what a refusal says of the template: others that use it need not be called for."""
        rules, error = self._providers[ready.account.provider].templates, called.error
        if rules is None or template is None or not isinstance(error, ProviderError):
            return
        status = rules.status_after(error.code)
        if status is not None:
            async with self._pool.acquire() as connection, connection.transaction():
                await note_status(connection, ready.account.id, template.name, template.language, status)

    def _wait_of(self, called: Called, after: Consequence | None) -> Exception:
        """Give what the job is to raise: a wait, or an ordinary failure."""
        if after is None:
            return WaitRequested("it is not known whether the message was sent", self._options.unknown_for)
        if after.wait is not None:
            return WaitRequested(words(called.error), after.wait)
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
        pace = self._caller.sender(ready).pace(ready.account, said.type)
        called = await self._caller.call(ready, said, None, pace, await self._caller.slot(ready, pace))
        if not isinstance(called.error, ProviderError):
            if isinstance(called.error, NotReached | WaitRequested):
                raise called.error from None
            return None  # nothing is lost if it was not shown
        after = consequence.of(called.error, job, self._policy)
        await self._follow(ready, called, after)
        if after.status is MessageStatus.FAILED:
            raise PermanentFailure(words(called.error))
        raise self._wait_of(called, after)

    async def _cannot_send(self, job: Job, payload: _Payload, error: ProviderError) -> Ended | None:
        """The account has no token that holds, or is gone: the message waits for its owner, or has failed."""
        if error.error_class is not ErrorClass.PERMANENT:
            if payload.message_id is not None:
                await undecided.explain_wait(self._pool, job, payload.message_id, error)
            raise WaitRequested(error.text, consequence.REAUTHORIZE_AGAIN)
        if payload.message_id is not None:
            await undecided.fail_unsent(self._pool, job, payload.message_id, error.code, error.text)
        raise PermanentFailure(error.text) from None

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
