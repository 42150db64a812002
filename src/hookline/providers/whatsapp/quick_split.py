"""The short way to split what most webhooks are: one message of, or one status about, one person, to one number.

It reads just what routing needs, and gives up on anything out of the ordinary: the long way then decides.
"""

import msgspec

from hookline.domain.event import Part
from hookline.domain.ids import MAX_EXTERNAL_ID_BYTES
from hookline.providers.meta.envelope import MAX_DEPTH
from hookline.providers.whatsapp.routing import MESSAGES, OBJECT


class _Message(msgspec.Struct, gc=False):
    sender: str = msgspec.field(name="from")


class _Status(msgspec.Struct, gc=False):
    recipient_id: str


class _Metadata(msgspec.Struct, gc=False):
    phone_number_id: str
    display_phone_number: str = ""


class _Value(msgspec.Struct, gc=False):
    metadata: _Metadata
    messages: list[_Message] = []
    statuses: list[_Status] = []
    message_echoes: msgspec.UnsetType = msgspec.UNSET
    waba_info: msgspec.UnsetType = msgspec.UNSET
    display_phone_number: msgspec.UnsetType = msgspec.UNSET
    contacts: list[msgspec.Raw] = []


class _Change(msgspec.Struct, gc=False):
    field: str
    value: _Value


class _Entry(msgspec.Struct, gc=False):
    id: str
    changes: list[_Change]
    field: msgspec.UnsetType = msgspec.UNSET
    messaging: msgspec.UnsetType = msgspec.UNSET
    standby: msgspec.UnsetType = msgspec.UNSET


class _Envelope(msgspec.Struct, gc=False):
    object: str
    entry: list[_Entry]


_decode = msgspec.json.Decoder(_Envelope).decode


def split(body: bytes) -> Part | None:
    """Give the one part of an ordinary body, equal to what the long way gives; None if it is not ordinary.

    What is skipped here is not checked as JSON in every detail; the database checks it again, and refuses what is not.
    Source: protocol reference 2.1, 2.2.
    """
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        return None
    try:
        envelope = _decode(body)
        text = body.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if envelope.object != OBJECT or len(envelope.entry) != 1:
        return None
    entry = envelope.entry[0]
    if len(entry.changes) != 1 or entry.changes[0].field != MESSAGES or not is_plain(entry.id) or entry.id == "0":
        return None
    value = entry.changes[0].value
    number = value.metadata.phone_number_id
    contact = _sole_contact(value)
    if contact is None or not is_plain(number):
        return None
    return Part(
        event_type=MESSAGES,
        payload=text,
        address=number,
        external_account_id=number,
        contact=contact,
        ordering=contact,
    )


def _sole_contact(value: _Value) -> str | None:
    """Name the person of the one message or status; nobody, if there are more, or the number wrote it itself."""
    own = value.metadata.display_phone_number
    if len(value.messages) + len(value.statuses) != 1 or len(own) > MAX_EXTERNAL_ID_BYTES:
        return None
    if value.statuses:
        contact = value.statuses[0].recipient_id
        return contact if is_plain(contact) else None
    contact = value.messages[0].sender
    return contact if is_plain(contact) and contact != own and (not own or is_plain(own)) else None


def is_plain(identifier: str) -> bool:
    """Say whether an id is nothing but digits, and short: as it is stored, whatever the rules for odd ones are."""
    return identifier.isdigit() and identifier.isascii() and len(identifier) <= MAX_EXTERNAL_ID_BYTES
