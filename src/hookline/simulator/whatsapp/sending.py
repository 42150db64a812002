"""`POST /{phone-number-id}/messages`: a message taken or refused, a message marked as read.

Source: protocol reference 7.1 (bodies, window), 2.6 (recipients), 6.2 (refusals), 8 (limits).
"""

from collections.abc import Mapping
from typing import Any

from hookline.simulator.errors import Refusal
from hookline.simulator.records import Contact, Direction, Media, Message, PhoneNumber, Reachability, Template
from hookline.simulator.routes import Answer, Asked, Route
from hookline.simulator.simulator import Simulator
from hookline.simulator.threads import Thread
from hookline.simulator.whatsapp import links, statuses
from hookline.simulator.whatsapp.body import Outgoing, Reading, read_body
from hookline.simulator.whatsapp.people import find_recipient
from hookline.simulator.whatsapp.template import check_components, check_sendable
from hookline.simulator.whatsapp.templates import find_template
from hookline.simulator.world import Kind

TYPING_SECONDS = 25
REACTION_SECONDS = 30 * 24 * 3600
_FILES = frozenset({"image", "video", "audio", "document", "sticker"})


async def send(asked: Asked) -> Answer:
    """Take a message, or that one was read.

    Raises: Refusal.
    """
    body = asked.call.json if isinstance(asked.call.json, dict) else asked.call.params
    phone = asked.node.as_(PhoneNumber)
    read = read_body(body)
    if isinstance(read, Reading):
        return _mark_read(asked.sim, phone, read)
    if not phone.registered:
        raise Refusal(133010, "The phone number is not registered on the Cloud API.")
    return _take(asked.sim, phone, read, asked.token.app_id)


async def send_marketing(asked: Asked) -> Answer:
    """`POST /{phone-number-id}/marketing_messages`: marketing templates and nothing else (reference 6.2, 134100).

    Raises: Refusal.
    """
    body = asked.call.json if isinstance(asked.call.json, dict) else asked.call.params
    phone = asked.node.as_(PhoneNumber)
    read = read_body({key: value for key, value in body.items() if key != "status"})
    if not isinstance(read, Outgoing) or read.kind != "template":
        raise Refusal(134100, "Only marketing templates can be sent by this endpoint.")
    template = _template(asked.sim, phone, read)
    if template.category != "MARKETING":
        raise Refusal(134100, f"The template {template.name} is not a marketing template.")
    return {**_take(asked.sim, phone, read, asked.token.app_id), "success": True}


def _take(sim: Simulator, phone: PhoneNumber, outgoing: Outgoing, app_id: str) -> Mapping[str, Any]:
    """Look up what the body names, keep to the limits, and accept the message: its fate comes later, by statuses."""
    sim.limits.number(phone)
    contact = find_recipient(sim, phone, outgoing)
    template = _template(sim, phone, outgoing) if outgoing.kind == "template" else None
    if template is not None and template.category == "AUTHENTICATION" and not outgoing.phone:
        raise Refusal(131062, "Authentication templates need a phone number.")
    if outgoing.kind == "reaction":
        _check_reaction(sim, phone, outgoing)
    _check_media(sim, phone, outgoing)
    thread = sim.threads.of(phone.id, contact.id)
    failure = _failure(sim, phone, contact, thread, outgoing, template)
    if failure == 131047 and sim.conduct.window_refused:
        raise Refusal(131047, statuses.DETAILS[131047])
    sim.limits.pair(thread)
    message = Message(
        id=sim.world.ids.wamid(contact.wa_id),
        account_id=phone.id,
        contact_id=contact.id,
        direction=Direction.OUTBOUND,
        type=outgoing.kind,
        content=dict(outgoing.raw),
        sent_at=sim.world.clock.now(),
        sender_app_id=app_id,
        callback_data=outgoing.own_id,
        reply_to=outgoing.reply_to,
        category="" if template is None else template.category.lower(),
    )
    _keep(sim, message, outgoing)
    if sim.conduct.check_links and not failure and "link" in outgoing.content:
        links.check_then_plan(sim, message, contact, str(outgoing.content["link"]))
    else:
        statuses.plan(sim, message, contact, failure)
    return _accepted(outgoing, contact, message)


def _keep(sim: Simulator, message: Message, outgoing: Outgoing) -> None:
    sim.counters.sends[outgoing.own_id or message.id] += 1
    if outgoing.kind == "reaction":
        target = sim.world.records.messages[str(outgoing.content["message_id"])]
        _set_reaction(target, str(outgoing.content.get("emoji") or ""))
        sim.world.add_message(message)  # it is no line of the conversation
        sim.threads.changed_message(target)
        return
    sim.threads.add(message).typing_until = 0.0


