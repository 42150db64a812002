"""The short way to parse equals the long one wherever it answers at all."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.cases import body, cases

from hookline.domain.event import Item, MessageItem, StatusItem
from hookline.providers.meta import source
from hookline.providers.whatsapp import quick_parse
from hookline.providers.whatsapp.routing import OBJECT
from hookline.providers.whatsapp.webhook import WhatsApp, read_source

Path = tuple[str | int, ...]

VALUE: Path = ("entry", 0, "changes", 0, "value")
TEXT: dict[str, Any] = {
    "object": OBJECT,
    "entry": [
        {
            "id": "1022901",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "10654035"},
                        "contacts": [
                            {
                                "profile": {"name": "Zoë \U0001f600", "username": "zoe"},
                                "wa_id": "16505551234",
                                "user_id": "US.1349",
                                "parent_user_id": "US.ENT.1",
                            }
                        ],
                        "messages": [
                            {
                                "from": "16505551234",
                                "id": "wamid.1",
                                "timestamp": "1769262486",
                                "type": "text",
                                "text": {"body": "Bonjour \U0001f44b"},
                            }
                        ],
                    },
                }
            ],
        }
    ],
}
STATUS: dict[str, Any] = {
    "object": OBJECT,
    "entry": [
        {
            "id": "1022901",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "10654035"},
                        "statuses": [
                            {
                                "id": "wamid.1",
                                "status": "failed",
                                "timestamp": "1769262486",
                                "recipient_id": "16505551234",
                                "pricing": {"billable": True, "category": "utility"},
                                "errors": [{"code": 131047, "title": "Re-engagement message"}],
                            }
                        ],
                    },
                }
            ],
        }
    ],
}
INTRODUCED: dict[str, Any] = copy.deepcopy(STATUS)
_value = INTRODUCED["entry"][0]["changes"][0]["value"]
_value["contacts"] = copy.deepcopy(TEXT["entry"][0]["changes"][0]["value"]["contacts"])
_value["statuses"][0] |= {"recipient_user_id": "US.1349", "parent_recipient_user_id": "US.ENT.1"}
ODD: list[Any] = [
    None, True, 0, 7, 1.5, 10**30, "", "0", "text", "image", "messages", "15550783881", "1650 555", "٣٣٣٣٣٣٣٣٣٣",
    "a\x00b", "\ud800", "x" * 600, "0000000001", "4102444800", "99999999999999999999", "2026-01-24T13:48:06+00:00",
    [], {}, [[]], ["x"], [{}], {"id": "5"}, {"body": 5}, {"body": "x", "more": 1},
]  # fmt: skip
NAMES = ["context", "errors", "message_echoes", "statuses", "messages", "field", "messaging", "standby", "from_user_id"]


def the_long_way(payload: str) -> list[Item]:
    """Parse without the short way."""
    return source.read(payload, OBJECT, read_source)


def places(value: Any, path: Path = ()) -> list[Path]:
    """List every place below a value."""
    members: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    return [place for name, inner in members for place in [(*path, name), *places(inner, (*path, name))]]


def at(value: Any, path: Path) -> Any:
    """Give what lies at a place."""
    for step in path:
        value = value[step]
    return value


def assert_same(tree: Any) -> None:
    """The short way says what the long way says, or nothing."""
    for ascii_only in (True, False):
        payload = json.dumps(tree, ensure_ascii=ascii_only)
        item = quick_parse.parse(payload)
        if item is not None:
            assert [item] == the_long_way(payload)


@pytest.mark.parametrize(("tree", "cls"), [(TEXT, MessageItem), (STATUS, StatusItem), (INTRODUCED, StatusItem)])
def test_what_is_ordinary(tree: dict[str, Any], cls: type[Item]) -> None:
    """A text message and a status are ordinary, whether their emoji are escaped or not."""
    for ascii_only in (True, False):
        payload = json.dumps(tree, ensure_ascii=ascii_only)
        item = quick_parse.parse(payload)
        assert isinstance(item, cls)
        assert [item] == the_long_way(payload) == WhatsApp().parse(payload)


@pytest.mark.parametrize("tree", [TEXT, STATUS, INTRODUCED])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_an_odd_value_anywhere_comes_out_the_same(tree: dict[str, Any], odd: Any) -> None:
    """Whatever stands wherever, the short way says what the long way says, or nothing."""
    for place in places(tree):
        changed = copy.deepcopy(tree)
        at(changed, place[:-1])[place[-1]] = odd
        assert_same(changed)


@pytest.mark.parametrize("tree", [TEXT, STATUS, INTRODUCED])
def test_missing_and_repeated_values_come_out_the_same(tree: dict[str, Any]) -> None:
    """So it is with what is missing, and with elements that come twice."""
    for place in places(tree):
        changed = copy.deepcopy(tree)
        del at(changed, place[:-1])[place[-1]]
        assert_same(changed)
        if isinstance(place[-1], int):
            changed = copy.deepcopy(tree)
            around = at(changed, place[:-1])
            around.append(copy.deepcopy(around[place[-1]]))
            assert_same(changed)


@given(tree=st.sampled_from([TEXT, STATUS]), name=st.sampled_from(NAMES), data=st.data())
def test_more_members_come_out_the_same(tree: dict[str, Any], name: str, data: st.DataObject) -> None:
    """So it is with members that are not expected, wherever they stand."""
    objects = [place for place in [(), *places(tree)] if isinstance(at(tree, place), dict)]
    changed = copy.deepcopy(tree)
    at(changed, data.draw(st.sampled_from(objects)))[name] = data.draw(st.sampled_from(ODD))
    assert_same(changed)


@pytest.mark.parametrize("case", cases("whatsapp"))
def test_samples_come_out_the_same(case: str) -> None:
    """So it is with every sample of the platform."""
    for part in WhatsApp().split(body("whatsapp", case)):
        item = quick_parse.parse(part.payload)
        if item is not None:
            assert [item] == the_long_way(part.payload)
