"""The processes under test and beside them: told things, listened to, measured, stopped. What they are is not here."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bench.machine import cpu_seconds, resident_megabytes

START_SECONDS = 60
STOP_SECONDS = 30


class BenchmarkError(Exception):
    """A result that would be no result: an answer without a stored event, a process that does not come up."""


class SilentError(BenchmarkError):
    """A process did not say in time what it was to say."""


class Server(msgspec.Struct, frozen=True):
    """A process under test; `port` is 0 if it listens on none."""

    process: Process
    port: int

    @property
    def resident_megabytes(self) -> float:
        """How much memory it holds."""
        return resident_megabytes(self.process.pid)

    @property
    def cpu_seconds(self) -> float:
        """How much processor time it has used."""
        return cpu_seconds(self.process.pid)


class Child(Server, frozen=True):
    """A process that takes its order, and then words, on standard input, and says words on standard output."""

    name: str
    log_file: Path

    async def tell(self, line: bytes) -> None:
        """Give it a line."""
        assert self.process.stdin
        self.process.stdin.write(line + b"\n")
        await self.process.stdin.drain()

    async def hear(self, word: str, seconds: float = START_SECONDS) -> str:
        """Wait for a line that begins with `word`; what follows the word.

        Raises: SilentError, if it takes longer; BenchmarkError, if it says anything else, or ends.
        """
        assert self.process.stdout
        try:
            said = (await asyncio.wait_for(self.process.stdout.readline(), seconds)).decode().strip()
        except TimeoutError:
            raise SilentError(f"{self.name} did not say {word!r} within {seconds:.0f} s") from None
        first, _, rest = said.partition(" ")
        if first != word:
            raise BenchmarkError(f"{self.name} said {said!r} instead of {word!r}\n{log_end(self.log_file)}")
        return rest

    async def dismiss(self) -> None:
        """Let it end: it does when its standard input ends."""
        assert self.process.stdin
        self.process.stdin.close()
        await self.end(STOP_SECONDS)

    async def end(self, seconds: float) -> None:
        """Wait for its end.

        Raises: SilentError, if it is not done in time.
        """
        await self.hear("done", seconds)
        await asyncio.wait_for(self.process.wait(), STOP_SECONDS)


@asynccontextmanager
async def stopping(process: Process) -> AsyncIterator[Process]:
    """Stop the process at the end, with force if need be."""
    try:
        yield process
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def log_end(file: Path) -> str:
    """The last of what the processes had to say."""
    return file.read_text(errors="replace")[-2000:]
