"""Whose each piece of a WhatsApp POST is, and what travels with it."""

import json
from typing import Any

import pytest
from tests.providers.cases import body, split

from hookline.domain.event import Part
from hookline.providers.base import Address
from hookline.providers.whatsapp import provider

ANNA, BOB = "31611111111", "31633333333"
NUMBER = "7700000001"


def route(part: Part) -> tuple[str | None, str | None, str | None]:
    """What decides where a part goes."""
    return part.address, part.fallback, part.contact


ROUTES: dict[str, tuple[str | None, str | None, str | None]] = {
    "text": (NUMBER, None, ANNA),
    "hidden_phone": (NUMBER, None, "NL.1000"),
    "hidden_phone_as_empty_text": (NUMBER, None, "NL.1000"),
    "hidden_phone_in_from": (NUMBER, None, "NL.1000"),
    "author_only_in_contacts": (NUMBER, None, "NL.1000"),
    "from_own_number": (NUMBER, None, ANNA),
    "user_id_changed": (NUMBER, None, None),
    "status_read": (NUMBER, None, ANNA),
    "status_without_phone": (NUMBER, None, "NL.1000"),
    "status_in_group": (NUMBER, None, "120363@g.us"),
    "history": (NUMBER, None, None),
    "state_sync": (NUMBER, None, None),
    "calls": (NUMBER, None, None),
    "group_created": (NUMBER, None, None),
    "preferences": (NUMBER, None, None),
    "account_errors": (NUMBER, None, None),
    "account_review": ("waba:8800000001", None, None),
    "template_quality": ("waba:8800000001", None, None),
    "partner_removed": ("waba:8800000001", None, None),
    "quality": ("phone:31201234567", "waba:8800000001", None),
    "name_approved": ("phone:31201234567", "waba:8800000001", None),
    "security": ("phone:31201234567", "waba:8800000001", None),
    "without_phone_number_id": ("waba:8800000001", None, ANNA),
    "unknown_field": ("waba:8800000001", None, None),
}


@pytest.mark.parametrize("case", ROUTES)
def test_a_part_is_routed_by_what_the_platform_names(case: str) -> None:
    """The phone number id routes a change; without one its number, then its WABA do; people are kept apart."""
    (part,) = split("whatsapp", case)
    assert route(part) == ROUTES[case]
    assert (part.ignored, part.unsupported, part.failed) == (None, None, None)


def test_a_single_part_is_the_body_unchanged() -> None:
    """What needs no dividing is stored as it was signed, to the byte."""
    (part,) = split("whatsapp", "text")
    assert part.payload.encode() == body("whatsapp", "text")
    assert (part.event_type, part.ordering, part.external_account_id) == ("messages", ANNA, NUMBER)


def test_an_account_field_orders_by_field() -> None:
    """What is about no person stays in order within its field."""
    (part,) = split("whatsapp", "account_review")
    assert (part.event_type, part.ordering) == ("account_review_update", "field:account_review_update")
    assert part.external_account_id == "8800000001"


def value_of(part: Part, change: int = 0) -> dict[str, Any]:
    """The value of a part's change."""
    value: dict[str, Any] = json.loads(part.payload)["entry"][0]["changes"][change]["value"]
    return value


def test_a_batch_is_divided_over_contacts_and_accounts() -> None:
    """One part per account and contact for messages and for statuses; one per account and field for the rest."""
    parts = split("whatsapp", "batch")
    assert [(*route(part), part.event_type) for part in parts] == [
        (NUMBER, None, ANNA, "messages"),
        (NUMBER, None, BOB, "messages"),
        (NUMBER, None, ANNA, "messages"),
        ("waba:8800000002", None, None, "account_update"),
    ]
    assert [one["id"] for change in (0, 1) for one in value_of(parts[0], change)["messages"]] == [
        "wamid.IN1",
        "wamid.IN3",
        "wamid.IN4",
    ]
    assert [one["id"] for one in value_of(parts[1])["messages"]] == ["wamid.IN2"]
    assert [one["status"] for one in value_of(parts[2])["statuses"]] == ["read"]


