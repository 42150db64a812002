"""Messenger's and Instagram's bodies: what both have, what only one has, and what neither can carry."""

from typing import Any

import pytest
from tests.providers.outbound import MESSAGE, account, build, message

from hookline.domain.account import IntegrationProvider
from hookline.domain.capability import NotSupported
from hookline.domain.errors import RequestError
from hookline.domain.outbound import InvalidMessage, OutboundType
from hookline.providers import PROVIDERS

FACEBOOK, INSTAGRAM = IntegrationProvider.FACEBOOK, IntegrationProvider.INSTAGRAM
PNG = "https://x.org/a.png"
PAGE = {"title": "Go", "url": "https://x.org"}
BOTH = pytest.mark.parametrize("provider", [FACEBOOK, INSTAGRAM])


def body(provider: IntegrationProvider, **content: Any) -> dict[str, Any]:
    """Build a body to the person 7."""
    return build(provider, message("7", **content)).body


def said(provider: IntegrationProvider, **content: Any) -> dict[str, Any]:
    """What the body says, without the mark that Messenger gives back."""
    built = body(provider, **content)["message"]
    return {name: value for name, value in built.items() if name != "metadata"}


def interactive(kind: str, **more: Any) -> dict[str, Any]:
    """An interactive message of ours."""
    return {"type": "interactive", "interactive": {"type": kind, **more}}


def test_a_text_on_each_platform() -> None:
    """Messenger is told that it is an answer, and gives our id back; Instagram knows neither."""
    assert body(FACEBOOK, type="text", text="a", replyTo="m_1") == {
        "recipient": {"id": "7"},
        "messaging_type": "RESPONSE",
        "message": {"text": "a", "metadata": str(MESSAGE)},
        "reply_to": {"mid": "m_1"},
    }
    assert body(INSTAGRAM, type="text", text="a") == {"recipient": {"id": "7"}, "message": {"text": "a"}}


def test_a_persons_late_answer_says_so() -> None:
    """The tag, and on Messenger the type that goes with it."""
    late = {"type": "text", "text": "a", "tag": "HUMAN_AGENT"}
    assert body(FACEBOOK, **late)["messaging_type"] == "MESSAGE_TAG"
    assert body(FACEBOOK, **late)["tag"] == "HUMAN_AGENT"
    assert body(INSTAGRAM, **late) == {"recipient": {"id": "7"}, "tag": "HUMAN_AGENT", "message": {"text": "a"}}


def test_the_account_that_sends() -> None:
    """A page by its id; Instagram by its own login, or by the page that it is linked to."""
    text = message("7", type="text", text="a")
    assert build(FACEBOOK, text).path == "own/messages"
    assert build(INSTAGRAM, text).path == "own/messages"
    assert build(INSTAGRAM, text, pageId="page-1").path == "page-1/messages"


