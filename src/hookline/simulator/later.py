"""What happens a little later, in real time: statuses, reviews, reads. One timer for all of it."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any


class Later:
    """Calls functions when they are due, in the order in which they are due."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def call(self, seconds: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function after so many seconds."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        entry = (due, next(self._numbers), function, arguments)
        heapq.heappush(self._waiting, entry)
        if self._timer is None or self._waiting[0] is entry:
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
        self._timer = loop.call_at(self._waiting[0][0], self._run_due) if self._waiting else None

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
