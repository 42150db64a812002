"""Files both ways against the simulated platforms: fetched, kept, served, uploaded, sent, and deleted."""

import asyncio
import hashlib
import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
import pytest
from tests.connecting.test_sync import number
from tests.connecting.test_token_life import connected, kill
from tests.connecting.town import Town
from tests.web.answer import Answer

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Signature
from hookline.domain.principal import Role
from hookline.providers import PROVIDERS
from hookline.services.ingest import Ingest, events_of
from hookline.services.upkeep import keep_up
from hookline.simulator import cdn, default
from hookline.simulator.faults import Effect, Fault
from hookline.simulator.files import keep
from hookline.store import media

PERSON = "15550002001"
CONTENT = bytes(range(256)) * 40


async def arrives(
    place: Town, content: bytes = CONTENT, kind: str = "image", mime_type: str = "image/jpeg", **more: Any
) -> Any:
    """Somebody sends a file on WhatsApp; its message, after all work is done."""
    await note_arrival(place, content, kind, mime_type, **more)
    await place.work()
    return await latest(place)


async def note_arrival(
    place: Town, content: bytes = CONTENT, kind: str = "image", mime_type: str = "image/jpeg", **more: Any
) -> str:
    sim = place.sim
    file = keep(sim.world, sim.files, default.PHONE_NUMBER, content, mime_type, days=7)
    message = {
        "from": PERSON,
        "id": f"wamid.{file.id}",
        "timestamp": str(int(sim.world.clock.now())),
        "type": kind,
        kind: {"id": file.id, "mime_type": mime_type, "sha256": "x", **more},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001001", "phone_number_id": default.PHONE_NUMBER},
        "contacts": [{"wa_id": PERSON, "profile": {"name": "Ann"}}],
        "messages": [message],
    }
    entry = {"id": default.WABA, "changes": [{"field": "messages", "value": value}]}
    await take_in_only(place, {"object": "whatsapp_business_account", "entry": [entry]})
    return file.id


async def take_in_only(place: Town, body: Any, provider: str = "WHATSAPP") -> None:
    known = PROVIDERS[IntegrationProvider(provider)]
    parts = events_of(
        known, json.dumps(body).encode(), Signature.VERIFIED, organization_hint=None, latest_if_unnamed=False
    )
    await Ingest(place.pool).store(parts, len(parts))


async def latest(place: Town) -> Any:
    answer = await place.api.get("/api/messages?limit=1")
    return answer.json["items"][0]


async def read(place: Town, href: str, **headers: str) -> Answer:
    """Read a file as the owner of org-1, with more headers."""
    from tests.conftest import JWT_SECRET
    from tests.web.tokens import token

    known = {"Authorization": f"Bearer {token(JWT_SECRET, {'org-1': Role.MEMBER})}", "X-Organization-Id": "org-1"}
    return await place.api.get(href, headers=known | headers)


async def test_a_picture_is_fetched_and_served(place: Town) -> None:
    """It is kept with its hash, size and type, told in the feed, and given as it was sent, to be shown."""
    await number(place)
    message = await arrives(place)
    (file,) = message["media"]
    assert (file["state"], file["contentType"], file["size"]) == ("STORED", "image/jpeg", len(CONTENT))
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert file["href"] == f"/api/messages/{message['id']}/media/0"
    answer = await read(place, file["href"])
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"].startswith("inline;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    (fact,) = (one for one in (await place.api.get("/api/events")).json["items"] if one["type"] == "message.media")
    assert (fact["messageId"], fact["data"]["media"]["state"]) == (message["id"], "STORED")


