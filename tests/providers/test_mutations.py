"""Nothing that can be in JSON makes `split` or `parse` raise, lose an item, or name what no database can store.

Samples are changed at random: values swapped, removed, repeated, replaced by odd ones.
"""

import copy
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.providers.cases import body, cases

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import MalformedWebhook
from hookline.domain.event import Item, Part
from hookline.domain.text import to_json
from hookline.providers import PROVIDERS

SAMPLES = [json.loads(body(name, case)) for name in ("whatsapp", "instagram", "facebook") for case in cases(name)]
GENERIC = [json.loads(body("generic", case)) for case in cases("generic")]
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    1e300,
    10**30,
    "",
    "0",
    "x\x00y",
    "\ud800",
    "a" * 10_000,
    [],
    {},
    [[]],
    {"id": 5},
]
NAMES = [
    "field",
    "value",
    "messages",
    "statuses",
    "contacts",
    "errors",
    "from",
    "id",
    "messaging",
    "standby",
    "changes",
]

Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> list[Path]:
    """List the places of a value below its root."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[Path] = []
    for step, below in inner:
        found += [(*path, step), *paths(below, (*path, step))]
    return found


@st.composite
def mutated(draw: st.DrawFn, samples: list[Any]) -> Any:
    """A sample with a few things wrong with it."""
    tree = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        places = paths(tree)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        _mutate(draw, _below(tree, way), last, samples)
    return tree


def _below(tree: Any, way: Iterable[str | int]) -> Any:
    for step in way:
        tree = tree[step]
    return tree


def _mutate(draw: st.DrawFn, parent: Any, last: str | int, samples: list[Any]) -> None:
    match draw(st.sampled_from(["odd", "remove", "graft", "repeat"])):
        case "odd":
            parent[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
        case "remove":
            del parent[last]
        case "graft":
            other = draw(st.sampled_from(samples))
            parent[last] = copy.deepcopy(_below(other, draw(st.sampled_from(paths(other)))))
        case "repeat" if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[int(last)]))
        case "repeat":
            parent[draw(st.sampled_from(NAMES))] = copy.deepcopy(parent[last])


def assert_sound(name: IntegrationProvider, part: Part) -> list[Item]:
    """Check what is promised of every part and its items; returns these."""
    provider = PROVIDERS[name]
    assert provider.split(part.payload.encode()) == [part]
    for text in (part.address, part.fallback, part.external_account_id, part.contact, part.ordering, part.event_type):
        if text is not None:
            assert "\x00" not in text
            assert 0 < len(text.encode()) <= 520
    items = provider.parse(part.payload)
    assert [item.index for item in items] == sorted(item.index for item in items)
    assert {item.index for item in items} == set(range(items[-1].index + 1))
    for item in items:
        stored = to_json(item)
        assert "\\u0000" not in stored
    return items


SETTINGS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("name", list(IntegrationProvider))
@SETTINGS
@given(tree=mutated(SAMPLES))
def test_a_mutated_webhook_never_raises(name: IntegrationProvider, tree: Any) -> None:
    """Any JSON of the outline is split into parts that say where they go, and is read into items, whatever is in it."""
    try:
        parts = PROVIDERS[name].split(json.dumps(tree).encode())
    except MalformedWebhook:
        return
    for part in parts:
        assert_sound(name, part)
        assert len([one for one in (part.address, part.ignored, part.unsupported, part.failed) if one]) == 1


@pytest.mark.parametrize("name", list(IntegrationProvider))
@SETTINGS
@given(tree=mutated(GENERIC))
def test_a_mutated_generic_envelope_never_raises(name: IntegrationProvider, tree: Any) -> None:
    """The same holds for the generic envelope."""
    try:
        parts = PROVIDERS[name].split(json.dumps(tree).encode())
    except MalformedWebhook:
        return
    for part in parts:
        assert_sound(name, part)


@pytest.mark.parametrize("name", list(IntegrationProvider))
@SETTINGS
@given(tree=mutated(SAMPLES) | st.recursive(st.none() | st.text(), st.lists, max_leaves=5))
def test_parsing_takes_any_json(name: IntegrationProvider, tree: Any) -> None:
    """`parse` answers with items even to JSON that no `split` would have let through."""
    assert PROVIDERS[name].parse(json.dumps(tree))


@SETTINGS
@given(tree=mutated(SAMPLES), lone=st.sampled_from(["\\ud800", "\\udfff\\ud800", "\\ud83d x"]))
def test_the_slow_path_cuts_like_the_fast_one(tree: Any, lone: str) -> None:
    """A lone surrogate somewhere changes nothing but its own text: same parts, same slices."""
    if not isinstance(tree, dict) or not isinstance(tree.get("object"), str) or not isinstance(tree.get("entry"), list):
        return
    provider = next((one for one in PROVIDERS.values() if _owns(one.name, tree["object"])), None)
    if provider is None:
        return
    plain = json.dumps({**tree, "mark": "MARK", "entry": tree["entry"] + _marked(tree["object"])})
    fast = provider.split(plain.replace("MARK", "\\ufffd").encode())
    slow = provider.split(plain.replace("MARK", lone).encode())
    assert [_without(part.payload, lone) for part in slow] == [_without(part.payload, lone) for part in fast]


def _without(payload: str, lone: str) -> str:
    return payload.replace(lone, "\\ufffd")


def _marked(object_name: str) -> list[Any]:
    """An entry that holds the mark; its items make the body one that must be cut."""
    if object_name == "whatsapp_business_account":
        value = {"metadata": {"phone_number_id": "7"}, "messages": [{"from": "1", "x": "MARK"}, {"from": "2"}]}
        return [{"id": "9", "changes": [{"field": "messages", "value": value}]}]
    return [{"id": "9", "messaging": [{"sender": {"id": "1"}, "message": {"text": "MARK"}}, {"sender": {"id": "2"}}]}]


def _owns(name: IntegrationProvider, object_name: str) -> bool:
    owners = {"whatsapp_business_account": "WHATSAPP", "instagram": "INSTAGRAM", "page": "FACEBOOK"}
    return owners.get(object_name) == name
