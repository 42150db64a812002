"""Ingest: webhooks become stored events with their jobs, many in one commit, and only then are acknowledged.

Everything that arrives while a flush is in flight goes out with the next one: no timer, no added latency when idle.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

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
from hookline.services.batching import MicroBatcher
from hookline.store import intake
from hookline.store.events import LATEST
from hookline.store.intake import Heading, NewEvent
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


class _Post(msgspec.Struct, frozen=True):
    """The events of one POST, and its size in bytes."""

    rows: list[NewEvent]
    size: int


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
    external_id = part.external_account_id
    organization_id = organization_hint or part.organization_id
    latest = latest_if_unnamed and part.address is None and status is WebhookEventStatus.PENDING
    return NewEvent(
        id=new_id(),
        heading=Heading(
            provider=provider,
            event_type=part.event_type,
            fallback_address=part.fallback,
            external_account_id=None if external_id == part.address else external_id,
            organization_id=organization_id,
            latest=latest,
            signature=signature,
            status=status,
            result=result,
            error=error,
        ),
        payload_json=part.payload,
        address=LATEST + (organization_id or "") if latest else part.address,
        contact=part.contact,
        ordering=part.ordering,
        received_at=received_at,
    )


def _nobodys(part: Part, latest_if_unnamed: bool) -> str | None:
    return "it names no account" if part.address is None and not latest_if_unnamed else None


def _malformed(
    provider: IntegrationProvider, body: bytes, signature: Signature, received_at: datetime, reason: str
) -> NewEvent:
    return NewEvent(
        id=new_id(),
        heading=_failed(provider, signature, reason),
        ordering="",
        received_at=received_at,
        body=body,
    )


def _failed(provider: IntegrationProvider, signature: Signature, error: str) -> Heading:
    return Heading(
        provider=provider,
        event_type="malformed",
        signature=signature,
        status=WebhookEventStatus.FAILED,
        error=error,
    )


class Ingest:
    """The micro-batching writer of one process. `store` returns when the rows are committed.

    stored: called after every commit, to wake who works on what came.
    """

    def __init__(self, pool: asyncpg.Pool, stored: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self._stored = stored
        self._batches = MicroBatcher(
            self._store_together, max_items=MAX_ROWS, flushers=FLUSHERS, weigh=_weight, max_weight=MAX_BYTES
        )

    async def store(self, rows: list[NewEvent], size: int) -> None:
        """Commit the rows of one POST (`size` bytes), together with whatever else is waiting.

        Raises: Unavailable, if the database cannot take them now; nothing is stored then, or it is not known.
        """
        await self.enqueue(rows, size)

    def enqueue(self, rows: list[NewEvent], size: int) -> "asyncio.Future[None]":
        """Begin to store the rows of one POST; the future is done when they are committed, or raises Unavailable.

        Raises: Unavailable, at once, if too much is waiting already.
        """
        post = _Post(rows, size)
        waiting = self._batches.waiting_weight
        if waiting and waiting + _weight(post) > MAX_WAITING_BYTES:
            raise Unavailable("too much is waiting for the database")
        return self._batches.enqueue(post)

    async def close(self) -> None:
        """Wait until everything that was taken is committed or refused."""
        await self._batches.close()

    async def _store_together(self, batch: Sequence[_Post]) -> Sequence[Exception | None]:
        """Store a batch. If the database refuses its data, halve it until the culprit stands alone."""
        try:
            await self._insert([row for post in batch for row in post.rows])
        except Unavailable as error:
            return [error] * len(batch)
        except REFUSED as error:
            log.warning("a batch was refused for its data", posts=len(batch), error=type(error).__name__)
            if len(batch) == 1:
                return [await self._store_apart(batch[0], error)]
            middle = len(batch) // 2
            return [*await self._store_together(batch[:middle]), *await self._store_together(batch[middle:])]
        except Exception as error:
            log.error("flush failed", error=type(error).__name__, exc_info=True)
            return [Unavailable("the flush was interrupted")] * len(batch)
        return [None] * len(batch)

    async def _store_apart(self, post: _Post, error: Exception) -> Unavailable | None:
        """Store the events of one POST each on its own; what the database refuses is kept as FAILED, as bytes.

        A POST that is stored in part when the connection breaks is delivered again: its events are idempotent.
        """
        try:
            for row in post.rows:
                try:
                    await self._insert([row])
                except REFUSED:
                    await self._insert([_refused(row, error)])
        except Unavailable as unavailable:
            return unavailable
        return None

    async def _insert(self, rows: Sequence[NewEvent]) -> None:
        try:
            async with self._pool.acquire(timeout=4) as connection:
                UNOWNED.inc(await intake.ingest(connection, rows))
            self._stored()
        except REFUSED:
            raise
        except NOT_NOW as error:
            log.error("the database did not take webhooks", events=len(rows), error=type(error).__name__)
            raise Unavailable("the database cannot take webhooks now") from None


def _refused(row: NewEvent, error: Exception) -> NewEvent:
    reason = f"the database refused it ({type(error).__name__})"
    return NewEvent(
        id=new_id(),
        heading=_failed(row.heading.provider, row.heading.signature, reason),
        ordering="",
        received_at=row.received_at,
        body=None if row.payload_json is None else row.payload_json.encode(errors="surrogatepass"),
    )


def _weight(post: _Post) -> int:
    """What a POST takes of a batch: its bytes, or its share of the rows if that is more."""
    return max(post.size, len(post.rows) * (MAX_BYTES // MAX_ROWS))