def test_what_surrounds_messages_travels_with_them() -> None:
    """Metadata and unknown keys are in every part; a contact goes with its own messages, or with the first part."""
    anna, bob, statuses, _ = split("whatsapp", "batch")
    for part in (anna, bob, statuses):
        assert value_of(part)["metadata"]["phone_number_id"] == NUMBER
        assert value_of(part)["new_key"] == {"small": 1}
    assert [contact["wa_id"] for contact in value_of(anna)["contacts"]] == [ANNA, "31699999999"]
    assert [contact["wa_id"] for contact in value_of(bob)["contacts"]] == [BOB]
    assert [contact["wa_id"] for contact in value_of(statuses)["contacts"]] == [ANNA]


def test_errors_of_a_change_go_with_its_first_part() -> None:
    """An error that belongs to no message is told once."""
    parts = split("whatsapp", "batch")
    assert ["errors" in value_of(part) for part in parts[:3]] == [True, False, False]


def test_a_large_value_is_not_repeated() -> None:
    """Dividing a body over many people never multiplies what is large in it; what routes is in every part."""
    post = json.loads(body("whatsapp", "batch"))
    value = post["entry"][0]["changes"][0]["value"]
    value["new_key"] = "x" * 100_000
    value["metadata"]["extra"] = "y" * 100_000
    parts = provider.split(json.dumps(post).encode())
    assert sum(len(part.payload) for part in parts) < 220_000
    assert {part.address for part in parts[:3]} == {NUMBER}
    assert all(value_of(part)["metadata"]["phone_number_id"] == NUMBER for part in parts[:3])


def test_wrong_shapes_go_to_whoever_their_surroundings_name() -> None:
    """What cannot be read is kept: with the account when one is named, else as unsupported."""
    parts = split("whatsapp", "wrong_shapes")
    assert [(*route(part), part.unsupported) for part in parts] == [
        (None, None, None, "names no account"),
        ("waba:8800000001", None, None, None),
        ("waba:8800000001", None, None, None),
        ("waba:8800000001", None, None, None),
        (NUMBER, None, None, None),
        (NUMBER, None, ANNA, None),
        (NUMBER, None, None, None),
        (NUMBER, None, None, None),
        (None, None, None, "names no account"),
    ]


def test_the_dashboards_sample_has_no_owner() -> None:
    """The dashboard's "Test" button reaches no account, whatever ids it invents."""
    (part,) = split("whatsapp", "dashboard_test")
    assert (part.address, part.ignored) == (None, "test sample")


def test_an_empty_post_is_one_ignored_part() -> None:
    """Even a POST without entries leaves a trace."""
    (part,) = split("whatsapp", "no_entries")
    assert (part.address, part.ignored) == (None, "no entries")


def test_addresses_of_a_number() -> None:
    """A number answers to its id alone, to its WABA and its digits together with others."""
    metadata = {"wabaId": 88, "displayPhoneNumber": "+31 20 123-4567"}
    assert provider.addresses(NUMBER, metadata) == [
        Address(NUMBER, exclusive=True),
        Address("waba:88", exclusive=False),
        Address("phone:31201234567", exclusive=False),
    ]


def test_addresses_of_an_account_connected_by_its_phone_number() -> None:
    """An account that is known by its phone number answers to the digits of it too."""
    assert provider.addresses("+31 20 1234567", {}) == [
        Address("+31 20 1234567", exclusive=True),
        Address("phone:31201234567", exclusive=False),
    ]
    assert provider.addresses("shop-1", {"wabaId": None, "displayPhoneNumber": 5}) == [
        Address("shop-1", exclusive=True),
        Address("phone:5", exclusive=False),
    ]
