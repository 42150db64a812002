"""What becomes of a WhatsApp message, and the webhooks that tell it. Source: protocol reference 2.2.

`sent` and `delivered` come by themselves, `read` when somebody reads; `failed` says why. A status never goes back.
"""

from typing import Any
from zlib import crc32

from hookline.simulator.conduct import Reads
from hookline.simulator.errors import status_error
from hookline.simulator.records import Contact, Direction, Message, PhoneNumber, Reachability
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import WHATSAPP, Notice

RANKS = {"": 0, "sent": 1, "delivered": 2, "read": 3, "played": 4}
# What the platform says beside some errors.
DETAILS: dict[int, str] = {
    131026: "Message Undeliverable.",
    131047: "Message failed to send because more than 24 hours have passed since the customer last replied to this "
    "number.",
    131050: "The person has stopped marketing messages from this business.",
    131053: "Media upload failed: the file could not be fetched, or is not of the type that it was sent as.",
}
# A message can only be a conversation's window long; the id is the same for one person and day.
_CONVERSATION_SECONDS = 24 * 3600


def plan(sim: Simulator, message: Message, contact: Contact, failure: int) -> None:
    """Have the statuses told that come by themselves, or the failure."""
    conduct = sim.conduct
    if not conduct.statuses:
        return
    if failure:
        sim.later.call(conduct.sent_seconds, tell_failed, sim, message, failure)
        return
    sim.later.call(conduct.sent_seconds, tell, sim, message, "sent")
    if message.type == "reaction":
        return  # a reaction is only ever sent
    if contact.reachability is Reachability.ONLINE and message.account_id not in contact.blocks:
        plan_arrival(sim, message, contact)


def plan_arrival(sim: Simulator, message: Message, contact: Contact) -> None:
    """Have it told that a message has arrived, and has been read if somebody is looking."""
    conduct = sim.conduct
    sim.later.call(conduct.delivered_seconds, tell, sim, message, "delivered")
    reading = conduct.reads is Reads.ALWAYS
    if conduct.reads is Reads.OPEN:
        reading = sim.threads.of(message.account_id, contact.id).open_pages > 0
    if reading:
        sim.later.call(conduct.read_seconds, tell, sim, message, "read")


def tell(sim: Simulator, message: Message, status: str) -> None:
    """Tell one status, unless the message is further already."""
    if message.status == "failed" or RANKS[status] <= RANKS.get(message.status, 0):
        return
    message.status = status
    phone, contact = _sides(sim, message)
    user_id = sim.world.scoped_id(contact, sim.world.business_of_phone(phone).id)
    told = _status(sim, message, contact, user_id)
    if status in ("sent", "delivered"):
        told |= _price(sim, message)
    _put(sim, message, phone, {"contacts": [_contact(contact, user_id)], "statuses": [told]})


def tell_failed(sim: Simulator, message: Message, code: int, details: str = "") -> None:
    """Tell that a message was not delivered, and why."""
    message.status, message.error_code = "failed", code
    phone, contact = _sides(sim, message)
    told = _status(sim, message, contact, sim.world.scoped_id(contact, sim.world.business_of_phone(phone).id))
    told["errors"] = [status_error(code, details or DETAILS.get(code, ""))]
    _put(sim, message, phone, {"statuses": [told]})


def read_all(sim: Simulator, account_id: str, contact_id: str) -> None:
    """Tell `read` of everything that arrived, as somebody does who opens the chat."""
    thread = sim.threads.of(account_id, contact_id)
    for message in sim.threads.messages(thread):
        if message.direction is Direction.OUTBOUND and message.status in ("sent", "delivered"):
            tell(sim, message, "read")


def _put(sim: Simulator, message: Message, phone: PhoneNumber, content: dict[str, Any]) -> None:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": phone.digits, "phone_number_id": phone.id},
        **content,
    }
    sim.outbox.put(
        Notice(
            object=WHATSAPP,
            entry_id=phone.waba_id,
            field="messages",
            content=value,
            lane=f"{phone.id} {message.contact_id}",
            phone_number_id=phone.id,
        )
    )
    sim.threads.changed_message(message)


def _status(sim: Simulator, message: Message, contact: Contact, user_id: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": message.id,
        "status": message.status,
        "timestamp": str(sim.world.clock.seconds()),
        "recipient_id": contact.wa_id,
        "recipient_user_id": user_id,
    }
    if contact.phone_hidden:
        del told["recipient_id"]
    if message.callback_data:
        told["biz_opaque_callback_data"] = message.callback_data
    return told


def _price(sim: Simulator, message: Message) -> dict[str, Any]:
    """The price, which comes with sent and one other status; and the conversation, as versions before v24 tell it."""
    category = message.category or "service"
    free = category == "service" or (
        category == "utility" and sim.threads.of(message.account_id, message.contact_id).window_open(message.sent_at)
    )
    price: dict[str, Any] = {
        "pricing": {
            "billable": not free,
            "pricing_model": "PMP",
            "category": category,
            "type": "free_customer_service" if free else "regular",
        }
    }
    if sim.conduct.conversations:
        day = int(message.sent_at) // _CONVERSATION_SECONDS
        price["conversation"] = {
            "id": f"{crc32(f'{message.account_id} {message.contact_id}'.encode()):08x}{day:08x}",
            "origin": {"type": category},
            "expiration_timestamp": str(int(message.sent_at) + _CONVERSATION_SECONDS),
        }
    return price


def contact_of_webhook(sim: Simulator, phone: PhoneNumber, contact: Contact) -> dict[str, Any]:
    """One of a webhook's `contacts[]`. Who hides their number is known by the business-scoped id alone (2.6)."""
    return _contact(contact, sim.world.scoped_id(contact, sim.world.business_of_phone(phone).id))


def _contact(contact: Contact, user_id: str) -> dict[str, Any]:
    if not contact.phone_hidden:
        return {"profile": {"name": contact.name}, "wa_id": contact.wa_id, "user_id": user_id}
    profile = {"name": contact.name}
    if contact.username:
        profile["username"] = f"@{contact.username}"
    return {"profile": profile, "user_id": user_id}


def _sides(sim: Simulator, message: Message) -> tuple[PhoneNumber, Contact]:
    records = sim.world.records
    return records.phone_numbers[message.account_id], records.contacts[message.contact_id]
