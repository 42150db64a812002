"""Every provider against every shared sample: nothing raises, nothing is lost, nothing is counted twice.

The counting here is naive on purpose, over plain JSON, and shares nothing with the parsers.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Item, MessageItem, Part, StatusItem
from hookline.providers import PROVIDERS

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "payloads"
PROVIDER_OF_OBJECT = {
    "whatsapp_business_account": IntegrationProvider.WHATSAPP,
    "instagram": IntegrationProvider.INSTAGRAM,
    "page": IntegrationProvider.FACEBOOK,
}
MESSAGE_STATUSES = ("sent", "delivered", "read", "played", "failed")


def webhooks() -> dict[str, Any]:
    """Find the samples that are webhooks, by name."""
    found = {str(path.relative_to(FOLDER)): json.loads(path.read_text()) for path in sorted(FOLDER.rglob("*.json"))}
    return {name: post for name, post in found.items() if isinstance(post, dict) and {"object", "entry"} <= post.keys()}


WEBHOOKS = webhooks()
NAMES: list[Any] = list(WEBHOOKS) or [
    pytest.param("", marks=pytest.mark.skip(reason="the shared payload samples are not here"))
]

pytestmark = pytest.mark.parametrize("name", NAMES)


def split(post: Any) -> tuple[IntegrationProvider, list[Part]]:
    """Split a post by the provider of its object; by any, where no provider owns the object."""
    name = PROVIDER_OF_OBJECT.get(post["object"], IntegrationProvider.FACEBOOK)
    return name, PROVIDERS[name].split(json.dumps(post).encode())


def read(post: Any) -> list[Item]:
    """Split a post and parse its parts."""
    name, parts = split(post)
    return [item for part in parts for item in PROVIDERS[name].parse(part.payload)]


def whatsapp_messages(value: Any) -> int:
    """Count what people and the business said, calls included."""
    said = list(value.get("messages", [])) + list(value.get("message_echoes", []))
    for chunk in value.get("history", []):
        for thread in chunk.get("threads", []):
            said += thread["messages"]
    return len([one for one in said if one["type"] not in ("edit", "revoke")]) + len(value.get("calls", []))


def page_or_instagram_messages(entry: Any) -> int:
    """Count messages that are not deleted, postbacks, reactions, and new comments."""
    count = 0
    for item in entry.get("messaging", []) + entry.get("standby", []):
        count += "message" in item and not item["message"].get("is_deleted", False)
        count += "postback" in item
        count += "reaction" in item
    for change in [*entry.get("changes", []), entry]:
        value = change.get("value", {})
        count += change.get("field") in ("comments", "live_comments")
        count += change.get("field") == "feed" and value["item"] == "comment" and value["verb"] == "add"
    return count


def expected_counts(post: Any) -> tuple[int, int]:
    """Count the messages and statuses of a post."""
    if post["object"] not in PROVIDER_OF_OBJECT:
        return 0, 0
    if post["object"] != "whatsapp_business_account":
        items = [item for entry in post["entry"] for item in entry.get("messaging", [])]
        delivered = sum(len(item["delivery"].get("mids", [])) for item in items if "delivery" in item)
        read_one = sum("mid" in item["read"] for item in items if "read" in item)
        return sum(page_or_instagram_messages(entry) for entry in post["entry"]), delivered + read_one
    values = [change["value"] for entry in post["entry"] for change in entry["changes"]]
    statuses = [status for value in values for status in value.get("statuses", [])]
    return (
        sum(whatsapp_messages(value) for value in values),
        sum(status["status"] in MESSAGE_STATUSES for status in statuses),
    )


def source_items(post: Any) -> list[Any]:
    """List the pieces of a post that must each be accounted for."""
    if post["object"] not in PROVIDER_OF_OBJECT:
        return [post]
    found = []
    for entry in post["entry"]:
        found += entry.get("messaging", []) + entry.get("standby", [])
        found += [entry] if "field" in entry else []
        for change in entry.get("changes", []):
            found += _pieces(change)
    return found


def _pieces(change: Any) -> list[Any]:
    """Cut a change into the arrays' items that it is made of, or leave it whole."""
    value = change.get("value")
    if not isinstance(value, dict):
        return [change]
    arrays = ("messages", "statuses", "message_echoes", "calls", "groups", "user_preferences", "user_id_update")
    pieces = [item for name in arrays if isinstance(value.get(name), list) for item in value[name]]
    return pieces or [change]


def test_messages_and_statuses_are_all_there(name: str) -> None:
    """As many messages and statuses come out as a plain count of the JSON finds."""
    items = read(WEBHOOKS[name])
    found = (sum(isinstance(item, MessageItem) for item in items), sum(isinstance(item, StatusItem) for item in items))
    assert found == expected_counts(WEBHOOKS[name])


def test_every_source_item_is_accounted_for(name: str) -> None:
    """Each piece of a post ends as at least one item, under its own index."""
    provider, parts = split(WEBHOOKS[name])
    indices = 0
    for part in parts:
        items = PROVIDERS[provider].parse(part.payload)
        found = {item.index for item in items}
        assert found == set(range(len(found)))
        indices += len(found)
    assert indices == len(source_items(WEBHOOKS[name]))


def test_parts_hold_each_piece_once_as_it_was(name: str) -> None:
    """The parts together hold the exact text of each piece of the post once, neither more nor less."""
    post = WEBHOOKS[name]
    pieces = source_items(post)
    texts = [json.dumps(piece) for piece in pieces]
    _, parts = split(post)
    for text in set(texts):
        whole = json.dumps(post).count(text)
        assert sum(part.payload.count(text) for part in parts) == whole


def test_splitting_a_part_again_gives_that_part(name: str) -> None:
    """A part is a POST of its own: split again, it is one part, equal to itself."""
    provider, parts = split(WEBHOOKS[name])
    for part in parts:
        assert PROVIDERS[provider].split(part.payload.encode()) == [part]


def test_every_other_provider_takes_it_whole(name: str) -> None:
    """Sent to the wrong platform's path, a post is one part that reaches no account."""
    owner, _ = split(WEBHOOKS[name])
    for other in set(IntegrationProvider) - {owner}:
        (part,) = PROVIDERS[other].split(json.dumps(WEBHOOKS[name]).encode())
        assert part.address is None
        assert part.failed or part.ignored
