"""Bodies by their `object`: the provider's own, another's, nobody's, and one that nobody knows."""

import json

import pytest

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Outcome, Part, SkippedItem
from hookline.providers import PROVIDERS, SETTINGS
from hookline.providers.base import Provider

OBJECTS = {
    IntegrationProvider.WHATSAPP: "whatsapp_business_account",
    IntegrationProvider.INSTAGRAM: "instagram",
    IntegrationProvider.FACEBOOK: "page",
}
PAIRS = [(name, other) for name in OBJECTS for other in OBJECTS if name is not other]


def split(name: IntegrationProvider, object_name: str) -> Part:
    entry = {"id": "5", "changes": [{"field": "x", "value": {}}], "messaging": [{"sender": {"id": "1"}}]}
    data = json.dumps({"object": object_name, "entry": [entry, entry]})
    (part,) = PROVIDERS[name].split(data.encode())
    assert part.payload == data
    assert part.address is None
    (item,) = PROVIDERS[name].parse(data)
    assert isinstance(item, SkippedItem)
    assert item.outcome is (Outcome.IGNORED if part.ignored else Outcome.UNSUPPORTED)
    return part


@pytest.mark.parametrize(("name", "other"), PAIRS)
def test_another_platforms_body_is_stored_as_failed(name: IntegrationProvider, other: IntegrationProvider) -> None:
    """The body's object decides the platform; one that contradicts the path is one failed event, whole."""
    part = split(name, OBJECTS[other])
    assert (part.failed, part.ignored, part.unsupported) == (
        f"object {OBJECTS[other]} contradicts the path",
        None,
        None,
    )


@pytest.mark.parametrize("name", list(OBJECTS))
@pytest.mark.parametrize("object_name", ["user", "permissions"])
def test_objects_without_owner_are_ignored(name: IntegrationProvider, object_name: str) -> None:
    """What is about the app's own users belongs to no business."""
    part = split(name, object_name)
    assert (part.failed, part.ignored, part.unsupported) == (None, f"object {object_name} has no owner", None)


@pytest.mark.parametrize("name", list(OBJECTS))
@pytest.mark.parametrize("object_name", ["", "hologram", "x" * 1000])
def test_unknown_objects_are_unsupported(name: IntegrationProvider, object_name: str) -> None:
    """An object that nobody knows is kept for the day we do; its name is shown cut."""
    part = split(name, object_name)
    assert (part.failed, part.ignored) == (None, None)
    assert part.unsupported is not None
    assert len(part.unsupported) < 100


@pytest.mark.parametrize("name", list(OBJECTS))
def test_deep_nesting_is_read_as_unsupported(name: IntegrationProvider) -> None:
    """Even JSON too deep for any parser has an answer."""
    (item,) = PROVIDERS[name].parse("[" * 100_000 + "]" * 100_000)
    assert isinstance(item, SkippedItem)


def test_every_provider_is_listed_under_its_name() -> None:
    """The list is complete, and each provider is what the rest of the program expects."""
    assert set(PROVIDERS) == set(IntegrationProvider)
    for name, provider in PROVIDERS.items():
        listed: Provider = provider
        assert listed.name is name
        assert set(listed.secret_settings) <= {setting.name for setting in SETTINGS if setting.secret}


def test_a_long_account_id_is_not_repeated() -> None:
    """An id too long to store as it is routes by its hash, and its items stay together."""
    items = [{"sender": {"id": str(at)}, "message": {"mid": f"m{at}"}} for at in range(3)]
    data = json.dumps({"object": "page", "entry": [{"id": "5" * 10_000, "messaging": items}]})
    (part,) = PROVIDERS[IntegrationProvider.FACEBOOK].split(data.encode())
    assert part.address is not None
    assert part.address.startswith("sha256:")
    assert len(PROVIDERS[IntegrationProvider.FACEBOOK].parse(part.payload)) == 3


def test_a_body_of_1000_people_is_cut_into_their_parts() -> None:
    """The platforms' largest POST: everybody gets their own message and contact, and nothing else."""
    people = [str(49_000_000_000 + at) for at in range(1000)]
    value = {
        "metadata": {"phone_number_id": "7"},
        "contacts": [{"wa_id": person} for person in people],
        "messages": [{"from": person, "id": f"w{person}", "text": {"body": "x" * 2500}} for person in people],
    }
    post = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "9", "changes": [{"field": "messages", "value": value}]}],
    }
    parts = PROVIDERS[IntegrationProvider.WHATSAPP].split(json.dumps(post).encode())
    assert [part.contact for part in parts] == people
    for part in (parts[0], parts[500], parts[-1]):
        found = json.loads(part.payload)["entry"][0]["changes"][0]["value"]
        assert found["contacts"] == [{"wa_id": part.contact}]
        assert [message["id"] for message in found["messages"]] == [f"w{part.contact}"]
