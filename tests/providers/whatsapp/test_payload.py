"""WhatsApp's bodies beyond the shared samples: whom they address, what comes back, what is refused."""

from typing import Any

import pytest
from tests.providers.outbound import ACCOUNT, MESSAGE, account, build, message

from hookline.domain.account import IntegrationProvider
from hookline.domain.capability import NotSupported
from hookline.domain.errors import RequestError
from hookline.domain.outbound import InvalidMessage, OutboundType
from hookline.domain.sending import Pace
from hookline.providers import PROVIDERS
from hookline.providers.whatsapp.capabilities import PAIR

WHATSAPP = IntegrationProvider.WHATSAPP
SENDER = PROVIDERS[WHATSAPP].sender


def interactive(kind: str, **more: Any) -> dict[str, Any]:
    """Build the interactive part."""
    call = build(WHATSAPP, message(type="interactive", interactive={"type": kind, **more}))
    part: dict[str, Any] = call.body["interactive"]
    return part


@pytest.mark.parametrize(
    ("to", "address"),
    [
        ("16505551234", {"to": "+16505551234"}),
        ("+1 (650) 555-1234", {"to": "+16505551234"}),
        ("US.13491208655302741918", {"recipient": "US.13491208655302741918"}),
        ("US.ENT.11815799212886844830", {"recipient": "US.ENT.11815799212886844830"}),
    ],
)
def test_a_person_is_addressed_by_number_or_user_id(to: str, address: dict[str, str]) -> None:
    """A number always with its plus sign; a user id in a field of its own (reference 2.6, 7.1)."""
    body = build(WHATSAPP, message(to, type="text", text="a")).body
    assert {name: body[name] for name in ("to", "recipient") if name in body} == address


@pytest.mark.parametrize("to", ["somebody", "12", "+1650x551234", "us.123", "US.", "1" * 60, "+1\n650555123"])
def test_what_is_no_number_is_refused(to: str) -> None:
    """Before anything is sent to a stranger."""
    with pytest.raises(InvalidMessage, match="phone number"):
        SENDER.contacts(to)


def test_the_log_may_know_a_number_in_two_forms() -> None:
    """The platform's webhooks have digits, the generic envelope may have a plus sign."""
    assert SENDER.contacts("+1 650 555 1234") == ["16505551234", "+16505551234"]
    assert SENDER.contacts("US.1349") == ["US.1349"]


def test_our_id_goes_along() -> None:
    """It comes back in every status, and so finds a message whose answer was lost."""
    call = build(WHATSAPP, message(type="text", text="a"))
    assert call.path == "own/messages"
    assert call.body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+16505551234",
        "type": "text",
        "text": {"body": "a", "preview_url": False},
        "biz_opaque_callback_data": str(MESSAGE),
    }


def test_the_kinds_that_have_no_sample() -> None:
    """Each in the vendor's words."""
    assert interactive("list", body="?", button="Open", sections=[{"rows": [{"id": "1", "title": "One"}]}]) == {
        "type": "list",
        "body": {"text": "?"},
        "action": {"button": "Open", "sections": [{"rows": [{"id": "1", "title": "One"}]}]},
    }
    assert interactive("cta_url", body="?", button={"title": "Go", "url": "https://x.org"})["action"] == {
        "name": "cta_url",
        "parameters": {"display_text": "Go", "url": "https://x.org"},
    }
    assert interactive("location_request", body="?") == {
        "type": "location_request_message",
        "body": {"text": "?"},
        "action": {"name": "send_location"},
    }
    assert interactive("catalog", body="?", thumbnailProductId="9")["action"] == {
        "name": "catalog_message",
        "parameters": {"thumbnail_product_retailer_id": "9"},
    }
    assert interactive("call_permission", body="?")["type"] == "call_permission_request"
    assert interactive("address", body="?", parameters={"country": "IN"})["action"] == {
        "name": "address_message",
        "parameters": {"country": "IN"},
    }
    assert interactive("flow", body="?", cta="Go", flowId="7", action="data_exchange")["action"]["parameters"] == {
        "flow_message_version": "3",
        "flow_cta": "Go",
        "flow_action": "data_exchange",
        "flow_id": "7",
    }


