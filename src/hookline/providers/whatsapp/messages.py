"""The field `messages` and its kin: what people wrote, what the business wrote elsewhere, and delivery statuses.

How a message's type becomes ours, its text and its files, is in `content`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from hookline.domain.event import (
    AccountItem,
    Contact,
    ContactItem,
    EditItem,
    Item,
    MessageItem,
    Origin,
    StatusItem,
    UnsendItem,
)
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.providers.meta import lenient
from hookline.providers.meta.source import Numbers, ignored, unsupported
from hookline.providers.whatsapp import content
from hookline.providers.whatsapp.line import Line, describe
from hookline.providers.whatsapp.routing import echo_contact, is_own, message_contact

# The vendor's status → ours. Source: protocol reference 2.2.
STATUSES = {
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
    "played": MessageStatus.PLAYED,
    "failed": MessageStatus.FAILED,
}
# Statuses that move no message of ours: legacy ones, and the progress of a call (its outcome comes by `calls`).
IGNORED_STATUSES = {
    "deleted": "a legacy status",
    "warning": "a legacy status",
    "RINGING": "the progress of a call",
    "ACCEPTED": "the progress of a call",
    "REJECTED": "the progress of a call",
}

_ORIGINS = {"messages": Origin.LIVE, "message_echoes": Origin.ECHO}
NOBODY = Contact()
_OF_STATUS = frozenset({"id", "status", "timestamp"})
_OF_MESSAGE = frozenset({"id", "from", "timestamp", "type"})
_KINDS_BY_TYPE = {MessageType.REACTION: "reaction", MessageType.SYSTEM: "system"}
_KINDS_BY_ORIGIN = {Origin.LIVE: "message", Origin.ECHO: "echo", Origin.HISTORY: "history", Origin.STANDBY: "message"}


def read(value: dict[str, Any], line: Line, numbers: Numbers) -> Iterator[Item]:
    """Read a change's messages, echoes, statuses and errors, in payload order.

    {"metadata": …, "contacts"?: […], "messages"?: […], "statuses"?: […], "message_echoes"?: […], "errors"?: […]}
    Source: protocol reference 2.1, 2.2, 2.3.
    """
    errors = lenient.sequence(value.get("errors"))
    borne = errors if any(content.is_missing(message) for message in lenient.sequence(value.get("messages"))) else []
    empty = True
    for name, array in value.items():
        items: Iterator[Item]
        if name in _ORIGINS:
            items = _read_messages(array, line, numbers, _ORIGINS[name], borne)
        elif name == "statuses":
            items = read_statuses(array, numbers, line)
        elif name == "errors" and not borne:
            items = read_errors(array, numbers)
        else:
            continue
        for item in items:
            empty = False
            yield item
    if empty:
        yield unsupported(next(numbers), "message", "a change without messages, statuses or errors")


def _read_messages(messages: Any, line: Line, numbers: Numbers, origin: Origin, errors: list[Any]) -> Iterator[Item]:
    if not isinstance(messages, list):
        yield unsupported(next(numbers), "message", "messages that are not an array")
        return
    for message in messages:
        yield from message_items(message, next(numbers), line, origin, errors=errors)


def message_items(
    message: Any,
    index: int,
    line: Line,
    origin: Origin,
    *,
    thread: str | None = None,
    status: MessageStatus | None = None,
    errors: list[Any] | None = None,
) -> Iterator[Item]:
    """Read one message of any type; an unknown type is still a message.

    thread: the person of a history's thread, whose messages do not all name them.
    status: the delivery status that history tells of an outbound message.
    errors: those of the change, which belong to a message that came without content.
    """
    if not isinstance(message, dict):
        yield unsupported(index, "message", "a message that is not an object")
        return
    special = _SPECIAL_TYPES.get(lenient.string(message.get("type")))
    if special is not None:
        yield special(message, index)
        return
    outbound = origin is Origin.ECHO or is_own(lenient.identifier(message.get("from")), line.own_number)
    contact = _contact(message, line, outbound, thread)
    item = _message_item(message, index, line, contact, _Way(origin, outbound, status), errors=errors or [])
    yield item
    if item.type is MessageType.SYSTEM:
        yield from _identity_items(message, index, contact)


def _contact(message: dict[str, Any], line: Line, outbound: bool, thread: str | None) -> Contact:
    if outbound:
        external_id = echo_contact(message, line.own_number, {}) or thread
        return line.contact(external_id, message.get("to_user_id"), message.get("to_parent_user_id"))
    external_id = message_contact(message, line.own_number, line.only_contact) or thread
    return line.contact(external_id, message.get("from_user_id"), message.get("from_parent_user_id"))


class _Way(NamedTuple):
    """How a message went. `status` is what history tells of it, if it is the business's."""

    origin: Origin
    outbound: bool
    status: MessageStatus | None


def _message_item(
    message: dict[str, Any], index: int, line: Line, contact: Contact, way: _Way, *, errors: list[Any]
) -> MessageItem:
    read = content.read(message)
    meta = _meta(message, read, errors)
    code, text = first_error(meta["errors"]) if "errors" in meta else (None, None)
    origin = Origin.ECHO if way.outbound and way.origin is Origin.LIVE else way.origin
    person = contact.external_id or ""
    return MessageItem(
        index=index,
        kind=_KINDS_BY_TYPE.get(read.type) or _KINDS_BY_ORIGIN[origin],
        external_id=lenient.identifier(message.get("id")) or lenient.fingerprint(message),
        direction=MessageDirection.OUTBOUND if way.outbound else MessageDirection.INBOUND,
        type=read.type,
        sender=line.address if way.outbound else person,
        recipient=person if way.outbound else line.address,
        text=read.text,
        contact=contact,
        sent_at=lenient.moment(message.get("timestamp")),
        reply_to=lenient.identifier(meta["context"].get("id")) if isinstance(meta.get("context"), dict) else None,
        reacts_to=read.reacts_to,
        media=read.media,
        meta=meta,
        origin=origin,
        status=way.status if way.outbound else None,
        error_code=code,
        error_text=text,
    )


