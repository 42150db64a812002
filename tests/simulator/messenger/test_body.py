"""What a Messenger send may look like: a table of bodies that are taken, and one of those that are refused."""

from typing import Any

import pytest

from hookline.simulator.errors import Refusal
from hookline.simulator.messenger.body import read_body
from hookline.simulator.messenger.envelope import Action, Outgoing, unfold

TO: dict[str, Any] = {"recipient": {"id": "1234567890123456"}, "messaging_type": "RESPONSE"}
LINK = "https://example.test/a"


def send(message: Any, **more: Any) -> dict[str, Any]:
    """A send."""
    return {**TO, "message": message, **more}


def file(kind: str, **payload: Any) -> dict[str, Any]:
    """A send of an attachment."""
    return send({"attachment": {"type": kind, "payload": payload}})


def action(name: str, **more: Any) -> dict[str, Any]:
    """A sender action."""
    return {"recipient": TO["recipient"], "sender_action": name, **more}


def replies(count: int, **changed: Any) -> list[dict[str, Any]]:
    """Quick replies."""
    return [{"content_type": "text", "title": f"T{n}", "payload": f"P{n}", **changed} for n in range(count)]


BUTTON = {"type": "postback", "title": "Buy", "payload": "BUY"}

TAKEN = {
    "text": (send({"text": "Hello"}), "text"),
    "text of 2000 signs": (send({"text": "ä" * 2000}), "text"),
    "no messaging type": ({"recipient": TO["recipient"], "message": {"text": "Hello"}}, "text"),
    "human agent": (send({"text": "Hello"}, messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT"), "text"),
    "13 quick replies": (send({"text": "Choose", "quick_replies": replies(13)}), "text"),
    "a quick reply for the number": (
        send({"text": "Yours?", "quick_replies": [{"content_type": "user_phone_number"}]}),
        "text",
    ),
    "metadata": (send({"text": "Hello", "metadata": "own-7"}), "text"),
    "a reply": (send({"text": "Hello"}, reply_to={"mid": "m_1"}), "text"),
    "an image": (file("image", url=LINK), "image"),
    "an image to use again": (file("image", url=LINK, is_reusable=True), "image"),
    "an uploaded file": (file("file", attachment_id="1"), "file"),
    "a sticker": (send({"sticker_id": "369239263222822"}), "sticker"),
    "cards": (
        file("template", template_type="generic", elements=[{"title": "A", "image_url": LINK, "buttons": [BUTTON]}]),
        "template",
    ),
    "buttons": (file("template", template_type="button", text="Choose", buttons=[BUTTON]), "template"),
    "a private reply": ({"recipient": {"comment_id": "1_2"}, "message": {"text": "Hello"}}, "text"),
}

REFUSED: dict[str, tuple[dict[str, Any], tuple[int, int | None]]] = {
    "nobody": ({"message": {"text": "Hello"}}, (100, None)),
    "two at once": (send({"text": "Hi"}, recipient={"id": "1", "comment_id": "2"}), (100, None)),
    "by phone": (send({"text": "Hi"}, recipient={"phone_number": "+1650"}), (100, 2018001)),
    "nothing": (send({}), (100, 2018034)),
    "no message": (TO, (100, None)),
    "an empty text": (send({"text": ""}), (100, 2018034)),
    "a text of 2001 signs": (send({"text": "x" * 2001}), (100, None)),
    "text and attachment": (
        send({"text": "Look", "attachment": {"type": "image", "payload": {"url": LINK}}}),
        (100, None),
    ),
    "another messaging type": (send({"text": "Hi"}, messaging_type="ANSWER"), (100, None)),
    "a tag without its type": (send({"text": "Hi"}, tag="HUMAN_AGENT"), (100, None)),
    "the type without a tag": (send({"text": "Hi"}, messaging_type="MESSAGE_TAG"), (100, None)),
    "another tag": (send({"text": "Hi"}, messaging_type="MESSAGE_TAG", tag="SALE"), (100, None)),
    "14 quick replies": (send({"text": "Choose", "quick_replies": replies(14)}), (100, None)),
    "a quick reply of 21 signs": (send({"text": "C", "quick_replies": replies(1, title="t" * 21)}), (100, None)),
    "a quick reply without a payload": (send({"text": "C", "quick_replies": replies(1, payload=None)}), (100, None)),
    "metadata of 1001 signs": (send({"text": "Hi", "metadata": "m" * 1001}), (100, None)),
    "an unknown key": (send({"text": "Hi", "colour": "red"}), (100, None)),
    "another attachment": (file("document", url=LINK), (100, None)),
    "an attachment of nothing": (file("image"), (100, None)),
    "an attachment of both": (file("image", url=LINK, attachment_id="1"), (100, None)),
    "an attachment from nowhere": (file("image", url="nowhere"), (100, None)),
    "11 cards": (file("template", template_type="generic", elements=[{"title": "A"}] * 11), (100, None)),
    "four buttons": (file("template", template_type="button", text="C", buttons=[BUTTON] * 4), (100, None)),
    "a button without a payload": (
        file("template", template_type="button", text="C", buttons=[{"type": "postback", "title": "Buy"}]),
        (100, None),
    ),
    "another template": (file("template", template_type="list"), (100, None)),
    "another action": (action("wave"), (100, None)),
    "an action with a message": (action("typing_on", message={"text": "Hi"}), (100, None)),
    "a reaction to nothing": (action("react", payload={"reaction": "love"}), (100, None)),
    "a reaction of nothing": (action("react", payload={"message_id": "m_1"}), (100, None)),
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
    """A body that the platform would not take is refused with its code and subcode."""
    body, code = REFUSED[case]
    with pytest.raises(Refusal) as refused:
        read_body(body)
    assert (refused.value.code, refused.value.subcode) == code


@pytest.mark.parametrize("name", ["typing_on", "typing_off", "mark_seen"])
def test_actions(name: str) -> None:
    """A sender action has a body of its own."""
    assert read_body(action(name)) == Action(name, "1234567890123456")


def test_reactions() -> None:
    """A reaction names its message; taking it back needs no reaction."""
    body = action("react", payload={"message_id": "m_1", "reaction": "love"})
    assert read_body(body) == Action("react", "1234567890123456", "m_1", "love")
    taken_back = action("unreact", payload={"message_id": "m_1"})
    assert read_body(taken_back) == Action("unreact", "1234567890123456", "m_1", "")


def test_as_a_form() -> None:
    """The same parameters may come as a form, with objects as JSON in a text."""
    read = read_body(unfold({"recipient": '{"id":"1"}', "message": '{"text":"Hello"}', "messaging_type": "RESPONSE"}))
    assert isinstance(read, Outgoing)
    assert (read.person_id, read.message["text"]) == ("1", "Hello")
    with pytest.raises(Refusal):
        unfold({"recipient": "{"})
