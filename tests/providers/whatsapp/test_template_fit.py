"""Filled-in templates against stored ones: what the platform would refuse is named, place by place; nothing else is."""

from typing import Any

import msgspec
import pytest

from hookline.domain.outbound_template import Template
from hookline.domain.template import Definition, MisfitReason
from hookline.providers.whatsapp.template_fit import misfit

BODY = {"type": "BODY", "text": "Dear {{1}}, your parcel {{2}} is on its way."}
NAMED_BODY = {"type": "BODY", "text": "Dear {{first}}, your parcel {{number}} is on its way."}
FIXED = {"type": "BODY", "text": "Welcome!"}


def known(*components: Any, **more: Any) -> Definition:
    return Definition(**{"name": "t", "language": "en", "status": "APPROVED", "components": list(components)} | more)


def filled(*components: Any) -> Template:
    return msgspec.convert({"name": "t", "language": "en", "components": list(components)}, Template)


def texts(*values: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": value} for value in values]


def body(*values: str) -> dict[str, Any]:
    return {"type": "body", "parameters": texts(*values)}


def header(**parameter: Any) -> dict[str, Any]:
    return {"type": "header", "parameters": [parameter]}


def button(index: int, sub_type: str, *parameters: Any) -> dict[str, Any]:
    return {"type": "button", "subType": sub_type, "index": index, "parameters": list(parameters)}


LINK = {"type": "URL", "text": "Track", "url": "https://shop.example/{{1}}"}
FIXED_LINK = {"type": "URL", "text": "Shop", "url": "https://shop.example/"}
REPLY = {"type": "QUICK_REPLY", "text": "Stop"}
CODE = {"type": "COPY_CODE"}
OTP = {"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}
IMAGE = {"type": "image", "image": {"url": "https://shop.example/a.png"}}


def buttons(*made: Any) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": list(made)}


def card(index: int, *components: Any) -> dict[str, Any]:
    return {"cardIndex": index, "components": list(components)}


CAROUSEL = {
    "type": "CAROUSEL",
    "cards": [{"components": [{"type": "HEADER", "format": "IMAGE"}, buttons(REPLY)]} for _ in range(2)],
}

FITS: dict[str, tuple[Definition, Template]] = {
    "nothing to fill in": (known(FIXED), filled()),
    "two places": (known(BODY), filled(body("Ann", "7"))),
    "by name, in any order": (
        known(NAMED_BODY, parameter_format="NAMED"),
        filled(
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "text": "7", "parameterName": "number"},
                    {"type": "text", "text": "Ann", "parameterName": "first"},
                ],
            }
        ),
    ),
    "a place twice": (known({"type": "BODY", "text": "{{1}} and {{1}}"}), filled(body("x"))),
    "a picture": (known({"type": "HEADER", "format": "IMAGE"}, FIXED), filled(header(**IMAGE))),
    "a text as header": (
        known({"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}"}, FIXED),
        filled(header(**texts("Ann")[0])),
    ),
    "a link with an end": (known(FIXED, buttons(LINK)), filled(button(0, "url", *texts("7")))),
    "a link without": (known(FIXED, buttons(FIXED_LINK)), filled()),
    "a reply with a payload": (
        known(FIXED, buttons(LINK, REPLY)),
        filled(button(0, "url", *texts("7")), button(1, "quick_reply", {"type": "payload", "payload": "STOP"})),
    ),
    "a reply without": (known(FIXED, buttons(REPLY)), filled()),
    "a code": (known(FIXED, buttons(CODE)), filled(button(0, "copy_code", {"type": "coupon_code", "couponCode": "X"}))),
    "a password": (
        known({"type": "BODY"}, buttons(OTP), category="AUTHENTICATION"),
        filled(body("123"), button(0, "url", *texts("123"))),
    ),
    "a carousel": (
        known(FIXED, CAROUSEL),
        filled({"type": "carousel", "cards": [card(1, header(**IMAGE)), card(0, header(**IMAGE))]}),
    ),
    "how it reads is not known": (known(components=None), filled(body("whatever"))),
    "a status of tomorrow": (known(FIXED, status="CELEBRATED"), filled()),
    "a button of tomorrow": (known(FIXED, buttons({"type": "TELEPORT"})), filled(button(0, "url", *texts("7")))),
}

