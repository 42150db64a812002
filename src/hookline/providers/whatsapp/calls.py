"""The field `calls`: voice calls, as messages of the log."""

from collections.abc import Iterator
from typing import Any

from hookline.domain.event import Item, MessageItem, Origin
from hookline.domain.ids import stored_external_id
from hookline.domain.message import MessageDirection, MessageType
from hookline.providers.meta import lenient
from hookline.providers.meta.source import Numbers, unsupported
from hookline.providers.whatsapp.line import Line
from hookline.providers.whatsapp.messages import first_error, read_errors, read_statuses
from hookline.providers.whatsapp.routing import is_own


def read(value: dict[str, Any], line: Line, numbers: Numbers) -> Iterator[Item]:
    """Read calls and the progress of calls. The change's errors are those of its calls.

    {"calls": [{"id": wacid, "from", "to", "event": "connect|terminate", "direction", "status"?, "duration"?, …}]}
    Source: protocol reference 2.4.
    """
    calls = value.get("calls")
    empty = True
    for call in lenient.sequence(calls):
        empty = False
        yield _call_item(call, next(numbers), line, lenient.sequence(value.get("errors")))
    if "statuses" in value:
        for item in read_statuses(value["statuses"], numbers, line):
            empty = False
            yield item
    if empty and "errors" in value:
        for item in read_errors(value["errors"], numbers):
            empty = False
            yield item
    if empty:
        yield unsupported(next(numbers), "call", "a change without calls")


def _call_item(call: Any, index: int, line: Line, errors: list[Any]) -> Item:
    """Read one event of a call. Beginning and end share the call's id; the end gets one of its own, after it."""
    if not isinstance(call, dict):
        return unsupported(index, "call", "a call that is not an object")
    outbound = _is_outbound(call, line)
    person = lenient.first_identifier(
        *((call.get("to"), call.get("to_user_id")) if outbound else (call.get("from"), call.get("from_user_id")))
    )
    code, text = first_error(call.get("errors") or errors)
    return MessageItem(
        index=index,
        kind="call",
        external_id=_external_id(call),
        direction=MessageDirection.OUTBOUND if outbound else MessageDirection.INBOUND,
        type=MessageType.CALL,
        sender=line.address if outbound else person or "",
        recipient=person or "" if outbound else line.address,
        contact=line.contact(person),
        sent_at=lenient.moment(call.get("timestamp")),
        meta=call if not errors else {**call, "errors": errors},
        origin=Origin.ECHO if outbound else Origin.LIVE,
        error_code=code,
        error_text=text,
    )


def _is_outbound(call: dict[str, Any], line: Line) -> bool:
    direction = call.get("direction")
    if direction in ("BUSINESS_INITIATED", "USER_INITIATED"):
        return bool(direction == "BUSINESS_INITIATED")
    return is_own(lenient.identifier(call.get("from")), line.own_number)


def _external_id(call: dict[str, Any]) -> str:
    event = lenient.label(call.get("event"), "connect")
    external_id = lenient.identifier(call.get("id"))
    if external_id is None:
        return lenient.fingerprint(call)
    return external_id if event == "connect" else stored_external_id(f"{external_id}:{event}")
