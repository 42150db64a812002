"""WhatsApp's media over HTTP: upload, the URL that lives five minutes and wants the bearer, and sending a file."""

import hashlib
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from tests.simulator.stage import PAGE_TOKEN, WHATSAPP_TOKEN, Reply, Stage

from hookline.simulator import default
from hookline.simulator.acts import whatsapp as acts

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64
DAY = 24 * 3600
MB = 1024 * 1024


async def upload(
    stage: Stage, content: bytes = PNG, mime_type: str = "image/png", filename: str = "a.png", **fields: str
) -> Reply:
    """Upload a file."""
    form = aiohttp.FormData()
    for name, value in ({"messaging_product": "whatsapp"} | fields).items():
        if value:
            form.add_field(name, value)
    if content:
        form.add_field("file", content, filename=filename, content_type=mime_type)
    return await stage.call("POST", f"graph/v25.0/{default.PHONE_NUMBER}/media", WHATSAPP_TOKEN, data=form)


async def look_up(stage: Stage, media_id: str, **query: str) -> Reply:
    """Ask where a file is."""
    return await stage.call("GET", f"graph/v25.0/{media_id}", WHATSAPP_TOKEN, params=query)


async def test_there_and_back(stage: Stage) -> None:
    """What is uploaded can be looked up and fetched: type, size and hash are those of the file."""
    media_id = (await upload(stage)).json["id"]
    found = (await look_up(stage, media_id, phone_number_id=default.PHONE_NUMBER)).json
    url = found.pop("url")
    assert found == {
        "messaging_product": "whatsapp",
        "mime_type": "image/png",
        "sha256": hashlib.sha256(PNG).hexdigest(),
        "file_size": len(PNG),
        "id": media_id,
    }
    fetched = await stage.call("GET", url, WHATSAPP_TOKEN)
    assert (fetched.status, fetched.body, fetched.headers["Content-Type"]) == (200, PNG, "image/png")


async def test_url_wants_the_bearer(stage: Stage) -> None:
    """Without the token, with a wrong one, or with one that does not reach the number, there is nothing to fetch."""
    url = (await look_up(stage, (await upload(stage)).json["id"])).json["url"]
    for token in ("", "nonsense", PAGE_TOKEN):
        assert (await stage.call("GET", url, token)).status == 401


async def test_url_expires(stage: Stage) -> None:
    """After five minutes the URL is 404, and a new one works."""
    media_id = (await upload(stage)).json["id"]
    url = (await look_up(stage, media_id)).json["url"]
    stage.sim.world.clock.advance(299)
    assert (await stage.call("GET", url, WHATSAPP_TOKEN)).status == 200
    stage.sim.world.clock.advance(2)
    assert (await stage.call("GET", url, WHATSAPP_TOKEN)).status == 404
    again = (await look_up(stage, media_id)).json["url"]
    assert (await stage.call("GET", again, WHATSAPP_TOKEN)).status == 200


async def test_url_cannot_be_made_up(stage: Stage) -> None:
    """A URL that was changed is refused."""
    url = (await look_up(stage, (await upload(stage)).json["id"])).json["url"]
    later = url.replace("ext=1", "ext=2", 1)
    assert later != url
    assert (await stage.call("GET", later, WHATSAPP_TOKEN)).status == 403
    path = urlsplit(url).path.lstrip("/")
    assert (await stage.call("GET", path, WHATSAPP_TOKEN)).status == 404


async def test_id_expires_and_can_be_deleted(stage: Stage) -> None:
    """An uploaded id lives 30 days, or until it is deleted."""
    first, second = [(await upload(stage)).json["id"] for _ in range(2)]
    assert (await stage.call("DELETE", f"graph/v25.0/{first}", WHATSAPP_TOKEN)).json == {"success": True}
    assert (await look_up(stage, first)).error == (100, 33)
    stage.sim.world.clock.advance(30 * DAY + 1)
    assert (await look_up(stage, second)).error == (100, 33)


