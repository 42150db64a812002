"""The load generator, seen from outside: given its order, let go, and what came of it."""

import time
from pathlib import Path

import msgspec

from bench.load import START_DELAY_SECONDS, Answered, Order
from bench.machine import Others, tree_seconds
from bench.processes import Child, Server

# A series that is lost is given up by the generator itself; this is for one that hangs.
HANGING_SECONDS = 600


class Round(msgspec.Struct, frozen=True):
    """One series of requests, with the processor time it took of each side, and how many cores others used."""

    answered: Answered
    server_cpu: float
    database_cpu: float
    others: float

    @property
    def rate(self) -> float:
        """Requests a second that were answered 200."""
        return self.answered.received / self.answered.seconds


class Loading:
    """A generator with its requests made and its connections open, waiting for the word."""

    def __init__(self, child: Child, order: Order, folder: Path) -> None:
        self._child = child
        self._answer_file = folder / order.answer_file

    async def run(self, server: Server) -> Round:
        """Let it begin; what came of it."""
        others, ours, own, used = Others(), tree_seconds(), time.process_time(), server.cpu_seconds
        await self.begin()
        answered = await self.end()
        server_cpu = server.cpu_seconds - used
        mine = time.process_time() - own
        database = tree_seconds() - ours - server_cpu - answered.cpu_seconds - mine
        return Round(answered, server_cpu, max(0.0, database), others.cores())

    async def begin(self) -> float:
        """Let it begin at a moment of the monotonic clock, which all processes share; that moment."""
        start = time.monotonic() + START_DELAY_SECONDS
        await self._child.tell(repr(start).encode())
        return start

    async def end(self) -> Answered:
        """Wait for what came of it."""
        await self._child.end(HANGING_SECONDS)
        return msgspec.json.decode(self._answer_file.read_bytes(), type=Answered)
