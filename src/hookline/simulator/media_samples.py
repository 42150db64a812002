"""Small files, one of each kind, for people who send something without saying what."""

import struct

from hookline.simulator.pictures import square

_GREEN = 0x2E8B57
_RATE = 8000


def sample(kind: str) -> tuple[bytes, str, str]:
    """A file's bytes, its MIME type, and a name."""
    return _SAMPLES.get(kind, _SAMPLES["document"])


def _wav() -> bytes:
    """A tenth of a second of silence."""
    sound = b"\x80" * (_RATE // 10)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, _RATE, _RATE, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(sound)) + sound
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _mp4() -> bytes:
    """A file that says that it is MPEG-4, and holds nothing."""
    kind = b"isom" + struct.pack(">I", 512) + b"isomiso2mp41"
    return struct.pack(">I4s", 8 + len(kind), b"ftyp") + kind + struct.pack(">I4s", 8, b"mdat")


def _webp() -> bytes:
    """One pixel, lossless."""
    pixel = bytes.fromhex("2f00000000889888fe07")
    body = b"WEBP" + struct.pack("<4sI", b"VP8L", len(pixel)) + pixel
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _ogg() -> bytes:
    """The first page of an Opus stream."""
    head = b"OpusHead" + struct.pack("<BBHIHB", 1, 1, 312, 48000, 0, 0)
    return b"OggS" + struct.pack("<BBqIIIB", 0, 2, 0, 1, 0, 0, 1) + bytes([len(head)]) + head


_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)

_SAMPLES: dict[str, tuple[bytes, str, str]] = {
    "image": (square(_GREEN), "image/png", ""),
    "video": (_mp4(), "video/mp4", ""),
    "audio": (_wav(), "audio/wav", ""),
    "voice": (_ogg(), "audio/ogg; codecs=opus", ""),
    "sticker": (_webp(), "image/webp", ""),
    "document": (_PDF, "application/pdf", "invoice.pdf"),
}
