"""JSON of our own, whatever it holds."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from hookline.domain.event import Contact, ItemResult, Outcome
from hookline.domain.text import to_json


@pytest.mark.parametrize("value", [None, [], {}, "😀 é \x00", {"n": 10**40}, [-(10**30), 1.5, True], {"a": {"b": [1]}}])
def test_values_come_back_as_they_were(value: Any) -> None:
    """What is written reads the same, big integers too."""
    assert json.loads(to_json(value)) == value


def test_structs_are_written_in_camel_case_without_what_is_missing() -> None:
    """Results and contacts say only what there is to say, also beside a big integer."""
    result = ItemResult(index=0, kind="message", external_id=None, outcome=Outcome.APPLIED, message_id="m")
    expected = {"index": 0, "kind": "message", "externalId": None, "outcome": "applied", "messageId": "m"}
    assert json.loads(to_json(result)) == expected
    assert json.loads(to_json([result, 10**40])) == [expected, 10**40]
    assert json.loads(to_json({"contact": Contact(user_id="u")})) == {"contact": {"userId": "u"}}


def test_times_and_ids_are_text() -> None:
    """Times are ISO 8601 in UTC, ids canonical."""
    given = {"at": datetime(2026, 7, 1, 12, tzinfo=UTC), "id": UUID(int=1)}
    assert json.loads(to_json(given)) == {"at": "2026-07-01T12:00:00Z", "id": str(UUID(int=1))}
    assert json.loads(to_json(given | {"n": 10**40}))["id"] == str(UUID(int=1))