def test_a_carousel() -> None:
    """Cards with a picture each, and a page to open, or buttons that answer: then the card's type is the same."""
    card = {"title": "A", "text": "B", "image": {"url": "https://x.org/a.png"}}
    page = {"title": "Go", "url": "https://x.org"}
    built = interactive("carousel", body="?", cards=[{**card, "urlButton": page}] * 2)
    assert built["body"] == {"text": "?"}
    assert built["action"]["cards"][1] == {
        "card_index": 1,
        "type": "cta_url",
        "header": {"type": "image", "image": {"link": "https://x.org/a.png"}},
        "body": {"text": "A\nB"},
        "action": {"name": "cta_url", "parameters": {"display_text": "Go", "url": "https://x.org"}},
    }
    answers = interactive("carousel", body="?", cards=[{**card, "buttons": [{"id": "y", "title": "Yes"}]}] * 2)
    assert answers["action"]["cards"][0]["type"] == "cta_url"
    assert answers["action"]["cards"][0]["action"] == {
        "buttons": [{"type": "quick_reply", "quick_reply": {"id": "y", "title": "Yes"}}]
    }
    for cards in (
        [card | {"urlButton": page}],
        [{"title": "A", "urlButton": page}] * 2,
        [card | {"urlButton": page}, card | {"buttons": [{"id": "y", "title": "Yes"}]}],
        [card | {"text": "x" * 159, "urlButton": page}] * 2,
    ):
        with pytest.raises(RequestError):
            interactive("carousel", body="?", cards=cards)


def test_the_parts_of_a_template_that_have_no_sample() -> None:
    """Named places, coupons, offers, products, and cards."""
    components = [
        {
            "type": "header",
            "parameters": [
                {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "Here"}},
                {"type": "product", "product": {"productRetailerId": "p", "catalogId": "c"}},
            ],
        },
        {"type": "body", "parameters": [{"type": "text", "text": "Ann", "parameterName": "who"}]},
        {
            "type": "limited_time_offer",
            "parameters": [{"type": "limited_time_offer", "limitedTimeOffer": {"expirationTimeMs": 1}}],
        },
        {
            "type": "button",
            "subType": "copy_code",
            "index": 2,
            "parameters": [{"type": "coupon_code", "couponCode": "X"}],
        },
        {
            "type": "carousel",
            "cards": [{"cardIndex": 0, "components": [{"type": "body"}]}],
        },
    ]
    body = build(
        WHATSAPP, message(type="template", template={"name": "x", "language": "en", "components": components})
    ).body
    assert body["template"]["components"] == [
        {
            "type": "header",
            "parameters": [
                {"type": "location", "location": {"latitude": 1.0, "longitude": 2.0, "name": "Here"}},
                {"type": "product", "product": {"product_retailer_id": "p", "catalog_id": "c"}},
            ],
        },
        {"type": "body", "parameters": [{"type": "text", "text": "Ann", "parameter_name": "who"}]},
        {
            "type": "limited_time_offer",
            "parameters": [{"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1}}],
        },
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": 2,
            "parameters": [{"type": "coupon_code", "coupon_code": "X"}],
        },
        {"type": "carousel", "cards": [{"card_index": 0, "components": [{"type": "body"}]}]},
    ]


@pytest.mark.parametrize(
    ("content", "capability"),
    [
        ({"type": "text", "text": "a" * 4097}, "text"),
        ({"type": "text", "text": "a", "tag": "HUMAN_AGENT"}, "tag.HUMAN_AGENT"),
        ({"type": "text", "text": "a", "quickReplies": [{"title": "a", "payload": "b"}]}, "quickReplies"),
        ({"type": "image", "image": {"url": "https://x.org/a.gif"}}, "image"),
        ({"type": "audio", "audio": {"url": "https://x.org/a.wav"}}, "audio"),
        (
            {
                "type": "interactive",
                "interactive": {"type": "buttons", "body": "?", "buttons": [{"id": "1", "title": "a"}] * 4},
            },
            "interactive.buttons.buttons",
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "buttons", "body": "?", "buttons": [{"id": "1", "title": "a" * 21}]},
            },
            "interactive.buttons.buttons.title",
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "list",
                    "body": "?",
                    "button": "a",
                    "sections": [{"rows": [{"id": "1", "title": "a"}] * 11}],
                },
            },
            "interactive.list.rows",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_its_limits(content: dict[str, Any], capability: str) -> None:
    """As the reference counts them (7.1)."""
    with pytest.raises(NotSupported) as refused:
        build(WHATSAPP, message(**content))
    assert refused.value.capability == capability


