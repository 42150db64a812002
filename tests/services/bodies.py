"""Webhook bodies for tests: the platforms' envelopes around the little that a test is about."""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
ANN = "491701234567"

_numbers = itertools.count(1)


def at(seconds: float) -> datetime:
    """A moment so many seconds after noon, by the platform's clock."""
    return NOON + timedelta(seconds=seconds)


def text_message(external_id: str, text: str = "Hello", sender: str = ANN, seconds: int = 0) -> dict[str, Any]:
    """A WhatsApp text message."""
    stamp = str(int(at(seconds).timestamp()))
    return {"from": sender, "id": external_id, "timestamp": stamp, "type": "text", "text": {"body": text}}


def reaction(external_id: str, to: str, emoji: str, sender: str = ANN, seconds: int = 0) -> dict[str, Any]:
    """A WhatsApp reaction; an empty emoji takes it back."""
    said = text_message(external_id, sender=sender, seconds=seconds) | {"type": "reaction"}
    del said["text"]
    return said | {"reaction": {"message_id": to, "emoji": emoji}}


def edit(external_id: str, of: str, text: str, sender: str = ANN, seconds: int = 0) -> dict[str, Any]:
    """A WhatsApp edit by the person who wrote the message."""
    said = text_message(external_id, sender=sender, seconds=seconds) | {"type": "edit"}
    del said["text"]
    now = {"type": "text", "text": {"body": text}}
    return said | {"edit": {"original_message_id": of, "message": now}}


def revoke(external_id: str, of: str, sender: str = ANN, seconds: int = 0) -> dict[str, Any]:
    """A WhatsApp message taken back."""
    said = text_message(external_id, sender=sender, seconds=seconds) | {"type": "revoke"}
    del said["text"]
    return said | {"revoke": {"original_message_id": of}}


def status(external_id: str, name: str, recipient: str = ANN, seconds: int = 0) -> dict[str, Any]:
    """A WhatsApp delivery status."""
    said = {
        "id": external_id,
        "status": name,
        "timestamp": str(int(at(seconds).timestamp())),
        "recipient_id": recipient,
    }
    if name == "failed":
        said["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
    return said


def echo(external_id: str, text: str = "Hi", to: str = ANN, seconds: int = 0) -> dict[str, Any]:
    """A message that the business wrote on the phone."""
    return text_message(external_id, text, "15550783881", seconds) | {"to": to}


def change(
    phone: str | None = "phone-1", field: str = "messages", display: str = "15550783881", **value: Any
) -> dict[str, Any]:
    """A WhatsApp change; without a phone it concerns the whole WABA."""
    named = {"metadata": {"display_phone_number": display, "phone_number_id": phone}} if phone else {}
    return {"field": field, "value": {"messaging_product": "whatsapp", **named, **value}}


def whatsapp(*changes: Mapping[str, Any], waba: str = "waba-1") -> bytes:
    """A WhatsApp POST of one WABA."""
    return dump({"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": list(changes)}]})


def messages(*said: Mapping[str, Any], phone: str = "phone-1") -> bytes:
    """A WhatsApp POST of one number with these messages."""
    return whatsapp(change(phone, messages=list(said)))


def statuses(*told: Mapping[str, Any], phone: str = "phone-1") -> bytes:
    """A WhatsApp POST of one number with these statuses."""
    return whatsapp(change(phone, statuses=list(told)))


def echoes(*said: Mapping[str, Any], phone: str = "phone-1") -> bytes:
    """A WhatsApp POST of one number with what the business wrote on the phone."""
    return whatsapp(change(phone, "smb_message_echoes", message_echoes=list(said)))


def messaging(*items: Mapping[str, Any], account: str = "page-1", name: str = "page") -> bytes:
    """A Messenger (or Instagram) POST of one account with these messaging items."""
    return dump({"object": name, "entry": [{"id": account, "time": 1751371200000, "messaging": list(items)}]})


def item(person: str = "person-1", account: str = "page-1", *, seconds: float = 0, **event: Any) -> dict[str, Any]:
    """A messaging item from a person to the account."""
    stamp = int(at(seconds).timestamp() * 1000)
    return {"sender": {"id": person}, "recipient": {"id": account}, "timestamp": stamp, **event}


def page_echo(
    mid: str, text: str = "Hi", person: str = "person-1", account: str = "page-1", seconds: float = 0
) -> dict[str, Any]:
    """A messaging item of what a page wrote itself."""
    return item(account, person, seconds=seconds, message={"mid": mid, "text": text, "is_echo": True})


def generic(message_id: str | None = None, **data: Any) -> bytes:
    """The specification's generic envelope."""
    named = {"messageId": message_id} if message_id else {}
    return dump({"eventType": "message", "data": {"from": "+1234567890", "text": "Hello", **named, **data}})


def new_wamid() -> str:
    """An id as WhatsApp gives it, never the same one."""
    return f"wamid.TEST{next(_numbers):08d}="


def dump(value: Any) -> bytes:
    """Write JSON as the platform does: compact."""
    return json.dumps(value, separators=(",", ":")).encode()


def ids(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The external ids of rows."""
    return [row["external_id"] for row in rows]
