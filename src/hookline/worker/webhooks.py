"""Processing webhooks: batches one after another, and several at once where there is a backlog."""

import time
from collections.abc import Awaitable, Callable

from hookline.store.lanes import Lanes

# A batch is to take about so long: whoever comes meanwhile waits for its end.
BATCH_SECONDS = 0.06
SMALLEST_LIMIT = 32


class Batches:
    """Sizes batches by what the last ones took.

    process: does one of up to `limit` webhooks in `lanes`; how many there were. lanes: others may look at them as well.
    """

    def __init__(self, process: Callable[..., Awaitable[int]], lanes: Lanes, *, largest: int) -> None:
        self._process = process
        self.lanes = lanes
        self._largest = largest
        self._limit = min(largest, 256)
        self.full = False  # the last batch left something behind

    async def look(self) -> int:
        """Process what is due; how many webhooks that was."""
        limit, started = self._limit, time.monotonic()
        found = await self._process(limit=limit, lanes=self.lanes)
        self.full = found * 2 >= limit
        if self.full:
            fitting = found * BATCH_SECONDS / (time.monotonic() - started)
            self._limit = int(min(self._largest, max(SMALLEST_LIMIT, (limit + fitting) / 2)))
        return found