@pytest.mark.parametrize(
    ("asked", "status", "part", "told"),
    [
        ("bytes=0-9", 206, CONTENT[:10], "bytes 0-9/10240"),
        ("bytes=10-", 206, CONTENT[10:], "bytes 10-10239/10240"),
        ("bytes=-5", 206, CONTENT[-5:], "bytes 10235-10239/10240"),
        ("bytes=10000-99999", 206, CONTENT[10000:], "bytes 10000-10239/10240"),
        ("bytes=10240-", 416, b"", "bytes */10240"),
        ("bytes=5-2", 200, CONTENT, None),
        ("bytes=0-1,4-5", 200, CONTENT, None),
        ("pages=1", 200, CONTENT, None),
        (f"bytes={'9' * 5000}-", 200, CONTENT, None),
    ],
)
async def test_ranges(place: Town, asked: str, status: int, part: bytes, told: str | None) -> None:
    """Players ask for pieces: one range is given, one outside is 416, and what is no range is the whole."""
    await number(place)
    message = await arrives(place)
    answer = await read(place, message["media"][0]["href"], Range=asked)
    assert (answer.status, answer.body, answer.headers.get("Content-Range")) == (status, part, told)


async def test_a_file_that_is_known_is_not_sent_again(place: Town) -> None:
    """By its hash: 304; a range of another file than the one known is the whole."""
    await number(place)
    href = (await arrives(place))["media"][0]["href"]
    tag = (await read(place, href)).headers["ETag"]
    assert (await read(place, href, **{"If-None-Match": tag})).status == 304
    assert (await read(place, href, Range="bytes=0-1", **{"If-Range": '"other"'})).status == 200
    assert (await read(place, href, Range="bytes=0-1", **{"If-Range": tag})).status == 206


async def test_what_could_run_is_saved(place: Town) -> None:
    """A page or a drawing with scripts is given as bytes to be saved, under a name that leads nowhere."""
    await number(place)
    page = await arrives(
        place, b"<script>alert(1)</script>", "document", "text/html", filename="../../etc/\u202epass\\evil.html"
    )
    answer = await read(place, page["media"][0]["href"])
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    said = answer.headers["Content-Disposition"]
    assert said.startswith('attachment; filename="evil.html"')
    assert page["media"][0]["filename"] == "evil.html"


async def test_who_may(place: Town) -> None:
    """Members of the organization; nobody else finds it, and a file that is not there is 404."""
    await number(place)
    href = (await arrives(place))["media"][0]["href"]
    assert (await place.api.of("org-1", Role.MEMBER).get(href)).status == 200
    assert (await place.api.of("org-2").get(href)).status == 404
    assert (await place.api.get(href, headers={})).status == 401
    for other in (
        href.replace("/media/0", "/media/1"),
        href.replace("/media/0", "/media/x"),
        "/api/messages/x/media/0",
    ):
        assert (await place.api.get(other)).status == 404


async def test_one_that_expired_is_gone(place: Town) -> None:
    """The platform has it no more: the message says so, and reading it is 410; nothing is tried again."""
    await number(place)
    file_id = await note_arrival(place)
    place.sim.world.remove(file_id)
    await place.work()
    message = await latest(place)
    assert (message["media"][0]["state"], message["media"][0]["reason"]) == (
        "GONE",
        "the platform has the file no more",
    )
    answer = await place.api.get(message["media"][0]["href"])
    assert (answer.status, answer.json["type"].split(":")[-1]) == (410, "file-gone")
    assert await place.pool.fetchval("SELECT status FROM integration_jobs WHERE job_type = 'FETCH_MEDIA'") == "DONE"


async def test_one_that_is_not_there_yet(place: Town) -> None:
    """While the platform cannot be reached it waits (409), and is fetched when it can."""
    await number(place)
    await place.work()
    await note_arrival(place)
    place.sim.faults.add(Fault(effect=Effect.BROKEN, status=502, path="[0-9]*", method="GET", times=1))
    await place.work()
    message = await latest(place)
    assert message["media"][0]["state"] == "WAITING"
    early = await place.api.get(message["media"][0]["href"])
    assert (early.status, early.json["type"].split(":")[-1]) == (409, "not-yet-fetched")
    await place.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE job_type = 'FETCH_MEDIA'")
    await place.work()
    assert (await latest(place))["media"][0]["state"] == "STORED"


async def test_one_that_is_too_large_is_not_kept(place: Town) -> None:
    """More than the setting allows is not read to its end, and the reason is told."""
    await number(place)
    object.__setattr__(place.worker.settings, "max_media_bytes", 1000)
    message = await arrives(place)
    assert message["media"][0]["state"] == "FAILED"
    assert "larger than 1,000 bytes" in message["media"][0]["reason"]


