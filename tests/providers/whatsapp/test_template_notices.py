"""Notices about templates: what each says of one, and that no odd one raises."""

from typing import Any

import pytest

from hookline.providers.whatsapp.template_notices import read_change

NAMED = {
    "message_template_id": 1689556908129832,
    "message_template_name": "offer",
    "message_template_language": "en_US",
}


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ("APPROVED", "APPROVED"),
        ("REJECTED", "REJECTED"),
        ("PAUSED", "PAUSED"),
        ("REINSTATED", "APPROVED"),
        ("DISABLED", "DISABLED"),
        ("DELETED", "DELETED"),
        ("LIMIT_EXCEEDED", None),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
    ],
)
def test_statuses(event: str, status: str | None) -> None:
    """An event is the status in which the template is then; what only limits it leaves the status."""
    change = read_change("message_template_status_update", {**NAMED, "event": event, "reason": "NONE"})
    assert change is not None
    assert (change.name, change.language, change.external_id) == ("offer", "en_US", "1689556908129832")
    assert (change.status, change.rejected_reason) == (status, None)


def test_why_it_was_rejected() -> None:
    """The reason comes along."""
    change = read_change("message_template_status_update", {**NAMED, "event": "REJECTED", "reason": "SCAM"})
    assert change is not None
    assert change.rejected_reason == "SCAM"


def test_quality_category_and_components() -> None:
    """The other fields say one thing each."""
    quality = read_change("message_template_quality_update", {**NAMED, "new_quality_score": "RED"})
    category = read_change("template_category_update", {**NAMED, "new_category": "MARKETING"})
    components = read_change("message_template_components_update", {**NAMED, "message_template_element": "Hi"})
    assert quality is not None
    assert category is not None
    assert components is not None
    assert (quality.quality, quality.status) == ("RED", None)
    assert (category.category, category.status) == ("MARKETING", None)
    assert (components.components_changed, components.status) == (True, None)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"event": "APPROVED"},
        {**NAMED, "message_template_name": None},
        {**NAMED, "message_template_language": ["en"]},
        {**NAMED, "message_template_name": "x" * 600},
    ],
)
def test_what_names_no_template_says_nothing(value: dict[str, Any]) -> None:
    """Without a name and a language of a sensible length there is nothing to note."""
    assert read_change("message_template_status_update", value) is None


def test_an_event_that_is_no_text_changes_no_status() -> None:
    """The template is noted, its status stays."""
    change = read_change("message_template_status_update", {**NAMED, "event": {"a": 1}})
    assert change is not None
    assert change.status is None
