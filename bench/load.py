"""The load generator: a process of its own that writes ready-made requests to keep-alive connections.

It shares the machine with what it measures, so it is a bare protocol over uvloop: no HTTP library, no per-request task.
Its order comes as JSON on standard input, its answer goes as JSON to a file.
"""

import asyncio
import gc
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench.samples import request

TICK_SECONDS = 0.001
# After this long without an answer to what was sent, what is missing counts as lost.
PATIENCE_SECONDS = 30.0
START_DELAY_SECONDS = 0.1


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. rate: requests a second on a fixed schedule (open loop); 0: as fast as answers come (closed)."""

    port: int
    series: str
    count: int
    connections: int
    rate: float = 0
    answer_file: str = "answer.json"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `latencies` is in seconds from the scheduled time, in order of number, for an open loop."""

    seconds: float
    cpu_seconds: float
    start: float
    statuses: dict[str, int]
    latencies: list[float]

    @property
    def received(self) -> int:
        """How many were answered 200."""
        return self.statuses.get("200", 0)


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._unread = b""
        self.number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost()

    def data_received(self, data: bytes) -> None:
        if self._unread:
            data, self._unread = self._unread + data, b""
        head = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ")
        if head < 0 or len(data) < head + 4 + int(data[at + 16 : data.index(b"\r", at)]):
            self._unread = data
        else:
            self._load.answered(self, data[9:12])


class _Load:
    """One series of requests on its way."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.requests = [request(order.series, number) for number in range(order.count)]
        self.statuses: Counter[bytes] = Counter()
        self.latencies = [0.0] * order.count if order.rate else []
        self.idle: deque[_Connection] = deque()
        self.sent = self.due = self.ended = 0
        self.start = self.end = 0.0
        self.over = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self.order.connections):
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.order.port)
            self.idle.append(connection)

    async def run(self, start: float) -> None:
        """Begin at `start` (of the machine's monotonic clock) and wait for the last answer."""
        await asyncio.sleep(start - time.monotonic())
        self.start = start if self.order.rate else time.monotonic()
        if self.order.rate:
            self._tick()
        else:
            self.due = self.order.count
            self._send_due()
        seen = -1
        while not self.over.done() and seen != self.ended:
            seen = self.ended
            await asyncio.wait([self.over], timeout=PATIENCE_SECONDS)
        self.end = self.end or time.monotonic()

    def _tick(self) -> None:
        """Send what the schedule says; what finds no idle connection waits, and its waiting counts."""
        self.due = min(self.order.count, int((time.monotonic() - self.start) * self.order.rate) + 1)
        self._send_due()
        if self.due < self.order.count:
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _send_due(self) -> None:
        while self.idle and self.sent < self.due:
            connection = self.idle.popleft()
            connection.number = self.sent
            connection.transport.write(self.requests[self.sent])
            self.sent += 1

    def answered(self, connection: _Connection, status: bytes) -> None:
        self.statuses[status] += 1
        self.ended += 1
        if self.order.rate:
            self.latencies[connection.number] = time.monotonic() - self.start - connection.number / self.order.rate
        if self.sent < self.due:
            connection.number = self.sent
            connection.transport.write(self.requests[self.sent])
            self.sent += 1
        else:
            self.idle.append(connection)
            if self.ended == self.order.count:
                self.end = time.monotonic()
                self.over.set_result(None)

    def lost(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def _work(order: Order) -> Answered:
    load = _Load(order)
    await load.connect()
    gc.collect()
    gc.disable()
    print("ready", flush=True)
    start = float(await asyncio.to_thread(sys.stdin.readline))
    cpu = time.process_time()
    await load.run(start)
    return Answered(
        seconds=load.end - load.start,
        cpu_seconds=time.process_time() - cpu,
        start=load.start,
        statuses={status.decode(): count for status, count in load.statuses.items()},
        latencies=load.latencies,
    )


def main() -> None:
    """Take an order, say `ready`, begin when told, answer."""
    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answered = runner.run(_work(order))
    Path(order.answer_file).write_bytes(msgspec.json.encode(answered))
    print("done", flush=True)


if __name__ == "__main__":
    main()