def _meta(message: dict[str, Any], read: content.Content, errors: list[Any]) -> dict[str, Any]:
    meta = lenient.without(message, _OF_MESSAGE)
    meta.update(read.meta)
    if read.type is MessageType.TEXT:
        meta.pop("text", None)
    if errors and content.is_missing(message):
        meta["errors"] = errors
    return meta


def _identity_items(message: dict[str, Any], index: int, contact: Contact) -> Iterator[Item]:
    """Tell of a person whose number or user id has changed.

    Source: protocol reference 2.1 (system), 2.6.
    """
    system = lenient.mapping(message.get("system"))
    phone = lenient.first_identifier(system.get("new_wa_id"), system.get("wa_id"))
    user_id = lenient.identifier(system.get("user_id"))
    if phone is None and user_id is None:
        return
    changed = Contact(
        external_id=contact.external_id or phone or user_id,
        phone=phone,
        user_id=user_id,
        parent_user_id=lenient.identifier(system.get("parent_user_id")),
    )
    at = lenient.moment(message.get("timestamp"))
    yield ContactItem(index=index, kind="identity", contact=changed, at=at, data=system)


def _edit(message: dict[str, Any], index: int) -> Item:
    """Read a user's edit: `edit: {original_message_id, message: {type, <type>}}`. Source: protocol reference 2.1."""
    edit = lenient.mapping(message.get("edit"))
    original = lenient.identifier(edit.get("original_message_id"))
    if original is None:
        return unsupported(index, "edit", "an edit that names no message")
    now = content.read(lenient.mapping(edit.get("message")))
    return EditItem(
        index=index,
        kind="edit",
        external_id=original,
        text=now.text,
        at=lenient.moment(message.get("timestamp")),
        meta=lenient.without(message, _OF_MESSAGE),
    )


def _revoke(message: dict[str, Any], index: int) -> Item:
    """Read a message taken back: `revoke: {original_message_id}`. Source: protocol reference 2.1."""
    original = lenient.identifier(lenient.mapping(message.get("revoke")).get("original_message_id"))
    if original is None:
        return unsupported(index, "unsend", "a revocation that names no message")
    return UnsendItem(index=index, kind="unsend", external_id=original, at=lenient.moment(message.get("timestamp")))


_SPECIAL_TYPES: dict[str, Callable[[dict[str, Any], int], Item]] = {"edit": _edit, "revoke": _revoke}


def read_statuses(statuses: Any, numbers: Numbers, line: Line) -> Iterator[Item]:
    """Read delivery statuses. Source: protocol reference 2.2."""
    if not isinstance(statuses, list):
        yield unsupported(next(numbers), "status", "statuses that are not an array")
        return
    for status in statuses:
        yield status_item(status, next(numbers), line.people)


def status_item(status: Any, index: int, people: Mapping[str, dict[str, Any]]) -> Item:
    """Read one delivery status. people: the contacts of its change, by their ids."""
    if not isinstance(status, dict):
        return unsupported(index, "status", "a status that is not an object")
    name = lenient.label(status.get("status"), "unknown")
    if name in IGNORED_STATUSES:
        return ignored(index, "status", f"{name} is {IGNORED_STATUSES[name]}")
    external_id = lenient.identifier(status.get("id"))
    if external_id is None:
        return unsupported(index, "status", "a status that names no message")
    if name not in STATUSES or status.get("type") == "call":
        return unsupported(index, "status", f"status {name} is not known")
    code, text = first_error(status.get("errors"))
    return StatusItem(
        index=index,
        kind="status",
        external_id=external_id,
        status=STATUSES[name],
        at=lenient.moment(status.get("timestamp")),
        error_code=code,
        error_text=text,
        meta=lenient.without(status, _OF_STATUS),
        contact=_recipient(status, people),
    )


def _recipient(status: dict[str, Any], people: Mapping[str, dict[str, Any]]) -> Contact:
    """Tell what a status says of the person it was sent to, if it is more than the one id that is known anyway.

    The vendor's samples have two spellings of the parent's id. Source: protocol reference 2.2, 10.6.
    """
    user_id = lenient.identifier(status.get("recipient_user_id"))
    if (user_id is None and not people) or status.get("recipient_type") == "group":
        return NOBODY
    parent = status.get("recipient_parent_user_id") or status.get("parent_recipient_user_id")
    external_id = lenient.identifier(status.get("recipient_id")) or user_id
    return describe(people, external_id, user_id, parent)


def read_errors(errors: Any, numbers: Numbers) -> Iterator[Item]:
    """Read errors that concern the account and no message. Source: protocol reference 2.1."""
    if not isinstance(errors, list):
        yield unsupported(next(numbers), "account_error", "errors that are not an array")
        return
    for error in errors:
        yield AccountItem(index=next(numbers), kind="account_error", data=error)


def first_error(errors: Any) -> tuple[str | None, str | None]:
    """Give code and text of the first error: its details where it has them. Source: protocol reference 2.2."""
    found = lenient.sequence(errors)
    error = lenient.mapping(found[0]) if found else {}
    if not error:
        return None, None
    details = lenient.mapping(error.get("error_data")).get("details") or error.get("details")
    text = lenient.optional_string(details or error.get("message") or error.get("title"))
    return lenient.optional_string(error.get("code")), text
