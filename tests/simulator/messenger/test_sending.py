"""Sending by Messenger over HTTP: the reply, echo, delivery and read, the window and its tags, uploads, actions."""

from typing import Any

import aiohttp
import pytest
from tests.simulator.stage import PAGE_TOKEN, WHATSAPP_TOKEN, Reply, Stage

from hookline.simulator import default
from hookline.simulator.acts import messaging as acts
from hookline.simulator.conduct import Reads
from hookline.simulator.limits import Rates
from hookline.simulator.options import DEFAULT_APP_ID
from hookline.simulator.records import Comment, Message, Reachability

DAY = 24 * 3600
PAGE = default.PAGE


def person(stage: Stage, who: str = "ann") -> str:
    """Somebody's id for the page."""
    return stage.sim.world.scoped_id(stage.contact(who), PAGE)


def hear(stage: Stage, who: str = "ann", **more: Any) -> Message:
    """Have somebody write, which opens their window."""
    return acts.write(stage.sim, PAGE, stage.contact(who), "text", {"text": "Hi"}, **more)


async def send(stage: Stage, message: Any, who: str = "ann", **more: Any) -> Reply:
    """Send to somebody."""
    return await stage.messenger({"recipient": {"id": person(stage, who)}, "message": message, **more})


async def act(stage: Stage, action: str, **more: Any) -> Reply:
    """Do a sender action."""
    return await stage.messenger({"recipient": {"id": person(stage)}, "sender_action": action, **more})


async def events(stage: Stage, kind: str) -> list[dict[str, Any]]:
    """The messaging items of one kind that were told; echoes are a kind of their own."""
    items = await stage.told("messaging")
    if kind == "echo":
        return [item for item in items if item.get("message", {}).get("is_echo")]
    return [item for item in items if kind in item and not item.get("message", {}).get("is_echo")]


async def test_reply_and_webhooks(stage: Stage) -> None:
    """A send is answered with recipient and mid; then come its echo with metadata and app id, and its delivery."""
    hear(stage)
    reply = await send(stage, {"text": "Hello", "metadata": "own-7"}, messaging_type="RESPONSE")
    mid = reply.json["message_id"]
    assert reply.json == {"recipient_id": person(stage), "message_id": mid}
    assert mid.startswith("m_")
    (echo,) = await events(stage, "echo")
    assert (echo["sender"]["id"], echo["recipient"]["id"]) == (PAGE, person(stage))
    assert echo["message"] == {
        "mid": mid,
        "is_echo": True,
        "text": "Hello",
        "app_id": int(DEFAULT_APP_ID),
        "metadata": "own-7",
    }
    (delivery,) = await events(stage, "delivery")
    assert (delivery["sender"]["id"], delivery["recipient"]["id"]) == (person(stage), PAGE)
    assert delivery["delivery"]["mids"] == [mid]
    assert len(str(delivery["delivery"]["watermark"])) == 13


async def test_read_by_watermark(stage: Stage) -> None:
    """Reading tells one watermark for all that was sent, and nothing the second time."""
    hear(stage)
    await send(stage, {"text": "One"})
    await send(stage, {"text": "Two"})
    await stage.sim.settle()
    for _ in range(2):
        acts.read(stage.sim, PAGE, stage.contact())
    (read,) = await events(stage, "read")
    sent = [message for message in stage.sim.world.records.messages.values() if message.status == "read"]
    assert len(sent) == 2
    assert read["read"] == {"watermark": int(sent[-1].sent_at * 1000)}


async def test_read_by_itself(stage: Stage) -> None:
    """People can be told to read everything at once."""
    stage.sim.conduct.reads = Reads.ALWAYS
    hear(stage)
    await send(stage, {"text": "One"})
    assert len(await events(stage, "read")) == 1


@pytest.mark.parametrize(
    ("days", "body", "code"),
    [
        (0.99, {}, None),
        (1.01, {}, (10, 2018278)),
        (1.01, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}, None),
        (7.01, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}, (10, 2018278)),
        (30, {"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}, None),
    ],
)
async def test_window(stage: Stage, days: float, body: dict[str, Any], code: tuple[int, int] | None) -> None:
    """A day for everything, a week for a human agent, and other tags at any time."""
    hear(stage)
    stage.sim.world.clock.advance(days * DAY)
    reply = await send(stage, {"text": "Hello"}, **body)
    if code is None:
        assert reply.status == 200
    else:
        assert (reply.status, reply.error) == (403, code)


