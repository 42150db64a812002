"""Templates to create: what the platform would certainly refuse is named before it is asked."""

from typing import Any

import pytest

from hookline.domain.template import InvalidTemplate, NewTemplate
from hookline.providers.whatsapp.new_template import check

BODY = {"type": "BODY", "text": "Hello {{1}}", "example": {"body_text": [["Ann"]]}}


def new(**more: Any) -> NewTemplate:
    return NewTemplate(
        **{"name": "order_sent", "language": "en_US", "category": "UTILITY", "components": [BODY]} | more
    )


GOOD: list[dict[str, Any]] = [
    {},
    {"language": "fil"},
    {"components": [{"type": "BODY", "text": "Hi"}, {"type": "FOOTER", "text": "Bye"}]},
    {"components": [{"type": "HEADER", "format": "IMAGE"}, BODY]},
    {"components": [BODY, {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}]}]},
    {"category": "AUTHENTICATION", "components": [{"type": "BODY", "add_security_recommendation": True}]},
    {
        "parameter_format": "NAMED",
        "components": [{"type": "BODY", "text": "Hi {{first}}", "example": {"body_text_named_params": [{}]}}],
    },
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "Order Sent"}, "body.name"),
    ({"name": ""}, "body.name"),
    ({"name": "a" * 513}, "body.name"),
    ({"language": "english"}, "body.language"),
    ({"category": "CHATTER"}, "body.category"),
    ({"components": []}, "body.components"),
    ({"components": [{"type": "HEADER", "format": "IMAGE"}]}, "body.components"),
    ({"components": [BODY, BODY]}, "body.components.1.type"),
    ({"components": ["BODY"]}, "body.components.0"),
    ({"components": [{"type": "BODY", "text": "x" * 1025}]}, "body.components.0.text"),
    ({"components": [{"type": "BODY"}]}, "body.components.0.text"),
    ({"components": [{**BODY, "text": "{{2}}"}]}, "body.components.0.text"),
    ({"components": [{**BODY, "text": "{{first}}"}]}, "body.components.0.text"),
    ({"components": [BODY], "parameter_format": "NAMED"}, "body.components.0.text"),
    ({"components": [{"type": "BODY", "text": "Hi {{1}}"}]}, "body.components.0.example"),
    ({"components": [BODY, {"type": "FOOTER", "text": "{{1}}"}]}, "body.components.1.text"),
    ({"components": [BODY, {"type": "HEADER"}]}, "body.components.1.format"),
    ({"components": [BODY, {"type": "BUTTONS", "buttons": []}]}, "body.components.1.buttons"),
    (
        {"components": [BODY, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x" * 26}]}]},
        "body.components.1.buttons.0.text",
    ),
]


@pytest.mark.parametrize("more", GOOD)
def test_what_may_be_created(more: dict[str, Any]) -> None:
    """Whatever only the platform's reviewers can judge goes to them."""
    check(new(**more))


@pytest.mark.parametrize(("more", "location"), BAD)
def test_what_would_be_refused_is_named(more: dict[str, Any], location: str) -> None:
    """The error names the place in the caller's body."""
    with pytest.raises(InvalidTemplate) as caught:
        check(new(**more))
    assert location in [error["location"] for error in caught.value.errors]
