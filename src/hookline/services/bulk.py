"""Bulk repair: retry or cancel an organization's jobs, or replay its webhook events, however many there are.

The rows that fit a filter are walked over, oldest first, in short transactions. A request does what it can in about a
second; the rest is done by a job of type BULK, whose payload says how far it is, so that it goes on from there after
whatever stops it, and counts nothing twice.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

import asyncpg
import msgspec
import structlog

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import Conflict, PermanentFailure, WaitRequested
from hookline.domain.event import WebhookEventStatus
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobStatus, IntegrationJobType
from hookline.domain.text import to_json
from hookline.services.control import cancel_jobs, retry_jobs
from hookline.store import event_repair, events, jobs, walks
from hookline.store.events import EventFilter
from hookline.store.jobs import Job, JobFilter
from hookline.store.pool import Connection
from hookline.store.walks import Place, Walk

BATCH = 500
REQUEST_SECONDS = 1.0
COUNT_SECONDS = 5.0
# A BULK job returns to the queue after so long, so that its worker can stop, and others get their turn.
SLICE_SECONDS = 5.0
ORDERING_KEY = "hookline:bulk"

log = structlog.get_logger(__name__)


class Action(StrEnum):
    """What is done to the rows."""

    RETRY = "retry"
    CANCEL = "cancel"
    REPLAY = "replay"


class Bulk(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What to do to which rows, and how far it is: the payload of a BULK job.

    by: who asked. through: no later row is touched. limit: how many rows at most. count: how many are done. place:
    where the walk goes on; None at its end. left: rows that somebody else had locked, to be waited for one by one.
    """

    action: Action
    jobs: JobFilter | None = None
    events: EventFilter | None = None
    by: str
    through: UUID
    limit: int | None = None
    count: int = 0
    place: Place | None = Place()
    left: list[UUID] = []

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return (self.place is None and not self.left) or self.room(1) == 0

    @property
    def chosen(self) -> JobFilter | EventFilter:
        """What its rows are narrowed to."""
        return self.jobs or self.events or JobFilter()

    def room(self, most: int) -> int:
        """How many more rows, up to `most`, its limit allows."""
        return most if self.limit is None else min(most, self.limit - self.count)

    def walk(self, organization_id: str) -> Walk:
        """The walk over the rows that fit."""
        listed = events.LISTED if self.action is Action.REPLAY else jobs.LISTED
        return Walk(listed, self.chosen, organization_id, self.through)


class Outcome(msgspec.Struct, frozen=True):
    """What a request for a bulk action comes to.

    count: rows that fit. exact: whether that is all, or as many as could be counted in time. job: what does the rest.
    """

    count: int
    exact: bool
    job: Job | None = None


Transaction: TypeAlias = Callable[[], AbstractAsyncContextManager[Connection]]
Note: TypeAlias = Callable[[Connection, Bulk], Awaitable[None]]


def retry_of(chosen: JobFilter, by: str, limit: int | None) -> Bulk:
    """Run jobs again: the FAILED ones; those that wait, if `chosen` says PENDING."""
    chosen = msgspec.structs.replace(chosen, status=chosen.status or IntegrationJobStatus.FAILED)
    return Bulk(action=Action.RETRY, jobs=chosen, by=by, through=new_id(), limit=limit)


def cancel_of(chosen: JobFilter, by: str, limit: int | None) -> Bulk:
    """Cancel jobs: those that wait or run; only either, if `chosen` says so."""
    if chosen.status is None:
        chosen = msgspec.structs.replace(chosen, statuses=list(jobs.LIVE))
    return Bulk(action=Action.CANCEL, jobs=chosen, by=by, through=new_id(), limit=limit)


def replay_of(chosen: EventFilter, by: str, limit: int | None) -> Bulk:
    """Process events again: the FAILED ones; those that are processed, if `chosen` says PROCESSED."""
    chosen = msgspec.structs.replace(chosen, status=chosen.status or WebhookEventStatus.FAILED, replayable=True)
    return Bulk(action=Action.REPLAY, events=chosen, by=by, through=new_id(), limit=limit)


