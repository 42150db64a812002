"""Servers that answer byte by byte as a test says, and keep what they were sent."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Talkative:
    """A server on a free port. `requests` holds what came, head and body as they were sent."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[bytes] = []
        self.url = ""
        self._answer = answer

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read requests and answer each, until the other side goes."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                self.requests.append(head + await reader.readexactly(length))
                await self._answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def talking(answer: Answer) -> AsyncIterator[Talkative]:
    """Serve for the length of a block."""
    talkative = Talkative(answer)
    server = await asyncio.start_server(talkative.converse, "127.0.0.1", 0)
    talkative.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield talkative
    finally:
        server.close()


def reply(status: int, body: bytes = b"", *headers: str) -> Answer:
    """Answer with a status, a body and header lines."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return answer


def exactly(content: bytes) -> Answer:
    """Send these bytes, then close."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    return answer


async def silence(_: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.sleep(60)


async def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
