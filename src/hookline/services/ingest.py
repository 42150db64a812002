"""Ingest: webhooks become stored events with their jobs, many in one commit, and only then are acknowledged.

Everything that arrives while a flush is in flight goes out with the next one: no timer, no added latency when idle.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import MalformedWebhook, Unavailable
from hookline.domain.event import ItemResult, Outcome, Part, Signature, WebhookEventStatus
from hookline.domain.ids import new_id
from hookline.domain.text import to_json
from hookline.providers.base import Provider
from hookline.store import events
from hookline.store.events import NewEvent
from hookline.store.pool import DATABASE_AWAY

FLUSHERS = 2
MAX_ROWS = 256
MAX_BYTES = 1024 * 1024
# Above this the process cannot keep up, and the platform does better to try again later.
MAX_WAITING_BYTES = 64 * 1024 * 1024

# What the database says of data that it will never take, however often it is tried.
REFUSED = (
    UnicodeError,
    asyncpg.DataError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.IntegrityConstraintViolationError,
)

# Whatever else the database says: it may take the same data later.
NOT_NOW: tuple[type[Exception], ...] = (*DATABASE_AWAY, asyncpg.PostgresError)

UNOWNED = Counter("hookline_webhook_events_unowned_total", "Webhook events that no account owned when they came")

log = structlog.get_logger(__name__)


class _Waiting(msgspec.Struct):
    rows: list[NewEvent]
    size: int
    stored: "asyncio.Future[None]"


def events_of(
    provider: Provider, body: bytes, signature: Signature, *, organization_hint: str | None, latest_if_unnamed: bool
) -> list[NewEvent]:
    """Turn one POST into the events to store. A body that is no webhook becomes one FAILED event with its bytes.

    organization_hint: what the header X-Organization-Id said, in development. latest_if_unnamed: whether a part
    without any address goes to the provider's latest connected account (development).
    """
    received_at = datetime.now(UTC)
    try:
        parts = provider.split(body)
    except MalformedWebhook as error:
        log.warning("a body is no webhook", provider=provider.name, reason=str(error))
        return [_malformed(provider.name, body, signature, received_at, str(error))]
    except Exception as error:  # a mistake of ours must not lose what was signed
        log.exception("a webhook could not be split", provider=provider.name)
        return [_malformed(provider.name, body, signature, received_at, f"{type(error).__name__} in splitting it")]
    return [_event(provider.name, part, signature, received_at, organization_hint, latest_if_unnamed) for part in parts]


def _event(
    provider: IntegrationProvider,
    part: Part,
    signature: Signature,
    received_at: datetime,
    organization_hint: str | None,
    latest_if_unnamed: bool,
) -> NewEvent:
    status, result, error = WebhookEventStatus.PENDING, None, None
    if part.failed is not None:
        status, error = WebhookEventStatus.FAILED, part.failed
    elif reason := part.ignored or part.unsupported or _nobodys(part, latest_if_unnamed):
        status = WebhookEventStatus.PROCESSED
        outcome = Outcome.IGNORED if part.ignored else Outcome.UNSUPPORTED
        ended = ItemResult(index=0, kind=part.event_type, external_id=None, outcome=outcome, reason=reason)
        result = to_json([ended])
    return NewEvent(
        id=new_id(),
        provider=provider,
        event_type=part.event_type,
        payload_json=part.payload,
        address=part.address,
        fallback_address=part.fallback,
        external_account_id=part.external_account_id,
        contact=part.contact,
        ordering=part.ordering,
        organization_id=organization_hint or part.organization_id,
        latest=latest_if_unnamed and part.address is None and status is WebhookEventStatus.PENDING,
        signature=signature,
        status=status,
        received_at=received_at,
        result=result,
        error=error,
    )


def _nobodys(part: Part, latest_if_unnamed: bool) -> str | None:
    return "it names no account" if part.address is None and not latest_if_unnamed else None


def _malformed(
    provider: IntegrationProvider, body: bytes, signature: Signature, received_at: datetime, reason: str
) -> NewEvent:
    return NewEvent(
        id=new_id(),
        provider=provider,
        event_type="malformed",
        ordering="",
        signature=signature,
        status=WebhookEventStatus.FAILED,
        received_at=received_at,
        error=reason,
        body=body,
    )


class Ingest:
    """The micro-batching writer of one process. `store` returns when the rows are committed."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._queue: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._flushers: set[asyncio.Task[None]] = set()

    async def store(self, rows: list[NewEvent], size: int) -> None:
        """Commit the rows of one POST (`size` bytes), together with whatever else is waiting.

        Raises: Unavailable, if the database cannot take them now; nothing is stored then, or it is not known.
        """
        if self._waiting_bytes + size > MAX_WAITING_BYTES and self._queue:
            raise Unavailable("too much is waiting for the database")
        waiting = _Waiting(rows, size, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._waiting_bytes += size
        if len(self._flushers) < FLUSHERS:
            self._flushers.add(asyncio.create_task(self._flush_until_empty()))
        await waiting.stored

    async def close(self) -> None:
        """Wait until everything that was taken is committed or refused."""
        await asyncio.gather(*self._flushers, return_exceptions=True)

    async def _flush_until_empty(self) -> None:
        try:
            await self._flush_all()
        finally:
            # At once, not in a callback: whoever comes between the two would wait for a flusher that has ended.
            self._flushers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _flush_all(self) -> None:
        while self._queue:
            batch = self._next_batch()
            try:
                await self._store_together(batch)
            except BaseException as error:
                for one in batch:
                    if not one.stored.done():
                        one.stored.set_exception(Unavailable("the flush was interrupted"))
                if not isinstance(error, Exception):
                    raise
                log.error("flush failed", error=type(error).__name__, exc_info=True)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = size = 0
        while self._queue and (not batch or (rows < MAX_ROWS and size < MAX_BYTES)):
            one = self._queue.popleft()
            batch.append(one)
            rows += len(one.rows)
            size += one.size
        self._waiting_bytes -= size
        return batch

    async def _store_together(self, batch: Sequence[_Waiting]) -> None:
        """Store a batch. If the database refuses its data, halve it until the culprit stands alone."""
        try:
            await self._insert([row for one in batch for row in one.rows])
        except Unavailable as error:
            _settle(batch, error)
        except REFUSED as error:
            log.warning("a batch was refused for its data", posts=len(batch), error=type(error).__name__)
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._store_together(batch[:middle])
                await self._store_together(batch[middle:])
            else:
                await self._store_apart(batch[0], error)
        else:
            _settle(batch, None)

    async def _store_apart(self, one: _Waiting, error: Exception) -> None:
        """Store the events of one POST each on its own; what the database refuses is kept as FAILED, as bytes.

        A POST that is stored in part when the connection breaks is delivered again: its events are idempotent.
        """
        try:
            for row in one.rows:
                try:
                    await self._insert([row])
                except REFUSED:
                    await self._insert([_refused(row, error)])
        except Unavailable as unavailable:
            _settle([one], unavailable)
        else:
            _settle([one], None)

    async def _insert(self, rows: Sequence[NewEvent]) -> None:
        try:
            async with self._pool.acquire(timeout=4) as connection:
                UNOWNED.inc(await events.ingest(connection, rows))
        except REFUSED:
            raise
        except NOT_NOW as error:
            log.error("the database did not take webhooks", events=len(rows), error=type(error).__name__)
            raise Unavailable("the database cannot take webhooks now") from None


def _refused(row: NewEvent, error: Exception) -> NewEvent:
    return msgspec.structs.replace(
        row,
        id=new_id(),
        payload_json=None,
        body=None if row.payload_json is None else row.payload_json.encode(errors="surrogatepass"),
        event_type="malformed",
        address=None,
        fallback_address=None,
        external_account_id=None,
        contact=None,
        ordering="",
        organization_id=None,
        latest=False,
        status=WebhookEventStatus.FAILED,
        result=None,
        error=f"the database refused it ({type(error).__name__})",
    )


def _settle(batch: Sequence[_Waiting], error: Unavailable | None) -> None:
    for one in batch:
        if one.stored.done():
            continue  # the caller has gone away
        if error is None:
            one.stored.set_result(None)
        else:
            one.stored.set_exception(error)
