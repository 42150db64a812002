"""How a message of Messenger or Instagram looks: texts, attachments, cards, and what can be tapped."""

from collections.abc import Mapping
from typing import Any

from hookline.simulator.chat.links import Files
from hookline.simulator.chat.parts import Part, Tap, taps, text
from hookline.simulator.records import Message

Json = Mapping[str, Any]
_FILES = ("image", "video", "audio", "file", "sticker")


def parts_of(files: Files, message: Message) -> list[Part]:
    """The parts of a message of either side."""
    content = message.content
    if message.type == "postback":
        return text(content.get("title"))
    found = text(content.get("text"))
    attachments = content.get("attachments") or ([content["attachment"]] if "attachment" in content else [])
    for attachment in attachments:
        found += _attachment(files, attachment)
    if "sticker_id" in content and not attachments:
        found.append(Part(kind="note", text="Sticker"))
    return found or [Part(kind="note", text=message.type.replace("_", " "))]


def quick_replies(message: Message) -> list[Tap]:
    """What can be tapped below the newest message."""
    return [
        Tap(label=str(reply["title"]), act={"do": "text", "text": reply["title"], "payload": reply["payload"]})
        for reply in message.content.get("quick_replies", ())
        if reply.get("title") and reply.get("payload")
    ]


def _attachment(files: Files, attachment: Json) -> list[Part]:
    kind = str(attachment.get("type", "")).lower()
    payload = attachment.get("payload") or {}
    if kind == "like_heart":
        return [Part(kind="text", text="❤️")]
    if kind == "template":
        return _template(files, payload)
    url = files.of(payload.get("attachment_id"), payload.get("url"))
    if kind in _FILES:
        return [Part(kind=kind, url=url, text=kind)]
    if kind == "location":
        where = payload.get("coordinates") or {}
        line = f"{where.get('lat')}, {where.get('long')}"
        return [Part(kind="place", text=str(attachment.get("title", "Location")), lines=[line])]
    if kind in ("fallback", "share"):
        lines = [str(payload.get("url") or attachment.get("url") or "")]
        return [Part(kind="note", text=str(payload.get("title") or attachment.get("title") or "Link"), lines=lines)]
    shown = [Part(kind="image", url=url, text=kind)] if url else []
    return [Part(kind="small", text=kind.replace("_", " ")), *shown]


def _template(files: Files, payload: Json) -> list[Part]:
    kind = str(payload.get("template_type", "")).lower()
    if kind == "button":
        return [*text(payload.get("text")), *_buttons(payload)]
    if kind in ("generic", "media"):
        return [Part(kind="cards", cards=[_element(files, element) for element in payload.get("elements", ())])]
    lines = [str(payload[key]) for key in ("title", "order_number", "recipient_name") if key in payload]
    return [Part(kind="note", text=kind.replace("_", " ").capitalize(), lines=lines)]


def _element(files: Files, element: Json) -> list[Part]:
    picture = files.of(element.get("attachment_id"), element.get("image_url") or element.get("url"))
    return [
        *([Part(kind="image", url=picture, text=str(element.get("title", "")))] if picture else []),
        *text(element.get("title"), "heading"),
        *text(element.get("subtitle"), "small"),
        *_buttons(element),
    ]


def _buttons(holder: Json) -> list[Part]:
    return taps(*(_button(button) for button in holder.get("buttons", ())))


def _button(button: Json) -> Tap:
    label = str(button.get("title") or str(button.get("type", "")).replace("_", " ").capitalize())
    match str(button.get("type", "")).lower():
        case "web_url" | "account_link":
            return Tap(label=label, url=str(button.get("url", "")))
        case "postback":
            return Tap(label=label, act={"do": "postback", "title": label, "payload": button.get("payload", "")})
        case _:
            return Tap(label=label, hint=str(button.get("payload", "")))