@BOTH
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"type": "image", "image": {"url": PNG}}, {"attachment": {"type": "image", "payload": {"url": PNG}}}),
        (
            {"type": "video", "video": {"url": "https://x.org/a.mp4"}},
            {"attachment": {"type": "video", "payload": {"url": "https://x.org/a.mp4"}}},
        ),
        (
            {"type": "text", "text": "a", "quickReplies": [{"title": "Yes", "payload": "y"}]},
            {"text": "a", "quick_replies": [{"content_type": "text", "title": "Yes", "payload": "y"}]},
        ),
        (
            interactive("buttons", body="?", buttons=[{"id": "y", "title": "Yes"}]),
            {
                "attachment": {
                    "type": "template",
                    "payload": {
                        "template_type": "button",
                        "text": "?",
                        "buttons": [{"type": "postback", "title": "Yes", "payload": "y"}],
                    },
                }
            },
        ),
        (
            interactive("cta_url", body="?", button=PAGE),
            {
                "attachment": {
                    "type": "template",
                    "payload": {
                        "template_type": "button",
                        "text": "?",
                        "buttons": [{"type": "web_url", "title": "Go", "url": "https://x.org"}],
                    },
                }
            },
        ),
        (
            interactive(
                "carousel",
                cards=[
                    {"title": "A", "text": "B", "image": {"url": PNG}, "urlButton": PAGE},
                    {"title": "C", "buttons": [{"id": "y", "title": "Yes"}]},
                ],
            ),
            {
                "attachment": {
                    "type": "template",
                    "payload": {
                        "template_type": "generic",
                        "elements": [
                            {
                                "title": "A",
                                "subtitle": "B",
                                "image_url": PNG,
                                "buttons": [{"type": "web_url", "title": "Go", "url": "https://x.org"}],
                            },
                            {"title": "C", "buttons": [{"type": "postback", "title": "Yes", "payload": "y"}]},
                        ],
                    },
                }
            },
        ),
        ({"type": "raw", "raw": {"message": {"text": "x", "new": 1}}}, {"text": "x", "new": 1}),
    ],
    ids=lambda value: None,
)
def test_what_both_carry(provider: IntegrationProvider, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """In the vendor's words, the same on both."""
    assert said(provider, **ours) == theirs


@BOTH
def test_marks_and_typing(provider: IntegrationProvider) -> None:
    """A body of recipient and action only."""
    for content, action in (
        ({"type": "read"}, "mark_seen"),
        ({"type": "typing"}, "typing_on"),
        ({"type": "typing", "typing": {"on": False}}, "typing_off"),
    ):
        assert body(provider, **content) == {"recipient": {"id": "7"}, "sender_action": action}


def test_reactions() -> None:
    """Any emoji on Messenger, the heart on Instagram, by its name; the empty one takes it back."""
    for provider, emoji, name in ((FACEBOOK, "🎉", "🎉"), (INSTAGRAM, "❤", "love"), (INSTAGRAM, "❤️", "love")):
        assert body(provider, type="reaction", reaction={"messageId": "m_1", "emoji": emoji}) == {
            "recipient": {"id": "7"},
            "sender_action": "react",
            "payload": {"message_id": "m_1", "reaction": name},
        }
    assert body(INSTAGRAM, type="reaction", reaction={"messageId": "m_1", "emoji": ""}) == {
        "recipient": {"id": "7"},
        "sender_action": "unreact",
        "payload": {"message_id": "m_1"},
    }


def test_what_only_messenger_carries() -> None:
    """Documents, uploads, numbered stickers, pictures beside suggestions."""
    assert said(FACEBOOK, type="document", document={"url": "https://x.org/a.pdf"}) == {
        "attachment": {"type": "file", "payload": {"url": "https://x.org/a.pdf"}}
    }
    assert said(FACEBOOK, type="image", image={"mediaId": "9"}) == {
        "attachment": {"type": "image", "payload": {"attachment_id": "9"}}
    }
    assert said(FACEBOOK, type="sticker", sticker={"mediaId": "369239263222822"}) == {"sticker_id": "369239263222822"}
    suggestion = {"title": "Yes", "payload": "y", "imageUrl": PNG}
    assert said(FACEBOOK, type="text", text="a", quickReplies=[suggestion])["quick_replies"][0]["image_url"] == PNG
    assert said(INSTAGRAM, type="sticker", sticker={"mediaId": "like_heart"}) == {"attachment": {"type": "like_heart"}}


@pytest.mark.parametrize(
    ("provider", "content", "capability"),
    [
        (FACEBOOK, {"type": "text", "text": "a" * 2001}, "text"),
        (INSTAGRAM, {"type": "text", "text": "é" * 501}, "text"),
        (FACEBOOK, {"type": "image", "image": {"url": PNG, "caption": "a"}}, "image.caption"),
        (INSTAGRAM, {"type": "image", "image": {"url": "https://x.org/a.webp"}}, "image"),
        (INSTAGRAM, {"type": "image", "image": {"mediaId": "1"}}, "image"),
        (INSTAGRAM, {"type": "document", "document": {"url": "https://x.org/a.pdf"}}, "document"),
        (INSTAGRAM, {"type": "location", "location": {"latitude": 1, "longitude": 1}}, "location"),
        (FACEBOOK, {"type": "location", "location": {"latitude": 1, "longitude": 1}}, "location"),
        (FACEBOOK, {"type": "contacts", "contacts": [{"name": {"formattedName": "A"}}]}, "contacts"),
        (FACEBOOK, {"type": "template", "template": {"name": "a", "language": "en"}}, "template"),
        (INSTAGRAM, {"type": "text", "text": "a", "replyTo": "1"}, "replyTo"),
        (FACEBOOK, {"type": "text", "text": "a", "previewUrl": True}, "previewUrl"),
        (INSTAGRAM, {"type": "reaction", "reaction": {"messageId": "1", "emoji": "👍"}}, "reaction"),
        (
            FACEBOOK,
            {"type": "text", "text": "a", "quickReplies": [{"title": "a", "payload": "b"}] * 14},
            "quickReplies",
        ),
        (
            FACEBOOK,
            interactive("buttons", body="?", buttons=[{"id": "1", "title": "a"}], footer="f"),
            "interactive.buttons.footer",
        ),
        (INSTAGRAM, interactive("list", body="?", button="a", sections=[]), "interactive.list"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_it_cannot_carry(provider: IntegrationProvider, content: dict[str, Any], capability: str) -> None:
    """Refused by the capability's name; Instagram counts bytes, Messenger characters."""
    if capability == "interactive.list":
        content["interactive"]["sections"] = [{"rows": [{"id": "1", "title": "a"}]}]
    with pytest.raises(NotSupported) as refused:
        body(provider, **content)
    assert refused.value.capability == capability


def test_the_longest_texts() -> None:
    """2,000 characters, and 1,000 bytes."""
    assert said(FACEBOOK, type="text", text="é" * 2000)
    assert said(INSTAGRAM, type="text", text="é" * 500)


@BOTH
@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"message": {}},
        {"message": "a"},
        {"message": {"text": "a"}, "sender_action": "typing_on"},
        {"message": {"text": "a"}, "recipient": {"id": "8"}},
        {"message": {"text": "a"}, "tag": "ACCOUNT_UPDATE"},
        {"message": {"text": "a", "metadata": "x"}},
    ],
)
def test_a_raw_body_is_one_message_to_the_person_named(provider: IntegrationProvider, raw: dict[str, Any]) -> None:
    """It cannot go to another, nor around the window by a tag."""
    with pytest.raises(InvalidMessage):
        body(provider, type="raw", raw=raw)


@BOTH
def test_stickers_and_cards_are_complete(provider: IntegrationProvider) -> None:
    """A sticker has a number (or is the heart), a card's picture a URL."""
    with pytest.raises(RequestError):
        body(provider, type="sticker", sticker={"url": PNG})
    card = {"title": "A", "image": {"mediaId": "1"}, "urlButton": PAGE}
    with pytest.raises(InvalidMessage, match="by url"):
        body(provider, **interactive("carousel", cards=[card]))


@BOTH
@pytest.mark.parametrize("to", ["a b", "a\n", "\x00", " "])
def test_a_person_is_an_id(provider: IntegrationProvider, to: str) -> None:
    """Without spaces or control characters."""
    with pytest.raises(InvalidMessage):
        PROVIDERS[provider].sender.contacts(to)


@BOTH
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"recipient_id": "7", "message_id": "m_1"}, ("m_1", "7", {})),
        ({"recipient_id": 7, "message_id": "m_1", "attachment_id": "9"}, ("m_1", "7", {"attachmentId": "9"})),
        ({"recipient_id": "7"}, (None, "7", {})),
        ({"message_id": None}, (None, None, {})),
    ],
)
def test_the_answer_is_read(provider: IntegrationProvider, answer: Any, expected: Any) -> None:
    """The message's id; an action has none."""
    reply = PROVIDERS[provider].sender.read_reply(answer)
    assert (reply.external_id, reply.contact, reply.meta) == expected


@BOTH
def test_the_pace(provider: IntegrationProvider) -> None:
    """300 a second, and 10 with sound or film, counted apart."""
    pace = PROVIDERS[provider].sender.pace
    own = account(provider)
    assert pace(own, OutboundType.TEXT).per_second == 300
    slow = pace(own, OutboundType.AUDIO)
    assert (slow.per_second, slow.lane, slow.pair) == (10, "media", None)
