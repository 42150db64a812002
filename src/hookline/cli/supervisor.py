"""Child processes of this program that are kept running: started again when they end, restarted in turn, stopped.

A child notices the end of its parent, however that dies: the pipe behind `--parent-fd` ends with it. SIGHUP restarts
the children one after another, each once the one before it is ready again.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog
from prometheus_client.multiprocess import mark_process_dead

from hookline.domain.errors import StartupError
from hookline.settings import child_environment

# A child that lived for less than this did not come up; so many in a row before it was ever ready, and all is stopped.
SHORT_LIFE_SECONDS = 10.0
SHORT_LIVES_ALLOWED = 5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
CHILD_STOP_SECONDS = 30.0
CHILD_READY_SECONDS = 60.0
MENDABLE = 2

_forget_gauges: Any = mark_process_dead  # the library leaves it untyped

log = structlog.get_logger(__name__)


class Command(msgspec.Struct, frozen=True):
    """What a child is started with. `inherits` are descriptors that stay open in it, such as a listening socket."""

    name: str
    arguments: Sequence[str]
    inherits: Sequence[int] = ()


async def supervise(
    commands: Sequence[Command],
    stop: asyncio.Event,
    *,
    ready: Callable[[], None],
    stopping: Callable[[], None] = lambda: None,
    counting: Callable[[str], object] = lambda _: None,
) -> None:
    """Keep a child running for each command until `stop`.

    ready: called once, when all of them are at work. stopping: called when no child is started any more, before those
    that run are told to stop. counting: called with the folder in which they count together.
    Raises: StartupError, if a child cannot be started; the others are stopped then.
    """
    reading, writing = os.pipe()  # ends when this process does, however it dies
    try:
        with tempfile.TemporaryDirectory(prefix="hookline-metrics-", ignore_cleanup_errors=True) as metrics:
            counting(metrics)
            children = [_Child(command, reading, metrics) for command in commands]
            await _keep(children, stop, ready, stopping)
    finally:
        os.close(reading)
        os.close(writing)


async def _keep(
    children: Sequence["_Child"], stop: asyncio.Event, ready: Callable[[], None], stopping: Callable[[], None]
) -> None:
    """Keep the children running until `stop`, or until one of them cannot be started."""
    keeping = [asyncio.create_task(child.keep(), name=child.name) for child in children]
    aside = [
        asyncio.create_task(_tell_when_ready(children, ready)),
        asyncio.create_task(_restart_when_asked(children)),
        asyncio.create_task(stop.wait()),
    ]
    await asyncio.wait([*keeping, aside[-1]], return_when=asyncio.FIRST_COMPLETED)
    for task in aside:
        task.cancel()
    for child in children:
        child.stopping.set()
    stopping()
    await asyncio.gather(*(child.stop() for child in children))
    for ended in await asyncio.gather(*keeping, *aside, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


async def _tell_when_ready(children: Sequence["_Child"], ready: Callable[[], None]) -> None:
    for child in children:
        await child.ready.wait()
    ready()


async def _restart_when_asked(children: Sequence["_Child"]) -> None:
    """At every SIGHUP, restart one child after another; stop at one that does not come back, and leave the rest."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    while True:
        await asked.wait()
        asked.clear()
        for child in children:
            if not await child.restart():
                log.error("a restarted process does not get ready: the others are left as they are", process=child.name)
                break
        else:
            log.info("all processes are restarted", processes=len(children))


class _Child:
    """One child process, started again when it ends."""

    def __init__(self, command: Command, parent_fd: int, metrics_folder: str) -> None:
        self.name = command.name
        self.ready = asyncio.Event()
        self._command = command
        self._parent_fd = parent_fd
        self._metrics_folder = metrics_folder
        self._process: asyncio.subprocess.Process | None = None
        self._was_ready = False
        self._restarting = False
        self.stopping = asyncio.Event()

    async def keep(self) -> None:
        """Run the child until `stop`, again and again; one that was ready once is never given up.

        Raises: StartupError, if it never got ready.
        """
        short_lives = 0
        while not self.stopping.is_set():
            started = time.monotonic()
            self._restarting = False
            code = await self._live()
            self.ready.clear()
            if self.stopping.is_set() or self._restarting:
                continue
            short_lives = short_lives + 1 if time.monotonic() - started < SHORT_LIFE_SECONDS else 0
            if not self._was_ready:
                self._give_up_if_hopeless(code, short_lives)
            log.warning("a process ended and is started again", process=self.name, code=code)
            await self._pause(min(FIRST_PAUSE_SECONDS * 2 ** max(0, short_lives - 1), LONGEST_PAUSE_SECONDS))

    def _give_up_if_hopeless(self, code: int, short_lives: int) -> None:
        if code == MENDABLE:
            raise StartupError(f"the {self.name} process could not start; it said why above")
        if short_lives >= SHORT_LIVES_ALLOWED:
            raise StartupError(f"the {self.name} process ended {short_lives} times in a row, last with code {code}")

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _live(self) -> int:
        """Run one process to its end; its exit code."""
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "hookline", *self._command.arguments]
        command += ["--parent-fd", str(self._parent_fd), "--ready-fd", str(writing)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                pass_fds=(self._parent_fd, writing, *self._command.inherits),
                stdin=asyncio.subprocess.DEVNULL,
                env=child_environment(metrics_folder=self._metrics_folder),
            )
        finally:
            os.close(writing)
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, self._hear, loop, reading)
        try:
            if self.stopping.is_set():  # asked to stop while it was being started
                self._process.terminate()
            return await self._process.wait()
        finally:
            loop.remove_reader(reading)
            os.close(reading)
            _forget_gauges(self._process.pid, self._metrics_folder)

    def _hear(self, loop: asyncio.AbstractEventLoop, reading: int) -> None:
        """The child says that it is ready, or has closed the pipe without a word."""
        loop.remove_reader(reading)
        if os.read(reading, 1):
            self._was_ready = True
            self.ready.set()

    async def restart(self) -> bool:
        """End the child as for a stop, and let it be started anew; False if it is not ready within a minute."""
        self._restarting = True
        self.ready.clear()
        await self._end()
        try:
            await asyncio.wait_for(self.ready.wait(), CHILD_READY_SECONDS)
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Ask the child to stop, and insist in the end."""
        self.stopping.set()
        await self._end()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), CHILD_STOP_SECONDS)
        except TimeoutError:
            log.error("a process did not stop and is killed", process=self.name)
            process.kill()
            await process.wait()
