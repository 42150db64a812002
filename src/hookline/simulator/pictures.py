"""Profile pictures: one plain square for everybody, in a colour of their own."""

import struct
import zlib

from aiohttp import web

from hookline.simulator.http import Reply, text_reply
from hookline.simulator.simulator import Simulator

PREFIX = "pictures"
_SIDE = 64


class Pictures:
    """Answers `/pictures/{id}.png`."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    async def answer(self, _request: web.BaseRequest, path: str) -> Reply:
        """Answer a request."""
        owner, dot, kind = path.rpartition(".")
        known = owner in self._sim.world.records.contacts or self._sim.world.node(owner) is not None
        if kind != "png" or not dot or not known:
            return text_reply("There is no such picture.\n", 404)
        return web.Response(body=square(zlib.crc32(owner.encode())), content_type="image/png")


def square(colour: int) -> bytes:
    """A PNG of one colour (24 bits)."""
    pixel = (colour & 0xFFFFFF).to_bytes(3, "big")
    rows = (b"\x00" + pixel * _SIDE) * _SIDE
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
