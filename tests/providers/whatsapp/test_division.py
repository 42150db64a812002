"""Any mixture of people in one change is divided so that nothing is lost, repeated, or out of order."""

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.domain.event import MessageItem
from hookline.providers.whatsapp import provider

PEOPLE = [None, "", 31611111111, "31611111111", "31622222222", "NL.1000", "31200000000"]
OWN = "31200000000"

identities = st.fixed_dictionaries(
    {},
    optional={"from": st.sampled_from(PEOPLE), "from_user_id": st.sampled_from(PEOPLE), "to": st.sampled_from(PEOPLE)},
)
contacts = st.lists(
    st.fixed_dictionaries({}, optional={"wa_id": st.sampled_from(PEOPLE), "user_id": st.sampled_from(PEOPLE)})
    | st.sampled_from([None, 5]),
    max_size=3,
)
statuses = st.fixed_dictionaries({}, optional={"recipient_id": st.sampled_from(PEOPLE)})
changes = st.fixed_dictionaries(
    {"display": st.sampled_from([OWN, "+31 20 0000000", None]), "messages": st.lists(identities, max_size=5)},
    optional={"contacts": contacts, "statuses": st.lists(statuses, max_size=3), "errors": st.just([{"code": 1}])},
)


def post_of(drawn: list[Any]) -> Any:
    """Make a POST of drawn changes; every message and status gets an id of its own."""
    made = []
    for number, change in enumerate(drawn):
        value: dict[str, Any] = {"metadata": {"phone_number_id": "7", "display_phone_number": change["display"]}}
        for name, array in change.items():
            if name in ("messages", "statuses"):
                value[name] = [{**one, "id": f"{name}-{number}-{at}-"} for at, one in enumerate(array)]
            elif name != "display":
                value[name] = array
        made.append({"field": "messages", "value": value})
    return {"object": "whatsapp_business_account", "entry": [{"id": "9", "changes": made}]}


@settings(max_examples=200, deadline=None)
@given(st.lists(changes, min_size=1, max_size=3))
def test_a_change_is_divided_without_loss(drawn: list[Any]) -> None:
    """Each message and status is in one part, in its order; each part is one person's, and stands on its own."""
    post = post_of(drawn)
    parts = provider.split(json.dumps(post).encode())
    ids = Counter(
        one["id"] for value in _values(post) for name in ("messages", "statuses") for one in value.get(name, [])
    )
    found = [
        one["id"]
        for part in parts
        for value in _values(json.loads(part.payload))
        for name in ("messages", "statuses")
        for one in value.get(name, [])
    ]
    assert Counter(found) == ids
    for part in parts:
        assert provider.split(part.payload.encode()) == [part]
        inside = [one for one in ids if one in part.payload]
        assert inside == sorted(inside, key=part.payload.index)


@settings(max_examples=200, deadline=None)
@given(st.lists(changes, min_size=1, max_size=3))
def test_dividing_changes_no_meaning(drawn: list[Any]) -> None:
    """A message reads the same in its part as in the whole POST: same person, name and direction."""
    post = post_of(drawn)
    whole = {item.external_id: item for item in provider.parse(json.dumps(post)) if isinstance(item, MessageItem)}
    parts = provider.split(json.dumps(post).encode())
    for part in parts:
        for item in provider.parse(part.payload):
            if isinstance(item, MessageItem):
                as_whole = whole.pop(item.external_id)
                for name in ("direction", "sender", "recipient", "contact", "origin", "text"):
                    assert getattr(item, name) == getattr(as_whole, name)
                if part.contact is not None:
                    assert item.contact.external_id == part.contact
    assert not whole


def _values(post: Any) -> list[Any]:
    return [change["value"] for entry in post["entry"] for change in entry["changes"]]
