"""Where files are kept: the same over a folder and over S3; all of a file or nothing."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from hookline.domain.errors import Unavailable
from hookline.store.objects import Objects

KEY = "folder/0190"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A local S3 server; its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """A store of each kind."""
    if request.param == "folder":
        return Objects.of(None, tmp_path)
    url = request.getfixturevalue("s3")
    known = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
    }
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket="files")
    return Objects("s3://files/kept")


async def pieces(number: int, fail: bool = False) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield b"0123456789" * 100_000
    if fail:
        raise RuntimeError("the line went dead")


async def read(objects: Objects, start: int, end: int) -> bytes:
    return b"".join([chunk async for chunk in await objects.read(KEY, start, end)])


async def test_a_file_is_kept_read_and_deleted(objects: Objects) -> None:
    """Whatever its size; in pieces; deleting it twice is the same."""
    await objects.put(KEY, pieces(12))
    assert await read(objects, 0, 12_000_000) == b"0123456789" * 1_200_000
    assert await read(objects, 11_999_995, 12_000_000) == b"56789"
    await objects.delete([KEY])
    await objects.delete([KEY])
    with pytest.raises(Unavailable):
        await read(objects, 0, 1)


async def test_a_file_that_breaks_off_is_not_kept(objects: Objects) -> None:
    """What its sender raised comes through; nothing is there, or what was there before."""
    await objects.delete([KEY])
    with pytest.raises(RuntimeError, match="went dead"):
        await objects.put(KEY, pieces(7, fail=True))
    with pytest.raises(Unavailable):
        await read(objects, 0, 1)


async def test_a_store_that_cannot_be_reached() -> None:
    """It is told as such, and by no other name: no address, no key."""
    with pytest.raises(Unavailable) as raised:
        await Objects("file:///proc/nowhere/at/all").put(KEY, pieces(1))
    assert "proc" not in str(raised.value)