async def test_people_who_are_not_reached(stage: Stage) -> None:
    """Nobody has such an id; somebody has blocked the page; somebody is gone; somebody's phone is off."""
    reply = await stage.messenger({"recipient": {"id": "9" * 16}, "message": {"text": "Hi"}})
    assert reply.error == (100, 2018001)
    hear(stage)
    stage.contact().reachability = Reachability.OFFLINE
    assert (await send(stage, {"text": "Hi"})).status == 200
    assert len(await events(stage, "echo")) == 1
    assert await events(stage, "delivery") == []
    acts.come_online(stage.sim, stage.contact())
    assert len(await events(stage, "delivery")) == 1
    stage.contact().reachability = Reachability.UNREACHABLE
    assert (await send(stage, {"text": "Hi"})).error == (551, 1545041)
    stage.contact().reachability = Reachability.ONLINE
    stage.contact().blocks.append(PAGE)
    assert (await send(stage, {"text": "Hi"})).error == (551, 1545041)


async def test_somebody_of_another_page(stage: Stage) -> None:
    """An id is one page's; to another it is nobody's."""
    elsewhere = stage.sim.world.scoped_id(stage.contact(), default.BUSINESS_PAGE)
    reply = await stage.messenger({"recipient": {"id": elsewhere}, "message": {"text": "Hi"}})
    assert reply.error == (100, 2018001)


async def test_wrong_tokens(stage: Stage) -> None:
    """A page's messages are sent with its own token, that may send."""
    body = {"recipient": {"id": person(stage)}, "message": {"text": "Hi"}}
    path = f"graph/v25.0/{PAGE}/messages"
    assert (await stage.call("POST", path, WHATSAPP_TOKEN, json=body)).error == (100, 33)
    stage.sim.world.records.tokens[PAGE_TOKEN].scopes = ["pages_show_list"]
    assert (await stage.call("POST", path, PAGE_TOKEN, json=body)).error == (10, None)
    stage.sim.world.records.tokens[PAGE_TOKEN].dead = "expired"
    assert (await stage.call("POST", path, PAGE_TOKEN, json=body)).error == (190, 463)


async def test_actions(stage: Stage) -> None:
    """Typing, having seen, and reacting are answered with the recipient alone."""
    heard = hear(stage)
    thread = stage.sim.threads.of(PAGE, "ann")
    assert (await act(stage, "typing_on")).json == {"recipient_id": person(stage)}
    assert thread.typing_until > stage.sim.world.clock.now()
    await act(stage, "typing_off")
    assert thread.typing_until == 0
    await act(stage, "mark_seen")
    assert heard.status == "read"
    await act(stage, "react", payload={"message_id": heard.id, "reaction": "love"})
    assert list(heard.reactions.values()) == ["❤️"]
    await act(stage, "unreact", payload={"message_id": heard.id})
    assert heard.reactions == {}
    assert (await act(stage, "react", payload={"message_id": "m_x", "reaction": "love"})).error == (100, None)


async def test_reply_to(stage: Stage) -> None:
    """A reply names a message that is there."""
    heard = hear(stage)
    assert (await send(stage, {"text": "Yes"}, reply_to={"mid": heard.id})).status == 200
    assert (await send(stage, {"text": "Yes"}, reply_to={"mid": "m_x"})).error == (100, None)


async def test_as_a_form(stage: Stage) -> None:
    """The same parameters are taken as a form."""
    hear(stage)
    form = {"recipient": f'{{"id":"{person(stage)}"}}', "message": '{"text":"Hello"}', "messaging_type": "RESPONSE"}
    assert (await stage.call("POST", "graph/v25.0/me/messages", PAGE_TOKEN, data=form)).status == 200


async def test_upload(stage: Stage) -> None:
    """A file is uploaded once and sent by its id; its echo has a URL that anybody can fetch, for a while."""
    hear(stage)
    form = aiohttp.FormData()
    form.add_field("message", '{"attachment":{"type":"image","payload":{"is_reusable":true}}}')
    form.add_field("filedata", b"picture", filename="a.png", content_type="image/png")
    uploaded = await stage.call("POST", "graph/v25.0/me/message_attachments", PAGE_TOKEN, data=form)
    attachment = {"type": "image", "payload": {"attachment_id": uploaded.json["attachment_id"]}}
    assert (await send(stage, {"attachment": attachment})).status == 200
    (echo,) = await events(stage, "echo")
    url = echo["message"]["attachments"][0]["payload"]["url"]
    assert (await stage.call("GET", url)).body == b"picture"
    stage.sim.world.clock.advance(8 * DAY)
    assert (await stage.call("GET", url)).status == 403


