"""Where files are kept: a folder, S3, Google Cloud Storage or Azure, by one URL, through obstore."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from hookline.domain.errors import Unavailable

if TYPE_CHECKING:  # loaded when the first file is touched
    from obstore import GetResult
    from obstore.store import ObjectStore

_CHUNK_BYTES = 1024 * 1024


class Objects:
    """Files by name. Everything raises Unavailable where the store cannot be reached or refuses."""

    def __init__(self, url: str) -> None:
        """url: `file:///folder`, `s3://bucket/prefix`, `gs://…`, `az://…`; credentials as its own tools take them."""
        self._url = url
        self._store: ObjectStore | None = None

    @classmethod
    def of(cls, url: str | None, data_dir: Path) -> "Objects":
        """Make it of the settings: without a URL, a folder under the data folder."""
        return cls(url if url is not None else (data_dir.resolve() / "media").as_uri())

    async def put(self, key: str, content: AsyncIterator[bytes]) -> None:
        """Keep a file, as it comes; all of it or nothing. What the content raises comes through as it is."""
        import obstore

        source = _Watched(content)
        try:
            await obstore.put_async(self._open(), key, source)
            if self._url.startswith("file:"):
                await asyncio.to_thread(_flush, Path(unquote(urlsplit(self._url).path)) / key)
        except Exception as error:
            raise source.error or _away(error) from None

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Open the bytes from start up to, but not including, end; a missing file fails at once."""
        import obstore

        try:
            found = await obstore.get_async(self._open(), key, options={"range": (start, end)})
        except Exception as error:
            raise _away(error) from None
        return _pieces(found)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete files; those that are not there are deleted."""
        import obstore

        for key in keys:
            try:
                await obstore.delete_async(self._open(), key)
            except FileNotFoundError:
                continue
            except Exception as error:
                raise _away(error) from None

    def _open(self) -> "ObjectStore":
        if self._store is None:
            from obstore.store import LocalStore, from_url

            if self._url.startswith("file:"):
                self._store = LocalStore.from_url(self._url, mkdir=True)
            else:
                self._store = from_url(self._url)
        return self._store


def _flush(file: Path) -> None:
    """Have a file and its place in the folders on the disk, as the row that will name it is."""
    for path in (file, file.parent, file.parent.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


async def _pieces(found: "GetResult") -> AsyncIterator[bytes]:
    try:
        async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)
    except Exception as error:
        raise _away(error) from None


class _Watched:
    """An iterator that remembers what it raised: the library tells its own error instead."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self.error: BaseException | None = None

    def __aiter__(self) -> "_Watched":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._content)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.error = error
            raise


def _away(error: Exception) -> Unavailable:
    return Unavailable(f"the store of files: {type(error).__name__}")
