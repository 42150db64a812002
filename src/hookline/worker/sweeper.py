"""Sweeps: looking beside the claims for jobs that lie before their lanes' marks (store/lanes.py)."""

import asyncio
import time
from collections.abc import Callable

import asyncpg
import structlog

from hookline.store.lanes import Lanes
from hookline.store.pool import DATABASE_AWAY

# A sweep rests for so many times what it took; and all lanes are not swept more often than so.
SHARE = 10
ROUND_SECONDS = 0.5
# What a part of it is to take: nobody waits for it, but it keeps the database busy, and holds a snapshot.
PART_SECONDS = 0.05

log = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps one kind's lanes, some after another: as many at once as take a moment. found: called where it helped."""

    def __init__(self, pool: asyncpg.Pool, lanes: Lanes, *, found: Callable[[], None]) -> None:
        self._pool = pool
        self._lanes = lanes
        self._found = found
        self._at_once = 1

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            swept = self._at_once
            try:
                took = await self._sweep()
            except DATABASE_AWAY as error:
                log.warning("lanes are not swept: the database is not there", error=type(error).__name__)
                took = ROUND_SECONDS / SHARE
            await asyncio.sleep(max(SHARE * took, ROUND_SECONDS * swept / len(self._lanes.marks)))

    async def _sweep(self) -> float:
        """Sweep the next lanes; how many seconds that took."""
        async with self._pool.acquire() as connection:
            started = time.monotonic()
            if await self._lanes.sweep(connection, self._at_once):
                self._found()
            took = time.monotonic() - started
        if took > PART_SECONDS:
            self._at_once = max(1, self._at_once // 2)
        elif took < PART_SECONDS / 4:
            self._at_once = min(len(self._lanes.marks), self._at_once * 2)
        return took
