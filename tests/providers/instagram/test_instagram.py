"""What each kind of an Instagram webhook becomes, and whose it is: case → items."""

from datetime import UTC, datetime

import pytest
from tests.providers.cases import Expected, assert_items, cases, item, read, split

from hookline.domain.event import (
    AccountItem,
    Contact,
    EditItem,
    Media,
    MessageItem,
    Origin,
    Outcome,
    SkippedItem,
    StatusItem,
    UnsendItem,
)
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.providers.base import Address
from hookline.providers.instagram import provider

SHOP, ANNA = "17841400000000001", "5500000001"
AT = datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)
SECOND = datetime(2026, 1, 1, tzinfo=UTC)


def message(type_: MessageType, text: str = "", **attributes: object) -> Expected:
    return item(MessageItem, type=type_, text=text, **attributes)


COMMENT = message(
    MessageType.COMMENT,
    "How much?",
    kind="comment",
    external_id="IC1",
    reply_to="IC0",
    sender=ANNA,
    recipient=SHOP,
    contact=Contact(external_id=ANNA, username="anna"),
    sent_at=SECOND,
)
CASES: dict[str, list[Expected]] = {
    "text": [message(MessageType.TEXT, "¡Hola!", external_id="aWdf1", sender=ANNA, recipient=SHOP, sent_at=AT)],
    "story_mention": [
        message(MessageType.OTHER, media=(Media(type="story_mention", url="https://cdn.example/story"),))
    ],
    "story_reply": [
        message(
            MessageType.TEXT,
            "Wow",
            reply_to=None,
            meta={"reply_to": {"story": {"id": "S1", "url": "https://cdn.example/s"}}},
        )
    ],
    "like_heart": [message(MessageType.STICKER, media=(Media(type="like_heart"),))],
    "share": [message(MessageType.OTHER, media=(Media(type="share", url="https://cdn.example/post"),))],
    "ig_reel": [
        message(
            MessageType.OTHER, media=(Media(type="ig_reel", id="R1", url="https://cdn.example/reel", title="Reel"),)
        )
    ],
    "ephemeral": [message(MessageType.OTHER, media=(Media(type="ephemeral"),))],
    "audio": [message(MessageType.AUDIO, media=(Media(type="audio", url="https://cdn.example/a.m4a"),))],
    "product_referral": [message(MessageType.TEXT, "In stock?", meta={"referral": {"product": {"id": "P9"}}})],
    "unsent": [item(UnsendItem, external_id="aWdf1", at=AT)],
    "edit": [item(EditItem, external_id="aWdf1", text="Hello!", version=1)],
    "seen": [
        item(StatusItem, kind="status", external_id="aWdf2", status=MessageStatus.READ, covers_earlier=True, at=AT)
    ],
    "reaction": [message(MessageType.REACTION, "❤", kind="reaction", reacts_to="aWdf2")],
    "postback": [message(MessageType.POSTBACK, "Where is my order?", external_id="aWdf3")],
    "standby_text": [message(MessageType.TEXT, "help", origin=Origin.STANDBY)],
    "echo": [
        message(
            MessageType.TEXT,
            "Hi back",
            kind="echo",
            direction=MessageDirection.OUTBOUND,
            origin=Origin.ECHO,
            sender=SHOP,
            recipient=ANNA,
        )
    ],
    "note_to_self": [
        message(MessageType.TEXT, "note", direction=MessageDirection.OUTBOUND, sender=SHOP, recipient=SHOP)
    ],
    "string_seconds": [message(MessageType.TEXT, "t", sent_at=SECOND)],
    "iso_time": [message(MessageType.TEXT, "t", sent_at=SECOND)],
    "comment_in_changes": [COMMENT],
    "comment_in_entry": [COMMENT],
    "live_comment": [message(MessageType.COMMENT, "Live!", external_id="IC2", sender="", contact=Contact())],
    "own_comment": [
        message(MessageType.COMMENT, "Thanks", direction=MessageDirection.OUTBOUND, origin=Origin.ECHO, sender=SHOP)
    ],
    "mention": [item(AccountItem, kind="feed", external_id="IC4", at=SECOND)],
    "story_insights": [item(AccountItem, kind="feed", external_id="M3")],
    "unknown_field": [item(SkippedItem, kind="holograms", outcome=Outcome.UNSUPPORTED)],
}


@pytest.mark.parametrize("case", CASES)
def test_a_webhook_becomes_items(case: str) -> None:
    """Each kind of webhook of the protocol reference is told in our vocabulary, item by item."""
    assert_items(read("instagram", case), CASES[case])


def test_every_sample_is_expected() -> None:
    """No sample lies here untested."""
    assert set(CASES) == set(cases("instagram"))


EVENT_TYPES = {
    "text": ("message", ANNA, ANNA),
    "echo": ("message_echo", ANNA, ANNA),
    "note_to_self": ("message_echo", SHOP, SHOP),
    "seen": ("read", ANNA, ANNA),
    "standby_text": ("message", ANNA, ANNA),
    "comment_in_changes": ("comments", None, "field:comments"),
    "comment_in_entry": ("comments", None, "field:comments"),
    "story_insights": ("story_insights", None, "field:story_insights"),
}


@pytest.mark.parametrize("case", EVENT_TYPES)
def test_a_part_names_its_event_and_person(case: str) -> None:
    """A part is routed by the account, called by its event, and ordered by its person, or else by its field."""
    (part,) = split("instagram", case)
    assert (part.event_type, part.contact, part.ordering) == EVENT_TYPES[case]
    assert (part.address, part.external_account_id) == (SHOP, SHOP)


def test_an_account_answers_to_both_of_its_ids() -> None:
    """Instagram Login tells an app-scoped id, webhooks another: either reaches the account."""
    assert provider.addresses("999", {"userId": SHOP, "appScopedId": "999"}) == [
        Address("999", exclusive=True),
        Address(SHOP, exclusive=True),
    ]
    assert provider.addresses(SHOP, {}) == [Address(SHOP, exclusive=True)]
