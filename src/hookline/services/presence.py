"""A worker's presence: it is known to the others while its heartbeat goes on, and its claims stand as long."""

import asyncio
import time
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

import asyncpg
import structlog

from hookline.domain.ids import new_id
from hookline.store import workers
from hookline.store.pool import DATABASE_AWAY

HEARTBEAT_SECONDS = 3.0
# A worker that was silent for so long has lost its claims. It stops claiming well before.
LEASE = timedelta(seconds=9)
_CLAIMS_STOP_AFTER_SECONDS = 6.0

log = structlog.get_logger(__name__)


class Presence:
    """Keeps one worker known. Use as `async with`; `id` is what claims are made under."""

    def __init__(self, pool: asyncpg.Pool, name: str) -> None:
        self.id: UUID = new_id()
        self._pool = pool
        self._name = name
        self._heard = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def may_claim(self) -> bool:
        """Whether the last heartbeat is recent enough to take on more."""
        return time.monotonic() - self._heard < _CLAIMS_STOP_AFTER_SECONDS

    async def __aenter__(self) -> Self:
        async with self._pool.acquire() as connection:
            await workers.register(connection, self.id, self._name)
        self._heard = time.monotonic()
        self._task = asyncio.create_task(self._beat(), name="heartbeat")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with self._pool.acquire(timeout=HEARTBEAT_SECONDS) as connection:
                await workers.remove(connection, self.id)
        except DATABASE_AWAY as gone:  # the row outlives us, and means nothing once its heartbeat is old
            log.warning("could not sign off", error=type(gone).__name__)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            started = time.monotonic()
            try:
                async with self._pool.acquire(timeout=HEARTBEAT_SECONDS) as connection:
                    if not await workers.heartbeat(connection, self.id):
                        await workers.register(connection, self.id, self._name)
                self._heard = started
            except DATABASE_AWAY as error:
                log.warning("heartbeat failed", error=type(error).__name__)