async def count_fitting(transaction: Transaction, organization_id: str, bulk: Bulk) -> Outcome:
    """Count what an action is for: what it has done, what is left, and what fits from where it is; for a few seconds.

    What waits for its lock counts as fitting.
    """
    walk, place, found = bulk.walk(organization_id), bulk.place, bulk.count + len(bulk.left)
    deadline = time.monotonic() + COUNT_SECONDS
    while place is not None and time.monotonic() < deadline:
        async with transaction() as connection:
            tally = await walks.count(connection, walk, place)
        found, place = found + tally.count, tally.following
        if bulk.limit is not None and found >= bulk.limit:
            return Outcome(bulk.limit, exact=True)
    return Outcome(found, exact=place is None)


async def begin(transaction: Transaction, organization_id: str, bulk: Bulk) -> Outcome:
    """Do what can be done at once, and leave the rest to a job."""
    deadline = time.monotonic() + REQUEST_SECONDS
    while not bulk.done:
        if time.monotonic() > deadline:
            fitting = await count_fitting(transaction, organization_id, bulk)
            async with transaction() as connection:
                job = await _enqueue(connection, organization_id, bulk)
            return Outcome(fitting.count, fitting.exact, job)
        bulk = await _step(transaction, organization_id, bulk)
    return Outcome(bulk.count, exact=True)


async def _enqueue(connection: Connection, organization_id: str, bulk: Bulk) -> Job:
    """Bulk actions of an organization run one after another, in the order in which they were asked for."""
    return await jobs.enqueue(
        connection,
        organization_id=organization_id,
        provider=bulk.chosen.provider or next(iter(IntegrationProvider)),  # a job has one; this one may be for all
        job_type=IntegrationJobType.BULK,
        payload_json=to_json(bulk),
        ordering_key=ORDERING_KEY,
    )


async def go_on(pool: asyncpg.Pool, job: Job) -> None:
    """Go on with the bulk action that a job describes, and return when it is done.

    Raises: WaitRequested, at the end of its turn; PermanentFailure, if the payload describes none.
    """
    try:
        bulk = msgspec.json.decode(job.payload_json, type=Bulk)
    except msgspec.MsgspecError as error:
        raise PermanentFailure(f"the payload describes no bulk action: {error}") from None

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Connection]:
        async with pool.acquire() as connection, connection.transaction():
            yield connection

    async def note(connection: Connection, advanced: Bulk) -> None:
        if not await jobs.note_progress(connection, job, to_json(advanced)):
            raise Conflict("the job was cancelled, or its claim is lost")

    deadline = time.monotonic() + SLICE_SECONDS
    while not bulk.done:
        if time.monotonic() > deadline:
            raise WaitRequested(f"{bulk.count} rows so far", timedelta(0))
        bulk = await _step(transaction, job.organization_id, bulk, note)
    log.info("a bulk action is done", action=bulk.action, rows=bulk.count, job_id=str(job.id))


async def _step(transaction: Transaction, organization_id: str, bulk: Bulk, note: Note | None = None) -> Bulk:
    """Do the next few rows in one transaction, in which `note` may keep how far it is.

    Rows that somebody else has locked are left for later, and then waited for one by one: a transaction that waits
    must hold nothing that another may wait for.
    """
    walk = bulk.walk(organization_id)
    async with transaction() as connection:
        if bulk.left:
            ids = bulk.left[:1]
            await walks.lock(connection, walk, ids[0])
            count = len(await _apply(connection, organization_id, bulk, ids))
            advanced = msgspec.structs.replace(bulk, count=bulk.count + count, left=bulk.left[1:])
        else:
            step = await walks.step(connection, walk, bulk.place or Place(), bulk.room(BATCH))
            changed = await _apply(connection, organization_id, bulk, step.ids)
            left = [row for row in step.ids if row not in changed]
            advanced = msgspec.structs.replace(bulk, count=bulk.count + len(changed), place=step.following, left=left)
        if note is not None:
            await note(connection, advanced)
    return advanced


async def _apply(connection: Connection, organization_id: str, bulk: Bulk, ids: Sequence[UUID]) -> set[UUID]:
    """Do it to those of the rows that still fit and that nobody else has locked; gives their ids."""
    if bulk.action is Action.REPLAY:
        status = bulk.events and bulk.events.status
        return await event_repair.replay(connection, organization_id, ids, status or WebhookEventStatus.FAILED)
    statuses = [bulk.jobs.status] if bulk.jobs and bulk.jobs.status else list(jobs.LIVE)
    if bulk.action is Action.RETRY:
        done = await retry_jobs(connection, organization_id, ids, statuses)
    else:
        done = await cancel_jobs(connection, organization_id, ids, bulk.by, statuses)
    return {job.id for job in done}