MISFITS: dict[str, tuple[Definition, Template, str]] = {
    "too few": (known(BODY), filled(body("Ann")), "body: expects 2 parameters, received 1"),
    "too many": (known(FIXED), filled(body("Ann")), "body: expects no parameters, received 1"),
    "no body at all": (known(BODY), filled(), "body: expects 2 parameters, received 0"),
    "without names": (
        known(NAMED_BODY, parameter_format="NAMED"),
        filled(body("Ann", "7")),
        "body: expects 2 parameters named first, number, received one without a name, one without a name",
    ),
    "a picture in a text": (
        known({"type": "BODY", "text": "{{1}}"}),
        filled({"type": "body", "parameters": [IMAGE]}),
        "body: expects parameters of type text or currency or date_time, received image",
    ),
    "no picture": (
        known({"type": "HEADER", "format": "IMAGE"}, FIXED),
        filled(),
        "header: expects one parameter of type image, received none",
    ),
    "another file": (
        known({"type": "HEADER", "format": "VIDEO"}, FIXED),
        filled(header(**IMAGE)),
        "header: expects one parameter of type video, received image",
    ),
    "a header too many": (known(FIXED), filled(header(**texts("x")[0])), "header: expects no parameters, received 1"),
    "a link without its end": (
        known(FIXED, buttons(LINK)),
        filled(),
        "button 0: expects a parameter of type text or payload, received none",
    ),
    "an end too many": (
        known(FIXED, buttons(FIXED_LINK)),
        filled(button(0, "url", *texts("7"))),
        "button 0: expects no parameters, received text",
    ),
    "another kind": (
        known(FIXED, buttons(LINK)),
        filled(button(0, "quick_reply", {"type": "payload", "payload": "x"})),
        "button 0: expects subType url, received quick_reply",
    ),
    "a button that is not there": (
        known(FIXED, buttons(REPLY)),
        filled(button(3, "url", *texts("7"))),
        "button 3: expects no button here: the template has 1, received one",
    ),
    "a card too few": (
        known(FIXED, CAROUSEL),
        filled({"type": "carousel", "cards": [card(0, header(**IMAGE))]}),
        "carousel: expects 2 cards, numbered from 0, received 1",
    ),
    "a card without its picture": (
        known(FIXED, CAROUSEL),
        filled({"type": "carousel", "cards": [card(0, header(**IMAGE)), card(1)]}),
        "card 1, header: expects one parameter of type image, received none",
    ),
    "twice": (
        known(BODY),
        filled(body("Ann", "7"), body("Ann", "7")),
        "body: expects to be given once, received it twice",
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_what_fits_passes(name: str) -> None:
    """A template that is filled in as the platform asks, or of which nothing is known, is left to the platform."""
    stored, sent = FITS[name]
    assert misfit(sent, stored) is None


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_told_by_its_place(name: str) -> None:
    """The difference names the place, what is expected there, and what was given."""
    stored, sent, text = MISFITS[name]
    found = misfit(sent, stored)
    assert found is not None
    assert found.reason is MisfitReason.MISMATCH
    assert [str(one) for one in found.differences] == [text]
    assert found.text == f"the template t (en) does not fit: {text}"


@pytest.mark.parametrize(
    "status", ["PENDING", "IN_APPEAL", "REJECTED", "PAUSED", "DISABLED", "ARCHIVED", "DELETED", "paused"]
)
def test_a_template_that_is_not_approved_is_refused(status: str) -> None:
    """By its status, with what to do about it, however well it is filled in."""
    found = misfit(filled(body("Ann", "7")), known(BODY, status=status))
    assert found is not None
    assert (found.reason, found.status, found.differences) == (MisfitReason.STATUS, status.upper(), ())
    assert found.text.startswith("the template t (en) ")
    assert ";" in found.text or "wait" in found.text


@pytest.mark.parametrize(
    "components", [[None], ["x"], [{"type": 7}], [{"type": "BODY", "text": 9}], [{"type": "BUTTONS", "buttons": "x"}]]
)
def test_what_the_platform_says_oddly_is_borne(components: list[Any]) -> None:
    """A stored template of another outline than the reference's raises nothing."""
    assert misfit(filled(), known(components=components)) is None
