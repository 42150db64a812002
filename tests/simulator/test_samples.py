"""The samples of sends against the simulator: what others send is taken, what they were answered is what it answers."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.simulator.stage import WHATSAPP_TOKEN, Reply, Stage, open_stage

from hookline.simulator import default
from hookline.simulator.acts import whatsapp as acts
from hookline.simulator.faults import Effect, Fault
from hookline.simulator.files import keep
from hookline.simulator.records import Template

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "payloads"
OPENAPI = "facebook__openapi/**/api/"
# These begin as sends do, and are of other endpoints.
NOT_SENDS = ("expectedMessage18.json",)  # a PIN


def samples(*patterns: str) -> list[Any]:
    """The samples of these patterns; or, where there are none, a test that says so."""
    found = sorted({path for pattern in patterns for path in FOLDER.glob(pattern)})
    return [
        pytest.param(path, id=str(path.relative_to(FOLDER))) for path in found if not path.name.endswith(NOT_SENDS)
    ] or [pytest.param(None, marks=pytest.mark.skip(reason="the shared payload samples are not here"))]


SENDS = samples(
    OPENAPI + "POSTVersion_Phone_Number_ID_messages/request_*.json",
    "Bindambc*/expected/message/*.json",
    "restfb*/whatsapp/send-message-*.json",
)
MARKETING = samples(OPENAPI + "POSTVersion_Phone_Number_ID_marketing_messages/request_*.json")
REPLIES = samples(
    OPENAPI + "POSTVersion_Phone_Number_ID_messages/response200_*.json",
    "Bindambc*/message.json",
    "restfb*/whatsapp/message-response.json",
)
NEW_TEMPLATES = samples(OPENAPI + "POSTVersion_WABA_ID_message_templates/request_*.json")
ERRORS = samples("authored*/errors/*.json", "restfb*/oauthExampleError.json", "Bindambc*/phone/*Error.json")

PLACES = {"<HEADER_TYPE>": "text", "<TEMPLATE_NAME>": "a_template"}
BODY_OF_THREE = {"type": "BODY", "text": "{{1}} {{2}} {{3}}"}
QUICK = {"type": "QUICK_REPLY", "text": "Yes"}
# What the samples' templates must be to be sent as the samples send them, by the end of the sample's name.
TEMPLATES: dict[str, list[dict[str, Any]]] = {
    "Send_Catalog_Template_Message.json": [
        BODY_OF_THREE,
        {"type": "BUTTONS", "buttons": [{"type": "CATALOG", "text": "See"}]},
    ],
    "Send_Flow_Template_Message.json": [
        {"type": "BODY", "text": "Book"},
        {"type": "BUTTONS", "buttons": [{"type": "FLOW", "text": "Book"}]},
    ],
    "Send_Message_Template_Media.json": [{"type": "HEADER", "format": "IMAGE"}, BODY_OF_THREE],
    "Send_Message_Template_Text.json": [BODY_OF_THREE],
    "Send_Interactive_Message_Template.json": [
        {"type": "HEADER", "format": "IMAGE"},
        BODY_OF_THREE,
        {"type": "BUTTONS", "buttons": [QUICK, QUICK]},
    ],
    "Send_Sample_Issue_Resolution_Template.json": [
        {"type": "BODY", "text": "Hi {{1}}"},
        {"type": "BUTTONS", "buttons": [QUICK, QUICK]},
    ],
    "Send_Test_Message.json": [{"type": "BODY", "text": "Hello"}],
    "expectedMessage5.json": [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "{{1}} {{2}}"},
        {"type": "BUTTONS", "buttons": [QUICK, QUICK]},
    ],
    "expectedMessage8.json": [{"type": "HEADER", "format": "VIDEO"}, {"type": "BODY", "text": "{{1}}"}],
    "Parameterized_Template.json": [{"type": "BODY", "text": "{{1}} {{2}}"}],
    "Simple_Template_Message.json": [{"type": "BODY", "text": "Hello"}],
}


@pytest_asyncio.fixture
async def stage() -> Any:
    """A simulator with a receiver of webhooks."""
    async with open_stage() as found:
        yield found


def read(path: Path) -> Any:
    """Read a sample."""
    return json.loads(path.read_text())


def filled(value: Any, key: str = "") -> Any:
    """Put real values where a sample holds a place for one."""
    if isinstance(value, dict):
        return {name: filled(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, key) for one in value]
    if not isinstance(value, str):
        return value
    if key == "link" and "(s)://" in value:
        return "https://example.test/file"
    return "+15550002001" if "Phone-Number" in value else PLACES.get(value, value)


def prepare(stage: Stage, path: Path, body: dict[str, Any]) -> None:
    """Have the files, messages, people and templates there that a sample names."""
    sim = stage.sim
    for kind in ("image", "video", "audio", "document", "sticker"):
        if "id" in body.get(kind, {}):
            mime_type = {"sticker": "image/webp", "document": "application/pdf"}.get(kind, f"{kind}/mp4")
            media = keep(sim.world, sim.files, stage.phone.id, b"file", mime_type, days=1)
            body[kind]["id"] = media.id
    for message_id in (body.get("message_id"), body.get("reaction", {}).get("message_id")):
        if message_id:
            acts.write(sim, stage.phone, stage.contact(), "text", {"body": "Hi"}, message_id=message_id)
    if "recipient" in body:
        stage.contact("hidden").scoped[default.BUSINESS] = body["recipient"]
        sim.world.index()
    template = body.get("template")
    if template is not None:
        parts = next(parts for end, parts in TEMPLATES.items() if path.name.endswith(end))
        sim.world.add_template(
            Template(
                id="70100000000099",
                waba_id=default.WABA,
                name=template["name"],
                language=template["language"]["code"],
                category="MARKETING",
                status="APPROVED",
                components=parts,
            )
        )
        sim.world.records.templates.pop("70100000000001")


async def sent(stage: Stage, path: Path, edge: str = "messages") -> Reply:
    """Send a sample."""
    body = filled(read(path))
    prepare(stage, path, body)
    return await stage.whatsapp(body, edge=edge)


@pytest.mark.parametrize("path", SENDS)
async def test_sends_are_taken(stage: Stage, path: Path) -> None:
    """Every send and every mark as read that others make is taken."""
    reply = await sent(stage, path)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("path", MARKETING)
async def test_marketing_is_taken(stage: Stage, path: Path) -> None:
    """So are those of the marketing endpoint, whose reply says more."""
    reply = await sent(stage, path, "marketing_messages")
    assert (reply.status, reply.json.get("success")) == (200, True)


@pytest.mark.parametrize("path", REPLIES)
async def test_replies(stage: Stage, path: Path) -> None:
    """A send is answered in the shape in which others were answered."""
    expected = read(path)
    body = {"messaging_product": "whatsapp", "to": "+15550002001", "text": {"body": "Hi"}}
    assert shape((await stage.whatsapp(body)).json) == shape(expected)


async def test_reply_to_an_id(stage: Stage) -> None:
    """So is a send to a business-scoped id."""
    sample = FOLDER / "restfb__restfb" / "whatsapp" / "message-response-bsuid.json"
    if not sample.exists():
        pytest.skip("the shared payload samples are not here")
    user_id = stage.sim.world.scoped_id(stage.contact("hidden"), default.BUSINESS)
    body = {"messaging_product": "whatsapp", "recipient": user_id, "text": {"body": "Hi"}}
    assert shape((await stage.whatsapp(body)).json) == shape(read(sample))


def shape(value: Any) -> Any:
    """The outline: keys and types."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize("path", NEW_TEMPLATES)
