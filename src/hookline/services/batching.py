"""Micro-batches: what many callers submit one by one goes out together, without a timer and without added latency."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar, cast

import structlog

from hookline.domain.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class MicroBatcher(Generic[Item, Result]):
    """Hands items to `flush` at once while idle, otherwise everything that came during the flush in flight.

    flush: takes up to `max_items` items in the order in which they came, and gives a result for each; a result that is
    an exception is raised to that item's caller alone. What `flush` itself raises, every caller of the batch gets.
    flushers: how many batches may be in flight. crowd: one more begins beside those in flight only when so many wait;
    a batch costs what it costs, however many share it, so a few do better to wait for the next one. weigh, max_weight:
    a second limit on a batch, in any unit.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        max_items: int,
        flushers: int = 1,
        crowd: int = 1,
        weigh: Callable[[Item], int] = lambda _: 0,
        max_weight: int = 1,
    ) -> None:
        self._flush = flush
        self._max_items = max_items
        self._max_flushers = flushers
        self._crowd = crowd
        self._weigh = weigh
        self._max_weight = max_weight
        self._queue: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._flushers: set[asyncio.Task[None]] = set()
        self.waiting_weight = 0

    async def submit(self, item: Item) -> Result:
        """Have an item flushed; its result. A caller that is cancelled meanwhile does not take its item back.

        Raises: what `flush` raised, or gave for this item; Unavailable, if the flush was interrupted.
        """
        return await self.enqueue(item)

    def enqueue(self, item: Item) -> "asyncio.Future[Result]":
        """Have an item flushed; the future has its result, or raises what `submit` raises."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, result))
        self.waiting_weight += self._weigh(item)
        if not self._flushers or (len(self._flushers) < self._max_flushers and len(self._queue) >= self._crowd):
            self._flushers.add(asyncio.create_task(self._flush_until_empty(), name="flush"))
        return result

    async def close(self) -> None:
        """Wait until everything that was submitted has its result."""
        while self._flushers:
            await asyncio.wait(self._flushers)

    async def _flush_until_empty(self) -> None:
        try:
            while self._queue:
                await self._flush_batch(self._next_batch())
        finally:
            # At once, not in a callback: whoever comes between the two would wait for a flusher that has ended.
            self._flushers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next_batch(self) -> list[tuple[Item, "asyncio.Future[Result]"]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        weight = 0
        while self._queue and (not batch or (len(batch) < self._max_items and weight < self._max_weight)):
            waiting = self._queue.popleft()
            batch.append(waiting)
            weight += self._weigh(waiting[0])
        self.waiting_weight -= weight
        return batch

    async def _flush_batch(self, batch: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"a flush of {len(batch)} items gave {len(results)} results")
        except Exception as error:
            log.warning("a flush failed", items=len(batch), error=type(error).__name__)
            results = [error] * len(batch)
        except BaseException:
            _settle(batch, [Unavailable("the flush was interrupted")] * len(batch))
            raise
        _settle(batch, results)


def _settle(batch: Sequence[tuple[Item, "asyncio.Future[Result]"]], results: Sequence[Result | Exception]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if future.done():
            continue  # the caller has gone away
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
