"""What an Instagram send may look like: a table of bodies that are taken, and one of those that are refused."""

from typing import Any

import pytest

from hookline.simulator.errors import Refusal
from hookline.simulator.instagram.body import read_body
from hookline.simulator.messenger.envelope import Action, Outgoing

TO: dict[str, Any] = {"recipient": {"id": "1234567890123456"}}
LINK = "https://example.test/a"


def send(message: Any, **more: Any) -> dict[str, Any]:
    """A send."""
    return {**TO, "message": message, **more}


def file(kind: str, **payload: Any) -> dict[str, Any]:
    """A send of an attachment."""
    return send({"attachment": {"type": kind, "payload": payload}})


REPLY = {"content_type": "text", "title": "Yes", "payload": "YES"}

TAKEN = {
    "text": (send({"text": "Hello"}), "text"),
    "text of 1000 bytes": (send({"text": "ä" * 500}), "text"),
    "quick replies": (send({"text": "Choose", "quick_replies": [REPLY]}), "text"),
    "human agent": (send({"text": "Hello"}, tag="HUMAN_AGENT"), "text"),
    "an image": (file("image", url=LINK), "image"),
    "a paper": (file("file", url=LINK), "file"),
    "a post": (file("MEDIA_SHARE", id="17"), "media_share"),
    "a heart": (send({"attachment": {"type": "like_heart"}}), "like_heart"),
    "cards": (file("template", template_type="generic", elements=[{"title": "A"}]), "template"),
    "a private reply": ({"recipient": {"comment_id": "17"}, "message": {"text": "Hello"}}, "text"),
}

REFUSED: dict[str, tuple[dict[str, Any], int | None]] = {
    "nobody": ({"message": {"text": "Hello"}}, None),
    "nothing": (send({}), 2018034),
    "a text of 1001 bytes": (send({"text": "ä" * 500 + "x"}), None),
    "an emoji too much": (send({"text": "x" * 997 + "🎉"}), None),
    "text and attachment": (send({"text": "Look", "attachment": {"type": "like_heart"}}), None),
    "another tag": (send({"text": "Hi"}, tag="ACCOUNT_UPDATE", messaging_type="MESSAGE_TAG"), None),
    "a document": (file("document", url=LINK), None),
    "a place": (file("location", url=LINK), None),
    "an uploaded attachment": (file("image", attachment_id="1"), None),
    "14 quick replies": (send({"text": "Choose", "quick_replies": [REPLY] * 14}), None),
    "a post of no id": (file("MEDIA_SHARE"), None),
    "another action": ({**TO, "sender_action": "wave"}, None),
}


@pytest.mark.parametrize("case", TAKEN)
def test_taken(case: str) -> None:
    """A body that the platform documents is taken, and its kind is known."""
    body, kind = TAKEN[case]
    read = read_body(body)
    assert isinstance(read, Outgoing)
    assert read.kind == kind


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """A body that the platform would not take is refused with code 100 and its subcode."""
    body, subcode = REFUSED[case]
    with pytest.raises(Refusal) as refused:
        read_body(body)
    assert (refused.value.code, refused.value.subcode) == (100, subcode)


def test_actions() -> None:
    """Typing, having seen, and reacting are actions."""
    assert read_body({**TO, "sender_action": "typing_on"}) == Action("typing_on", "1234567890123456")
    body = {**TO, "sender_action": "react", "payload": {"message_id": "aWdf1", "reaction": "love"}}
    assert read_body(body) == Action("react", "1234567890123456", "aWdf1", "love")
