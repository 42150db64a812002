"""Whom JSON names, and what is left of it without them."""

from typing import Any

import pytest

from hookline.domain.mention import GONE, names, without

IDS = ["491701234567", "DE.17", "17"]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("491701234567", True),
        ("+491701234567", True),
        (491701234567, True),
        ({"a": [{"b": "DE.17"}]}, True),
        ({"491701234567": 1}, True),
        ("4917012345678", False),
        ("my number is 491701234567", False),
        (17, False),
        ({"a": [True, None, 1.5, "DE.178"]}, False),
        ([], False),
    ],
)
def test_only_an_id_itself_names(value: Any, named: bool) -> None:
    """A longer id that begins alike is somebody else's."""
    assert names(value, IDS) is named


def test_their_elements_go_and_their_neighbours_stay() -> None:
    """Of an envelope, the person's messages, statuses and entry among the contacts."""
    mine = {"from": "491701234567", "text": {"body": "mine"}}
    other = {"from": "4917099", "text": {"body": "other"}}
    value = {"contacts": [{"wa_id": "491701234567"}, {"wa_id": "4917099"}], "messages": [mine, other]}
    left = without({"object": "x", "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}, IDS)
    assert left == {
        "object": "x",
        "entry": [
            {
                "id": "1",
                "changes": [{"field": "messages", "value": {"contacts": [{"wa_id": "4917099"}], "messages": [other]}}],
            }
        ],
    }


def test_a_thread_of_theirs_goes_with_what_does_not_name_them() -> None:
    """An element that names them beside its own lists goes whole: what we wrote to them does not name them again."""
    thread = {"id": "491701234567", "messages": [{"from": "business", "text": {"body": "to them"}}]}
    assert without({"history": [{"threads": [thread, {"id": "2"}]}]}, IDS) == {"history": [{"threads": [{"id": "2"}]}]}


@pytest.mark.parametrize("value", ["DE.17", {"from": "DE.17"}, {"a": {"b": 491701234567}}, {"DE.17": []}])
def test_what_is_theirs_alone_is_gone(value: Any) -> None:
    """Nothing is left of it."""
    assert without(value, IDS) is GONE


def test_an_id_in_a_list_goes_alone() -> None:
    """A list of ids loses one."""
    assert without({"ids": ["1", "DE.17", "+491701234567"]}, IDS) == {"ids": ["1"]}
