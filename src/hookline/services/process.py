"""Process webhooks: take a batch of jobs, record what their events say, complete both; one transaction for all of it.

An event that cannot be parsed, or that the database refuses, fails alone: its neighbours are processed without it.
"""

import math
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
import structlog

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import JobError, PermanentFailure
from hookline.domain.event import ItemResult, Outcome, WebhookEventStatus
from hookline.domain.text import to_json
from hookline.providers.base import Provider
from hookline.services.failure import RetryPolicy, event_id_of, record_failure
from hookline.services.record import Parsed, record
from hookline.store import accounts, events, takes
from hookline.store.events import Ending, StoredEvent
from hookline.store.jobs import ClaimedJob
from hookline.store.lanes import Lanes
from hookline.store.pool import Connection, is_away
from hookline.store.takes import Taken

Providers = Mapping[IntegrationProvider, Provider]

log = structlog.get_logger(__name__)


class _Refused(Exception):
    """Something in a batch was refused; the whole transaction is undone."""


async def process_due(
    pool: asyncpg.Pool,
    providers: Providers,
    policy: RetryPolicy,
    *,
    limit: int,
    lanes: Lanes | None = None,
    noted: dict[UUID, float] | None = None,
) -> int:
    """Process about `limit` due webhooks; returns how many were taken.

    Where something in a batch is refused, what is due then is processed with care: the culprit fails alone.
    lanes: as `takes.take` has it. noted: when which account was last noted to have had webhooks. Both are the
    caller's, kept from one time to the next.
    Raises: what the connection raises when the database goes away; nothing has happened then.
    """
    async with pool.acquire() as connection:
        for careful in (False, True):
            try:
                async with connection.transaction():
                    taken = await takes.take(connection, limit=limit, lanes=lanes)
                    seen = await process(connection, providers, policy, taken, careful=careful)
            except _Refused as refused:
                log.warning("a batch is processed again, with care", reason=str(refused))
            else:
                # Not in the transaction: its end would be waited for by everybody who notes the same accounts.
                await _note(connection, seen, {} if noted is None else noted)
                return len(taken)
    raise AssertionError("with care, nothing is refused as a whole")


async def _note(connection: Connection, seen: set[UUID], noted: dict[UUID, float]) -> None:
    """Note which accounts had webhooks, at most every few seconds each."""
    now = time.monotonic()
    due = [account for account in seen if now - noted.get(account, -math.inf) > accounts.TOUCH_SECONDS]
    if due:
        await accounts.touch(connection, due)
        noted.update(dict.fromkeys(due, now))


async def process(
    connection: Connection,
    providers: Providers,
    policy: RetryPolicy,
    taken: Sequence[Taken],
    *,
    careful: bool = True,
) -> set[UUID]:
    """Process jobs that this transaction has taken; returns the accounts whose webhooks they are.

    careful: under savepoints, so that an event that is refused fails alone. Without, it is the batch that is refused.
    """
    if not taken:
        return set()
    failed: dict[UUID, Exception] = {}
    parsed = await _parse_all(connection, providers, taken, failed)
    if careful:
        await _record_or_halve(connection, providers, parsed, failed)
    else:
        await _record_or_refuse(connection, providers, parsed)
    for job in taken:
        if (error := failed.get(job.id)) is not None:
            log.warning("processing failed", job_id=str(job.id), reason=str(error))
            await record_failure(connection, job, error, policy)
    return {one.event.connected_account_id for _, one in parsed}


async def _parse_all(
    connection: Connection, providers: Providers, taken: Sequence[Taken], failed: dict[UUID, Exception]
) -> list[tuple[ClaimedJob, Parsed]]:
    """Read and parse the jobs' events, in order; those that cannot be are in `failed` afterwards."""
    wanted: list[tuple[Taken, UUID]] = []
    for job in taken:
        try:
            wanted.append((job, event_id_of(job)))
        except PermanentFailure as error:
            failed[job.id] = error
    elsewhere = [(event_id, job.organization_id) for job, event_id in wanted if event_id != job.id]
    stored = await events.read(connection, elsewhere)
    parsed: list[tuple[ClaimedJob, Parsed]] = []
    for job, event_id in wanted:
        try:
            event = job.event if event_id == job.id else stored.get(event_id)
            parsed.append((job, _parse(providers, event)))
        except Exception as error:  # a parser's mistake is this event's failure, not the batch's
            failed[job.id] = _without_content(error)
    return parsed


def _parse(providers: Providers, event: StoredEvent | None) -> Parsed:
    if event is None:
        raise PermanentFailure("the event is gone")
    if event.payload_json is None:
        raise PermanentFailure("the event holds no JSON")
    return Parsed(event, providers[event.provider].parse(event.payload_json))


async def _record(connection: Connection, providers: Providers, batch: Sequence[tuple[ClaimedJob, Parsed]]) -> None:
    results = await record(connection, providers, [parsed for _, parsed in batch])
    await events.finish(connection, [_ending(parsed.event, results[parsed.event.id]) for _, parsed in batch])


def _is_nobodys_fault(error: Exception) -> bool:
    """Say whether another transaction was at the same rows, or the database went away: it is all tried again later."""
    return is_away(error) or isinstance(error, asyncpg.TransactionRollbackError | asyncpg.UniqueViolationError)


async def _record_or_refuse(
    connection: Connection, providers: Providers, batch: Sequence[tuple[ClaimedJob, Parsed]]
) -> None:
    try:
        await _record(connection, providers, batch)
    except Exception as error:
        if _is_nobodys_fault(error):
            raise
        raise _Refused(_without_content(error)) from None


async def _record_or_halve(
    connection: Connection,
    providers: Providers,
    batch: Sequence[tuple[ClaimedJob, Parsed]],
    failed: dict[UUID, Exception],
) -> None:
    """Record a batch under a savepoint; if the database or a rule refuses it, halve it until the culprit is alone."""
    if not batch:
        return
    try:
        async with connection.transaction():
            await _record(connection, providers, batch)
    except Exception as error:  # whatever it is, it must not hold up the neighbours
        if _is_nobodys_fault(error):
            raise
        if len(batch) == 1:
            failed[batch[0][0].id] = _without_content(error)
            return
        middle = len(batch) // 2
        await _record_or_halve(connection, providers, batch[:middle], failed)
        await _record_or_halve(connection, providers, batch[middle:], failed)


def _without_content(error: Exception) -> Exception:
    """Say what failed and where, without the error's own text: it may quote what a customer wrote."""
    if isinstance(error, JobError):
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    code = f" {error.sqlstate}" if isinstance(error, asyncpg.PostgresError) else ""
    return RuntimeError(f"{type(error).__name__}{code} at {Path(frame.filename).name}:{frame.lineno}")


def _ending(event: StoredEvent, results: list[ItemResult]) -> Ending:
    """An event with a failed item is FAILED; any other is PROCESSED."""
    failed = next((one for one in results if one.outcome is Outcome.FAILED), None)
    status = WebhookEventStatus.FAILED if failed else WebhookEventStatus.PROCESSED
    return Ending(event.id, event.organization_id, status, to_json(results), failed.reason if failed else None)
