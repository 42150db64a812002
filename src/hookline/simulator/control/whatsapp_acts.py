"""What somebody can write on WhatsApp, by the names that control takes. Source: protocol reference 2.1, 2.6."""

from typing import Any

from hookline.simulator.acts import whatsapp
from hookline.simulator.control.acting import Act, Acting
from hookline.simulator.errors import status_error
from hookline.simulator.records import Message, PhoneNumber
from hookline.simulator.subscriptions import WHATSAPP, Notice
from hookline.simulator.whatsapp import statuses

_UNSUPPORTED = 131051


def say(acting: Acting, kind: str, content: Any, reply_to: str = "", **more: Any) -> Message:
    """Write something; what it answers, how it was forwarded and which ad it came by are particulars of any act."""
    if acting.given.get("replyTo") is not None:
        reply_to = acting.message("replyTo").id
    if "referral" in acting.given:
        more["referral"] = _REFERRAL | acting.object("referral")
    phone = acting.account.as_(PhoneNumber)
    return whatsapp.write(
        acting.sim,
        phone,
        acting.contact,
        kind,
        content,
        reply_to=reply_to,
        context=_context(acting, reply_to),
        more=more,
    )


def value_notice(acting: Acting, field: str, *, with_contact: bool = True, **content: Any) -> Notice:
    """A notice of this number, with a value of the outline that `messages` has."""
    phone = acting.account.as_(PhoneNumber)
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": phone.digits, "phone_number_id": phone.id},
    }
    if with_contact:
        value["contacts"] = [statuses.contact_of_webhook(acting.sim, phone, acting.contact)]
    return Notice(
        object=WHATSAPP,
        entry_id=phone.waba_id,
        field=field,
        content={**value, **content},
        lane=f"{phone.id} {acting.contact.id}",
        phone_number_id=phone.id,
    )


def tell(acting: Acting, item: dict[str, Any], *, with_contact: bool = True) -> dict[str, Any]:
    """Tell one `messages[]` item that is no line of the conversation."""
    message_id = acting.sim.world.ids.wamid(acting.contact.wa_id)
    told = {"id": message_id, "timestamp": str(acting.sim.world.clock.seconds()), **item}
    acting.sim.outbox.put(value_notice(acting, "messages", with_contact=with_contact, messages=[told]))
    return {"messageId": message_id}


def sender(acting: Acting) -> dict[str, str]:
    """Who writes, as a webhook names them."""
    return whatsapp.sender(acting.sim, acting.account.as_(PhoneNumber), acting.contact)


def _context(acting: Acting, reply_to: str) -> dict[str, Any] | None:
    """The context of what was forwarded, or is about a product; that of an answer is made where it is written."""
    if reply_to:
        return None
    context: dict[str, Any] = {}
    if acting.flag("forwarded"):
        context = {"forwarded": True}
    elif acting.flag("frequentlyForwarded"):
        context = {"frequently_forwarded": True}
    if "product" in acting.given:
        context["referred_product"] = acting.object("product")
    return context or None


_REFERRAL = {
    "source_url": "https://fb.me/simulated",
    "source_id": "120200000000001",
    "source_type": "ad",
    "headline": "Phones for less",
    "body": "Write to us",
    "media_type": "image",
    "image_url": "https://example.com/ad.jpg",
    "ctwa_clid": "ARsimulated",
}


def _text(acting: Acting) -> Message:
    return say(acting, "text", {"body": acting.text("text")})


def _file(kind: str) -> Act:
    def act(acting: Acting) -> Message:
        voice = kind == "audio" and acting.flag("voice")
        media = acting.media("voice" if voice else kind)
        more: dict[str, Any] = {}
        if kind == "audio":
            more["voice"] = voice
        elif kind == "sticker":
            more["animated"] = acting.flag("animated")
        elif acting.given.get("caption") is not None:
            more["caption"] = acting.text("caption")
        if kind == "document":
            more["filename"] = media.filename
        return say(acting, kind, whatsapp.media_content(acting.sim, media, **more))

    return act


def _location(acting: Acting) -> Message:
    place: dict[str, Any] = {
        "latitude": acting.number("latitude", 48.1371),
        "longitude": acting.number("longitude", 11.5754),
    }
    place |= {name: acting.text(name) for name in ("name", "address", "url") if name in acting.given}
    return say(acting, "location", place)


