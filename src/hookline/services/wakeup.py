"""Wake-up: who adds work rings a bell (NOTIFY), idle workers hear it (LISTEN) and look at once.

Polling is the guarantee; the bell only saves the wait. It is rung after the commit, from a connection of its own and at
most once every few milliseconds: a NOTIFY takes a lock that all notifying commits of a server share, so it has no place
in a transaction that does anything else. Where connections go through a pooler in transaction mode nothing is heard.
"""

import asyncio
from collections.abc import Callable, Iterable
from enum import StrEnum
from types import TracebackType
from typing import Self

import asyncpg
import structlog

from hookline.store.pool import DATABASE_AWAY, is_away, own_connection, part_with

# Rings within this time go out as one.
GAP_SECONDS = 0.004
_PATIENCE_SECONDS = 2.0
_RETRY_SECONDS = 2.0
_PROBE_SECONDS = 30.0

log = structlog.get_logger(__name__)


class Work(StrEnum):
    """What a bell is rung for: the channel."""

    WEBHOOKS = "hookline_webhooks"
    JOBS = "hookline_jobs"


class Bell:
    """Tells idle workers that there is work. `ring` never waits and never fails."""

    def __init__(self, pool: asyncpg.Pool, *, enabled: bool = True) -> None:
        self._pool = pool
        self._enabled = enabled
        self._rung: set[Work] = set()
        self._ringing: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection | None = None

    def ring(self, *kinds: Work) -> None:
        """Say, after the commit, that there is work of these kinds (none named: of any)."""
        if not self._enabled:
            return
        self._rung.update(kinds or Work)
        if self._ringing is None:
            self._ringing = asyncio.create_task(self._ring_out(), name="bell")

    async def close(self) -> None:
        """Ring out, and close the connection."""
        if self._ringing is not None:
            await asyncio.wait([self._ringing], timeout=_PATIENCE_SECONDS)
        if self._connection is not None:
            await part_with(self._connection)

    async def _ring_out(self) -> None:
        try:
            while self._rung:
                kinds, self._rung = self._rung, set()
                await self._notify(kinds)
                await asyncio.sleep(GAP_SECONDS)
        finally:
            self._ringing = None

    async def _notify(self, kinds: Iterable[Work]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await own_connection(self._pool)
                    # What is lost with the server is a wake-up, and nobody need wait for the disk with it.
                    await self._connection.execute("SET synchronous_commit = off")
                await self._connection.execute("; ".join(f"NOTIFY {kind}" for kind in kinds))
        except DATABASE_AWAY as error:
            log.warning("could not wake the workers; they will find out", error=type(error).__name__)
            if self._connection is not None:
                self._connection.terminate()


class Listener:
    """Hears bells while it is open (`async with`), on a connection of its own; renews that when it breaks.

    heard: called with the channel. After every connect it is called for all, for what was missed meanwhile.
    """

    def __init__(self, pool: asyncpg.Pool, heard: Callable[[Work], None]) -> None:
        self._pool = pool
        self._heard = heard
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen_for_ever(), name="listener")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:  # whatever it is, polling goes on without us
                away = is_away(error)
                log.log(30 if away else 40, "cannot hear of new work; polling for it", error=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        """Listen until the connection breaks."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            connection = await own_connection(self._pool)
        try:
            broken = asyncio.Event()
            connection.add_termination_listener(lambda _: broken.set())
            for kind in Work:
                await connection.add_listener(kind, self._hear)
            for kind in Work:
                self._heard(kind)
            while not await _happens(broken, within=_PROBE_SECONDS):
                await connection.execute("SELECT 1", timeout=_PATIENCE_SECONDS)
        finally:
            await part_with(connection)

    def _hear(self, _connection: object, _pid: int, channel: str, _payload: object) -> None:
        self._heard(Work(channel))


async def _happens(event: asyncio.Event, *, within: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), within)
    except TimeoutError:
        return False
    return True
