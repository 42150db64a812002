"""What a number that is used in the WhatsApp Business app, too, hands over. Source: reference 2.3."""

from typing import Any

from hookline.simulator.acts.whatsapp import media_content
from hookline.simulator.control.acting import Given, Unfit
from hookline.simulator.errors import status_error
from hookline.simulator.files import keep
from hookline.simulator.media_samples import sample
from hookline.simulator.records import Contact, PhoneNumber
from hookline.simulator.subscriptions import WHATSAPP, Notice

_DECLINED = 2593109
_DAY = 24 * 3600


def history(given: Given) -> dict[str, Any]:
    """Past conversations, in `chunks` webhooks of `messages` a person each; the last one says 100 % (2.3).

    Every fifth message is a file, which comes as a placeholder; `history_media` brings it later.
    """
    phone, chunks = _phone(given), given.count("chunks", 1)
    count = given.count("messages", 4)
    ids: list[str] = []
    for order in range(1, chunks + 1):
        threads = [_thread(given, phone, contact, count, ids) for contact in _people(given)]
        metadata = {"phase": min(order - 1, 2), "chunk_order": order, "progress": round(order * 100 / chunks)}
        _tell(given, phone, "history", {"history": [{"metadata": metadata, "threads": threads}]})
    return {"messageIds": ids}


def _thread(given: Given, phone: PhoneNumber, contact: Contact, count: int, ids: list[str]) -> dict[str, Any]:
    began = given.sim.world.clock.seconds() - 7 * _DAY
    messages = []
    for number in range(count):
        ours = number % 2 == 1
        sides = {"from": phone.digits, "to": contact.wa_id} if ours else {"from": contact.wa_id, "to": phone.digits}
        ids.append(given.sim.world.ids.wamid(contact.wa_id))
        placeholder = number % 5 == 4
        content: dict[str, Any] = {"type": "text", "text": {"body": f"Past message {number + 1}"}}
        messages.append(
            {
                **sides,
                "id": ids[-1],
                "timestamp": str(began + number * 60),
                **({"type": "media_placeholder"} if placeholder else content),
                "history_context": {"status": "READ" if ours else "DELIVERED"},
            }
        )
    return {"id": contact.wa_id, "messages": messages}


def history_declined(given: Given) -> None:
    """The business does not share its history."""
    _tell(given, _phone(given), "history", {"history": [{"errors": [status_error(_DECLINED)]}]})


def history_media(given: Given) -> None:
    """The file behind a placeholder: `messageId`, and whose conversation it is, `contact`."""
    phone = _phone(given)
    contact = given.sim.world.records.contacts.get(given.text("contact", "")) or _people(given)[0]
    content, mime_type, filename = sample("image")
    days = given.sim.conduct.upload_days
    media = keep(given.sim.world, given.sim.files, phone.id, content, mime_type, filename=filename, days=days)
    message = {
        "from": contact.wa_id,
        "id": given.text("messageId"),
        "timestamp": str(given.sim.world.clock.seconds() - _DAY),
        "type": "image",
        "image": media_content(given.sim, media),
    }
    _tell(given, phone, "history", {"messages": [message]})


def contacts_sync(given: Given) -> None:
    """The app's contacts: `action` add (an edit is one, too) or remove, which has no names."""
    phone, action = _phone(given), given.choice("action", ("add", "remove"))
    now = str(given.sim.world.clock.seconds())
    items = []
    for contact in _people(given):
        names = {"full_name": contact.name, "first_name": contact.first_name} if action == "add" else {}
        card = {**names, "phone_number": contact.wa_id}
        items.append({"type": "contact", "contact": card, "action": action, "metadata": {"timestamp": now}})
    _tell(given, phone, "smb_app_state_sync", {"state_sync": items})


def _phone(given: Given) -> PhoneNumber:
    phones = given.sim.world.records.phone_numbers.values()
    named = given.text("account", "")
    for phone in phones:
        if phone.id == named or (not named and phone.on_business_app):
            return phone
    raise Unfit("account: no number that is used in the WhatsApp Business app")


def _people(given: Given) -> list[Contact]:
    contacts = given.sim.world.records.contacts
    named = given.given.get("contacts")
    if isinstance(named, list):
        return [contacts[one] for one in named if one in contacts]
    return [contact for contact in contacts.values() if contact.wa_id and not contact.phone_hidden]


def _tell(given: Given, phone: PhoneNumber, field: str, content: dict[str, Any]) -> None:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": phone.digits, "phone_number_id": phone.id},
        **content,
    }
    given.sim.outbox.put(
        Notice(
            object=WHATSAPP,
            entry_id=phone.waba_id,
            field=field,
            content=value,
            lane=f"{phone.id} sync",
            time=given.sim.world.clock.seconds(),
            phone_number_id=phone.id,
        )
    )
