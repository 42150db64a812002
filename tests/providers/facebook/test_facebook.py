"""What each kind of a page's webhook becomes, and whose it is: case → items, case → route."""

from datetime import UTC, datetime

import pytest
from tests.providers.cases import Expected, assert_items, cases, item, read, split

from hookline.domain.event import (
    AccountItem,
    Contact,
    ContactItem,
    EditItem,
    Media,
    MessageItem,
    Origin,
    Outcome,
    SkippedItem,
    StatusItem,
    UnsendItem,
    WatermarkItem,
)
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.providers.base import Address
from hookline.providers.facebook import provider

PAGE, ANNA = "4400000001", "5500000001"
AT = datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)
SECOND = datetime(2026, 1, 1, tzinfo=UTC)
STICKER = Media(type="sticker", id="369239263222822", url="https://cdn.example/s.png")


def message(type_: MessageType, text: str = "", **attributes: object) -> Expected:
    return item(MessageItem, type=type_, text=text, **attributes)


def notice(kind: str) -> list[Expected]:
    return [item(ContactItem, kind=kind, contact=Contact(external_id=ANNA), at=AT)]


CASES: dict[str, list[Expected]] = {
    "text": [
        message(
            MessageType.TEXT,
            "Hello",
            index=0,
            kind="message",
            external_id="m_1",
            direction=MessageDirection.INBOUND,
            sender=ANNA,
            recipient=PAGE,
            contact=Contact(external_id=ANNA),
            sent_at=AT,
            origin=Origin.LIVE,
            meta={"nlp": {"entities": {}}},
        )
    ],
    "quick_reply": [message(MessageType.INTERACTIVE, "Red", meta={"quick_reply": {"payload": "COLOR_RED"}})],
    "reply": [message(MessageType.TEXT, "This one", reply_to="m_0")],
    "images_and_text": [
        message(
            MessageType.IMAGE,
            "Both",
            media=(
                Media(type="image", url="https://cdn.example/1.jpg"),
                Media(type="image", url="https://cdn.example/2.jpg"),
            ),
        )
    ],
    "file": [message(MessageType.DOCUMENT, media=(Media(type="file", url="https://cdn.example/a.pdf"),))],
    "location": [message(MessageType.LOCATION, media=())],
    "sticker_sent_twice": [message(MessageType.STICKER, media=(STICKER,))],
    "sticker_legacy": [message(MessageType.STICKER, media=(STICKER,))],
    "link_preview": [
        message(
            MessageType.TEXT,
            "https://example.org",
            media=(Media(type="fallback", url="https://example.org", title="Example"),),
        )
    ],
    "fallback_without_payload": [message(MessageType.OTHER, media=(Media(type="fallback"),))],
    "reel": [
        message(MessageType.OTHER, media=(Media(type="reel", id="77", url="https://fb.example/reel/1", title="Clip"),))
    ],
    "template": [message(MessageType.TEMPLATE, media=())],
    "appointment": [message(MessageType.OTHER, media=())],
    "future_attachment": [
        message(MessageType.UNSUPPORTED, media=(Media(type="hologram", url="https://cdn.example/h"),))
    ],
    "empty_message": [message(MessageType.UNSUPPORTED)],
    "unsupported": [message(MessageType.UNSUPPORTED, kind="message", meta={"is_unsupported": True})],
    "without_mid": [
        message(
            MessageType.TEXT,
            "no id",
            external_id="sha256:1010ffc40f5005d423face5620991ea0ee996497b627768df82df1e80fa75142",
        )
    ],
    "prior_message": [
        message(MessageType.TEXT, "Yes", meta={"prior_message": {"source": "checkbox_plugin", "identifier": "ref"}})
    ],
    "unsent": [item(UnsendItem, kind="unsend", external_id="m_1", at=AT)],
    "echo": [
        message(
            MessageType.TEXT,
            "From the inbox",
            kind="echo",
            direction=MessageDirection.OUTBOUND,
            origin=Origin.ECHO,
            sender=PAGE,
            recipient=ANNA,
            meta={"app_id": 263902037430900, "metadata": "crm:1"},
        )
    ],
    "echo_with_sides_swapped": [
        message(MessageType.TEXT, "old echo", direction=MessageDirection.OUTBOUND, sender=PAGE, recipient=ANNA)
    ],
    "postback": [
        message(
            MessageType.POSTBACK,
            "Get started",
            kind="postback",
            external_id="m_3",
            meta={"title": "Get started", "payload": "START", "referral": {"ref": "r1"}},
        )
    ],
    "postback_without_mid": [
        message(
            MessageType.POSTBACK,
            "START",
            external_id="sha256:e340f387ffc85ab188991f18e2887f4bd385460b2461ce73f1361bc32bf4326d",
        )
    ],
    "delivery_by_mids": [
        item(StatusItem, index=0, kind="status", external_id="m_7", status=MessageStatus.DELIVERED, at=AT),
        item(StatusItem, index=0, external_id="m_8"),
        item(StatusItem, index=0, external_id="m_9"),
    ],
    "delivery_by_watermark": [
        item(WatermarkItem, kind="delivery", contact=ANNA, status=MessageStatus.DELIVERED, until=SECOND)
    ],
    "delivery_of_nothing": [item(SkippedItem, kind="delivery", outcome=Outcome.UNSUPPORTED)],
    "read": [item(WatermarkItem, kind="read", contact=ANNA, status=MessageStatus.READ, until=SECOND)],
    "reaction": [
        message(
            MessageType.REACTION,
            "❤",
            kind="reaction",
            external_id=f"reaction:m_2:{ANNA}:react:1767225600123",
            reacts_to="m_2",
        )
    ],
    "reaction_taken_back": [
        message(MessageType.REACTION, "", external_id=f"reaction:m_2:{ANNA}:unreact:1767225600123", reacts_to="m_2")
    ],
    "edit": [item(EditItem, kind="edit", external_id="m_1", text="Hello!", version=2, at=AT)],
    "referral": notice("referral"),
    "optin": notice("optin"),
    "optin_by_user_ref": [item(ContactItem, kind="optin", contact=Contact(external_id="ref-9"))],
    "pass_thread_control": [item(AccountItem, kind="handover", external_id=ANNA, at=AT)],
    "account_linking": notice("link"),
    "feedback": notice("feedback"),
    "policy": [item(AccountItem, kind="policy", external_id=None, at=AT)],
    "standby_text": [message(MessageType.TEXT, "To the other app", kind="message", origin=Origin.STANDBY, sender=ANNA)],
    "standby_postback": [message(MessageType.POSTBACK, "Human", origin=Origin.STANDBY)],
    "unknown_event": [
        item(
            SkippedItem,
            kind="hologram",
            outcome=Outcome.UNSUPPORTED,
            reason="messaging event hologram is not known",
        )
    ],
    "numeric_ids_and_seconds": [message(MessageType.TEXT, "old", sender=ANNA, recipient=PAGE, sent_at=SECOND)],
    "comment": [
        message(
            MessageType.COMMENT,
            "Nice",
            kind="comment",
            external_id="P1_C1",
            direction=MessageDirection.INBOUND,
            sender=ANNA,
            recipient=PAGE,
            contact=Contact(external_id=ANNA, name="Anna"),
            reply_to=None,
            sent_at=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC),
            media=(Media(type="photo", url="https://cdn.example/p.jpg"),),
        )
    ],
    "comment_reply": [message(MessageType.COMMENT, "And?", reply_to="P1_C1", sent_at=SECOND)],
    "comment_by_page": [
        message(
            MessageType.COMMENT,
            "Thanks",
            direction=MessageDirection.OUTBOUND,
            origin=Origin.ECHO,
            sender=PAGE,
            contact=Contact(),
        )
    ],
    "comment_legacy_author": [message(MessageType.COMMENT, "Old", contact=Contact(external_id=ANNA, name="Anna"))],
    "comment_edited": [item(EditItem, external_id="P1_C1", text="Very nice", at=SECOND)],
    "comment_removed": [item(UnsendItem, external_id="P1_C1", at=SECOND)],
    "comment_hidden": [item(AccountItem, kind="feed", external_id="P1_C1", at=SECOND)],
    "feed_reaction": [item(AccountItem, kind="feed", external_id="P_1")],
    "lead": [item(AccountItem, kind="lead", external_id="881")],
    "rating": [item(AccountItem, kind="feed", external_id="O1")],
    "mention": [item(AccountItem, kind="feed", external_id="X_1")],
    "unknown_field": [item(SkippedItem, outcome=Outcome.UNSUPPORTED, reason="field holograms is not known")],
    "field_without_value": [item(SkippedItem, kind="parking", outcome=Outcome.UNSUPPORTED)],
    "dashboard_test": [message(MessageType.TEXT, "test_text", sent_at=datetime(2018, 5, 27, 22, 23, 44, tzinfo=UTC))],
    "two_pages": [
        message(MessageType.TEXT, "a"),
        message(MessageType.TEXT, "c"),
        message(MessageType.TEXT, "b"),
        item(AccountItem, kind="feed"),
        message(MessageType.TEXT, "d", origin=Origin.STANDBY),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_a_webhook_becomes_items(case: str) -> None:
    """Each kind of webhook of the protocol reference is told in our vocabulary, item by item."""
    assert_items(read("facebook", case), CASES[case])


def test_every_sample_is_expected() -> None:
    """No sample lies here untested."""
    assert set(CASES) == set(cases("facebook"))


EVENT_TYPES = {
    "text": ("message", ANNA),
    "echo": ("message_echo", ANNA),
    "echo_with_sides_swapped": ("message_echo", ANNA),
    "postback": ("postback", ANNA),
    "delivery_by_mids": ("delivery", ANNA),
    "reaction": ("reaction", ANNA),
    "edit": ("message_edit", ANNA),
    "optin_by_user_ref": ("optin", None),
    "policy": ("policy-enforcement", None),
    "standby_postback": ("postback", ANNA),
    "unknown_event": ("hologram", ANNA),
    "numeric_ids_and_seconds": ("message", ANNA),
    "comment": ("feed", None),
    "lead": ("leadgen", None),
    "field_without_value": ("parking", None),
}


@pytest.mark.parametrize("case", EVENT_TYPES)
def test_a_part_names_its_event_and_person(case: str) -> None:
    """A part is routed by the page, called by its event, and ordered by its person, or else by its field."""
    (part,) = split("facebook", case)
    event_type, contact = EVENT_TYPES[case]
    field = {"optin": "messaging", "policy-enforcement": "messaging"}.get(event_type, event_type)
    assert (part.event_type, part.contact) == (event_type, contact)
    assert (part.address, part.external_account_id, part.fallback) == (PAGE, PAGE, None)
    assert part.ordering == (contact or f"field:{field}")


def test_a_post_is_divided_over_pages_people_and_arrays() -> None:
    """Two pages, two people, messaging, standby and feed: every one its own part."""
    parts = split("facebook", "two_pages")
    assert [(part.address, part.event_type, part.contact) for part in parts] == [
        (PAGE, "message", ANNA),
        (PAGE, "message", "5500000002"),
        (PAGE, "feed", None),
        ("4400000002", "message", ANNA),
    ]


def test_a_page_answers_to_its_id() -> None:
    """A page has one address, of its own."""
    assert provider.addresses(PAGE, {"wabaId": "1"}) == [Address(PAGE, exclusive=True)]


@pytest.mark.parametrize("edit", ['{"mid":"m_1","num_edit":1}', '{"text":"now"}', "[]", "null"])
def test_an_edit_that_says_no_text_takes_none_away(edit: str) -> None:
    """What does not say how a message reads now changes no message."""
    items = provider.parse('{"object":"page","entry":[{"id":"1","messaging":[{"message_edit":' + edit + "}]}]}")
    assert_items(items, [item(SkippedItem, outcome=Outcome.UNSUPPORTED, kind="edit")])
