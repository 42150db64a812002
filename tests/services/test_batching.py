"""The micro-batcher: what goes out together, and who is told what."""

import asyncio
from collections.abc import Sequence

import pytest

from hookline.domain.errors import Unavailable
from hookline.services.batching import MicroBatcher


class Sink:
    """Takes batches when told to, and answers each item with its double."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def flush(self, items: Sequence[int]) -> Sequence[int | Exception]:
        """Take a batch; a negative item is refused alone, 13 spoils its batch."""
        self.batches.append(list(items))
        await self.gate.wait()
        if 13 in items:
            raise OSError("the batch is spoilt")
        return [item * 2 if item >= 0 else ValueError(str(item)) for item in items]


async def test_idle_it_flushes_at_once_and_then_what_came_meanwhile() -> None:
    """The first item goes out alone, everything that comes during its flush with the next, in order."""
    sink = Sink()
    batcher = MicroBatcher(sink.flush, max_items=100)
    waiting = []
    for number in range(5):
        waiting.append(asyncio.create_task(batcher.submit(number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    sink.gate.set()
    assert await asyncio.gather(*waiting) == [0, 2, 4, 6, 8]
    assert sink.batches == [[0], [1, 2, 3, 4]]


async def test_a_batch_is_limited_by_number_and_by_weight() -> None:
    """No batch holds more items than allowed, nor goes on once it is heavy enough; one heavy item goes alone."""
    sink = Sink()
    sink.gate.set()
    by_number = MicroBatcher(sink.flush, max_items=2)
    await asyncio.gather(*(by_number.submit(number) for number in range(5)))
    assert sink.batches == [[0, 1], [2, 3], [4]]
    sink.batches.clear()
    by_weight = MicroBatcher(sink.flush, max_items=100, weigh=lambda item: item, max_weight=10)
    results = asyncio.gather(*(by_weight.submit(number) for number in (4, 5, 6, 100, 1)))
    await asyncio.sleep(0)
    assert await results == [8, 10, 12, 200, 2]
    assert sink.batches == [[4, 5, 6], [100], [1]]
    assert by_weight.waiting_weight == 0


async def test_no_more_flushers_than_allowed() -> None:
    """With two flushers two batches are in flight, and the rest waits for the first that is free."""
    sink = Sink()
    batcher = MicroBatcher(sink.flush, max_items=1, flushers=2)
    waiting = [asyncio.create_task(batcher.submit(number)) for number in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert sink.batches == [[0], [1]]
    sink.gate.set()
    await asyncio.gather(*waiting)
    assert sorted(sink.batches) == [[0], [1], [2], [3], [4]]


async def test_each_caller_is_told_what_became_of_its_own() -> None:
    """A refused item raises to its caller alone; a spoilt batch raises to everybody in it, and the next goes on."""
    sink = Sink()
    sink.gate.set()
    batcher = MicroBatcher(sink.flush, max_items=3)
    told = await asyncio.gather(*(batcher.submit(n) for n in (1, -2, 3, 4, 13, 5, 6)), return_exceptions=True)
    assert [one if isinstance(one, int) else type(one) for one in told] == [
        2,
        ValueError,
        6,
        OSError,
        OSError,
        OSError,
        12,
    ]


async def test_a_wrong_number_of_results_is_an_error_of_the_batch() -> None:
    """Nobody waits for ever for a result that was not given, nor gets a neighbour's."""

    async def forgets(items: Sequence[int]) -> Sequence[int]:
        return items[1:]

    batcher = MicroBatcher(forgets, max_items=3)
    told = await asyncio.gather(*(batcher.submit(n) for n in (1, 2)), return_exceptions=True)
    assert [type(one) for one in told] == [RuntimeError, RuntimeError]


async def test_few_wait_for_the_next_batch_and_a_crowd_does_not() -> None:
    """Beside a batch in flight another one begins only for a crowd; whoever came alone shares the next one."""
    sink = Sink()
    batcher = MicroBatcher(sink.flush, max_items=10, flushers=2, crowd=3)
    waiting = [asyncio.create_task(batcher.submit(0))]
    await asyncio.sleep(0.01)
    waiting += [asyncio.create_task(batcher.submit(number)) for number in (1, 2)]
    await asyncio.sleep(0.01)
    assert sink.batches == [[0]]
    waiting.append(asyncio.create_task(batcher.submit(3)))
    await asyncio.sleep(0.01)
    assert sink.batches == [[0], [1, 2, 3]]
    sink.gate.set()
    assert await asyncio.gather(*waiting) == [0, 2, 4, 6]


async def test_a_caller_that_leaves_disturbs_nobody() -> None:
    """A cancelled caller's item is flushed all the same, and its neighbours get their own results."""
    sink = Sink()
    batcher = MicroBatcher(sink.flush, max_items=10)
    first = asyncio.create_task(batcher.submit(0))
    await asyncio.sleep(0.01)
    leaves, stays = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
    await asyncio.sleep(0.01)
    leaves.cancel()
    sink.gate.set()
    assert await asyncio.gather(first, stays) == [0, 4]
    assert sink.batches == [[0], [1, 2]]


async def test_close_waits_for_everything() -> None:
    """After `close` every item has its result, those that were still queued too."""
    sink = Sink()
    batcher = MicroBatcher(sink.flush, max_items=1)
    waiting = [asyncio.create_task(batcher.submit(number)) for number in range(4)]
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    sink.gate.set()
    await asyncio.wait_for(closing, 5)
    assert sink.batches == [[0], [1], [2], [3]]
    assert await asyncio.gather(*waiting) == [0, 2, 4, 6]


async def test_an_interrupted_flush_is_told() -> None:
    """If the flusher itself is cancelled, callers are not: they hear that it was interrupted."""
    flusher: list[asyncio.Task[None]] = []

    async def stuck(items: Sequence[int]) -> Sequence[int]:
        task = asyncio.current_task()
        assert task is not None
        flusher.append(task)
        await asyncio.Event().wait()
        return items

    batcher = MicroBatcher(stuck, max_items=10)
    waiting = asyncio.create_task(batcher.submit(1))
    await asyncio.sleep(0.01)
    flusher[0].cancel()
    with pytest.raises(Unavailable, match="interrupted"):
        await waiting
