"""Message templates: list, create, edit, delete, and their review. Source: protocol reference 2.4, 7.1."""

from typing import Any

from hookline.simulator import access
from hookline.simulator.conduct import Review
from hookline.simulator.errors import Refusal
from hookline.simulator.fields import page_of, select
from hookline.simulator.records import Template, Waba
from hookline.simulator.routes import Answer, Asked, Route
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import WHATSAPP, Notice
from hookline.simulator.whatsapp.new_template import read_new, read_parts
from hookline.simulator.world import Kind, World

MOST_TEMPLATES = 250
# Not in the reference: the subcode with which the vendor refuses a name and language that are taken.
TAKEN = 2388024
_FIELDS = ("name", "status", "category", "language", "components", "id")
_EDITABLE = frozenset({"APPROVED", "REJECTED", "PAUSED"})


def find_template(world: World, waba_id: str, name: str, language: str) -> Template | None:
    """The template of this name in this language."""
    for template in world.records.templates.values():
        if template.name == name and template.language == language and template.waba_id == waba_id:
            return template
    return None


async def list_templates(asked: Asked) -> Answer:
    """`GET /{waba}/message_templates?fields=…&limit=&after=`, with filters by name, language, status and category.

    Raises: Refusal (131059 for a cursor that is none).
    """
    call, waba = asked.call, asked.node.as_(Waba)
    found = [one for one in asked.sim.world.records.templates.values() if one.waba_id == waba.id]
    for key in ("language", "status", "category"):
        wanted = call.text(key)
        if wanted:
            found = [one for one in found if getattr(one, key).lower() == wanted.lower()]
    if name := call.text("name"):
        found = [one for one in found if name in one.name]
    fields = call.names("fields")
    return page_of(call, found, lambda template: _show(template, fields), asked.sim.behaviour.page_size)


async def show_template(asked: Asked) -> Answer:
    """`GET /{template-id}`."""
    return _show(asked.node.as_(Template), asked.call.names("fields"))


async def create_template(asked: Asked) -> Answer:
    """`POST /{waba}/message_templates`.

    Raises: Refusal.
    """
    sim, waba = asked.sim, asked.node.as_(Waba)
    body = asked.call.json if isinstance(asked.call.json, dict) else asked.call.params
    name, language = read_new(body)
    if find_template(sim.world, waba.id, name, language) is not None:
        raise Refusal(100, subcode=TAKEN, message="Content in this language already exists")
    if sum(one.waba_id == waba.id for one in sim.world.records.templates.values()) >= MOST_TEMPLATES:
        raise Refusal(100, "The WhatsApp Business account has as many templates as it may have.")
    template = Template(
        id=sim.world.ids.digits("template", 16),
        waba_id=waba.id,
        name=name,
        language=language,
        category=str(body["category"]).upper(),
        status="PENDING",
        components=read_parts(body),
        parameter_format=str(body.get("parameter_format", "POSITIONAL")).upper(),
    )
    sim.world.add_template(template)
    _await_review(sim, template)
    return {"id": template.id, "status": template.status, "category": template.category}


async def edit_template(asked: Asked) -> Answer:
    """`POST /{template-id}`: other components, or another category; it is reviewed again.

    Raises: Refusal.
    """
    template = asked.node.as_(Template)
    body = asked.call.json if isinstance(asked.call.json, dict) else asked.call.params
    if template.status not in _EDITABLE:
        raise Refusal(100, f"A template that is {template.status} cannot be edited.")
    category = str(body.get("category", template.category)).upper()
    if category not in ("MARKETING", "UTILITY", "AUTHENTICATION"):
        raise Refusal(100, "Param category must be one of {MARKETING, UTILITY, AUTHENTICATION}.")
    if body.get("components") is not None:
        template.components = read_parts({"category": category, "parameter_format": template.parameter_format, **body})
    template.category = category
    template.status = "PENDING"
    _await_review(asked.sim, template)
    return {"success": True, "id": template.id, "name": template.name, "category": template.category}


async def delete_template(asked: Asked) -> Answer:
    """`DELETE /{waba}/message_templates?name=[&hsm_id=]`: all languages of a name, or one template.

    Raises: Refusal.
    """
    call, world = asked.call, asked.sim.world
    name, template_id = call.required("name"), call.text("hsm_id")
    gone = [
        template
        for template in world.records.templates.values()
        if template.waba_id == asked.node.id and template.name == name and template_id in ("", template.id)
    ]
    if not gone:
        raise Refusal(100, subcode=access.NO_ACCESS_SUBCODE, message=f"Message template {name[:100]!r} was not found")
    for template in gone:
        world.remove(template.id)
        tell_status(asked.sim, template, "DELETED")
    return {"success": True}


def review(sim: Simulator, template: Template, status: str, reason: str = "NONE") -> None:
    """Decide about a template (APPROVED, REJECTED, PAUSED, DISABLED, …), and tell it by webhook."""
    template.status = status
    template.rejected_reason = reason
    tell_status(sim, template, status, reason)


def tell_status(sim: Simulator, template: Template, event: str, reason: str = "NONE") -> None:
    """Tell what became of a template."""
    value: dict[str, Any] = {
        "event": event,
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
        "message_template_category": template.category,
        "reason": reason,
    }
    sim.outbox.put(
        Notice(
            object=WHATSAPP,
            entry_id=template.waba_id,
            field="message_template_status_update",
            content=value,
            time=sim.world.clock.seconds(),
        )
    )


def _await_review(sim: Simulator, template: Template) -> None:
    decision = {Review.APPROVE: "APPROVED", Review.REJECT: "REJECTED"}.get(sim.conduct.review)
    if decision is not None:
        reason = "INVALID_FORMAT" if decision == "REJECTED" else "NONE"
        sim.later.call(sim.conduct.review_seconds, _review_pending, sim, template, decision, reason)


def _review_pending(sim: Simulator, template: Template, status: str, reason: str) -> None:
    """Decide, unless control has decided meanwhile, or the template is gone."""
    if template.status == "PENDING" and template.id in sim.world.records.templates:
        review(sim, template, status, reason)


def _show(template: Template, fields: list[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": template.name,
        "status": template.status,
        "category": template.category,
        "language": template.language,
        "components": template.components,
        "parameter_format": template.parameter_format,
        "rejected_reason": template.rejected_reason,
        "quality_score": {"score": template.quality},
        "id": template.id,
    }
    return select(fields, shown, _FIELDS)


_SCOPES = ("whatsapp_business_management",)
ROUTES = (
    Route("GET", Kind.WABA, "message_templates", list_templates, scopes=_SCOPES),
    Route("POST", Kind.WABA, "message_templates", create_template, scopes=_SCOPES),
    Route("DELETE", Kind.WABA, "message_templates", delete_template, scopes=_SCOPES),
    Route("GET", Kind.TEMPLATE, "", show_template, scopes=_SCOPES),
    Route("POST", Kind.TEMPLATE, "", edit_template, scopes=_SCOPES),
)
