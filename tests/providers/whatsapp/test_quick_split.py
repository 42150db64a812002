"""The short way to split equals the long one wherever it answers at all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.providers import generic
from hookline.providers.meta import routing
from hookline.providers.meta.envelope import decode
from hookline.providers.whatsapp import quick_split
from hookline.providers.whatsapp.routing import OBJECT, change_leaves, companions, waba_owner

ODD = st.sampled_from(
    ["", "0", "15550783881", "16505551234", "+1650", "US.1349", "٣", "a\u0000b", "x" * 600, 7, None, {}]
)


def ordinary() -> dict[str, Any]:
    """One message of one person."""
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": "1022901",
                "changes": [
                    {
                        "field": "messages",
                        "value": {
                            "messaging_product": "whatsapp",
                            "metadata": {"display_phone_number": "15550783881", "phone_number_id": "10654035"},
                            "contacts": [{"profile": {"name": "Zoë \ud83d\ude00"}, "wa_id": "16505551234"}],
                            "messages": [{"from": "16505551234", "id": "wamid.1", "type": "text", "timestamp": "1"}],
                        },
                    }
                ],
            }
        ],
    }


def value_of(body: dict[str, Any]) -> dict[str, Any]:
    """The body's one value."""
    value: dict[str, Any] = body["entry"][0]["changes"][0]["value"]
    return value


def the_long_way(body: bytes) -> list[Any]:
    """Split without the short way."""
    webhook = decode(body)
    if "object" not in webhook.tree:
        return generic.split(webhook)
    foreign = routing.misdirected(webhook, OBJECT)
    return (
        [foreign] if foreign else routing.parts(webhook, routing.leaves(webhook, waba_owner, change_leaves), companions)
    )


def status(body: dict[str, Any]) -> None:
    """Make it a status."""
    value = value_of(body)
    del value["messages"]
    value["statuses"] = [{"id": "wamid.1", "status": "read", "recipient_id": "16505551234"}]


def two(body: dict[str, Any]) -> None:
    """Make it two messages."""
    value_of(body)["messages"] *= 2


def own(body: dict[str, Any]) -> None:
    """Make it the number's own."""
    value_of(body)["messages"][0]["from"] = "15550783881"


def sample(body: dict[str, Any]) -> None:
    """Make it the dashboard's test."""
    body["entry"][0]["id"] = "0"


@pytest.mark.parametrize(
    ("change", "answers"), [(lambda body: None, True), (status, True), (two, False), (own, False), (sample, False)]
)
def test_what_is_ordinary(change: Callable[[dict[str, Any]], None], *, answers: bool) -> None:
    """One message or status of one person is ordinary; anything else is left to the long way."""
    body = ordinary()
    change(body)
    text = json.dumps(body).encode()
    part = quick_split.split(text)
    assert (part is not None) == answers
    if part is not None:
        assert [part] == the_long_way(text)


@example(sender="", number="0", display="x" * 513, entry_id="1", recipient="0", as_status=True)
@given(sender=ODD, number=ODD, display=ODD, entry_id=ODD, recipient=ODD, as_status=st.booleans())
def test_odd_ids_come_out_the_same(
    sender: Any, number: Any, display: Any, entry_id: Any, recipient: Any, *, as_status: bool
) -> None:
    """Whatever the ids are, the short way says what the long way says, or nothing."""
    body = ordinary()
    body["entry"][0]["id"] = entry_id
    value_of(body)["metadata"] = {"display_phone_number": display, "phone_number_id": number}
    value_of(body)["messages"][0]["from"] = sender
    if as_status:
        status(body)
        value_of(body)["statuses"][0]["recipient_id"] = recipient
    text = json.dumps(body).encode()
    part = quick_split.split(text)
    if part is not None:
        assert [part] == the_long_way(text)


@pytest.mark.parametrize(
    "name",
    ["messages", "statuses", "message_echoes", "contacts", "metadata", "errors", "waba_info", "display_phone_number"],
)
@given(
    replacement=st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_odd_values_come_out_the_same(name: str, replacement: Any) -> None:
    """Whatever stands in a value, the short way says what the long way says, or nothing."""
    body = ordinary()
    value_of(body)[name] = replacement
    text = json.dumps(body).encode()
    part = quick_split.split(text)
    if part is not None:
        assert [part] == the_long_way(text)
