"""A message to send: our contract is strict, and says where something does not fit and what is allowed there."""

from typing import Any

import pytest

from hookline.domain.message import MessageType
from hookline.domain.outbound import InvalidMessage, OutboundMessage, read_message, stored_message, write_message

ACCOUNT = "0198c0de-0000-7000-8000-000000000001"
BUTTON = {"id": "1", "title": "Yes"}


def read(**content: Any) -> OutboundMessage:
    """Read a message to somebody."""
    return read_message({"accountId": ACCOUNT, "to": "+16505551234", **content})


def interactive(kind: str, **more: Any) -> dict[str, Any]:
    """An interactive message."""
    return {"type": "interactive", "interactive": {"type": kind, **more}}


def template(*components: Any, **more: Any) -> dict[str, Any]:
    """A template."""
    return {"type": "template", "template": {"name": "x", "language": "en", "components": list(components), **more}}


GOOD: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": "Hello"},
    "text with everything": {
        "type": "text",
        "text": "Hello",
        "replyTo": "wamid.1",
        "tag": "HUMAN_AGENT",
        "previewUrl": True,
        "quickReplies": [{"title": "Yes", "payload": "y", "imageUrl": "https://x.org/y.png"}],
    },
    "image by URL": {"type": "image", "image": {"url": "https://x.org/a.png", "caption": "A"}},
    "video by id": {"type": "video", "video": {"mediaId": "1"}},
    "voice": {"type": "audio", "audio": {"mediaId": "1", "voice": True}},
    "document": {"type": "document", "document": {"url": "http://x.org/a", "filename": "a.pdf"}},
    "sticker": {"type": "sticker", "sticker": {"mediaId": "1"}},
    "location": {"type": "location", "location": {"latitude": 1, "longitude": -180.0, "name": "Here"}},
    "contacts": {"type": "contacts", "contacts": [{"name": {"formattedName": "A"}, "phones": [{"phone": "+1"}]}]},
    "reaction": {"type": "reaction", "reaction": {"messageId": "wamid.1", "emoji": "👍"}},
    "reaction taken back": {"type": "reaction", "reaction": {"messageId": "wamid.1", "emoji": ""}},
    "buttons": interactive("buttons", body="?", buttons=[BUTTON], header={"text": "H"}, footer="F"),
    "list": interactive("list", body="?", button="Open", sections=[{"rows": [BUTTON]}]),
    "call to action": interactive("cta_url", body="?", button={"title": "Go", "url": "https://x.org"}),
    "flow": interactive("flow", body="?", cta="Begin", flowId="1"),
    "location request": interactive("location_request", body="?"),
    "product": interactive("product", catalogId="1", productId="2"),
    "products": interactive("product_list", body="?", catalogId="1", sections=[{"products": ["2"]}]),
    "catalog": interactive("catalog", body="?"),
    "carousel": interactive("carousel", cards=[{"title": "A", "buttons": [BUTTON]}]),
    "call permission": interactive("call_permission", body="?"),
    "address": interactive("address", body="?", parameters={"country": "IN"}),
    "order": interactive("order_details", body="?", parameters={"currency": "INR"}),
    "template": template(
        {"type": "header", "parameters": [{"type": "location", "location": {"latitude": 1, "longitude": 1}}]},
        {"type": "body", "parameters": [{"type": "text", "text": "a", "parameterName": "who"}]},
        {
            "type": "button",
            "subType": "copy_code",
            "index": 0,
            "parameters": [{"type": "coupon_code", "couponCode": "X"}],
        },
        {
            "type": "carousel",
            "cards": [{"cardIndex": 0, "components": [{"type": "header", "parameters": []}]}],
        },
    ),
    "read": {"type": "read", "read": {"messageId": "wamid.1"}},
    "read, the latest": {"type": "read"},
    "typing": {"type": "typing"},
    "typing ends": {"type": "typing", "typing": {"on": False}},
    "raw": {"type": "raw", "raw": {"type": "text", "text": {"body": "x"}, "n": 2**70}},
}


