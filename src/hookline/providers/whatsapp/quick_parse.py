"""The short way to read what most webhooks are: one text message of one person, or one status about one message.

It answers only where it can say what the long way says, and gives up on anything out of the ordinary.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from hookline.domain.event import Contact, Item, MessageItem
from hookline.domain.ids import MAX_EXTERNAL_ID_BYTES
from hookline.domain.message import MessageDirection, MessageType
from hookline.providers.meta.envelope import MAX_DEPTH
from hookline.providers.whatsapp.messages import status_item
from hookline.providers.whatsapp.quick_split import is_plain
from hookline.providers.whatsapp.routing import MESSAGES, OBJECT

_NUL: Final = "\\u0000"
# Ids of up to so many characters are stored as they are, whatever the characters.
_SHORT: Final = MAX_EXTERNAL_ID_BYTES // 4
# Ten digits: seconds from 2001 to 2286, of which what is too far ahead is left to the long way.
_SECONDS_DIGITS: Final = 10
_LATEST_SECONDS: Final = "4000000000"


class _Text(msgspec.Struct, gc=False):
    body: str


class _Message(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    sender: str = msgspec.field(name="from")
    id: str
    timestamp: str
    type: str
    text: _Text


class _Profile(msgspec.Struct, gc=False, frozen=True):
    name: str = ""
    username: str = ""


class _Person(msgspec.Struct, gc=False):
    wa_id: str
    profile: _Profile = _Profile()
    user_id: str = ""
    parent_user_id: str = ""


class _Metadata(msgspec.Struct, gc=False):
    display_phone_number: str


class _Value(msgspec.Struct, gc=False):
    metadata: _Metadata
    messages: list[_Message] = []
    statuses: list[dict[str, Any]] = []
    contacts: list[_Person] = []
    message_echoes: msgspec.UnsetType = msgspec.UNSET
    errors: msgspec.UnsetType = msgspec.UNSET


class _Change(msgspec.Struct, gc=False):
    field: str
    value: _Value


class _Entry(msgspec.Struct, gc=False):
    changes: list[_Change]
    field: msgspec.UnsetType = msgspec.UNSET
    messaging: msgspec.UnsetType = msgspec.UNSET
    standby: msgspec.UnsetType = msgspec.UNSET


class _Envelope(msgspec.Struct, gc=False):
    object: str
    entry: list[_Entry]


_decode = msgspec.json.Decoder(_Envelope).decode


def parse(payload: str) -> Item | None:
    """Give the one item of an ordinary payload, equal to what the long way gives; None if it is not ordinary.

    Source: protocol reference 2.1, 2.2.
    """
    value = _sole_value(payload)
    if value is None or len(value.messages) + len(value.statuses) != 1:
        return None
    if value.statuses:
        people = _people(value.contacts)
        return None if people is None else status_item(value.statuses[0], 0, people)
    return _text(value.messages[0], value)


def _sole_value(payload: str) -> _Value | None:
    if _NUL in payload or payload.count("[") + payload.count("{") > MAX_DEPTH:
        return None
    try:
        envelope = _decode(payload)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
    if envelope.object != OBJECT or len(envelope.entry) != 1 or len(envelope.entry[0].changes) != 1:
        return None
    change = envelope.entry[0].changes[0]
    return change.value if change.field == MESSAGES else None


def _text(message: _Message, value: _Value) -> Item | None:
    own, sender, at = value.metadata.display_phone_number, message.sender, message.timestamp
    if message.type != "text" or not message.id or len(message.id) > _SHORT:
        return None
    if not (is_plain(sender) and is_plain(own)) or sender == own:
        return None
    if len(at) != _SECONDS_DIGITS or not is_plain(at) or not "1" <= at < _LATEST_SECONDS:
        return None
    contact = _contact(sender, value.contacts)
    if contact is None:
        return None
    return MessageItem(
        index=0,
        kind="message",
        external_id=message.id,
        direction=MessageDirection.INBOUND,
        type=MessageType.TEXT,
        sender=sender,
        recipient=own,
        text=message.text.body,
        contact=contact,
        sent_at=datetime.fromtimestamp(int(at), UTC),
    )


def _people(contacts: list[_Person]) -> dict[str, dict[str, Any]] | None:
    """List the people whom a change introduces by their ids, as the long way does; None if that is long."""
    people: dict[str, dict[str, Any]] = {}
    for person in contacts:
        ids = person.wa_id, person.user_id
        if any(len(one) > _SHORT for one in (*ids, person.parent_user_id)):
            return None
        profile = {"name": person.profile.name, "username": person.profile.username}
        described = {"wa_id": ids[0], "user_id": ids[1], "parent_user_id": person.parent_user_id, "profile": profile}
        people.update(dict.fromkeys(filter(None, ids), described))
    return people


def _contact(sender: str, contacts: list[_Person]) -> Contact | None:
    """Describe the author by the one contact that the change introduces; None if that is somebody else."""
    if len(contacts) != 1:
        return None
    person = contacts[0]
    if person.wa_id != sender or len(person.user_id) > _SHORT or len(person.parent_user_id) > _SHORT:
        return None
    return Contact(
        external_id=sender,
        name=person.profile.name or None,
        username=person.profile.username or None,
        phone=sender,
        user_id=person.user_id or None,
        parent_user_id=person.parent_user_id or None,
    )
