"""The embedded PostgreSQL: the first process that needs it starts it, the last one that leaves stops it.

Every process holds a shared lock on a file in DATA_DIR while it uses the server; whoever can make that lock
exclusive when leaving is the last one. Starting and stopping take turns under a second lock. The kernel drops both
when a process dies, however it dies; a server that lost all its users so is found by the next process, which attaches.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from hookline.domain.errors import StartupError
from hookline.store import embedded_server as server
from hookline.store.embedded_cluster import Cluster, failure, plainly, prepare
from hookline.store.embedded_host import STATE_DIR, FileLock
from hookline.store.embedded_server import Answer

REMIND_SECONDS = 10.0
QUIET_SECONDS = 1.0  # a usual start takes less: nothing to say
ATTEMPTS = 10

P = ParamSpec("P")
T = TypeVar("T")


class EmbeddedPostgres:
    """One process's use of the embedded server of a DATA_DIR."""

    def __init__(
        self,
        data_dir: Path,
        *,
        wait_seconds: float = 60.0,
        log: Callable[[str], None] | None = None,
        settings: Mapping[str, str] | None = None,
        state_dir: Path = STATE_DIR,
    ) -> None:
        """`wait_seconds` bounds silence, not recovery; `settings` go to a server that this process starts."""
        self._data_dir = data_dir.absolute()
        self._state_dir = state_dir
        self._wait_seconds = wait_seconds
        self._log = log or (lambda _: None)
        self._extra = dict(settings or {})
        self._use: FileLock | None = None
        self._cluster: Cluster | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where the server listens, as a URL for asyncpg.connect. Raises: StartupError before `start`."""
        url = server.address(self._cluster) if self._cluster else None
        if url is None:
            raise StartupError("The embedded database is not running.")
        return url

    async def start(self) -> str:
        """Attach to the running server, or start it; the database's URL, once it takes connections.

        Raises: StartupError.
        """
        with plainly(self._data_dir):
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._data_dir = self._data_dir.resolve()
            async with self._turn():
                self._use, self._pid = FileLock(self._data_dir / "postgres.lock"), os.getpid()
                self._use.share()
                try:
                    self._cluster = await _in_thread(prepare, self._data_dir, self._state_dir, self._log)
                    return await self._serve(self._cluster)
                except BaseException:
                    await self._leave()
                    raise

    async def stop(self) -> None:
        """Leave the server, and stop it if nobody else uses it. Does nothing if we do not."""
        if self._use is None:
            return
        if self._pid != os.getpid():  # a fork of the process that started: the server is not ours to stop
            self._use.close()
            self._use = None
            return
        async with self._turn():
            await self._leave()

    async def _leave(self) -> None:
        if self._use is None:
            return
        try:
            if self._use.exclude() and self._cluster and not await server.stop(self._cluster):
                self._log(f"The embedded database in {self._cluster.path} could not be stopped")
        finally:
            self._use.close()
            self._use = None
            if self._process is not None:
                self._process.poll()  # reaped, if it has ended

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One process at a time starts or stops the server of a DATA_DIR."""
        lock = FileLock(self._data_dir / "postgres.starter.lock")
        try:
            said = time.monotonic()
            while not lock.exclude():
                if time.monotonic() - said > REMIND_SECONDS:
                    said = time.monotonic()
                    self._log("Waiting for another process that starts or stops the embedded database")
                await asyncio.sleep(server.POLL_SECONDS)
            yield
        finally:
            lock.close()

    async def _serve(self, cluster: Cluster) -> str:
        """Attach if a server is there in whatever state; start one if not."""
        found = await self._wait(cluster, lambda: not server.is_serving(cluster))
        if found.answer is Answer.READY:
            return found.url
        if server.is_serving(cluster):
            raise StartupError(
                f"A database server that serves {cluster.path} does not answer ({found.reason}). "
                f"Stop it ({cluster.host.bin_dir / 'pg_ctl'} stop -m immediate -D {cluster.path}) and start again."
            )
        return await self._start_server(cluster)

    async def _start_server(self, cluster: Cluster) -> str:
        settings = server.first_settings(cluster, self._extra)
        until = time.monotonic() + self._wait_seconds
        complaint = ""
        for _ in range(ATTEMPTS):
            attempt = server.spawn(cluster, settings)
            self._process = attempt.process
            found = await self._wait(cluster, attempt.ended)
            if found.answer is Answer.READY:
                return found.url
            complaint = attempt.complaint()
            if not attempt.ended():
                raise failure(
                    f"The database did not answer in {self._wait_seconds:g} s ({found.reason})", cluster.path, complaint
                )
            changed = server.amended(settings, complaint)
            if changed is None and not await self._cleared(cluster, complaint, until):
                break
            settings = changed or settings
        raise failure("The database does not start", cluster.path, complaint)

    async def _cleared(self, cluster: Cluster, complaint: str, until: float) -> bool:
        """Mend what a killed server left behind, if it was that."""
        if "pre-existing shared memory block" in complaint and time.monotonic() < until:
            await asyncio.sleep(0.5)  # its last processes are about to notice and end
            return True
        if 'lock file "postmaster.pid" already exists' not in complaint or server.is_serving(cluster):
            return False
        if (await server.probe(cluster)).answer is Answer.NONE:
            self._log("Removing the process id of a server that is gone")
            (cluster.path / "postmaster.pid").unlink(missing_ok=True)
        else:
            await asyncio.sleep(0.5)  # a server that someone started by hand, and that is about to end
        return time.monotonic() < until

    async def _wait(self, cluster: Cluster, hopeless: Callable[[], bool]) -> server.Probe:
        """Probe until it is ready, or hopeless, or silent for too long. Recovery is not silence."""
        until = time.monotonic() + self._wait_seconds
        said = time.monotonic() - REMIND_SECONDS + QUIET_SECONDS
        while True:
            over = hopeless()
            found = await server.probe(cluster)
            if found.answer is Answer.READY:
                return found
            if found.answer is Answer.STARTING:
                until = time.monotonic() + self._wait_seconds
            elif over or time.monotonic() > until:
                return found
            if found.answer is not Answer.NONE and time.monotonic() - said > REMIND_SECONDS:
                said = time.monotonic()
                self._log(f"Waiting for the embedded database: {found.reason}")
            await asyncio.sleep(server.POLL_SECONDS)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run it in a thread; a cancellation waits for its end, so that no lock is dropped under it."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