async def test_a_revoked_token_waits_for_the_next(place: Town) -> None:
    """The account falls into ERROR with a reason, and the file is still wanted: connecting again may come in time."""
    await number(place)
    await place.work()
    await note_arrival(place)
    kill(place, "removed")
    await place.work()
    (account,) = await place.accounts()
    assert account["status"] == "ERROR"
    assert (await latest(place))["media"][0]["state"] == "WAITING"
    job = await place.pool.fetchrow("SELECT status, attempts FROM integration_jobs WHERE job_type = 'FETCH_MEDIA'")
    assert (job["status"], job["attempts"]) == ("PENDING", 1)


async def test_a_file_on_messenger(place: Town) -> None:
    """It is fetched where the webhook says, without a token; the same webhook again fetches nothing again."""
    await connected(place, "FACEBOOK")
    sim = place.sim
    file = keep(sim.world, sim.files, default.PAGE, CONTENT, "image/png", days=7)
    payload = {"url": cdn.open_url(sim, file)}
    item = {
        "sender": {"id": "77"},
        "recipient": {"id": default.PAGE},
        "timestamp": 1763999999000,
        "message": {"mid": "m_1", "attachments": [{"type": "image", "payload": payload}]},
    }
    body = {"object": "page", "entry": [{"id": default.PAGE, "time": 1763999999000, "messaging": [item]}]}
    for _ in range(2):
        await take_in_only(place, body, "FACEBOOK")
        await place.work()
    message = await latest(place)
    assert message["media"][0]["state"] == "STORED"
    assert (await read(place, message["media"][0]["href"])).body == CONTENT
    assert await place.pool.fetchval("SELECT count(*) FROM media") == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/secret",
        "https://127.0.0.1/secret",
        "https://localhost/secret",
        "https://evil.example/a.png",
        "file:///etc/passwd",
        "https://lookaside.fbsbx.com@127.0.0.1/x",
    ],
)
async def test_a_webhook_cannot_lead_inside(place: Town, url: str) -> None:
    """An address that is not the platform's is not fetched; the reason names no address."""
    await connected(place, "FACEBOOK")
    item = {
        "sender": {"id": "77"},
        "recipient": {"id": default.PAGE},
        "timestamp": 1763999999000,
        "message": {"mid": "m_1", "attachments": [{"type": "image", "payload": {"url": url}}]},
    }
    await take_in_only(
        place, {"object": "page", "entry": [{"id": default.PAGE, "time": 1, "messaging": [item]}]}, "FACEBOOK"
    )
    await place.work()
    message = await latest(place)
    assert message["media"][0]["state"] == "FAILED"
    assert "127.0.0.1" not in message["media"][0]["reason"]


def form(content: bytes, name: str = "receipt.pdf", kind: str = "application/pdf") -> aiohttp.FormData:
    given = aiohttp.FormData(quote_fields=False)
    given.add_field("file", content, filename=name, content_type=kind)
    return given


async def uploaded(place: Town, content: bytes = CONTENT, *given: str) -> Answer:
    return await place.api.request("POST", "/api/media", data=form(content, *given))


async def test_an_upload_is_sent(place: Town) -> None:
    """Its id stands in a message; the platform is given a signed address, where it gets the file, and nobody else."""
    account = await number(place)
    await place.work()
    kept = await uploaded(place)
    assert kept.status == 201, kept.text
    assert (kept.json["contentType"], kept.json["size"], kept.json["filename"]) == (
        "application/pdf",
        len(CONTENT),
        "receipt.pdf",
    )
    await arrives(place)  # opens the window
    body = {
        "accountId": str(account),
        "to": PERSON,
        "type": "document",
        "document": {"mediaId": kept.json["id"], "caption": "Here"},
    }
    sent = await place.api.post("/api/messages", body)
    assert sent.status == 202, sent.text
    await place.work()
    assert (await place.api.get(f"/api/messages/{sent.json['id']}")).json["status"] == "SENT"
    known = msgspec.json.encode(place.sim.world.records)
    (link,) = set(re.findall(rb'https://hookline.example(/api/media/[^"]+)"', known))
    path = link.decode()
    assert path.startswith(f"/api/media/{kept.json['id']}/file?")
    got = await place.api.get(path, headers={})
    assert (got.status, got.body) == (200, CONTENT)
    for wrong in (
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path.replace("o=org-1", "o=org-2"),
        path.split("?")[0],
    ):
        assert (await place.api.get(wrong, headers={})).status in (404, 422)


