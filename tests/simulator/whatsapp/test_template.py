"""Whether a send fits its template, and which templates can be made."""

from typing import Any

import pytest

from hookline.simulator.errors import Refusal
from hookline.simulator.records import Template
from hookline.simulator.whatsapp.new_template import read_new
from hookline.simulator.whatsapp.template import check_components, check_sendable

Parts = list[dict[str, Any]]


def template(*parts: dict[str, Any], **more: Any) -> Template:
    """A template that has been approved."""
    fields = {"category": "UTILITY", "status": "APPROVED", **more}
    return Template(id="1", waba_id="2", name="order", language="en_US", components=list(parts), **fields)


def text(value: Any, name: str = "") -> dict[str, Any]:
    """A text parameter."""
    return {"type": "text", "text": value, **({"parameter_name": name} if name else {})}


def body(*parameters: dict[str, Any]) -> dict[str, Any]:
    """A body with parameters."""
    return {"type": "body", "parameters": list(parameters)}


def header(*parameters: dict[str, Any]) -> dict[str, Any]:
    """A header with parameters."""
    return {"type": "header", "parameters": list(parameters)}


def tap(index: Any, *parameters: dict[str, Any], kind: str = "url") -> dict[str, Any]:
    """A button with parameters."""
    return {"type": "button", "sub_type": kind, "index": index, "parameters": list(parameters)}