def test_the_longest_text_counts_characters_not_bytes() -> None:
    """4,096 of them, whatever their script."""
    assert build(WHATSAPP, message(type="text", text="é" * 4096)).body["text"]["body"]


def test_sections_of_a_list_are_told_apart() -> None:
    """Where there are several, each has a title."""
    rows = [{"rows": [{"id": "1", "title": "a"}]}] * 2
    with pytest.raises(InvalidMessage, match="several"):
        interactive("list", body="?", button="a", sections=rows)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"type": "text"},
        {"type": "text", "text": "a"},
        {"type": "text", "text": {"body": "a"}, "to": "1"},
        {"type": "text", "text": {"body": "a"}, "recipient": "1"},
        {"type": "text", "text": {"body": "a"}, "biz_opaque_callback_data": "1"},
        {"type": "text", "text": {"body": "a"}, "messaging_product": "pigeon"},
        {"type": 7, "text": {"body": "a"}},
    ],
)
def test_a_raw_body_is_one_message_to_the_person_named(raw: dict[str, Any]) -> None:
    """It cannot go to another, nor be none at all."""
    with pytest.raises(InvalidMessage):
        build(WHATSAPP, message(type="raw", raw=raw))


@pytest.mark.parametrize(
    ("answer", "external_id", "contact", "meta"),
    [
        (
            {"contacts": [{"input": "+1", "wa_id": "1 "}], "messages": [{"id": "wamid.1"}]},
            "wamid.1",
            "1",
            {},
        ),
        (
            {
                "contacts": [{"input": "US.1", "user_id": "US.1"}],
                "messages": [{"id": "wamid.1", "message_status": "held_for_quality_assessment"}],
            },
            "wamid.1",
            "US.1",
            {"messageStatus": "held_for_quality_assessment"},
        ),
        ({"success": True}, None, None, {}),
        ({"messages": [], "contacts": "x"}, None, None, {}),
        ({"messages": [{"id": {}}], "contacts": [7]}, None, None, {}),
    ],
)
def test_the_answer_is_read(answer: Any, external_id: str | None, contact: str | None, meta: Any) -> None:
    """The message's id and the person's; any other shape says nothing, and never raises."""
    reply = SENDER.read_reply(answer)
    assert (reply.external_id, reply.contact, reply.meta) == (external_id, contact, meta)


@pytest.mark.parametrize(
    ("metadata", "per_second"),
    [
        ({}, 80),
        ({"throughput": {"level": "STANDARD"}}, 80),
        ({"throughput": {"level": "HIGH"}}, 1000),
        ({"throughput": "HIGH"}, 1000),
        ({"qualityEvent": "THROUGHPUT_UPGRADE"}, 1000),
        ({"isOnBizApp": True, "throughput": "HIGH"}, 20),
        ({"throughput": ["HIGH"]}, 80),
    ],
)
def test_a_numbers_pace_is_its_tiers(metadata: dict[str, Any], per_second: float) -> None:
    """80 a second, 1,000 once upgraded, 20 beside the phone app; and one to a person in six seconds, 45 at once."""
    assert SENDER.pace(account(WHATSAPP, **metadata), OutboundType.TEXT) == Pace(per_second, pair=PAIR)
    assert (PAIR.interval_seconds, PAIR.burst) == (6, 45)
    assert SENDER.pace(account(WHATSAPP), OutboundType.READ).pair is None


def test_a_mark_needs_a_message() -> None:
    """There is nothing to mark without one."""
    with pytest.raises(RequestError, match="needs the message"):
        build(WHATSAPP, message(type="typing"))
    assert str(ACCOUNT) not in str(build(WHATSAPP, message(type="read", read={"messageId": "1"})).body)