async def test_upload_by_url(stage: Stage) -> None:
    """A file is fetched from where it lies; not if it is not there, or is too large."""
    reply = await stage.call(
        "POST",
        "graph/v25.0/me/message_attachments",
        PAGE_TOKEN,
        json={"message": {"attachment": {"type": "image", "payload": {"url": f"{stage.sim.url}/nothing"}}}},
    )
    assert reply.error == (100, None)
    reply = await stage.call(
        "POST",
        "graph/v25.0/me/message_attachments",
        PAGE_TOKEN,
        json={"message": {"attachment": {"type": "file", "payload": {"url": f"{stage.sim.url}/static/simulator.css"}}}},
    )
    assert set(reply.json) == {"attachment_id"}
    form = aiohttp.FormData()
    form.add_field("message", '{"attachment":{"type":"file","payload":{}}}')
    form.add_field("filedata", b"x" * (25 * 1024 * 1024 + 1), filename="a.bin", content_type="application/pdf")
    reply = await stage.call("POST", "graph/v25.0/me/message_attachments", PAGE_TOKEN, data=form)
    assert reply.error == (100, 2018109)


async def test_unknown_attachment(stage: Stage) -> None:
    """An attachment that was never uploaded cannot be sent."""
    hear(stage)
    attachment = {"type": "image", "payload": {"attachment_id": "1"}}
    assert (await send(stage, {"attachment": attachment})).error == (100, None)


async def test_reusable_by_url(stage: Stage) -> None:
    """An attachment that is to be used again is answered with its id."""
    hear(stage)
    payload = {"url": "https://example.test/a.png", "is_reusable": True}
    reply = await send(stage, {"attachment": {"type": "image", "payload": payload}})
    assert set(reply.json) == {"recipient_id", "message_id", "attachment_id"}
    again = {"type": "image", "payload": {"attachment_id": reply.json["attachment_id"]}}
    assert (await send(stage, {"attachment": again})).status == 200


async def test_private_reply(stage: Stage) -> None:
    """A comment is answered in private once, within a week, whatever the window."""
    world = stage.sim.world
    for comment_id in ("c1", "c2"):
        world.add_comment(
            Comment(id=comment_id, account_id=PAGE, contact_id="ann", post_id="p", text="?", made_at=world.clock.now())
        )
    body = {"recipient": {"comment_id": "c1"}, "message": {"text": "Hello"}}
    reply = await stage.messenger(body)
    assert (reply.status, reply.json["recipient_id"]) == (200, person(stage))
    assert (await stage.messenger(body)).error == (100, 2534025)
    world.clock.advance(7 * DAY + 1)
    late = {"recipient": {"comment_id": "c2"}, "message": {"text": "Hello"}}
    assert (await stage.messenger(late)).error == (10, 2018278)
    nothing = {"recipient": {"comment_id": "c3"}, "message": {"text": "Hello"}}
    assert (await stage.messenger(nothing)).error == (100, 2018001)


async def test_send_limits(stage: Stage) -> None:
    """Sound and film are slower than text: ten a second, and then 613."""
    hear(stage)
    stage.sim.limits.rates = Rates(messenger=3, audio_video=2)
    frozen = stage.sim.world.clock.now()
    stage.sim.world.clock.now = lambda: frozen  # type: ignore[method-assign]
    video = {"attachment": {"type": "video", "payload": {"url": "https://example.test/a.mp4"}}}
    assert [(await send(stage, video)).status for _ in range(3)] == [200, 200, 400]
    replies = [await send(stage, {"text": "Hi"}) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 400]
    assert replies[-1].error == (613, None)
    assert stage.sim.counters.over_limit == {"messenger": 2}


async def test_inbox(stage: Stage) -> None:
    """What the business writes in its own inbox comes as an echo of another app."""
    hear(stage)
    acts.write_in_inbox(stage.sim, PAGE, stage.contact(), "text", {"text": "By hand"})
    (echo,) = await events(stage, "echo")
    assert (echo["message"]["text"], echo["message"]["app_id"]) == ("By hand", 263902037430900)
    assert "metadata" not in echo["message"]


async def test_instagram_by_the_page(stage: Stage) -> None:
    """With the page's token somebody on the linked Instagram account is written to, by Instagram's rules."""
    account = default.INSTAGRAM_OF_PAGE
    contact = stage.contact()
    acts.write(stage.sim, account, contact, "text", {"text": "Hi"})
    body = {"recipient": {"id": stage.sim.world.scoped_id(contact, account)}, "message": {"text": "x" * 1001}}
    assert (await stage.messenger(body)).error == (100, None)
    reply = await stage.messenger({**body, "message": {"text": "Hello"}})
    assert reply.json["message_id"].startswith("aWdf")
    stage.sim.world.records.tokens[PAGE_TOKEN].scopes = ["pages_messaging"]
    assert (await stage.messenger(body)).error == (10, None)