BODY = {"type": "BODY", "text": "Hi {{1}}, your order {{2}} is here."}
CURRENCY = {"type": "currency", "currency": {"fallback_value": "$1", "code": "USD", "amount_1000": 1000}}
DATE = {"type": "date_time", "date_time": {"fallback_value": "May 1", "month": 5}}
PICTURE = {"type": "image", "image": {"link": "https://example.test/a.png"}}
PLACE = {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "Here"}}
PLAIN = template(BODY)
NAMED = template({"type": "BODY", "text": "Hi {{name}}, {{order}}"}, parameter_format="NAMED")
PICTURED = template({"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Look"})
PLACED = template({"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "Here"})
SOLD = template({"type": "HEADER", "format": "PRODUCT"}, {"type": "BODY", "text": "Ours"})
PRODUCT = {"type": "product", "product": {"product_retailer_id": "1", "catalog_id": "2"}}
TITLED = template({"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"}, {"type": "BODY", "text": "Here"})
LINKED = template(
    {"type": "BODY", "text": "Track"},
    {
        "type": "BUTTONS",
        "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}, {"type": "URL", "url": "https://a.test/{{1}}"}],
    },
)
COUPON = template({"type": "BODY", "text": "Save"}, {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE"}]})
FLOW = template({"type": "BODY", "text": "Book"}, {"type": "BUTTONS", "buttons": [{"type": "FLOW", "text": "Book"}]})
CODE = template(
    {"type": "BODY", "add_security_recommendation": True},
    {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]},
    category="AUTHENTICATION",
)
CARD = {"components": [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "{{1}}"}]}
CARDS = template({"type": "BODY", "text": "Ours"}, {"type": "CAROUSEL", "cards": [CARD, CARD]})


def cards(*texts: str) -> dict[str, Any]:
    """A carousel with a picture and a text for each card."""
    parts = [{"card_index": at, "components": [header(PICTURE), body(text(one))]} for at, one in enumerate(texts)]
    return {"type": "carousel", "cards": parts}


FITS: dict[str, tuple[Template, Parts]] = {
    "texts": (PLAIN, [body(text("Ada"), text("7"))]),
    "a number and a boolean as texts": (PLAIN, [body(text(7), text(True))]),
    "money and a date": (PLAIN, [body(CURRENCY, DATE)]),
    "names, in any order": (NAMED, [body(text("7", "order"), text("Ada", "name"))]),
    "a picture": (PICTURED, [header(PICTURE)]),
    "a place": (PLACED, [header(PLACE)]),
    "a product": (SOLD, [header(PRODUCT)]),
    "a title": (TITLED, [header(text("7"))]),
    "a button's address": (LINKED, [tap("1", text("7"))]),
    "a quick reply's payload": (
        LINKED,
        [tap(0, {"type": "payload", "payload": "STOP"}, kind="quick_reply"), tap(1, text("7"))],
    ),
    "a coupon": (COUPON, [tap(0, {"type": "coupon_code", "coupon_code": "SAVE"}, kind="copy_code")]),
    "a flow's token": (FLOW, [tap(0, {"type": "action", "action": {"flow_token": "t"}}, kind="flow")]),
    "a flow without one": (FLOW, []),
    "a code": (CODE, [body(text("123456")), tap(0, text("123456"))]),
    "cards": (CARDS, [cards("A", "B")]),
}

DOES_NOT_FIT: dict[str, tuple[Template, Parts, int]] = {
    "no parameters": (PLAIN, [], 132000),
    "one too few": (PLAIN, [body(text("Ada"))], 132000),
    "one too many": (PLAIN, [body(text("Ada"), text("7"), text("8"))], 132000),
    "an empty text": (PLAIN, [body(text("Ada"), text(""))], 132012),
    "a picture in the body": (PLAIN, [body(text("Ada"), PICTURE)], 132012),
    "a body that grows too long": (PLAIN, [body(text("A" * 1024), text("7"))], 132005),
    "no names": (NAMED, [body(text("Ada"), text("7"))], 132012),
    "other names": (NAMED, [body(text("Ada", "name"), text("7", "number"))], 132018),
    "no picture": (PICTURED, [], 132012),
    "a film for a picture": (PICTURED, [header({"type": "video", "video": {"id": "1"}})], 132012),
    "a product of no catalog": (SOLD, [header({"type": "product", "product": {"product_retailer_id": "1"}})], 131008),
    "two pictures": (PICTURED, [header(PICTURE, PICTURE)], 132000),
    "a picture of nothing": (PICTURED, [header({"type": "image", "image": {}})], 131008),
    "a header that is not there": (PLAIN, [header(text("7")), body(text("Ada"), text("7"))], 132000),
    "an address without its end": (LINKED, [], 131008),
    "a third button": (LINKED, [tap(1, text("7")), tap(2, text("8"))], 132018),
    "a button twice": (LINKED, [tap(1, text("7")), tap(1, text("8"))], 132018),
    "a coupon that is a text": (COUPON, [tap(0, text("SAVE"))], 132018),
    "no code": (CODE, [body(text("123456"))], 131008),
    "a card too few": (CARDS, [cards("A")], 132000),
    "a card with nothing in it": (CARDS, [{"type": "carousel", "cards": [{}, {}]}], 132012),
    "cards where there are none": (PLAIN, [body(text("A"), text("7")), cards("A")], 132018),
    "an unknown component": (PLAIN, [{"type": "tail"}], 131009),
}


@pytest.mark.parametrize("case", FITS)
def test_fits(case: str) -> None:
    """Parameters that are those of the template are taken."""
    check_components(*FITS[case])


@pytest.mark.parametrize("case", DOES_NOT_FIT)
def test_does_not_fit(case: str) -> None:
    """Parameters that are not those of the template are refused with the code for it."""
    stored, sent, code = DOES_NOT_FIT[case]
    with pytest.raises(Refusal) as refused:
        check_components(stored, sent)
    assert (refused.value.code, bool(refused.value.details)) == (code, True)


@pytest.mark.parametrize(
    ("status", "code", "http"),
    [("PAUSED", 132015, 400), ("DISABLED", 132016, 400), ("PENDING", 132001, 404), ("REJECTED", 132001, 404)],
)
def test_not_sendable(status: str, code: int, http: int) -> None:
    """A template that is paused, disabled or not approved is refused as the platform does."""
    with pytest.raises(Refusal) as refused:
        check_sendable(template(BODY, status=status), "order", "en_US")
    assert (refused.value.code, refused.value.status) == (code, http)


def test_missing() -> None:
    """A template that is not there is 132001, with HTTP 404."""
    with pytest.raises(Refusal) as refused:
        check_sendable(None, "order", "en_US")
    assert (refused.value.code, refused.value.status) == (132001, 404)


NEW: dict[str, Any] = {"name": "order", "language": "en_US", "category": "UTILITY"}
EXAMPLE = {**BODY, "example": {"body_text": [["Ada", "7"]]}}
NAMES = {
    "type": "body",
    "text": "Hi {{name}}",
    "example": {"body_text_named_params": [{"param_name": "name", "example": "Ada"}]},
}

REFUSED_NEW: dict[str, dict[str, Any]] = {
    "a name with capitals": {**NEW, "name": "Order", "components": [EXAMPLE]},
    "no language": {"name": "order", "category": "UTILITY", "components": [EXAMPLE]},
    "another category": {**NEW, "category": "SPAM", "components": [EXAMPLE]},
    "no components": NEW,
    "no body": {**NEW, "components": [{"type": "FOOTER", "text": "Bye"}]},
    "no examples": {**NEW, "components": [BODY]},
    "an example too few": {**NEW, "components": [{**BODY, "example": {"body_text": [["Ada"]]}}]},
    "variables with gaps": {
        **NEW,
        "components": [{"type": "BODY", "text": "{{1}} {{3}}", "example": {"body_text": [["a", "b"]]}}],
    },
    "names where numbers are said": {**NEW, "components": [NAMES]},
    "two bodies": {**NEW, "components": [EXAMPLE, EXAMPLE]},
    "a body of 1025 signs": {**NEW, "components": [{"type": "BODY", "text": "b" * 1025}]},
    "a footer of 61 signs": {**NEW, "components": [EXAMPLE, {"type": "FOOTER", "text": "f" * 61}]},
    "a button of no address": {
        **NEW,
        "components": [EXAMPLE, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go"}]}],
    },
    "eleven buttons": {
        **NEW,
        "components": [EXAMPLE, {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "A"}] * 11}],
    },
}


@pytest.mark.parametrize("case", REFUSED_NEW)
def test_new_template_refused(case: str) -> None:
    """A template that could never be approved is refused when it is made."""
    with pytest.raises(Refusal):
        read_new(REFUSED_NEW[case])


def test_new_template() -> None:
    """A template is known by its name and language, with numbers or with names for variables."""
    assert read_new({**NEW, "components": [EXAMPLE]}) == ("order", "en_US")
    assert read_new({**NEW, "parameter_format": "NAMED", "components": [NAMES]}) == ("order", "en_US")
