"""The bytes of media: in memory, or in a folder where they outlive a restart."""

import hashlib
from pathlib import Path

import aiohttp

from hookline.simulator.records import Media
from hookline.simulator.world import World

# In memory, the oldest files make room beyond this.
KEPT_BYTES = 256 * 1024 * 1024
DAY = 24 * 3600


class Files:
    """Keeps files by media id."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._kept: dict[str, bytes] = {}
        self._size = 0

    def put(self, media_id: str, content: bytes) -> None:
        """Keep a file."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / media_id).write_bytes(content)
            return
        self._kept[media_id] = content
        self._size += len(content)
        while self._size > KEPT_BYTES and len(self._kept) > 1:
            self._size -= len(self._kept.pop(next(iter(self._kept))))

    def get(self, media_id: str) -> bytes | None:
        """A file's bytes, if they are still there."""
        if self._folder is None:
            return self._kept.get(media_id)
        path = self._folder / media_id
        return path.read_bytes() if path.is_file() else None

    def remove(self, media_id: str) -> None:
        """Forget a file."""
        if self._folder is not None:
            (self._folder / media_id).unlink(missing_ok=True)
        else:
            self._size -= len(self._kept.pop(media_id, b""))


async def read_up_to(stream: aiohttp.StreamReader, most: int) -> bytes:
    """Read a stream to its end, or until it is longer than `most` bytes; then one byte more than that is given."""
    chunks: list[bytes] = []
    left = most + 1
    while left > 0:
        chunk = await stream.read(left)
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def keep(
    world: World,
    files: Files,
    account_id: str,
    content: bytes,
    mime_type: str,
    *,
    filename: str = "",
    days: float,
) -> Media:
    """Make a media record of an account, and keep its bytes for so many days."""
    media = Media(
        id=world.ids.digits("media", 16),
        account_id=account_id,
        mime_type=mime_type,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        filename=filename,
        expires_at=world.clock.now() + days * DAY,
    )
    files.put(media.id, content)
    return world.add_media(media)
