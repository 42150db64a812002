"""What people do on WhatsApp, and what a business does in its phone's app. Source: protocol reference 2.1, 2.3, 2.6."""

import base64
from collections.abc import Mapping
from typing import Any

from hookline.simulator import cdn
from hookline.simulator.errors import Refusal
from hookline.simulator.records import Contact, Direction, Media, Message, PhoneNumber, Reachability
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import WHATSAPP, Notice
from hookline.simulator.whatsapp import statuses

EDIT_SECONDS = 15 * 60


def write(
    sim: Simulator,
    phone: PhoneNumber,
    contact: Contact,
    kind: str,
    content: Any,
    *,
    reply_to: str = "",
    context: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
    message_id: str = "",
    at: float = 0.0,
) -> Message:
    """Have somebody write to a number.

    content: what stands under the type's name. context: instead of that of the answered message. more: what else the
    message bears (referral, group_id, …). at: when it was written; now, if 0.
    """
    message = Message(
        id=message_id or sim.world.ids.wamid(contact.wa_id),
        account_id=phone.id,
        contact_id=contact.id,
        direction=Direction.INBOUND,
        type=kind,
        content={kind: content},
        sent_at=at or sim.world.clock.now(),
        reply_to=reply_to,
    )
    sim.threads.add(message)
    sim.limits.received(phone)
    if context is None and reply_to:
        context = {"from": _author(sim, phone, contact, reply_to), "id": reply_to}
    extra = {**({"context": context} if context else {}), **(more or {})}
    _put_message(sim, phone, contact, message, {kind: content, **extra})
    return message


def media_content(sim: Simulator, media: Media, **more: Any) -> dict[str, Any]:
    """What stands under `image`, `video` and so on of a webhook."""
    return {
        "mime_type": media.mime_type,
        "sha256": base64.b64encode(bytes.fromhex(media.sha256)).decode(),
        "id": media.id,
        "url": cdn.whatsapp_url(sim, media),
        **more,
    }


def react(sim: Simulator, phone: PhoneNumber, contact: Contact, message: Message, emoji: str) -> None:
    """Have somebody react to a message; an empty emoji takes the reaction back."""
    if emoji:
        message.reactions[Direction.INBOUND] = emoji
    else:
        message.reactions.pop(Direction.INBOUND, None)
    _event(sim, phone, contact, "reaction", {"message_id": message.id, "emoji": emoji})
    _heard(sim, phone, contact)


def edit(sim: Simulator, phone: PhoneNumber, contact: Contact, message: Message, text: str) -> None:
    """Have somebody edit their text, within 15 minutes.

    Raises: Refusal, if it is too late, or no text of theirs.
    """
    if message.type != "text" or message.direction is not Direction.INBOUND:
        raise Refusal(100, "Only somebody's own text can be edited.")
    if sim.world.clock.now() - message.sent_at > EDIT_SECONDS:
        raise Refusal(100, "A message can be edited for 15 minutes.")
    message.content = {"text": {"body": text}}
    message.edits += 1
    changed = {"original_message_id": message.id, "message": {"type": "text", "text": {"body": text}}}
    _event(sim, phone, contact, "edit", changed)
    sim.threads.changed_message(message)


def take_back(sim: Simulator, phone: PhoneNumber, contact: Contact, message: Message) -> None:
    """Have somebody take a message back."""
    message.deleted = True
    _event(sim, phone, contact, "revoke", {"original_message_id": message.id})
    sim.threads.changed_message(message)


def read(sim: Simulator, phone: PhoneNumber, contact: Contact) -> None:
    """Have somebody open the chat."""
    statuses.read_all(sim, phone.id, contact.id)


def play(sim: Simulator, message: Message) -> None:
    """Have somebody listen to a voice note that they were sent."""
    statuses.tell(sim, message, "played")


def come_online(sim: Simulator, contact: Contact) -> None:
    """Have a phone go on again: what was sent meanwhile arrives."""
    contact.reachability = Reachability.ONLINE
    for message in list(sim.world.records.messages.values()):
        waiting = message.contact_id == contact.id and message.status == "sent" and message.type != "reaction"
        if (
            waiting
            and message.account_id in sim.world.records.phone_numbers
            and message.account_id not in contact.blocks
        ):
            statuses.plan_arrival(sim, message, contact)


def want_marketing(sim: Simulator, phone: PhoneNumber, contact: Contact, *, wanted: bool) -> None:
    """Have somebody stop or resume a business's marketing (reference 2.4, user_preferences)."""
    contact.no_marketing = [one for one in contact.no_marketing if one != phone.id] + ([] if wanted else [phone.id])
    preference = {
        **_person(sim, phone, contact),
        "detail": f"User requested to {'resume' if wanted else 'stop'} marketing messages",
        "category": "marketing_messages",
        "value": "resume" if wanted else "stop",
        "timestamp": sim.world.clock.seconds(),
    }
    _put(sim, phone, contact, {"user_preferences": [preference]}, field="user_preferences")