async def test_what_no_platform_takes_is_refused_at_once(place: Town) -> None:
    """An upload of another organization, one too large or of another kind for the platform: 422, nothing queued."""
    account = await number(place)
    await arrives(place)
    page = await uploaded(place, b"<html>", "a.html", "text/html")
    theirs = await place.api.of("org-2").request("POST", "/api/media", data=form(CONTENT))
    for media_id in (page.json["id"], theirs.json["id"], str(UUID(int=7))):
        body = {"accountId": str(account), "to": PERSON, "type": "image", "image": {"mediaId": media_id}}
        answer = await place.api.post("/api/messages", body)
        assert answer.status == 422, answer.text
    assert await place.pool.fetchval("SELECT count(*) FROM messages WHERE direction = 'OUTBOUND'") == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "https://127.0.0.1/a.png",
        "https://localhost/a.png",
        "https://[::1]/a.png",
        "https://0x7f000001/a.png",
        "https://2130706433/a.png",
        "https://user:pass@example.com/a.png",
        "https://example.com:8443/a.png",
        "ftp://example.com/a.png",
        "nonsense",
        "",
    ],
)
async def test_an_upload_by_address_leads_nowhere_inside(place: Town, url: str) -> None:
    """Only public https addresses; each other one is 422 at once."""
    answer = await place.api.post("/api/media", {"url": url})
    assert answer.status == 422, answer.text
    assert await place.pool.fetchval("SELECT count(*) FROM media") == 0


async def test_hostile_uploads(place: Town) -> None:
    """Too large, empty, without a file, no form at all: each its error, and nothing is kept."""
    object.__setattr__(place.context.settings, "max_media_bytes", 100_000)
    large = await uploaded(place, b"x" * 300_000)
    assert large.status == 413, large.text
    assert (await uploaded(place, b"x" * 100_001)).status == 413
    assert (await uploaded(place, b"")).status == 422
    text = aiohttp.FormData()
    text.add_field("file", "no file")
    assert (await place.api.request("POST", "/api/media", data=text)).status == 422
    headers = {"Content-Type": "multipart/form-data"}
    assert (await read_nothing(place, headers)).status == 422
    assert (await uploaded(place, b"x", "../../../etc/passwd", "text/plain")).json["filename"] == "passwd"
    assert await place.pool.fetchval("SELECT count(*) FROM media") == 1


async def read_nothing(place: Town, more: dict[str, str]) -> Answer:
    from tests.conftest import JWT_SECRET
    from tests.web.tokens import token

    known = {"Authorization": f"Bearer {token(JWT_SECRET, {'org-1': Role.OWNER})}", "X-Organization-Id": "org-1"}
    return await place.api.request("POST", "/api/media", data=b"--x--", headers=known | more)


async def test_files_go_with_their_rows(place: Town) -> None:
    """However a row is deleted: upkeep deletes the file, and it cannot be read any more."""
    await number(place)
    await arrives(place)
    row = await place.pool.fetchrow("SELECT * FROM media")
    assert [one async for one in await place.worker.objects.read(row["object_key"], 0, 5)] == [CONTENT[:5]]
    await place.pool.execute("DELETE FROM media")
    assert await place.pool.fetchval("SELECT count(*) FROM media_garbage") == 1
    await keep_up(place.pool, unowned_for=timedelta(days=7), objects=place.worker.objects)
    assert await place.pool.fetchval("SELECT count(*) FROM media_garbage") == 0
    folder = place.worker.settings.data_dir.resolve() / "media"
    assert not (folder / row["object_key"]).exists()


