"""The least server there can be, to learn what the load generator can do: it reads whole requests and says 200."""

import asyncio
import os
import sys
from typing import Any

import uvloop

_ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"status":"received"}'


class _Trivial(asyncio.Protocol):
    def __init__(self) -> None:
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        head = data.find(b"\r\n\r\n")
        at = data.find(b"Content-Length: ")
        if head < 0 or len(data) < head + 4 + int(data[at + 16 : data.index(b"\r", at)]):
            self._unread = data
        else:
            self._unread = b""
            self._transport.write(_ANSWER)


async def _serve(ready_fd: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Trivial, "127.0.0.1", 0)
    os.write(ready_fd, f"{server.sockets[0].getsockname()[1]}\n".encode())
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