@pytest.mark.parametrize("case", GOOD)
def test_a_message_is_kept_as_it_was_read(case: str) -> None:
    """What is stored reads back equal; equal messages are stored as equal texts."""
    message = read(**GOOD[case])
    stored = write_message(message)
    assert stored_message(stored) == message
    assert write_message(read(**dict(reversed(GOOD[case].items())))) == stored


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({}, "body.type", "is required"),
    ({"type": "text"}, "body", "type text needs text"),
    ({"type": "text", "text": "a", "image": {"url": "https://x"}}, "body", "type text has no room for image"),
    ({"type": "text", "text": "a", "fax": {}}, "body.fax", "is not known here"),
    ({"type": "fax"}, "body.type", "must be one of text, image"),
    ({"type": "text", "text": ""}, "body.text", "length >= 1"),
    ({"type": "text", "text": " \n\u2003"}, "body", "more than spaces"),
    ({"type": "text", "text": {"body": "a"}}, "body.text", "expected `str`, got `object`"),
    ({"type": "text", "text": "a\x00"}, "body", "NUL"),
    ({"type": "text", "text": "a\ud800"}, "body", "Unicode"),
    ({"type": "text", "text": "a", "tag": "ACCOUNT_UPDATE"}, "body.tag", "must be one of HUMAN_AGENT"),
    ({"type": "text", "text": "a", "accountId": "7"}, "body.accountId", "UUID"),
    ({"type": "text", "text": "a", "to": ""}, "body.to", "length >= 1"),
    ({"type": "text", "text": "a", "to": 16505551234}, "body.to", "expected `str`"),
    ({"type": "image", "image": {}}, "body.image", "either url or mediaId"),
    ({"type": "image", "image": {"url": "https://x", "mediaId": "1"}}, "body.image", "either url or mediaId"),
    ({"type": "image", "image": {"url": "file:///etc/passwd"}}, "body.image", "https://"),
    ({"type": "image", "image": {"url": "https://me:secret@x.org"}}, "body.image", "password"),
    ({"type": "image", "image": {"url": "https://x.org/a b"}}, "body.image", "spaces"),
    ({"type": "image", "image": {"url": "https://x.org:99999/"}}, "body.image", "not a URL"),
    ({"type": "image", "image": {"url": "https:///x"}}, "body.image", "name a host"),
    ({"type": "document", "document": {"mediaId": "1", "filename": "../a"}}, "body.document", "path separators"),
    ({"type": "location", "location": {"latitude": 91, "longitude": 0}}, "body.location.latitude", "<= 90"),
    ({"type": "location", "location": {"latitude": "1", "longitude": 0}}, "body.location.latitude", "`float`"),
    ({"type": "contacts", "contacts": []}, "body.contacts", "length >= 1"),
    ({"type": "contacts", "contacts": [{"name": {}}]}, "body.contacts[0].name.formattedName", "is required"),
    (interactive("button", body="?"), "body.interactive.type", "must be one of buttons, list"),
    ({"type": "interactive", "interactive": {"body": "?"}}, "body.interactive.type", "is required"),
    (interactive("buttons", body="?", buttons=[{"id": "1"}]), "body.interactive.buttons[0].title", "is required"),
    (interactive("buttons", body="?", buttons=[BUTTON], header={}), "body.interactive.header", "exactly one"),
    (interactive("flow", body="?", cta="x"), "body.interactive", "flowId or name"),
    (interactive("carousel", cards=[{"title": "A"}]), "body.interactive.cards[0]", "buttons or urlButton"),
    (template({"type": "button"}), "body.template.components[0]", "button needs both"),
    (template({"type": "body", "parameters": [{"type": "smell"}]}), "body.template.components[0].parameters[0]", ""),
    ({"type": "raw", "raw": []}, "body.raw", "expected `object`"),
    ({"type": "text", "text": "a", "x" * 500: 1}, "body." + "x" * 64, "is not known here"),
    ({"type": "text", "text": "a", "\u202e": 1}, "body.?", "is not known here"),
]


@pytest.mark.parametrize(("content", "location", "words"), BAD, ids=lambda value: None)
def test_what_does_not_fit_is_named(content: dict[str, Any], location: str, words: str) -> None:
    """The place, and what is allowed there."""
    with pytest.raises(InvalidMessage) as refused:
        read(**content)
    assert refused.value.location.startswith(location)
    assert words in refused.value.message


def test_no_value_is_quoted() -> None:
    """What was sent is nobody else's to read in a log."""
    for content in ({"type": "hunter2"}, interactive("hunter2"), {"type": "text", "text": "a", "tag": "hunter2"}):
        with pytest.raises(InvalidMessage) as refused:
            read(**content)
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("body", [None, [], "text", 1])
def test_a_body_is_an_object(body: Any) -> None:
    """Anything else is refused as such."""
    with pytest.raises(InvalidMessage, match="must be a JSON object"):
        read_message(body)


def test_what_stands_in_the_log() -> None:
    """A message is found again by its words; marks and typing are no messages."""
    assert read(**GOOD["image by URL"]).searchable_text == "A"
    assert read(**GOOD["buttons"]).searchable_text == "?"
    assert read(**GOOD["reaction"]).searchable_text == "👍"
    assert read(**GOOD["location"]).searchable_text == ""
    assert read(**GOOD["buttons"]).message_type is MessageType.INTERACTIVE
    assert read(**GOOD["raw"]).message_type is MessageType.OTHER
    assert [case for case in GOOD if read(**GOOD[case]).is_action] == [
        "read",
        "read, the latest",
        "typing",
        "typing ends",
    ]
