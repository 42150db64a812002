"""When an idle worker looks for work again: when a bell rings, else ever less often."""

import asyncio

# How long it waits before it looks again on its own: short after work, then longer.
SHORTEST_WAIT_SECONDS = 0.01
LONGEST_WAIT_SECONDS = 0.25


class Watch:
    """One looker's patience."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._seconds = SHORTEST_WAIT_SECONDS

    def ring(self) -> None:
        """End the wait, or the next one."""
        self._rung.set()

    def reset(self) -> None:
        """Begin with short waits again: there was work."""
        self._seconds = SHORTEST_WAIT_SECONDS

    async def wait(self, at_most: float = LONGEST_WAIT_SECONDS) -> None:
        """Wait for the bell, for twice as long as the last time at most."""
        await happens(self._rung, within=min(self._seconds, at_most))
        self._rung.clear()
        self._seconds = min(self._seconds * 2, LONGEST_WAIT_SECONDS)


async def happens(event: asyncio.Event, *, within: float) -> bool:
    """Wait for an event; False if it does not happen within so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), within)
    except TimeoutError:
        return False
    return True