async def test_new_templates_are_taken(stage: Stage, path: Path) -> None:
    """Every template that others create is taken, and answered with id, status and category."""
    body = filled(read(path))
    reply = await stage.call("POST", f"graph/v25.0/{default.WABA}/message_templates", WHATSAPP_TOKEN, json=body)
    assert reply.status == 200, reply.body
    assert (reply.json["status"], reply.json["category"]) == ("PENDING", body["category"])
    assert set(reply.json) == {"id", "status", "category"}


@pytest.mark.parametrize("path", samples(OPENAPI + "POSTVersion_TEMPLATE_ID/request_*.json"))
async def test_template_edits_are_taken(stage: Stage, path: Path) -> None:
    """So is every edit."""
    body = read(path)
    reply = await stage.call("POST", "graph/v25.0/70100000000001", WHATSAPP_TOKEN, json=body)
    assert (reply.status, reply.json["success"]) == (200, True)


@pytest.mark.parametrize("path", samples(OPENAPI + "GETVersion_WABA_ID_message_templates/response200_*.json"))
async def test_template_lists(stage: Stage, path: Path) -> None:
    """A template is listed with what others are told, if it has that."""
    expected = read(path)
    reply = await stage.call("GET", f"graph/v25.0/{default.WABA}/message_templates", WHATSAPP_TOKEN)
    optional = {"previous_category"}  # only of a template whose category was changed
    assert set(expected["data"][0]) - set(reply.json["data"][0]) <= optional
    assert set(expected) == set(reply.json)


@pytest.mark.parametrize("path", samples(OPENAPI + "POSTVersion_Phone_Number_ID_media/request_*.json"))
async def test_uploads_are_taken(stage: Stage, path: Path) -> None:
    """Every upload that others make is taken; its look-up has what they were told."""
    body = read(path)
    name, _, kind = body.pop("file").lstrip("@").partition(";type=")
    form = aiohttp.FormData(body)
    content_type = kind if "/" in kind else None
    form.add_field("file", b"file", filename=Path(name).name, content_type=content_type)
    reply = await stage.call("POST", f"graph/v25.0/{default.PHONE_NUMBER}/media", WHATSAPP_TOKEN, data=form)
    assert reply.status == 200, reply.body
    found = await stage.call("GET", f"graph/v25.0/{reply.json['id']}", WHATSAPP_TOKEN)
    sample = next(FOLDER.glob(OPENAPI + "GETVersion_Media_ID/response200_*.json"))
    assert set(found.json) == set(read(sample))


@pytest.mark.parametrize("path", ERRORS)
async def test_errors_can_be_had(stage: Stage, path: Path) -> None:
    """Every error that others were answered can be had on demand, word for word but for its trace."""
    expected = read(path)["error"]
    known = ("code", "error_subcode", "fbtrace_id")
    said = {key: value for key, value in expected.items() if key not in known}
    left_out = {} if "is_transient" in expected else {"is_transient": None}
    stage.sim.faults.add(
        Fault(
            effect=Effect.REFUSE,
            path="*/messages",
            code=expected["code"],
            subcode=expected.get("error_subcode"),
            error={**said, **left_out},
        )
    )
    error = (await stage.whatsapp({})).json["error"]
    assert {**error, "fbtrace_id": ""} == {**expected, "fbtrace_id": ""}
