"""How a WhatsApp message looks: free-form, interactive, and templates with their parameters filled in."""

from collections.abc import Callable, Mapping
from typing import Any

from hookline.simulator.chat.links import Files
from hookline.simulator.chat.parts import Part, Tap, taps, text
from hookline.simulator.records import Message
from hookline.simulator.simulator import Simulator
from hookline.simulator.whatsapp.template import fill
from hookline.simulator.whatsapp.templates import find_template

Json = Mapping[str, Any]
_FILES = ("image", "video", "audio", "sticker", "document")


def parts_of(sim: Simulator, files: Files, message: Message) -> list[Part]:
    """The parts of a message of either side."""
    content = message.content.get(message.type)
    if message.type == "contacts" and isinstance(content, list):
        return [_person(card) for card in content]
    if not isinstance(content, dict):
        return [Part(kind="note", text=message.type.replace("_", " "))]
    if message.type in _FILES:
        return _file(files, message.type, content)
    if message.type == "template":
        return _template(sim, files, message, content)
    if message.type == "interactive":
        return _interactive(files, message.id, content)
    return _PLAIN.get(message.type, _unknown)(content)


def _file(files: Files, kind: str, content: Json) -> list[Part]:
    url = files.of(content.get("id"), content.get("link"))
    name = str(content.get("filename") or content.get("caption") or kind)
    return [Part(kind="file" if kind == "document" else kind, url=url, text=name), *text(content.get("caption"))]


def _place(content: Json) -> list[Part]:
    where = f"{content.get('latitude')}, {content.get('longitude')}"
    lines = [str(line) for line in (content.get("address"), where) if line]
    return [Part(kind="place", text=str(content.get("name") or "Location"), lines=lines)]


def _person(card: Json) -> Part:
    phones = [str(phone.get("phone", "")) for phone in card.get("phones", ())]
    emails = [str(email.get("email", "")) for email in card.get("emails", ())]
    return Part(kind="person", text=str(card.get("name", {}).get("formatted_name", "")), lines=phones + emails)


def _order(content: Json) -> list[Part]:
    items = [f"{item.get('quantity')} × {item.get('product_retailer_id')}" for item in content.get("product_items", ())]
    return [Part(kind="note", text="Order", lines=items), *text(content.get("text"))]


def _unknown(content: Json) -> list[Part]:
    return [Part(kind="note", text="Something that this page does not show")]


_PLAIN: Mapping[str, Callable[[Json], list[Part]]] = {
    "text": lambda content: text(content.get("body")),
    "location": _place,
    "button": lambda content: text(content.get("text")),
    "order": _order,
}


# -- interactive


def _interactive(files: Files, message_id: str, content: Json) -> list[Part]:
    kind = str(content.get("type", "")).lower()
    for reply in ("button_reply", "list_reply"):
        if reply in content:
            return [*text(content[reply].get("title")), *text(content[reply].get("description"), "small")]
    if "nfm_reply" in content:
        return [Part(kind="note", text="Form sent", lines=[str(content["nfm_reply"].get("response_json", ""))])]
    action = content.get("action") or {}
    return [
        *_header(files, content.get("header")),
        *text((content.get("body") or {}).get("text")),
        *text((content.get("footer") or {}).get("text"), "small"),
        *_ACTIONS.get(kind, _no_action)(files, message_id, action),
    ]


def _header(files: Files, header: Json | None) -> list[Part]:
    if header is None:
        return []
    kind = str(header.get("type", "")).lower()
    if kind in _FILES:
        return _file(files, kind, header[kind])
    return text(header.get("text"), "heading")


def _buttons(_files: Files, message_id: str, action: Json) -> list[Part]:
    replies = [button.get("reply") or button["quick_reply"] for button in action.get("buttons", ())]
    return taps(*(_tap("button_reply", message_id, reply["title"], id=reply["id"]) for reply in replies))


def _list(_files: Files, message_id: str, action: Json) -> list[Part]:
    sections = [
        (str(section.get("title", "")), [_row(message_id, row) for row in section.get("rows", ())])
        for section in action.get("sections", ())
    ]
    return [Part(kind="menu", text=str(action.get("button", "")), sections=sections)]


def _row(message_id: str, row: Json) -> Tap:
    described = {"description": row["description"]} if row.get("description") else {}
    tap = _tap("list_reply", message_id, row["title"], id=row["id"], **described)
    return Tap(label=tap.label, act=tap.act, hint=str(row.get("description", "")))


def _link(_files: Files, _message_id: str, action: Json) -> list[Part]:
    parameters = action.get("parameters") or {}
    return taps(Tap(label=str(parameters.get("display_text", "")), url=str(parameters.get("url", ""))))


def _flow(_files: Files, message_id: str, action: Json) -> list[Part]:
    label = str((action.get("parameters") or {}).get("flow_cta", "Open"))
    return taps(Tap(label=label, act={"do": "flow_reply", "messageId": message_id}))


def _address(_files: Files, message_id: str, _action: Json) -> list[Part]:
    act = {"do": "flow_reply", "name": "address_message", "messageId": message_id}
    return taps(Tap(label="Provide address", act=act))


