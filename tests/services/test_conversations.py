"""Conversations: what opens the window, what is unread, who wants no marketing."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.services.desk import Desk

from hookline.store import conversations

DAY = timedelta(days=1)


def seconds_ago(seconds: int) -> int:
    """A time of the platform's clock."""
    return int(datetime.now(UTC).timestamp()) - seconds


def whatsapp(*messages: dict[str, Any], name: str = "Ann", **more: Any) -> bytes:
    """A WhatsApp change with messages of one person."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": "phone-1", "display_phone_number": "15550001111"},
        "contacts": [{"wa_id": "1650", "profile": {"name": name}}],
        "messages": list(messages),
        **more,
    }
    return changes("messages", value)


def changes(field: str, value: dict[str, Any]) -> bytes:
    """A WhatsApp webhook with one change."""
    entry = {"id": "waba-1", "changes": [{"field": field, "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def said(wamid: str, ago: int = 10, **content: Any) -> dict[str, Any]:
    """A message of that person."""
    body = content or {"type": "text", "text": {"body": "Hello"}}
    return {"from": "1650", "id": wamid, "timestamp": str(seconds_ago(ago)), **body}


def messenger(object_name: str = "page", own: str = "page-1", ago: int = 10, **event: Any) -> bytes:
    """One messaging event of the person 7."""
    item = {"sender": {"id": "7"}, "recipient": {"id": own}, "timestamp": seconds_ago(ago) * 1000, **event}
    return json.dumps({"object": object_name, "entry": [{"id": own, "time": 1, "messaging": [item]}]}).encode()


async def conversation(desk: Desk) -> dict[str, Any]:
    """The only conversation."""
    (row,) = await desk.rows("SELECT * FROM conversations")
    return row


async def window(desk: Desk) -> timedelta | None:
    """How long the only conversation's window is still open; None if it never was."""
    rows = await desk.rows("SELECT window_until FROM conversations")
    if not rows or rows[0]["window_until"] is None:
        return None
    until: datetime = rows[0]["window_until"]
    return until - datetime.now(UTC)


def about(left: timedelta | None, expected: timedelta) -> bool:
    """Whether a time is that, but for what the test took."""
    return left is not None and abs(left - expected) < timedelta(seconds=30)


async def test_a_message_opens_the_window_for_a_day(desk: Desk) -> None:
    """From the time when it was written, by the platform's clock; and it is unread."""
    account = await desk.connect()
    await desk.take_in(whatsapp(said("wamid.1", ago=3600)))
    found = await conversation(desk)
    assert about(await window(desk), DAY - timedelta(hours=1))
    assert (found["contact"], found["unread_count"]) == ("1650", 1)
    assert found["connected_account_id"] == account.id
    assert found["last_inbound_id"] == "wamid.1"
    assert found["last_message_id"] == (await desk.message("wamid.1"))["id"]


async def test_a_batch_counts_each_message_once(desk: Desk) -> None:
    """Three messages are three unread; the latest is the last, whatever their order; a redelivery adds nothing."""
    await desk.connect()
    body = whatsapp(said("wamid.2", ago=5), said("wamid.3", ago=1), said("wamid.1", ago=9))
    for _ in range(2):
        await desk.take_in(body)
    found = await conversation(desk)
    assert found["unread_count"] == 3
    assert found["last_message_id"] == (await desk.message("wamid.3"))["id"]
    assert found["last_inbound_id"] == "wamid.3"


async def test_an_old_message_moves_nothing_back(desk: Desk) -> None:
    """What comes late keeps the window where a later message had put it."""
    await desk.connect()
    await desk.take_in(whatsapp(said("wamid.2", ago=60)))
    await desk.take_in(whatsapp(said("wamid.1", ago=7200)))
    found = await conversation(desk)
    assert about(await window(desk), DAY - timedelta(minutes=1))
    assert found["last_message_id"] == (await desk.message("wamid.2"))["id"]
    assert (found["last_inbound_id"], found["unread_count"]) == ("wamid.2", 2)


async def test_a_clock_ahead_of_ours_opens_no_longer(desk: Desk) -> None:
    """A window ends a day from now at the latest."""
    await desk.connect()
    await desk.take_in(whatsapp(said("wamid.1", ago=-7200)))
    assert about(await window(desk), DAY)


@pytest.mark.parametrize(
    ("content", "opens", "unread"),
    [
        ({"type": "image", "image": {"id": "1"}}, True, 1),
        ({"type": "reaction", "reaction": {"message_id": "wamid.0", "emoji": "👍"}}, True, 0),
        ({"type": "reaction", "reaction": {"message_id": "wamid.0", "emoji": ""}}, False, 0),
        ({"type": "system", "system": {"type": "user_changed_number", "body": "x"}}, False, 0),
        ({"type": "unsupported", "errors": [{"code": 131051}]}, True, 1),
    ],
    ids=["image", "reaction", "reaction taken back", "system", "unsupported"],
)
async def test_what_opens_it_on_whatsapp(desk: Desk, content: dict[str, Any], opens: bool, unread: int) -> None:
    """Whatever a person sends, but not what the platform tells of them."""
    await desk.connect()
    await desk.take_in(whatsapp(said("wamid.1", **content)))
    assert (await window(desk) is not None) is opens
    assert (await conversation(desk))["unread_count"] == unread


async def test_a_call_opens_it(desk: Desk) -> None:
    """Source: protocol reference 7.1. It is no message that could be marked as read."""
    await desk.connect()
    call = {"id": "wacid.1", "from": "1650", "to": "15550001111", "event": "connect", "timestamp": str(seconds_ago(9))}
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "phone-1"}, "calls": [call]}
    await desk.take_in(changes("calls", value))
    assert about(await window(desk), DAY)
    assert (await conversation(desk))["last_inbound_id"] is None


