"""What changes about somebody on WhatsApp, and what they do besides writing. Source: protocol reference 2.1 to 2.6."""

from typing import Any

from hookline.simulator.acts import messaging, whatsapp
from hookline.simulator.control.acting import Act, Acting, Unfit
from hookline.simulator.control.whatsapp_acts import sender, tell, value_notice
from hookline.simulator.records import PhoneNumber, Reachability
from hookline.simulator.whatsapp import statuses


def _read(acting: Acting) -> None:
    whatsapp.read(acting.sim, acting.account.as_(PhoneNumber), acting.contact)


def _play(acting: Acting) -> None:
    """A voice message is listened to."""
    whatsapp.play(acting.sim, acting.message())


def _fail(acting: Acting) -> None:
    """A message that was accepted turns out not to be deliverable."""
    code = int(acting.number("code", 131026))
    statuses.tell_failed(acting.sim, acting.message(), code, acting.text("details", ""))


def _change_number(acting: Acting) -> dict[str, Any] | None:
    """A new number; `legacy` tells it as older versions did, by `new_wa_id` (2.1)."""
    number = acting.text("number")
    if not number.isdecimal() or acting.sim.world.contact_of_phone(number) is not None:
        raise Unfit("number: digits that nobody has yet")
    if not acting.flag("legacy"):
        whatsapp.change_number(acting.sim, acting.account.as_(PhoneNumber), acting.contact, number)
        return None
    body = f"{acting.contact.name} changed from {acting.contact.wa_id} to {number}"
    system = {"type": "user_changed_number", "body": body, "new_wa_id": number}
    told = tell(acting, {"from": acting.contact.wa_id, "type": "system", "system": system})
    acting.sim.world.change_phone(acting.contact, number)
    return told


def _change_user_id(acting: Acting) -> dict[str, Any]:
    """A new business-scoped id, told twice: as a system message, and by a field of its own (2.6)."""
    business = acting.sim.world.business_of_phone(acting.account.as_(PhoneNumber))
    named = sender(acting)
    previous, current = acting.sim.world.change_scoped_id(acting.contact, business.id)
    system = {"type": "user_changed_user_id", "body": f"User changed from {previous} to {current}", "user_id": current}
    told = tell(acting, {**named, "type": "system", "system": system}, with_contact=False)
    update = {"wa_id": acting.contact.wa_id, "user_id": {"previous": previous, "current": current}}
    acting.sim.outbox.put(value_notice(acting, "user_id_update", with_contact=False, user_id_update=[update]))
    return {**told, "previous": previous, "current": current}


def _change_identity(acting: Acting) -> dict[str, Any]:
    """A new device: the identity's hash is another."""
    now = str(acting.sim.world.clock.seconds())
    identity = {"acknowledged": True, "created_timestamp": now, "hash": acting.sim.world.ids.digits("identity", 12)}
    system = {"type": "customer_identity_changed", "body": "User identity changed"}
    return tell(acting, {**sender(acting), "type": "system", "system": system, "identity": identity})


def _stop_marketing(acting: Acting) -> None:
    whatsapp.want_marketing(acting.sim, acting.account.as_(PhoneNumber), acting.contact, wanted=False)


def _resume_marketing(acting: Acting) -> None:
    whatsapp.want_marketing(acting.sim, acting.account.as_(PhoneNumber), acting.contact, wanted=True)


def _call(acting: Acting) -> dict[str, Any]:
    """The person calls, and hangs up after `seconds`."""
    phone = acting.account.as_(PhoneNumber)
    began = acting.sim.world.clock.seconds()
    seconds = int(acting.number("seconds", 30))
    call_id = "wacid." + acting.sim.world.ids.mid("")
    sides = {"id": call_id, "from": acting.contact.wa_id, "to": phone.digits, "direction": "USER_INITIATED"}
    calls: list[dict[str, Any]] = [
        {**sides, "event": "connect", "timestamp": str(began)},
        {
            **sides,
            "event": "terminate",
            "timestamp": str(began + seconds),
            "status": "COMPLETED",
            "start_time": str(began),
            "end_time": str(began + seconds),
            "duration": seconds,
        },
    ]
    acting.sim.threads.of(phone.id, acting.contact.id).last_inbound_at = acting.sim.world.clock.now()
    acting.sim.outbox.put(*(value_notice(acting, "calls", calls=[call]) for call in calls))
    return {"callId": call_id}


def _block(acting: Acting) -> None:
    if acting.account.record_id not in acting.contact.blocks:
        acting.contact.blocks.append(acting.account.record_id)


def _unblock(acting: Acting) -> None:
    if acting.account.record_id in acting.contact.blocks:
        acting.contact.blocks.remove(acting.account.record_id)


def _go_offline(acting: Acting) -> None:
    acting.contact.reachability = Reachability.OFFLINE


def _come_online(acting: Acting) -> None:
    """What was only sent so far arrives, on every platform."""
    whatsapp.come_online(acting.sim, acting.contact)
    messaging.come_online(acting.sim, acting.contact)


# On every platform alike.
PRESENCE: dict[str, Act] = {
    "block": _block,
    "unblock": _unblock,
    "go_offline": _go_offline,
    "come_online": _come_online,
}

ACTS: dict[str, Act] = {
    **PRESENCE,
    "read": _read,
    "play": _play,
    "fail": _fail,
    "change_number": _change_number,
    "change_user_id": _change_user_id,
    "change_identity": _change_identity,
    "stop_marketing": _stop_marketing,
    "resume_marketing": _resume_marketing,
    "call": _call,
}
