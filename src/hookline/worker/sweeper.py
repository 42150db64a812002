"""Sweeps: looking beside the claims for jobs that lie before their lanes' marks (store/lanes.py)."""

import asyncio
import time
from collections.abc import Callable, Mapping

import asyncpg
import structlog

from hookline.store.lanes import Lanes, rest_after
from hookline.store.pool import DATABASE_AWAY

# A sweep rests for so many times what it took; and all lanes are not swept more often than so.
REST = 19
LONGEST_REST_SECONDS = 5.0
ROUND_SECONDS = 0.5
# What a part of it is to take: nobody waits for it, but it keeps the database busy, and holds a snapshot.
PART_SECONDS = 0.05
AWAY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps some lanes of each kind in turn, as many at once as take a moment, by one connection.

    kinds: what to call where a sweep has found something, by their lanes.
    """

    def __init__(self, pool: asyncpg.Pool, kinds: Mapping[Lanes, Callable[[], None]]) -> None:
        self._pool = pool
        self._kinds = kinds
        self._at_once = dict.fromkeys(kinds, 1)
        self._lanes = sum(len(lanes.marks) for lanes in kinds)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            for lanes, found in self._kinds.items():
                await asyncio.sleep(await self._sweep(lanes, found))

    async def _sweep(self, lanes: Lanes, found: Callable[[], None]) -> float:
        """Sweep the next lanes; how many seconds to rest then."""
        count = self._at_once[lanes]
        rest = ROUND_SECONDS * count / self._lanes
        started = time.monotonic()
        try:
            async with self._pool.acquire() as connection:
                started = time.monotonic()
                if await lanes.sweep(connection, count):
                    found()
        except DATABASE_AWAY as error:  # or it was too much for the time that a statement has
            log.warning("lanes were not swept", lanes=count, error=type(error).__name__)
            rest = AWAY_SECONDS
        took = time.monotonic() - started
        self._learn(lanes, took)
        return max(rest, rest_after(took, times=REST, longest=LONGEST_REST_SECONDS))

    def _learn(self, lanes: Lanes, took: float) -> None:
        if took > PART_SECONDS:
            self._at_once[lanes] = max(1, self._at_once[lanes] // 2)
        elif took < PART_SECONDS / 4:
            self._at_once[lanes] = min(len(lanes.marks), self._at_once[lanes] * 2)