def _contacts(acting: Acting) -> Message:
    cards = acting.given.get("contacts") or [
        {
            "name": {"formatted_name": "Bob Baker", "first_name": "Bob"},
            "phones": [{"phone": "+1 555-000-3001", "wa_id": "15550003001", "type": "CELL"}],
        }
    ]
    return say(acting, "contacts", cards)


def _reaction(acting: Acting) -> dict[str, Any] | None:
    """An emoji; none (or "") takes it back: as "", or, with `absent`, without the key (2.1)."""
    target = acting.message()
    emoji = acting.text("emoji", "")
    if not emoji and acting.flag("absent"):
        target.reactions.clear()
        reaction = {"type": "reaction", "reaction": {"message_id": target.id}}
        return tell(acting, {**sender(acting), **reaction})
    whatsapp.react(acting.sim, acting.account.as_(PhoneNumber), acting.contact, target, emoji)
    return None


def _button_reply(acting: Acting) -> Message:
    reply = {"id": acting.text("id"), "title": acting.text("title")}
    return _answer(acting, "interactive", {"type": "button_reply", "button_reply": reply})


def _list_reply(acting: Acting) -> Message:
    reply = {"id": acting.text("id"), "title": acting.text("title")}
    if "description" in acting.given:
        reply["description"] = acting.text("description")
    return _answer(acting, "interactive", {"type": "list_reply", "list_reply": reply})


def _flow_reply(acting: Acting) -> Message:
    reply = {
        "name": acting.text("name", "flow"),
        "body": "Sent",
        "response_json": acting.text("responseJson", '{"flow_token":"token","answer":"yes"}'),
    }
    return _answer(acting, "interactive", {"type": "nfm_reply", "nfm_reply": reply})


def _template_button(acting: Acting) -> Message:
    return _answer(acting, "button", {"payload": acting.text("payload"), "text": acting.text("text")})


def _answer(acting: Acting, kind: str, content: Any) -> Message:
    """Answer the interactive message that `messageId` names; the newest, if it names none."""
    return say(acting, kind, content, acting.message().id)


def _order(acting: Acting) -> Message:
    items = acting.given.get("items") or [
        {"product_retailer_id": "phone-1", "quantity": 1, "item_price": 499, "currency": "EUR"}
    ]
    order = {"catalog_id": acting.text("catalogId", "80100000000001"), "text": acting.text("text", "")}
    return say(acting, "order", {**order, "product_items": items})


def _unsupported(acting: Acting) -> Message:
    errors = [status_error(_UNSUPPORTED, "Message type is not currently supported")]
    return say(acting, "unsupported", {"type": acting.text("kind", "poll")}, errors=errors)


def _welcome(acting: Acting) -> dict[str, Any]:
    """The chat is opened without a word."""
    return tell(acting, {**sender(acting), "type": "request_welcome"})


def _edit(acting: Acting) -> None:
    phone = acting.account.as_(PhoneNumber)
    whatsapp.edit(acting.sim, phone, acting.contact, acting.own_message("text"), acting.text("text"))


def _unsend(acting: Acting) -> None:
    whatsapp.take_back(acting.sim, acting.account.as_(PhoneNumber), acting.contact, acting.own_message())


def _inbox(acting: Acting) -> Message:
    """The business writes in its phone's app (2.3)."""
    content = {"body": acting.text("text")}
    return whatsapp.write_in_app(acting.sim, acting.account.as_(PhoneNumber), acting.contact, "text", content)


def _raw(acting: Acting) -> dict[str, Any]:
    """An item as it is given: types that nobody knows yet."""
    return tell(acting, {**sender(acting), **acting.object("message")})


ACTS: dict[str, Act] = {
    "text": _text,
    **{kind: _file(kind) for kind in ("image", "video", "audio", "document", "sticker")},
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "button_reply": _button_reply,
    "list_reply": _list_reply,
    "flow_reply": _flow_reply,
    "template_button": _template_button,
    "order": _order,
    "unsupported": _unsupported,
    "welcome": _welcome,
    "edit": _edit,
    "unsend": _unsend,
    "inbox": _inbox,
    "raw": _raw,
}
