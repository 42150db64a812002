"""Bytes of a file on their way into the store: counted, hashed, and held against the hash that was announced."""

import base64
import hashlib
from collections.abc import AsyncIterator


class OtherBytes(Exception):
    """What came is not the file that the platform announced."""


class Seen:
    """Passes pieces on and keeps count of them. announced: their hash, as a webhook tells it, if it does."""

    def __init__(self, chunks: AsyncIterator[bytes], announced: str | None = None) -> None:
        self._chunks = chunks
        self._announced = announced
        self._hash = hashlib.sha256()
        self.size = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the pieces. Raises: OtherBytes after the last, so that nothing is kept."""
        async for chunk in self._chunks:
            self._hash.update(chunk)
            self.size += len(chunk)
            yield chunk
        if not is_announced(self.sha256, self._announced):
            raise OtherBytes("the file is not the one that was announced: its hash differs")

    @property
    def sha256(self) -> str:
        """The hash so far, in hexadecimal digits."""
        return self._hash.hexdigest()


def is_announced(sha256: str, announced: str | None) -> bool:
    """Compare with a webhook's hash, in base64 or hexadecimal; what is neither says nothing.

    Source: protocol reference 2.5.
    """
    if announced is None:
        return True
    if len(announced) == len(sha256):
        return announced.lower() == sha256
    try:
        told = base64.b64decode(announced, validate=True)
    except ValueError:
        return True
    return len(told) * 2 != len(sha256) or told.hex() == sha256
