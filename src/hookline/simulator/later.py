"""What happens a little later, in real time: statuses, reviews, reads. One timer for all of it."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

# What is due within so many seconds of each other is called together: a timer each would cost more than the calls.
_TICK_SECONDS = 0.005


class Later:
    """Calls functions when they are due, or a tick later, in the order in which they are due."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0

    def call(self, seconds: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function after so many seconds."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        entry = (due, next(self._numbers), function, arguments)
        heapq.heappush(self._waiting, entry)
        if self._timer is None or due < self._timer_due - _TICK_SECONDS:
            self._plan(loop)

    def run_all(self) -> None:
        """Call everything now, however early, and what comes of it too."""
        while self._waiting:
            self._call_first()

    def close(self) -> None:
        """Forget what is waiting."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._timer_due = self._waiting[0][0] + _TICK_SECONDS
            self._timer = loop.call_at(self._timer_due, self._run_due)

    def _run_due(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        try:
            while self._waiting and self._waiting[0][0] <= now:
                self._call_first()
        finally:
            self._plan(loop)

    def _call_first(self) -> None:
        _, _, function, arguments = heapq.heappop(self._waiting)
        function(*arguments)