def _set_reaction(message: Message, emoji: str) -> None:
    if emoji:
        message.reactions[Direction.OUTBOUND] = emoji
    else:
        message.reactions.pop(Direction.OUTBOUND, None)


def _accepted(outgoing: Outgoing, contact: Contact, message: Message) -> Mapping[str, Any]:
    told: dict[str, str] = {"input": outgoing.written}
    if outgoing.phone:
        told["wa_id"] = contact.wa_id
    else:
        told["user_id"] = outgoing.user_id
    made: dict[str, str] = {"id": message.id}
    if outgoing.kind == "template":
        made["message_status"] = "accepted"
    return {"messaging_product": "whatsapp", "contacts": [told], "messages": [made]}


def _failure(
    sim: Simulator,
    phone: PhoneNumber,
    contact: Contact,
    thread: Thread,
    outgoing: Outgoing,
    template: Template | None,
) -> int:
    """Why the message will not be delivered: a code, or 0."""
    if contact.reachability is Reachability.UNREACHABLE:
        return 131026
    if template is not None:
        unwanted = template.category == "MARKETING" and phone.id in contact.no_marketing
        return 131050 if unwanted else 0
    if sim.conduct.windows and not thread.window_open(sim.world.clock.now()):
        return 131047
    return 0 if _fits(sim, outgoing) else 131053


def _fits(sim: Simulator, outgoing: Outgoing) -> bool:
    """Whether an uploaded file is of the kind that it is sent as."""
    if outgoing.kind not in _FILES or "id" not in outgoing.content:
        return True
    mime_type = sim.world.records.media[str(outgoing.content["id"])].mime_type
    if outgoing.kind == "document":
        return True
    if outgoing.kind == "sticker":
        return mime_type == "image/webp"
    return mime_type.startswith(f"{outgoing.kind}/") and mime_type != "image/webp"


def _template(sim: Simulator, phone: PhoneNumber, outgoing: Outgoing) -> Template:
    name, language = outgoing.content["name"], outgoing.content["language"]["code"]
    found = find_template(sim.world, phone.waba_id, name, language)
    template = check_sendable(found, name, language)
    check_components(template, outgoing.content.get("components") or ())
    return template


def _check_reaction(sim: Simulator, phone: PhoneNumber, outgoing: Outgoing) -> None:
    """A reaction is to a message of this conversation that is not older than 30 days."""
    target = sim.threads.message(phone.id, str(outgoing.content["message_id"]))
    if target is None or sim.world.clock.now() - target.sent_at > REACTION_SECONDS:
        raise Refusal(131009, "The message to react to is not there, or is older than 30 days.")


def _check_media(sim: Simulator, phone: PhoneNumber, outgoing: Outgoing) -> None:
    """An uploaded file is there, not expired, and this number's."""
    if outgoing.kind not in _FILES or "id" not in outgoing.content:
        return
    media_id = str(outgoing.content["id"])
    media = sim.world.records.media.get(media_id)
    if not isinstance(media, Media) or media.account_id != phone.id or media.expires_at <= sim.world.clock.now():
        raise Refusal(
            131009, f"Param {outgoing.kind}['id'] is not a valid whatsapp business account media attachment ID"
        )


def _mark_read(sim: Simulator, phone: PhoneNumber, reading: Reading) -> Mapping[str, Any]:
    """Mark a message and those before it as read; show that an answer is being typed."""
    message = sim.threads.message(phone.id, reading.message_id)
    if message is None or message.direction is not Direction.INBOUND:
        raise Refusal(131009, "The message_id is not that of a message that this number has received.")
    thread = sim.threads.of(phone.id, message.contact_id)
    thread.seen_by_business_at = max(thread.seen_by_business_at, message.sent_at)
    for one in sim.threads.messages(thread):
        if one.direction is Direction.INBOUND and one.sent_at <= thread.seen_by_business_at:
            one.status = "read"
    if reading.typing:
        thread.typing_until = sim.world.clock.now() + TYPING_SECONDS
    sim.threads.changed(thread)
    return {"success": True}


_SCOPES = ("whatsapp_business_messaging",)
ROUTES = (
    Route("POST", Kind.PHONE_NUMBER, "messages", send, scopes=_SCOPES),
    Route("POST", Kind.PHONE_NUMBER, "marketing_messages", send_marketing, scopes=_SCOPES),
)
