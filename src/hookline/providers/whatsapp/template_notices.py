"""What WhatsApp's webhooks say of message templates. Pure. Source: protocol reference 2.4."""

from collections.abc import Mapping
from typing import Any, Final

from hookline.domain.ids import MAX_EXTERNAL_ID_BYTES
from hookline.domain.template import TemplateChange
from hookline.providers.meta import lenient

# A notice's event → the status in which the template is then, where they are not the same word.
_STATUS_OF: Final = {"REINSTATED": "APPROVED", "UNARCHIVED": "APPROVED"}
_LIMITS_ONLY: Final = frozenset({"LIMIT_EXCEEDED", "UNLOCKED", "LOCKED"})  # events that leave the status as it is


def read_change(field: str, value: Mapping[str, Any]) -> TemplateChange | None:
    """Read what a webhook's field says of a template; None if it names none by name and language.

    Source: protocol reference 2.4.
    """
    name, language = key_of(value.get("message_template_name"), value.get("message_template_language"))
    if name is None or language is None:
        return None
    said: dict[str, Any] = {}
    if field == "message_template_status_update":
        said = _status(value)
    elif field == "message_template_quality_update":
        said = {"quality": lenient.optional_string(value.get("new_quality_score"))}
    elif field == "template_category_update":
        # Also where `correct_category` announces another one: the new one is the present one then.
        said = {"category": lenient.optional_string(value.get("new_category"))}
    elif field == "message_template_components_update":
        said = {"components_changed": True}
    external_id = lenient.identifier(value.get("message_template_id"))
    return TemplateChange(name=name, language=language, external_id=external_id, **said)


def _status(value: Mapping[str, Any]) -> dict[str, Any]:
    event = lenient.label(value.get("event"), "").upper()
    category = lenient.optional_string(value.get("message_template_category"))
    if not event or event in _LIMITS_ONLY:
        return {"category": category}
    reason = lenient.optional_string(value.get("reason"))
    return {
        "status": _STATUS_OF.get(event, event),
        "rejected_reason": None if reason in (None, "NONE") else reason,
        "category": category,
    }


def key_of(name: Any, language: Any) -> tuple[str | None, str | None]:
    """Read name and language; what is too long to be one is none."""
    known = [lenient.optional_string(one) for one in (name, language)]
    fit = [one if one and len(one.encode()) <= MAX_EXTERNAL_ID_BYTES else None for one in known]
    return fit[0], fit[1]
