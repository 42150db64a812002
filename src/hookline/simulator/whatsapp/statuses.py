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
    _put(sim, message, _status(sim, message, status), with_contact=True)


def tell_failed(sim: Simulator, message: Message, code: int, details: str = "") -> None:
    """Tell that a message was not delivered, and why."""
    message.status, message.error_code = "failed", code
    status = _status(sim, message, "failed")
    status["errors"] = [status_error(code, details or DETAILS.get(code, ""))]
    _put(sim, message, status, with_contact=False)


def read_all(sim: Simulator, account_id: str, contact_id: str) -> None:
    """Tell `read` of everything that arrived, as somebody does who opens the chat."""
    thread = sim.threads.of(account_id, contact_id)
    for message in sim.threads.messages(thread):
        if message.direction is Direction.OUTBOUND and message.status in ("sent", "delivered"):
            tell(sim, message, "read")


def _put(sim: Simulator, message: Message, status: dict[str, Any], *, with_contact: bool) -> None:
    phone, contact = _sides(sim, message)
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": phone.digits, "phone_number_id": phone.id},
    }
    if with_contact:
        value["contacts"] = [contact_of_webhook(sim, phone, contact)]
    value["statuses"] = [status]
    sim.outbox.put(
        Notice(
            object=WHATSAPP,
            entry_id=phone.waba_id,
            field="messages",
            content=value,
            lane=f"{phone.id} {contact.id}",
            phone_number_id=phone.id,
        )
    )
    sim.threads.changed_message(message)


def _status(sim: Simulator, message: Message, status: str) -> dict[str, Any]:
    phone, contact = _sides(sim, message)
    found: dict[str, Any] = {"id": message.id, "status": status, "timestamp": str(sim.world.clock.seconds())}
    if not contact.phone_hidden:
        found["recipient_id"] = contact.wa_id
    found["recipient_user_id"] = sim.world.scoped_id(contact, sim.world.business_of_phone(phone).id)
    if message.callback_data:
        found["biz_opaque_callback_data"] = message.callback_data
    if status in ("sent", "delivered"):
        found |= _price(sim, message)
    return found


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
    profile = {"name": contact.name}
    if contact.username and contact.phone_hidden:
        profile["username"] = f"@{contact.username}"
    found: dict[str, Any] = {"profile": profile}
    found["user_id"] = sim.world.scoped_id(contact, sim.world.business_of_phone(phone).id)
    if not contact.phone_hidden:
        found["wa_id"] = contact.wa_id
    elif sim.behaviour.hidden_phone != "absent":
        found["wa_id"] = found["user_id"] if sim.behaviour.hidden_phone == "scoped" else ""
    return found


def _sides(sim: Simulator, message: Message) -> tuple[PhoneNumber, Contact]:
    records = sim.world.records
    return records.phone_numbers[message.account_id], records.contacts[message.contact_id]