async def test_another_numbers_file(stage: Stage) -> None:
    """A file is looked up and sent by the number that has it."""
    media_id = (await upload(stage)).json["id"]
    assert (await look_up(stage, media_id, phone_number_id=default.SECOND_PHONE_NUMBER)).error == (100, 33)
    body = {"messaging_product": "whatsapp", "to": "+15550002001", "type": "image", "image": {"id": media_id}}
    reply = await stage.whatsapp(body, phone=default.COEXISTENCE_PHONE_NUMBER)
    assert reply.error == (131009, None)


async def test_sending_a_file(stage: Stage) -> None:
    """A file is sent by its id; as another type than its own it fails with 131053."""
    media_id = (await upload(stage)).json["id"]
    acts.write(stage.sim, stage.phone, stage.contact(), "text", {"body": "Hi"})
    base: dict[str, Any] = {"messaging_product": "whatsapp", "to": "+15550002001"}
    for kind in ("image", "document", "video"):
        assert (await stage.whatsapp({**base, "type": kind, kind: {"id": media_id}})).status == 200
    failed = [status["errors"][0]["code"] for status in await stage.statuses() if status["status"] == "failed"]
    assert failed == [131053]


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "no product": ({"messaging_product": ""}, 100),
    "no file": ({"content": b""}, 100),
    "a type that is not taken": ({"mime_type": "image/gif", "filename": "a.gif"}, 100),
    "no type at all": ({"mime_type": "application/octet-stream", "filename": "a"}, 100),
    "a picture of more than 5 MB": ({"content": PNG + b"\x00" * 5 * MB}, 131053),
    "a sticker of more than 500 KB": ({"content": b"\x00" * 500 * 1024 + b"x", "mime_type": "image/webp"}, 131053),
    "a film of more than 16 MB": ({"content": b"\x00" * 16 * MB + b"x", "mime_type": "video/mp4"}, 131053),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused(stage: Stage, case: str) -> None:
    """A file that the platform would not take is refused."""
    arguments, code = REFUSED[case]
    assert (await upload(stage, **arguments)).error == (code, None)


@pytest.mark.parametrize(
    ("stated", "filename", "field", "found"),
    [
        ("application/pdf", "a.pdf", "", "application/pdf"),
        ("webp", "a.webp", "", "image/webp"),
        ("application/octet-stream", "a.bin", "audio/ogg; codecs=opus", "audio/ogg"),
        ("", "a.jpg", "", "image/jpeg"),
    ],
)
async def test_types(stage: Stage, stated: str, filename: str, field: str, found: str) -> None:
    """The type is the file's own, else the form's, else what the name says."""
    boundary = "b0undary"
    lines = [f"--{boundary}", 'Content-Disposition: form-data; name="messaging_product"', "", "whatsapp"]
    if field:
        lines += [f"--{boundary}", 'Content-Disposition: form-data; name="type"', "", field]
    lines += [f"--{boundary}", f'Content-Disposition: form-data; name="file"; filename="{filename}"']
    lines += [f"Content-Type: {stated}"] if stated else []
    lines += ["", "content", f"--{boundary}--", ""]
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Authorization": f"Bearer {WHATSAPP_TOKEN}"}
    url = f"{stage.sim.url}/graph/v25.0/{default.PHONE_NUMBER}/media"
    async with stage.session.post(url, data="\r\n".join(lines).encode(), headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        media_id = (await answer.json())["id"]
    assert (await look_up(stage, media_id)).json["mime_type"] == found


async def test_no_multipart(stage: Stage) -> None:
    """An upload that is no multipart body is refused."""
    path = f"graph/v25.0/{default.PHONE_NUMBER}/media"
    reply = await stage.call("POST", path, WHATSAPP_TOKEN, json={"messaging_product": "whatsapp"})
    assert reply.error == (100, None)