@pytest.mark.parametrize(
    "event",
    [
        {"message": {"mid": "m_1", "text": "Hello"}},
        {"message": {"mid": "m_1", "text": "Nice", "reply_to": {"story": {"id": "1", "url": "https://x"}}}},
        {"message": {"mid": "m_1", "attachments": [{"type": "story_mention", "payload": {"url": "https://x"}}]}},
        {"postback": {"mid": "m_1", "title": "Begin", "payload": "x"}},
        {"reaction": {"mid": "m_0", "action": "react", "reaction": "love", "emoji": "❤"}},
        {"referral": {"ref": "x", "source": "SHORTLINK", "type": "OPEN_THREAD"}},
    ],
    ids=["message", "story reply", "story mention", "postback", "reaction", "link"],
)
@pytest.mark.parametrize(("provider", "object_name"), [("FACEBOOK", "page"), ("INSTAGRAM", "instagram")])
async def test_what_opens_it_on_messenger_and_instagram(
    desk: Desk, provider: str, object_name: str, event: dict[str, Any]
) -> None:
    """A message, also to a story, a button, a reaction, a link into the conversation."""
    await desk.connect("page-1", provider=provider)
    await desk.take_in(messenger(object_name, **event), provider)
    assert about(await window(desk), DAY)


@pytest.mark.parametrize(
    "event",
    [
        {"message": {"mid": "m_1", "text": "Hello", "is_echo": True}},
        {"read": {"watermark": 1}},
        {"reaction": {"mid": "m_0", "action": "unreact"}},
    ],
    ids=["echo", "read", "reaction taken back"],
)
async def test_what_does_not_open_it(desk: Desk, event: dict[str, Any]) -> None:
    """What the business says, and what nobody says."""
    await desk.connect("page-1", provider="FACEBOOK")
    await desk.take_in(messenger(**event), "FACEBOOK")
    assert await window(desk) is None
    assert not await desk.rows("SELECT FROM conversations WHERE unread_count > 0")


async def test_another_apps_conversation_stays_its_own(desk: Desk) -> None:
    """On standby nothing is unread, and no window of ours opens."""
    await desk.connect("page-1", provider="FACEBOOK")
    body = json.loads(messenger(message={"mid": "m_1", "text": "Hello"}))
    body["entry"][0]["standby"] = body["entry"][0].pop("messaging")
    await desk.take_in(json.dumps(body).encode(), "FACEBOOK")
    assert await window(desk) is None
    assert (await conversation(desk))["unread_count"] == 0


async def test_history_opens_nothing(desk: Desk) -> None:
    """Old messages make a conversation, without window and without anything unread."""
    await desk.connect()
    thread = {"id": "1650", "messages": [said("wamid.1", ago=60)]}
    chunk = {"metadata": {"phase": 0, "chunk_order": 1, "progress": 50}, "threads": [thread]}
    metadata = {"phone_number_id": "phone-1", "display_phone_number": "15550001111"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "history": [chunk]}
    await desk.take_in(changes("history", value))
    assert await window(desk) is None
    found = await conversation(desk)
    assert (found["unread_count"], found["last_message_id"]) == (0, (await desk.message("wamid.1"))["id"])


async def test_a_comment_is_no_conversation(desk: Desk) -> None:
    """It was said in public, and allows one private reply at most."""
    await desk.connect("ig-1", provider="INSTAGRAM")
    value = {"id": "c-1", "text": "Nice", "from": {"id": "7", "username": "ann"}, "media": {"id": "1"}}
    entry = {"id": "ig-1", "time": 1, "changes": [{"field": "comments", "value": value}]}
    await desk.take_in(json.dumps({"object": "instagram", "entry": [entry]}).encode(), "INSTAGRAM")
    assert len(await desk.messages()) == 1
    assert await desk.rows("SELECT * FROM conversations") == []


def preference(value: str, ago: int) -> bytes:
    """What the person wants of marketing."""
    one = {"wa_id": "1650", "category": "marketing_messages", "value": value, "timestamp": seconds_ago(ago)}
    metadata = {"phone_number_id": "phone-1", "display_phone_number": "15550001111"}
    return changes(
        "user_preferences", {"messaging_product": "whatsapp", "metadata": metadata, "user_preferences": [one]}
    )


async def test_who_stops_marketing_is_known(desk: Desk) -> None:
    """The latest word counts, in whatever order they come; a conversation, perhaps a silent one, shows it."""
    account = await desk.connect()

    async def opted_out_at() -> datetime | None:
        async with desk.pool.acquire() as connection:
            found = await conversations.find(connection, "org-1", account.id, ["1650"])
        assert found is not None
        return found.marketing_opted_out_at

    await desk.take_in(preference("stop", ago=100))
    assert await opted_out_at() is not None
    await desk.take_in(preference("resume", ago=50))
    assert await opted_out_at() is None
    await desk.take_in(preference("stop", ago=80))
    assert await opted_out_at() is None


async def test_each_account_has_its_own(desk: Desk) -> None:
    """The same person writes to two organizations: neither's window is the other's."""
    await desk.connect()
    await desk.connect("phone-2", "org-2")
    await desk.take_in(whatsapp(said("wamid.1")))
    await desk.take_in(whatsapp(said("wamid.2")).replace(b"phone-1", b"phone-2"))
    rows = await desk.rows("SELECT organization_id, unread_count FROM conversations ORDER BY organization_id")
    assert rows == [
        {"organization_id": "org-1", "unread_count": 1},
        {"organization_id": "org-2", "unread_count": 1},
    ]