async def test_a_message_deleted_meanwhile_leaves_no_file(place: Town) -> None:
    """A file that is fetched while its row goes is deleted too."""
    await number(place)
    await note_arrival(place)
    place.sim.faults.add(Fault(effect=Effect.SLOW, seconds=0.5, path="[0-9]*", method="GET", times=1))
    working = asyncio.create_task(place.work())
    await asyncio.sleep(0.3)
    await place.pool.execute("DELETE FROM media")
    await working
    await keep_up(place.pool, unowned_for=timedelta(days=7), objects=place.worker.objects)
    left = await place.pool.fetchval("SELECT count(*) FROM media")
    folder = place.worker.settings.data_dir.resolve() / "media"
    files = [one for one in folder.rglob("*") if one.is_file()]
    assert len(files) == left == 0


async def test_a_cancelled_job_gives_the_file_up_and_a_retried_one_fetches_it(place: Town) -> None:
    """The message says why it is not fetched, the feed tells it; run again, the file comes."""
    await number(place)
    await place.work()
    await note_arrival(place)
    place.sim.faults.add(Fault(effect=Effect.BROKEN, status=502, path="[0-9]*", method="GET", times=1))
    await place.work()
    job = await place.pool.fetchval("SELECT id FROM integration_jobs WHERE job_type = 'FETCH_MEDIA'")
    assert (await place.api.post(f"/api/jobs/{job}/cancel")).status == 200
    file = (await latest(place))["media"][0]
    assert file["state"] == "FAILED"
    assert file["reason"].startswith("cancelled by")
    told = [one for one in (await place.api.get("/api/events")).json["items"] if one["type"] == "message.media"]
    assert [one["data"]["media"]["state"] for one in told] == ["FAILED"]
    assert (await place.api.post(f"/api/jobs/{job}/retry")).status == 202
    assert (await latest(place))["media"][0]["state"] == "WAITING"
    await place.work()
    assert (await latest(place))["media"][0]["state"] == "STORED"


async def test_a_writer_that_dies_leaves_no_file_without_a_row(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the file and the row's end: whoever deletes the row has the file deleted too."""
    await number(place)
    await place.work()
    await note_arrival(place)

    async def dies(*_: Any) -> None:
        raise OSError("killed")

    monkeypatch.setattr("hookline.store.media.stored", dies)
    await place.work()
    folder = place.worker.settings.data_dir.resolve() / "media"
    assert len([one for one in folder.rglob("*") if one.is_file()]) == 1
    assert (await latest(place))["media"][0]["state"] == "WAITING"
    await place.pool.execute("DELETE FROM media")
    await keep_up(place.pool, unowned_for=timedelta(days=7), objects=place.worker.objects)
    assert not [one for one in folder.rglob("*") if one.is_file()]


async def test_a_person_who_is_forgotten_leaves_no_file_and_no_word_of_one(place: Town) -> None:
    """Files, their rows, and what the feed told of them (their names too) go with the person."""
    await number(place)
    message = await arrives(place, CONTENT, "document", "application/pdf", filename="Ann Archer, passport.pdf")
    assert "passport" in (await place.api.get("/api/events")).text
    (contact,) = (await place.api.get("/api/contacts")).json["items"]
    assert (await place.api.delete(f"/api/contacts/{contact['id']}")).status == 202
    for _ in range(3):
        await place.work()
        await place.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE job_type = 'PRIVACY_REQUEST'")
    await place.work()
    await keep_up(place.pool, unowned_for=timedelta(days=7), objects=place.worker.objects)
    assert (await place.api.get(message["media"][0]["href"])).status == 404
    assert "passport" not in (await place.api.get("/api/events")).text
    for table in ("media", "media_garbage", "messages"):
        assert await place.pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_a_file_that_is_written_late_is_deleted_again(place: Town) -> None:
    """Named again while it was being deleted, it is not forgotten: it may have been written after that."""
    objects, key = place.worker.objects, "folder/late"
    await place.pool.execute("INSERT INTO media_garbage (object_key) VALUES ($1)", key)
    async with place.pool.acquire() as connection:
        found = await media.garbage(connection, 10)
        await media.litter(connection, key)
        await media.forget_garbage(connection, found)
        assert [name for name, _ in await media.garbage(connection, 10)] == [key]
    await keep_up(place.pool, unowned_for=timedelta(days=7), objects=objects)
    assert await place.pool.fetchval("SELECT count(*) FROM media_garbage") == 0