def _ask_location(_files: Files, message_id: str, _action: Json) -> list[Part]:
    return taps(Tap(label="Send location", act={"do": "location", "replyTo": message_id}))


def _products(_files: Files, _message_id: str, action: Json) -> list[Part]:
    items = [item for section in action.get("sections", ()) for item in section.get("product_items", ())]
    names = [str(item.get("product_retailer_id")) for item in items] or [str(action.get("product_retailer_id", ""))]
    order = [{"product_retailer_id": name, "quantity": 1, "item_price": 10, "currency": "EUR"} for name in names]
    act = {"do": "order", "catalogId": str(action.get("catalog_id", "")), "items": order}
    return [Part(kind="note", text="Products", lines=names), *taps(Tap(label="Order", act=act))]


def _carousel(files: Files, message_id: str, action: Json) -> list[Part]:
    cards = [_card(files, message_id, card) for card in action.get("cards", ())]
    return [Part(kind="cards", cards=cards)]


def _card(files: Files, message_id: str, card: Json) -> list[Part]:
    inner = card.get("action") or {}
    draw = _buttons if "buttons" in inner else _products if card.get("type") == "product" else _link
    body = text((card.get("body") or {}).get("text"))
    return [*_header(files, card.get("header")), *body, *draw(files, message_id, inner)]


def _no_action(_files: Files, _message_id: str, action: Json) -> list[Part]:
    return taps(Tap(label=str(action.get("name", "Open")).replace("_", " ").capitalize(), url=""))


def _tap(do: str, message_id: str, title: str, **more: Any) -> Tap:
    return Tap(label=title, act={"do": do, "messageId": message_id, "title": title, **more})


_ACTIONS: Mapping[str, Callable[[Files, str, Json], list[Part]]] = {
    "button": _buttons,
    "list": _list,
    "cta_url": _link,
    "flow": _flow,
    "address_message": _address,
    "location_request_message": _ask_location,
    "product": _products,
    "product_list": _products,
    "carousel": _carousel,
}


# -- templates


def _template(sim: Simulator, files: Files, message: Message, content: Json) -> list[Part]:
    phone = sim.world.records.phone_numbers[message.account_id]
    stored = find_template(sim.world, phone.waba_id, content["name"], content["language"]["code"])
    if stored is None:
        return [Part(kind="note", text=f"Template {content['name']}", lines=["It has been deleted since."])]
    sent = content.get("components") or ()
    return _filled(files, message.id, stored.components, sent)


def _filled(files: Files, message_id: str, stored: list[dict[str, Any]], sent: Any) -> list[Part]:
    """The parts of a template, or of one of its cards, with the parameters of a send."""
    given = {(str(part["type"]).lower(), int(part.get("index", 0))): part for part in sent}
    parts: list[Part] = []
    for part in stored:
        kind = str(part["type"]).lower()
        parameters = given.get((kind, 0), {}).get("parameters") or ()
        if kind == "header":
            parts += _template_header(files, part, parameters)
        elif kind == "body":
            parts += text(fill(str(part.get("text", "{{1}} is your code.")), parameters))
        elif kind == "footer":
            parts += text(part.get("text"), "small")
        elif kind == "buttons":
            parts += taps(*(_template_tap(message_id, at, one, given) for at, one in enumerate(part["buttons"])))
        elif kind == "carousel":
            cards = zip(part.get("cards", ()), given.get(("carousel", 0), {}).get("cards") or (), strict=False)
            drawn = [
                _filled(files, message_id, card.get("components", []), filling.get("components") or ())
                for card, filling in cards
            ]
            parts.append(Part(kind="cards", cards=drawn))
    return parts


def _template_header(files: Files, part: Json, parameters: Any) -> list[Part]:
    form = str(part.get("format", "TEXT")).lower()
    if form in _FILES and parameters:
        return _file(files, form, parameters[0].get(form, {}))
    if form == "location" and parameters:
        return _place(parameters[0].get("location", {}))
    return text(fill(str(part.get("text", "")), parameters), "heading")


def _template_tap(message_id: str, index: int, button: Json, given: Mapping[tuple[str, int], Json]) -> Tap:
    parameters = given.get(("button", index), {}).get("parameters") or ()
    value = next((str(one.get(one.get("type", "text"), "")) for one in parameters), "")
    label = str(button.get("text", "Open"))
    match str(button.get("type", "")).upper():
        case "URL":
            return Tap(label=label, url=fill(str(button.get("url", "")), parameters))
        case "PHONE_NUMBER":
            return Tap(label=label, hint=str(button.get("phone_number", "")))
        case "COPY_CODE" | "OTP":
            return Tap(label=str(button.get("text", "Copy code")), hint=value)
        case "FLOW":
            return Tap(label=label, act={"do": "flow_reply", "messageId": message_id})
        case _:
            payload = value or label
            act = {"do": "template_button", "messageId": message_id, "text": label, "payload": payload}
            return Tap(label=label, act=act)
