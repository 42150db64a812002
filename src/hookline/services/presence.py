"""A worker's presence: it is known to the others while its heartbeat goes on, and its claims stand as long.

The heartbeat is a thread's, with a connection of its own: neither a handler that keeps the event loop busy, nor a pool
without a free connection, makes a living worker look dead.
"""

import asyncio
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

import asyncpg
import structlog

from hookline.domain.ids import new_id
from hookline.store import workers
from hookline.store.pool import DATABASE_AWAY, is_away, own_connection, part_with

HEARTBEAT_SECONDS = 3.0
# A worker that was silent for so long has lost its claims. It stops well before.
LEASE = timedelta(seconds=9)
_CLAIMS_STAND_SECONDS = 6.0
# An event loop that has stood still for so long is taken for hung: its jobs are others' then.
_HUNG_SECONDS = 300.0
_TURN_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Presence:
    """Keeps one worker known. Use as `async with`; claims are made under `id`.

    After a silence that may have cost it its claims (a stop by SIGSTOP, a database that was away) it goes on as
    another, under a new id: see `holds`.
    """

    def __init__(self, pool: asyncpg.Pool, name: str) -> None:
        self.id: UUID = new_id()
        self._pool = pool
        self._name = name
        self._heard = 0.0
        self._turned = 0.0
        self._stop = asyncio.Event()
        self._beating: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._turning: asyncio.Task[None] | None = None

    @property
    def may_claim(self) -> bool:
        """Whether the last heartbeat is recent enough to take on more."""
        return time.monotonic() - self._heard < _CLAIMS_STAND_SECONDS

    def holds(self, worker_id: UUID) -> bool:
        """Whether claims that were made under `worker_id` stand, so that their jobs may be begun."""
        same = worker_id is self.id or worker_id == self.id  # asked before every job: comparing ids costs a call
        return same and self.may_claim

    async def __aenter__(self) -> Self:
        self.id = new_id()
        async with self._pool.acquire() as connection:
            await workers.register(connection, self.id, self._name)
        self._heard = self._turned = time.monotonic()
        self._turning = asyncio.create_task(self._turn(), name="loop's life")
        self._stop = asyncio.Event()
        self._beating = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._turning is not None:
            self._turning.cancel()
        if self._beating is not None and self._thread is not None:
            self._beating.call_soon_threadsafe(self._stop.set)
            await asyncio.to_thread(self._thread.join)
            self._beating.close()
        try:
            async with self._pool.acquire(timeout=HEARTBEAT_SECONDS) as connection:
                await workers.remove(connection, self.id)
        except DATABASE_AWAY as gone:  # the row outlives us, and means nothing once its heartbeat is old
            log.warning("could not sign off", error=type(gone).__name__)

    async def _turn(self) -> None:
        while True:
            self._turned = time.monotonic()
            await asyncio.sleep(_TURN_SECONDS)

    def _live(self) -> None:
        """Run the heartbeat, in a thread and an event loop of its own."""
        if self._beating is not None:
            self._beating.run_until_complete(self._beat_until_stopped())

    async def _beat_until_stopped(self) -> None:
        connection: asyncpg.Connection | None = None
        while not await self._stopped_within(HEARTBEAT_SECONDS):
            started = time.monotonic()
            if started - self._turned > _HUNG_SECONDS:
                log.error("the event loop stands still: no heartbeat", seconds=round(started - self._turned))
                continue
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    connection = connection or await own_connection(self._pool)
                    await self._beat(connection, silent_for=started - self._heard)
                self._heard = started
            except Exception as error:  # whatever it is, it is tried again; without a heartbeat we claim nothing
                log.log(30 if is_away(error) else 40, "heartbeat failed", error=type(error).__name__)
                if connection is not None:
                    connection.terminate()
                    connection = None
        if connection is not None:
            await part_with(connection)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _beat(self, connection: asyncpg.Connection, *, silent_for: float) -> None:
        """Renew the worker's life, or begin another one if its claims may be lost."""
        if silent_for < _CLAIMS_STAND_SECONDS and await workers.heartbeat(connection, self.id, LEASE):
            return
        log.warning("silent for too long: claims made before may be lost", seconds=round(silent_for, 1))
        another = new_id()
        await workers.register(connection, another, self._name)
        self.id = another
