"""Sending by Instagram over HTTP: the reply, the echo within messages, read by mid, the window, who is not reached."""

from typing import Any

import pytest
from tests.simulator.stage import INSTAGRAM_TOKEN, PAGE_TOKEN, Reply, Stage

from hookline.simulator import default
from hookline.simulator.acts import messaging as acts
from hookline.simulator.limits import Rates
from hookline.simulator.options import DEFAULT_APP_ID
from hookline.simulator.records import Comment, Message

DAY = 24 * 3600
ACCOUNT = default.INSTAGRAM_ACCOUNT


def person(stage: Stage) -> str:
    """Ann's id for the account."""
    return stage.sim.world.scoped_id(stage.contact(), ACCOUNT)


def hear(stage: Stage) -> Message:
    """Have Ann write, which opens her window."""
    return acts.write(stage.sim, ACCOUNT, stage.contact(), "text", {"text": "Hi"})


async def send(stage: Stage, message: Any, **more: Any) -> Reply:
    """Send to Ann."""
    return await stage.direct({"recipient": {"id": person(stage)}, "message": message, **more})


async def test_reply_and_echo(stage: Stage) -> None:
    """A send is answered with recipient and mid; its echo comes without metadata and app id, and no delivery comes."""
    hear(stage)
    reply = await send(stage, {"text": "Hello", "metadata": "own-7"})
    mid = reply.json["message_id"]
    assert reply.json == {"recipient_id": person(stage), "message_id": mid}
    items = await stage.told("messaging")
    assert [set(item) - {"sender", "recipient", "timestamp"} for item in items] == [{"message"}, {"message"}]
    assert items[1]["message"] == {"mid": mid, "is_echo": True, "text": "Hello"}
    assert (items[1]["sender"]["id"], items[1]["recipient"]["id"]) == (ACCOUNT, person(stage))
    assert stage.unsigned == 0


async def test_echo_with_metadata(stage: Stage) -> None:
    """If control says so, Instagram's echoes bear what Messenger's do."""
    stage.sim.conduct.instagram_metadata = True
    hear(stage)
    await send(stage, {"text": "Hello", "metadata": "own-7"})
    echo = (await stage.told("messaging"))[1]["message"]
    assert (echo["metadata"], echo["app_id"]) == ("own-7", int(DEFAULT_APP_ID))


async def test_read_by_mid(stage: Stage) -> None:
    """Reading names the last message, and no watermark."""
    hear(stage)
    await send(stage, {"text": "One"})
    last = (await send(stage, {"text": "Two"})).json["message_id"]
    await stage.sim.settle()
    acts.read(stage.sim, ACCOUNT, stage.contact())
    reads = [item["read"] for item in await stage.told("messaging") if "read" in item]
    assert reads == [{"mid": last}]


@pytest.mark.parametrize(
    ("days", "body", "code"),
    [
        (0.99, {}, None),
        (1.01, {}, (10, 2534022)),
        (6.99, {"tag": "HUMAN_AGENT"}, None),
        (7.01, {"tag": "HUMAN_AGENT"}, (10, 2534022)),
    ],
)
async def test_window(stage: Stage, days: float, body: dict[str, Any], code: tuple[int, int] | None) -> None:
    """A day for everything, and a week for a human agent."""
    hear(stage)
    stage.sim.world.clock.advance(days * DAY)
    reply = await send(stage, {"text": "Hello"}, **body)
    assert (reply.status, code and reply.error) == (200 if code is None else 403, code)


async def test_nobody(stage: Stage) -> None:
    """An id that nobody has is 100/2534014; who has blocked the account is not available."""
    reply = await stage.direct({"recipient": {"id": "9" * 16}, "message": {"text": "Hi"}})
    assert reply.error == (100, 2534014)
    hear(stage)
    stage.contact().blocks.append(ACCOUNT)
    assert (await send(stage, {"text": "Hi"})).error == (551, 1545041)


@pytest.mark.parametrize("name", ["me", default.INSTAGRAM_ACCOUNT, "25100000000000001"])
async def test_names_of_the_account(stage: Stage, name: str) -> None:
    """The account is `me`, its own id, or its app-scoped one."""
    hear(stage)
    body = {"recipient": {"id": person(stage)}, "message": {"text": "Hi"}}
    reply = await stage.call("POST", f"instagram-graph/v25.0/{name}/messages", INSTAGRAM_TOKEN, json=body)
    assert reply.status == 200


async def test_tokens(stage: Stage) -> None:
    """The account's own token sends, and needs the permission to; a page's token is no good for another account."""
    body = {"recipient": {"id": person(stage)}, "message": {"text": "Hi"}}
    path = f"graph/v25.0/{ACCOUNT}/messages"
    assert (await stage.call("POST", path, PAGE_TOKEN, json=body)).error == (100, 33)
    stage.sim.world.records.tokens[INSTAGRAM_TOKEN].scopes = ["instagram_business_basic"]
    assert (await stage.direct(body)).error == (10, None)


async def test_heart(stage: Stage) -> None:
    """A heart has no payload, neither sent nor echoed."""
    hear(stage)
    assert (await send(stage, {"attachment": {"type": "like_heart"}})).status == 200
    echo = (await stage.told("messaging"))[1]["message"]
    assert echo["attachments"] == [{"type": "like_heart"}]


async def test_actions(stage: Stage) -> None:
    """Reactions are a sender action."""
    heard = hear(stage)
    body = {"recipient": {"id": person(stage)}, "sender_action": "react"}
    reply = await stage.direct({**body, "payload": {"message_id": heard.id, "reaction": "love"}})
    assert reply.json == {"recipient_id": person(stage)}
    assert list(heard.reactions.values()) == ["❤️"]


async def test_comments(stage: Stage) -> None:
    """A comment is answered in public as often as one likes, and in private once."""
    made_at = stage.sim.world.clock.now()
    comment = Comment(id="17900", account_id=ACCOUNT, contact_id="ann", post_id="p", text="?", made_at=made_at)
    stage.sim.world.add_comment(comment)
    for _ in range(2):
        path = "instagram-graph/v25.0/17900/replies"
        reply = await stage.call("POST", path, INSTAGRAM_TOKEN, params={"message": "Thanks"})
        assert set(reply.json) == {"id"}
    body = {"recipient": {"comment_id": "17900"}, "message": {"text": "Hello"}}
    assert (await stage.direct(body)).status == 200
    assert (await stage.direct(body)).error == (100, 2534025)


async def test_send_limits(stage: Stage) -> None:
    """Beyond the rate the platform answers 613, and counts it."""
    hear(stage)
    stage.sim.limits.rates = Rates(instagram=2)
    frozen = stage.sim.world.clock.now()
    stage.sim.world.clock.now = lambda: frozen  # type: ignore[method-assign]
    assert [(await send(stage, {"text": "Hi"})).status for _ in range(3)] == [200, 200, 400]
    assert stage.sim.counters.over_limit == {"instagram": 1}
