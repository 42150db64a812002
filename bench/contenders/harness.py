"""The inside of a Python contender's process: its orders, the handlers' reports, and what it says.

The handlers do nothing but report; a report costs well under a microsecond, the same for all.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench.contenders.orders import Send, Work, Worked

# The one who gave the order reads what we say; whatever libraries print goes to the log instead.
_SPEECH = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

Enqueue = Callable[[float, int], Awaitable[object]]


class Report:
    """What a worker's handlers report to."""

    def __init__(self, order: Work) -> None:
        self._left = order.jobs
        self._timed = order.timed
        self._begun = not order.jobs
        self._next = 0
        self._disorders = 0
        self._latencies: list[tuple[float, float]] = []

    def ran(self) -> None:
        """A job that does nothing was run."""
        if not self._begun:
            self._begun = True
            say(f"first {time.monotonic()!r}")
        self._left -= 1
        if self._left == 0:
            say(f"all {time.monotonic()!r}")

    def ran_numbered(self, number: int) -> None:
        """A job that bears a number was run; they should come in order."""
        self._disorders += number != self._next
        self._next = number + 1
        self.ran()

    def began(self, at: float) -> None:
        """A job that was to be enqueued at this moment has begun."""
        self._latencies.append((at, time.monotonic() - at))
        if len(self._latencies) == self._timed:
            say("timed")

    def write(self, file: str) -> None:
        """Leave the answer."""
        worked = Worked(latencies=self._latencies, disorders=self._disorders)
        Path(file).write_bytes(msgspec.json.encode(worked))


def say(line: str) -> None:
    """Tell the one who gave the order."""
    print(line, file=_SPEECH, flush=True)


async def run_until_told(running: Coroutine[Any, Any, object], halt: Callable[["asyncio.Task[Any]"], object]) -> None:
    """Say that it begins, run a worker until standard input ends, then have it halt."""
    say("ready")
    worker = asyncio.create_task(running)
    told = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    await asyncio.wait([worker, told], return_when=asyncio.FIRST_COMPLETED)
    halt(worker)
    with suppress(asyncio.CancelledError):
        await worker


async def on_schedule(order: Send, enqueue: Enqueue) -> None:
    """Wait for the word, then enqueue by the schedule, however long each takes."""
    say("ready")
    start = float(await asyncio.to_thread(sys.stdin.readline))
    async with asyncio.TaskGroup() as group:
        for number, offset in enumerate(order.offsets):
            await asyncio.sleep(start + offset - time.monotonic())
            group.create_task(_enqueued(enqueue(start + offset, number % order.organizations)))
    say("sent")


async def _enqueued(enqueuing: Awaitable[object]) -> None:
    await enqueuing


def main(work: Callable[[Work, Report], Awaitable[None]], send: Callable[[Send], Awaitable[None]]) -> None:
    """Take an order and carry it out."""
    order = msgspec.json.decode(sys.stdin.readline(), type=Work | Send)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(order, work) if isinstance(order, Work) else _send(order, send))
    say("done")


async def _work(order: Work, work: Callable[[Work, Report], Awaitable[None]]) -> None:
    report = Report(order)
    await work(order, report)
    report.write(order.answer_file)


async def _send(order: Send, send: Callable[[Send], Awaitable[None]]) -> None:
    await send(order)
    await asyncio.to_thread(sys.stdin.read)
