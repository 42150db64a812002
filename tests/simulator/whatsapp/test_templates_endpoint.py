"""Templates over HTTP: list by pages, create, review, edit, delete; each decision is told by webhook."""

from typing import Any

from tests.simulator.stage import WHATSAPP_TOKEN, Reply, Stage

from hookline.simulator import default
from hookline.simulator.conduct import Review
from hookline.simulator.whatsapp.templates import review

PATH = f"graph/v25.0/{default.WABA}/message_templates"
BODY = {"type": "body", "text": "Hi {{1}}", "example": {"body_text": [["Ann"]]}}


def new(name: str = "greeting", language: str = "en_US", **more: Any) -> dict[str, Any]:
    """A template to create."""
    return {"name": name, "language": language, "category": "UTILITY", "components": [BODY], **more}


async def create(stage: Stage, **more: Any) -> Reply:
    """Create a template."""
    return await stage.call("POST", PATH, WHATSAPP_TOKEN, json=new(**more))


async def listed(stage: Stage, **query: str) -> Any:
    """List templates."""
    return (await stage.call("GET", PATH, WHATSAPP_TOKEN, params=query)).json


async def test_paging(stage: Stage) -> None:
    """A list comes in pages; the next one's URL works as it is; a bad cursor is 131059."""
    for number in range(5):
        await create(stage, name=f"greeting_{number}")
    first = await listed(stage, limit="4", fields="name,status")
    assert [set(one) for one in first["data"]] == [{"id", "name", "status"}] * 4
    second = (await stage.call("GET", first["paging"]["next"])).json
    assert len(second["data"]) == 3
    assert "next" not in second["paging"]
    reply = await stage.call("GET", PATH, WHATSAPP_TOKEN, params={"after": "nonsense"})
    assert reply.error == (131059, None)


async def test_filters(stage: Stage) -> None:
    """A list can be of one name, language, status or category."""
    await create(stage, name="greeting", language="de")
    assert [one["language"] for one in (await listed(stage, name="greeting"))["data"]] == ["de"]
    assert len((await listed(stage, language="en_US"))["data"]) == 2
    assert len((await listed(stage, status="PENDING"))["data"]) == 1
    assert (await listed(stage, category="MARKETING"))["data"] == []


async def test_a_life(stage: Stage) -> None:
    """A new template is pending; approved, it can be sent; edited, it is reviewed again; deleted, it is gone."""
    reply = await create(stage)
    template_id = reply.json["id"]
    assert reply.json == {"id": template_id, "status": "PENDING", "category": "UTILITY"}
    told = await stage.told("message_template_status_update")
    assert [(one["event"], one["message_template_id"], one["message_template_name"]) for one in told] == [
        ("APPROVED", int(template_id), "greeting")
    ]
    shown = (await stage.call("GET", f"graph/v25.0/{template_id}", WHATSAPP_TOKEN)).json
    assert (shown["status"], shown["components"][0]["type"]) == ("APPROVED", "BODY")
    changed = {"components": [{"type": "BODY", "text": "Hello"}]}
    edited = await stage.call("POST", f"graph/v25.0/{template_id}", WHATSAPP_TOKEN, json=changed)
    assert edited.json["success"] is True
    assert stage.sim.world.records.templates[template_id].status == "PENDING"
    await stage.sim.settle()
    gone = await stage.call("DELETE", PATH, WHATSAPP_TOKEN, params={"name": "greeting"})
    assert gone.json == {"success": True}
    assert (await stage.call("GET", f"graph/v25.0/{template_id}", WHATSAPP_TOKEN)).error == (100, 33)
    told = await stage.told("message_template_status_update")
    assert [one["event"] for one in told] == ["APPROVED", "APPROVED", "DELETED"]


async def test_review(stage: Stage) -> None:
    """A template waits for control, or is rejected by itself, with a reason."""
    stage.sim.conduct.review = Review.MANUAL
    waiting = (await create(stage, name="waiting")).json["id"]
    assert await stage.told("message_template_status_update") == []
    review(stage.sim, stage.sim.world.records.templates[waiting], "PAUSED")
    stage.sim.conduct.review = Review.REJECT
    await create(stage, name="rejected")
    told = await stage.told("message_template_status_update")
    assert [(one["event"], one["reason"]) for one in told] == [("PAUSED", "NONE"), ("REJECTED", "INVALID_FORMAT")]


async def test_refused(stage: Stage) -> None:
    """A name and language that are taken, and a template that is not there, are refused."""
    await create(stage)
    assert (await create(stage)).error == (100, 2388024)
    assert (await create(stage, language="de")).status == 200
    assert (await create(stage, name="Bad Name")).error == (100, None)
    gone = await stage.call("DELETE", PATH, WHATSAPP_TOKEN, params={"name": "nothing"})
    assert gone.error == (100, 33)


async def test_delete_one_language(stage: Stage) -> None:
    """With its id one language is deleted, and the others stay."""
    first = (await create(stage)).json["id"]
    second = (await create(stage, language="de")).json["id"]
    await stage.call("DELETE", PATH, WHATSAPP_TOKEN, params={"name": "greeting", "hsm_id": first})
    assert second in stage.sim.world.records.templates
    assert first not in stage.sim.world.records.templates


async def test_as_many_as_there_may_be(stage: Stage) -> None:
    """An account has 250 templates and no more."""
    for number in range(248):
        await create(stage, name=f"greeting_{number}")
    assert (await create(stage, name="one_more")).error == (100, None)
