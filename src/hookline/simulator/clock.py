"""The simulator's clock: real time and an offset, so that a test can move it by days."""

import time
from collections.abc import Callable


class Clock:
    """Tells the world's time in seconds since 1970. Moving it wakes whoever waits for a time."""

    def __init__(self, offset_seconds: float = 0.0) -> None:
        self.offset_seconds = offset_seconds
        self._watchers: list[Callable[[], None]] = []

    def now(self) -> float:
        """The time now."""
        return time.time() + self.offset_seconds

    def seconds(self) -> int:
        """The time now, in whole seconds."""
        return int(self.now())

    def milliseconds(self) -> int:
        """The time now, in whole milliseconds."""
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        """Move the clock; codes, tokens and URLs age, and redeliveries become due."""
        self.offset_seconds += seconds
        for watcher in self._watchers:
            watcher()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have `watcher` called whenever the clock is moved."""
        self._watchers.append(watcher)