def change_number(sim: Simulator, phone: PhoneNumber, contact: Contact, digits: str) -> None:
    """Have somebody change their number: a system message tells the new one; the business-scoped id is new, too."""
    previous = contact.wa_id
    business = sim.world.business_of_phone(phone)
    sim.world.change_scoped_id(contact, business.id)
    sim.world.change_phone(contact, digits)
    system = {
        "body": f"User {contact.name} changed from {previous} to {digits}",
        "wa_id": digits,
        "user_id": sim.world.scoped_id(contact, business.id),
        "type": "user_changed_number",
    }
    item = {"from": previous, "id": sim.world.ids.wamid(previous), "type": "system", "system": system}
    value = {"messages": [{**item, "timestamp": str(sim.world.clock.seconds())}]}
    _put(sim, phone, contact, value, with_contact=False)


def write_in_app(sim: Simulator, phone: PhoneNumber, contact: Contact, kind: str, content: Any) -> Message:
    """Have the business write in its phone's app: the app is told by an echo (reference 2.3).

    Raises: Refusal, if the number is not used in the app.
    """
    if not phone.on_business_app:
        raise Refusal(100, "Only a number that is used in the WhatsApp Business app, too, has echoes.")
    message = Message(
        id=sim.world.ids.wamid(contact.wa_id),
        account_id=phone.id,
        contact_id=contact.id,
        direction=Direction.OUTBOUND,
        type=kind,
        content={kind: content},
        sent_at=sim.world.clock.now(),
        status="sent",
    )
    sim.threads.add(message)
    echo = {
        "from": phone.digits,
        "to": contact.wa_id,
        "to_user_id": sim.world.scoped_id(contact, sim.world.business_of_phone(phone).id),
        "id": message.id,
        "timestamp": str(int(message.sent_at)),
        "type": kind,
        kind: content,
    }
    _put(sim, phone, contact, {"message_echoes": [echo]}, field="smb_message_echoes")
    return message


def _heard(sim: Simulator, phone: PhoneNumber, contact: Contact) -> None:
    """A reaction opens the window as a message does."""
    thread = sim.threads.of(phone.id, contact.id)
    thread.last_inbound_at = sim.world.clock.now()
    sim.threads.changed(thread)


def _event(sim: Simulator, phone: PhoneNumber, contact: Contact, kind: str, content: Any) -> None:
    """Tell something that is no line of the conversation, but comes as a message."""
    item = {"id": sim.world.ids.wamid(contact.wa_id), "timestamp": str(sim.world.clock.seconds()), "type": kind}
    _put(sim, phone, contact, {"messages": [{**sender(sim, phone, contact), **item, kind: content}]})


def _put_message(
    sim: Simulator, phone: PhoneNumber, contact: Contact, message: Message, content: Mapping[str, Any]
) -> None:
    item = {"id": message.id, "timestamp": str(int(message.sent_at)), "type": message.type}
    _put(sim, phone, contact, {"messages": [{**sender(sim, phone, contact), **item, **content}]})


def _put(
    sim: Simulator,
    phone: PhoneNumber,
    contact: Contact,
    value: Mapping[str, Any],
    *,
    field: str = "messages",
    with_contact: bool = True,
) -> None:
    told: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": phone.digits, "phone_number_id": phone.id},
    }
    if with_contact:
        told["contacts"] = [statuses.contact_of_webhook(sim, phone, contact)]
    sim.outbox.put(
        Notice(
            object=WHATSAPP,
            entry_id=phone.waba_id,
            field=field,
            content={**told, **value},
            lane=f"{phone.id} {contact.id}",
            phone_number_id=phone.id,
        )
    )


def sender(sim: Simulator, phone: PhoneNumber, contact: Contact) -> dict[str, str]:
    """Who wrote: by number and id; a hidden number is absent, empty, or replaced by the id, as was seen (2.6)."""
    user_id = sim.world.scoped_id(contact, sim.world.business_of_phone(phone).id)
    if not contact.phone_hidden:
        return {"from": contact.wa_id, "from_user_id": user_id}
    shown = {"absent": {}, "empty": {"from": ""}, "scoped": {"from": user_id}}[sim.behaviour.hidden_phone]
    return {**shown, "from_user_id": user_id}


def _person(sim: Simulator, phone: PhoneNumber, contact: Contact) -> dict[str, str]:
    user_id = sim.world.scoped_id(contact, sim.world.business_of_phone(phone).id)
    return {"user_id": user_id} if contact.phone_hidden else {"wa_id": contact.wa_id, "user_id": user_id}


def _author(sim: Simulator, phone: PhoneNumber, contact: Contact, message_id: str) -> str:
    message = sim.threads.message(phone.id, message_id)
    return contact.wa_id if message is not None and message.direction is Direction.INBOUND else phone.digits
