"""A number that is used in the WhatsApp Business app too: its old messages, and its address book."""

from collections.abc import Iterator
from typing import Any

from hookline.domain.event import AccountItem, Contact, ContactItem, Item, Origin
from hookline.domain.message import MessageStatus
from hookline.providers.meta import lenient
from hookline.providers.meta.source import Numbers, unsupported
from hookline.providers.whatsapp.line import Line
from hookline.providers.whatsapp.messages import message_items, read_errors

# What history says of a message → our status. PENDING was still on its way from the phone when history was taken;
# it is not ours to send, so it counts as sent. Source: protocol reference 2.3.
_STATUSES = {
    "SENT": MessageStatus.SENT,
    "PENDING": MessageStatus.SENT,
    "DELIVERED": MessageStatus.DELIVERED,
    "READ": MessageStatus.READ,
    "PLAYED": MessageStatus.PLAYED,
    "ERROR": MessageStatus.FAILED,
}


def read_history(value: dict[str, Any], line: Line, numbers: Numbers) -> Iterator[Item]:
    """Read old messages: chunks of threads, or later on the files that replace placeholders.

    {"history": [{"metadata": {phase, chunk_order, progress}, "threads": [{"id": PERSON, "messages": […]}]}]}
    {"history": [{"errors": […]}]}   the business declined to share
    {"messages": […]}                files
    Source: protocol reference 2.3.
    """
    if not ("history" in value or "messages" in value):
        yield unsupported(next(numbers), "history", "a history without chunks")
    if "history" in value:
        yield from _read_chunks(value["history"], line, numbers)
    if "messages" in value:
        yield from _read_thread({"messages": value["messages"]}, line, numbers)


def _read_chunks(chunks: Any, line: Line, numbers: Numbers) -> Iterator[Item]:
    if not isinstance(chunks, list) or not chunks:
        yield unsupported(next(numbers), "history", "a history without chunks")
        return
    for chunk in chunks:
        if not isinstance(chunk, dict):
            yield unsupported(next(numbers), "history", "a chunk that is not an object")
            continue
        if "errors" in chunk:
            yield from read_errors(chunk["errors"], numbers)
        else:
            yield AccountItem(index=next(numbers), kind="sync", data=lenient.mapping(chunk.get("metadata")))
        for thread in lenient.sequence(chunk.get("threads")):
            yield from _read_thread(thread, line, numbers)


def _read_thread(thread: Any, line: Line, numbers: Numbers) -> Iterator[Item]:
    messages = lenient.mapping(thread).get("messages")
    if not isinstance(messages, list):
        yield unsupported(next(numbers), "history", "a thread without messages")
        return
    person = lenient.identifier(thread.get("id"))
    for message in messages:
        context = lenient.mapping(lenient.mapping(message).get("history_context"))
        status = _STATUSES.get(lenient.string(context.get("status")).upper())
        yield from message_items(message, next(numbers), line, Origin.HISTORY, thread=person, status=status)


def read_state_sync(value: dict[str, Any], line: Line, numbers: Numbers) -> Iterator[Item]:
    """Read changes of the app's address book: added (or edited) and removed people.

    {"state_sync": [{"type": "contact", "contact": {full_name?, first_name?, phone_number}, "action": "add|remove"}]}
    Source: protocol reference 2.3.
    """
    changes = value.get("state_sync")
    if not isinstance(changes, list) or not changes:
        yield unsupported(next(numbers), "contact", "a state sync without contacts")
        return
    for change in changes:
        yield _contact_item(lenient.mapping(change), next(numbers))


def _contact_item(change: dict[str, Any], index: int) -> Item:
    card = lenient.mapping(change.get("contact"))
    phone = lenient.identifier(lenient.digits(card.get("phone_number")))
    if phone is None:
        return unsupported(index, "contact", "a contact without phone number")
    return ContactItem(
        index=index,
        kind="contact",
        external_id=phone,
        contact=Contact(
            external_id=phone,
            name=lenient.optional_string(card.get("full_name") or card.get("first_name")),
            phone=phone,
        ),
        at=lenient.moment(lenient.mapping(change.get("metadata")).get("timestamp")),
        data=change,
    )
