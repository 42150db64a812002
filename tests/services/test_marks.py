"""What one read message says of those before it, where the platform names the newest one only (Instagram)."""

from typing import Any

import pytest
from tests.services import bodies
from tests.services.bodies import at
from tests.services.desk import Desk

ACCOUNT = "ig-1"


@pytest.fixture
async def instagram(desk: Desk) -> Desk:
    """A connected Instagram account."""
    await desk.connect(ACCOUNT, provider="INSTAGRAM")
    return desk


async def take(desk: Desk, *items: dict[str, Any]) -> None:
    """Take an Instagram webhook in."""
    await desk.take_in(bodies.messaging(*items, account=ACCOUNT, name="instagram"), "INSTAGRAM")


def wrote(mid: str, seconds: float, person: str = "person-1") -> dict[str, Any]:
    """The business wrote to a person."""
    return bodies.page_echo(mid, person=person, account=ACCOUNT, seconds=seconds)


def seen(mid: str, seconds: float = 60, person: str = "person-1") -> dict[str, Any]:
    """A person has seen a message."""
    return bodies.item(person, ACCOUNT, seconds=seconds, read={"mid": mid})


async def statuses(desk: Desk) -> dict[str, str]:
    return {row["external_id"]: row["status"] for row in await desk.messages()}


async def told(desk: Desk) -> list[tuple[str, str]]:
    """Which messages were told to be in which status."""
    ids = {str(row["id"]): row["external_id"] for row in await desk.messages()}
    facts = [data for name, data in await desk.facts() if name == "message.status"]
    return [(ids[fact["messageId"]], fact["status"]) for fact in facts]


async def test_what_was_sent_before_is_read_too(instagram: Desk) -> None:
    """A person who has read a message has read the ones before it; later ones, and other people's, are as they were."""
    await take(instagram, *(wrote(f"m{n}", n) for n in (1, 2, 3, 4)), wrote("other", 1, "person-2"))
    await take(instagram, bodies.item("person-1", ACCOUNT, seconds=2, message={"mid": "in", "text": "Hello"}))
    await take(instagram, seen("m3"))
    expected = {"m1": "READ", "m2": "READ", "m3": "READ", "m4": "SENT", "other": "SENT", "in": "RECEIVED"}
    assert await statuses(instagram) == expected
    assert [(await instagram.message(name))["read_at"] for name in ("m1", "m2", "m3")] == [at(60)] * 3
    assert sorted(await told(instagram)) == [("m1", "READ"), ("m2", "READ"), ("m3", "READ")]


async def test_it_is_told_once(instagram: Desk) -> None:
    """The same notice again, and one of an earlier message, change nothing and tell nothing."""
    await take(instagram, *(wrote(f"m{n}", n) for n in (1, 2, 3)))
    await take(instagram, seen("m3"))
    before = await told(instagram)
    await take(instagram, seen("m3"))
    await take(instagram, seen("m1", 70))
    assert await told(instagram) == before
    assert (await instagram.message("m1"))["read_at"] == at(60)


async def test_messages_that_we_learn_of_later(instagram: Desk) -> None:
    """An earlier message whose echo comes after the notice is read at once; a later one is not."""
    await take(instagram, wrote("m5", 5))
    await take(instagram, seen("m5"))
    await take(instagram, wrote("m4", 4), wrote("m6", 6))
    assert await statuses(instagram) == {"m4": "READ", "m5": "READ", "m6": "SENT"}


async def test_a_notice_that_waits_for_its_message(instagram: Desk) -> None:
    """A notice that is faster than its message's echo is held, and reaches the earlier ones with it."""
    await take(instagram, wrote("m1", 1), wrote("m9", 9))
    await take(instagram, seen("m5"))
    assert await statuses(instagram) == {"m1": "SENT", "m9": "SENT"}
    await take(instagram, wrote("m5", 5))
    assert await statuses(instagram) == {"m1": "READ", "m5": "READ", "m9": "SENT"}
    assert sorted(await told(instagram)) == [("m1", "READ"), ("m5", "READ")]


async def test_everything_in_one_webhook(instagram: Desk) -> None:
    """Messages and the notice may come together, in any order."""
    await take(instagram, seen("m2"), wrote("m1", 1), wrote("m2", 2), wrote("m3", 3))
    assert await statuses(instagram) == {"m1": "READ", "m2": "READ", "m3": "SENT"}


async def test_a_message_of_the_person_s_own(instagram: Desk) -> None:
    """A notice about a message that came in says nothing of ours."""
    await take(instagram, wrote("m1", 1))
    await take(instagram, bodies.item("person-1", ACCOUNT, seconds=2, message={"mid": "in", "text": "Hello"}))
    await take(instagram, seen("in"))
    assert await statuses(instagram) == {"m1": "SENT", "in": "RECEIVED"}


async def test_whatsapp_tells_each_one(desk: Desk) -> None:
    """Where each message has its own notice, one says nothing of another."""
    await desk.connect()
    await desk.take_in(bodies.echoes(bodies.echo("a", seconds=1), bodies.echo("b", seconds=2)))
    await desk.take_in(bodies.statuses(bodies.status("b", "read", seconds=3)))
    assert await statuses(desk) == {"a": "SENT", "b": "READ"}
