"""The simulator and the providers agree: whatever happens there is read here as what it is."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.simulator.stage import Stage, open_stage

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Item, MessageItem, Origin, SkippedItem
from hookline.providers import PROVIDERS
from hookline.simulator import default
from hookline.simulator.control.happenings import happen
from hookline.simulator.control.perform import ACTS, perform
from hookline.simulator.records import Direction, Message
from hookline.simulator.world import Kind

ACCOUNTS = {
    Kind.PHONE_NUMBER: (IntegrationProvider.WHATSAPP, default.PHONE_NUMBER),
    Kind.PAGE: (IntegrationProvider.FACEBOOK, default.PAGE),
    Kind.INSTAGRAM: (IntegrationProvider.INSTAGRAM, default.INSTAGRAM_ACCOUNT),
}
PROVIDER_OF_OBJECT = {
    "whatsapp_business_account": IntegrationProvider.WHATSAPP,
    "page": IntegrationProvider.FACEBOOK,
    "instagram": IntegrationProvider.INSTAGRAM,
}
CASES = [(kind, what) for kind in ACCOUNTS for what in sorted(ACTS[kind])]
# What an act needs to be told; the names mean the same everywhere.
PARTICULARS = {
    "text": "Hello, grüß Gott 👋",
    "id": "choice-1",
    "title": "Yes",
    "payload": "YES",
    "number": "15550009999",
    "message": {"type": "text", "text": {"body": "raw"}},
    "event": {"message": {"mid": "m_raw", "text": "raw"}},
}
# Nobody is told of these.
SILENT = {"block", "unblock", "go_offline", "come_online"}
# What the business reads, where it is no message of the act's own name.
READS = {
    "button_reply": "interactive",
    "change_identity": "system",
    "change_number": "system contact",
    "change_user_id": "system contact contact",
    "edit": "edit",
    "ephemeral": "other",
    "fail": "status",
    "file": "document",
    "flow_reply": "interactive",
    "handover": "account",
    "ig_post": "other",
    "ig_reel": "other",
    "inbox": "text",
    "like_heart": "sticker",
    "link": "text",
    "list_reply": "interactive",
    "live_comment": "comment",
    "mention": "account",
    "call": "call call",
    "optin": "contact",
    "play": "status",
    "raw": "text",
    "reel": "other",
    "referral": "contact",
    "resume_marketing": "contact",
    "share": "other",
    "stop_marketing": "contact",
    "story_mention": "other",
    "story_reply": "text",
    "template_button": "button",
    "unsend": "unsend",
    "welcome": "other",
    "account_linking": "contact",
    "feedback": "contact",
}
# Texts with a payload are quick replies; a page's reads are told by a time, the others by message.
BY_PLATFORM = {
    (Kind.PHONE_NUMBER, "read"): "status",
    (Kind.PAGE, "read"): "watermark",
    (Kind.INSTAGRAM, "read"): "status",
    (Kind.PAGE, "text"): "interactive",
    (Kind.INSTAGRAM, "text"): "interactive",
}
ACCOUNT_FACTS = {
    "account_update": {"event": "VERIFIED_ACCOUNT"},
    "account_review": {},
    "account_alert": {},
    "business_capability": {"limit": "TIER_10K"},
    "number_quality": {"event": "FLAGGED", "quality": "RED"},
    "number_name": {},
    "number_security": {},
    "template_status": {"event": "PAUSED"},
    "template_quality": {},
    "template_category": {"soon": True},
    "template_components": {},
    "history_declined": {},
}


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    """A simulator with a receiver of webhooks."""
    async with open_stage() as found:
        yield found


async def read(stage: Stage) -> list[Item]:
    """Wait until everything is told; then split every POST and parse its parts."""
    assert await stage.sim.settle()
    assert stage.unsigned == 0
    items: list[Item] = []
    for post in stage.posts:
        provider = PROVIDERS[PROVIDER_OF_OBJECT[post["object"]]]
        for part in provider.split(json.dumps(post).encode()):
            items += provider.parse(part.payload)
    return items


def named(item: Item) -> str:
    """A message by its type, anything else by its class."""
    if isinstance(item, MessageItem):
        return item.type.value
    return type(item).__name__.removesuffix("Item").lower()


def converse(stage: Stage, account_id: str) -> None:
    """Let both sides have said something, which acts can be about."""
    perform(stage.sim, account_id, "ann", "text", {"text": "First"})
    stage.sim.threads.add(
        Message(
            id="answer",
            account_id=account_id,
            contact_id="ann",
            direction=Direction.OUTBOUND,
            type="text",
            content={},
            sent_at=stage.sim.world.clock.now(),
            status="delivered",
        )
    )


@pytest.mark.parametrize(("kind", "what"), CASES)
async def test_every_act_is_read_as_what_it_is(stage: Stage, kind: Kind, what: str) -> None:
    """What somebody does at the simulator comes out of our providers as that, and nothing of it is skipped."""
    account_id = ACCOUNTS[kind][1]
    if (kind, what) == (Kind.PHONE_NUMBER, "inbox"):
        account_id = default.COEXISTENCE_PHONE_NUMBER
    converse(stage, account_id)
    await read(stage)
    stage.posts.clear()
    perform(stage.sim, account_id, "ann", what, PARTICULARS)
    found = " ".join(named(item) for item in await read(stage))
    assert found == ("" if what in SILENT else BY_PLATFORM.get((kind, what)) or READS.get(what, what))


@pytest.mark.parametrize("what", sorted(ACCOUNT_FACTS))
async def test_every_decision_of_the_platform_is_a_fact(stage: Stage, what: str) -> None:
    """What the platform decides about an account is read as one fact about it."""
    happen(stage.sim, what, ACCOUNT_FACTS[what])
    assert [named(item) for item in await read(stage)] == ["account"]


async def test_handed_over_conversations_are_history(stage: Stage) -> None:
    """History comes in chunks, and every message of it is read, files and placeholders included; contacts, too."""
    told = happen(stage.sim, "history", {"chunks": 2, "messages": 5, "contacts": ["ann", "joao"]})
    happen(stage.sim, "history_media", {"messageId": told["messageIds"][4]})
    happen(stage.sim, "contacts_sync", {"contacts": ["ann", "joao"]})
    items = await read(stage)
    messages = [item for item in items if isinstance(item, MessageItem)]
    assert {message.external_id for message in messages} == set(told["messageIds"])
    assert {message.origin for message in messages} == {Origin.HISTORY}
    assert [named(item) for item in items].count("contact") == 2
    assert not any(isinstance(item, SkippedItem) for item in items)


async def test_a_removed_partner_is_disconnected(stage: Stage) -> None:
    """PARTNER_REMOVED is read as the end of the connection, and is the last thing that is told."""
    happen(stage.sim, "account_update", {"event": "PARTNER_REMOVED"})
    assert [item.kind for item in await read(stage)] == ["disconnected"]
    perform(stage.sim, default.PHONE_NUMBER, "ann", "text", {"text": "Is anybody there?"})
    assert [item.kind for item in await read(stage)] == ["disconnected"]


@pytest.mark.parametrize("shape", ["absent", "empty", "scoped"])
async def test_a_hidden_number_is_a_person_all_the_same(stage: Stage, shape: str) -> None:
    """Whoever hides their number is known by their business-scoped id, in each of the shapes that were seen."""
    stage.sim.behaviour.hidden_phone = shape  # type: ignore[assignment]
    perform(stage.sim, default.PHONE_NUMBER, "hidden", "text", {"text": "Hello"})
    (item,) = await read(stage)
    assert isinstance(item, MessageItem)
    user_id = stage.contact("hidden").scoped[default.BUSINESS]
    assert (item.sender, item.contact.user_id, item.contact.phone) == (user_id, user_id, None)


@pytest.mark.parametrize("shape", ["changes", "entry"])
async def test_both_shapes_of_a_comment_are_read(stage: Stage, shape: str) -> None:
    """A comment on Instagram is one, whether it stands in `changes` or is spread over the entry."""
    stage.sim.behaviour.instagram_comments = shape  # type: ignore[assignment]
    made = perform(stage.sim, default.INSTAGRAM_ACCOUNT, "ann", "comment", {"text": "Nice"})
    (item,) = await read(stage)
    assert (named(item), item.external_id) == ("comment", made["commentId"])


@pytest.mark.parametrize("account", [default.PAGE, default.INSTAGRAM_ACCOUNT])
async def test_what_another_app_handles_is_standby(stage: Stage, account: str) -> None:
    """What is told in standby is recorded as such; its postbacks have no payload."""
    perform(stage.sim, account, "ann", "text", {"text": "To the other app", "standby": True})
    perform(stage.sim, account, "ann", "postback", {"standby": True})
    items = await read(stage)
    assert [item.origin for item in items if isinstance(item, MessageItem)] == [Origin.STANDBY] * 2
