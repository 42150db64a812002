"""What goes wrong with files at odd moments: other bytes, expired addresses, a store that is away or has lost them."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.connecting.test_media import CONTENT, arrives, latest, note_arrival, read
from tests.connecting.test_sync import number
from tests.connecting.town import Town

from hookline.domain.stored_media import MediaState
from hookline.providers.download import DownloadRefused, Origins
from hookline.services.passing_bytes import is_announced
from hookline.simulator import cdn

HEX = hashlib.sha256(CONTENT).hexdigest()
BASE64 = base64.b64encode(bytes.fromhex(HEX)).decode()


def store(place: Town) -> Path:
    return place.context.settings.data_dir / "media"


def kept(place: Town) -> list[Path]:
    return [one for one in store(place).rglob("*") if one.is_file()]


async def work_again(place: Town, times: int = 1) -> None:
    """Let what waits for a retry run now."""
    for _ in range(times):
        await place.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE status = 'PENDING'")
        await place.work()


async def state(place: Town) -> Any:
    return (await latest(place))["media"][0]["state"]


@pytest.mark.parametrize(
    ("announced", "same"),
    [
        *((None, True), (HEX, True), (HEX.upper(), True), (BASE64, True), ("x", True), ("", True)),
        *(("0" * 64, False), (base64.b64encode(bytes(32)).decode(), False)),
    ],
)
def test_hashes(announced: str | None, same: bool) -> None:
    """A hash counts in either notation; what is no hash says nothing."""
    assert is_announced(HEX, announced) is same


async def test_other_bytes_than_announced(place: Town) -> None:
    """They are not kept: it is tried again, and in the end FAILED, with the reason; what is announced is kept."""
    await number(place)
    assert (await arrives(place, sha256=BASE64))["media"][0]["state"] == MediaState.STORED
    message = await arrives(place, sha256="0" * 64)
    assert message["media"][0]["state"] == MediaState.WAITING
    assert len(kept(place)) == 1
    await work_again(place, 6)
    file = (await latest(place))["media"][0]
    assert (file["state"], "hash" in file["reason"]) == (MediaState.FAILED, True)


async def test_an_address_that_expires_meanwhile(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for anew at once, and the file is fetched; not more often than that."""
    await number(place)
    true, given = cdn.whatsapp_url, 0

    def expired(sim: Any, media: Any) -> str:
        nonlocal given
        given += 1
        return true(sim, media).replace("ext=", "ext=1") if given == 1 else true(sim, media)

    monkeypatch.setattr(cdn, "whatsapp_url", expired)
    assert (await arrives(place))["media"][0]["state"] == MediaState.STORED
    assert given == 2
    monkeypatch.setattr(cdn, "whatsapp_url", lambda sim, media: true(sim, media) + "0")
    assert (await arrives(place))["media"][0]["state"] == MediaState.GONE


async def test_the_store_is_away(place: Town) -> None:
    """The file waits while the store may come back; after the last attempt it is FAILED and waits no more."""
    await number(place)
    store(place).parent.mkdir(parents=True, exist_ok=True)
    store(place).write_text("in the way")
    await note_arrival(place)
    await place.work()
    assert await state(place) == MediaState.WAITING
    await work_again(place, 6)
    assert await state(place) == MediaState.FAILED
    assert await place.pool.fetchval("SELECT status FROM integration_jobs WHERE job_type = 'FETCH_MEDIA'") == "FAILED"


async def test_the_store_has_lost_a_file(place: Town) -> None:
    """The answer is an error from its first byte, not the beginning of a file that breaks off."""
    await number(place)
    href = (await arrives(place))["media"][0]["href"]
    for one in kept(place):
        one.unlink()
    assert (await read(place, href)).status == 503


@pytest.mark.parametrize(
    "path", ["../control/world", "%2e%2e/control", "a/%2E./../control", "..%2fcontrol", "..\\control"]
)
def test_no_address_climbs_out_of_its_root(path: str) -> None:
    """What is named exactly reaches no further than below it."""
    origins = Origins.read("http://127.0.0.1:3001/cdn")
    origins.check("http://127.0.0.1:3001/cdn/messaging/1?ext=../2")
    with pytest.raises(DownloadRefused):
        origins.check(f"http://127.0.0.1:3001/cdn/{path}")
