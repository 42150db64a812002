"""What is looked at of a WhatsApp number: its quality, limit, name, registration, and its own callback. Pure.

Source: protocol reference 1.5, 2.4, 6.2, 7.1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hookline.domain.health import Finding, Severity, ok, problem, warning
from hookline.providers.health import callback_finding, same_url
from hookline.providers.meta import health as meta
from hookline.providers.meta import lenient
from hookline.providers.meta.oauth import AppSubscription

OBJECT: Final = "whatsapp_business_account"
TITLE: Final = "WhatsApp Business Account"
# Of the app. What a WABA is subscribed to follows from it.
APP_FIELDS: Final = (
    "messages",
    "smb_message_echoes",
    "history",
    "smb_app_state_sync",
    "account_update",
    "account_alerts",
    "account_review_update",
    "business_capability_update",
    "phone_number_quality_update",
    "phone_number_name_update",
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
    "security",
    "user_preferences",
    "user_id_update",
    "calls",
)
FIELDS: Final = (
    "quality_rating,name_status,platform_type,is_on_biz_app,whatsapp_business_manager_messaging_limit,throughput,"
    "health_status,webhook_configuration"
)
CALLBACKS: Final = "webhook_configuration"
_CALLBACK_APP: Final = "callback-app"
_MANAGER: Final = "In WhatsApp Manager, under Phone numbers,"


def number_findings(number_id: str, number: dict[str, Any], callback_url: str | None) -> list[Finding]:
    """Read a number's node.

    {quality_rating, name_status, platform_type, is_on_biz_app, whatsapp_business_manager_messaging_limit,
     throughput: {level}, health_status: {can_send_message, entities: [{entity_type, errors: [{error_description,
     possible_solution}]}]}, webhook_configuration: {application?, whatsapp_business_account?, phone_number?}}
    """
    return [
        _registration(number),
        _quality(lenient.string(number.get("quality_rating")).upper()),
        _limit(number),
        _name(lenient.string(number.get("name_status")).upper()),
        _sending(lenient.mapping(number.get("health_status"))),
        _number_callback(number_id, number, callback_url),
    ]


def account_unknown() -> Finding:
    """Say that nobody told us which WABA a number is of."""
    found = "the number's WhatsApp Business Account is not known here, so its subscription cannot be looked at"
    mend = 'Connect the number again: by consent, or by its token with "metadata": {"wabaId": "…"}.'
    return warning("subscription", found, mend)


def waba_findings(waba: str, app: dict[str, Any] | None, callback_url: str | None) -> list[Finding]:
    """Read our app's element of the list of what a WABA is subscribed to; None: it is not in it."""
    found = meta.subscription("the WhatsApp Business Account", None if app is None else (), ())
    if app is None:
        return [found]
    own = lenient.string(app.get("override_callback_uri"))
    return [found, override("callback-account", "the account", f"{waba}/subscribed_apps", own, callback_url)]


def app_findings(subscriptions: Mapping[str, AppSubscription], callback_url: str | None) -> list[Finding]:
    """Read what the app is subscribed to."""
    return meta.app_findings(subscriptions, OBJECT, TITLE, APP_FIELDS, callback_url)


def leads_elsewhere(findings: Sequence[Finding]) -> bool:
    """Say whether the app's own callback is another installation's."""
    return any(one.name == _CALLBACK_APP and one.severity is Severity.PROBLEM for one in findings)


def with_override(findings: Sequence[Finding], number: dict[str, Any], callback_url: str | None) -> list[Finding]:
    """Judge the app's callback less hard where the number's messages come here by an override of it.

    number: its node, as in `number_findings`.
    Source: protocol reference 1.5: number before account before app; an override counts for the field `messages` alone.
    """
    callbacks = lenient.mapping(number.get("webhook_configuration"))
    own = lenient.string(callbacks.get("phone_number")) or lenient.string(callbacks.get("whatsapp_business_account"))
    if callback_url is None or not same_url(own, callback_url):
        return list(findings)
    mend = "Leave it, if the app serves another installation too: what is said of the account itself goes there."
    return [
        warning(one.name, f"{one.found}, but for messages, which come here", mend) if one.name == _CALLBACK_APP else one
        for one in findings
    ]


def override(name: str, whose: str, path: str, url: str, callback_url: str | None) -> Finding:
    """Judge a callback of an account's or number's own, which is in force for messages; `url` empty: there is none."""
    if not url:
        return ok(name, f"{whose} has no callback of its own")
    return callback_finding(name, f"the callback of {whose}'s own", url, callback_url, _mend_override(name, path))


def _mend_override(name: str, path: str) -> str:
    if name == "callback-number":
        return (
            f'Remove it: POST /{path} {{"webhook_configuration": {{"override_callback_uri": ""}}}} at the platform. '
            "Another installation has set it."
        )
    return f"Remove it: POST /{path} with an empty body at the platform. Another installation has set it."


def _number_callback(number_id: str, number: dict[str, Any], callback_url: str | None) -> Finding:
    name, callbacks = "callback-number", number.get("webhook_configuration")
    if not isinstance(callbacks, dict):
        mend = "If messages do not arrive, look for an override at the number by the platform's own tools."
        return warning(name, "the platform does not tell whether the number has a callback of its own", mend)
    return override(name, "the number", number_id, lenient.string(callbacks.get("phone_number")), callback_url)


def _registration(number: dict[str, Any]) -> Finding:
    if number.get("is_on_biz_app") is True:
        return ok("registration", "the number is used in the WhatsApp Business app too (coexistence)")
    platform = lenient.string(number.get("platform_type")).upper()
    if platform == "CLOUD_API":
        return ok("registration", "the number is registered for the Cloud API")
    found = f"the number is not registered for the Cloud API ({platform or 'no platform'}): nothing can be sent"
    return problem("registration", found, "Connect the number again: that registers it.")


def _quality(rating: str) -> Finding:
    match rating:
        case "GREEN":
            return ok("quality", "people take the number's messages well (GREEN)")
        case "YELLOW":
            mend = "Look at what people blocked or reported lately, and send less marketing."
            return warning("quality", "people have begun to block or report the number (YELLOW)", mend)
        case "RED":
            mend = "Stop marketing at once, and look at which templates people blocked: the number may be restricted."
            return problem("quality", "many people block or report the number (RED)", mend)
        case "UNKNOWN" | "NA":
            return ok("quality", "the platform has not rated the number yet")
    return _untold("quality", rating)


def _limit(number: dict[str, Any]) -> Finding:
    limit = lenient.string(number.get("whatsapp_business_manager_messaging_limit"))
    level = lenient.string(lenient.mapping(number.get("throughput")).get("level"))
    if not limit:
        return _untold("messaging-limit", limit)
    found = f"people who may be written to first in 24 hours: {limit}; throughput: {level or 'not told'}"
    return ok("messaging-limit", found)


def _name(status: str) -> Finding:
    if not status:
        return _untold("display-name", status)
    if status in ("APPROVED", "AVAILABLE_WITHOUT_REVIEW"):
        return ok("display-name", "the display name is approved")
    if status in ("DECLINED", "EXPIRED"):
        mend = f"{_MANAGER} ask for a display name that fits the platform's rules."
        return problem("display-name", f"the display name is {status.lower()}: sending may be refused (131037)", mend)
    mend = f"{_MANAGER} see what the platform says of the display name."
    return warning("display-name", f"the display name is not approved yet ({status})", mend)


def _sending(health: dict[str, Any]) -> Finding:
    state = lenient.string(health.get("can_send_message")).upper()
    if not state:
        return _untold("sending", state)
    if state == "AVAILABLE":
        return ok("sending", "the platform lets the number send")
    complaints = list(_complaints(health))
    severity = Severity.PROBLEM if state == "BLOCKED" else Severity.WARNING
    found = "; ".join(found for found, _ in complaints) or "no reason is given"
    mend = " ".join(dict.fromkeys(mend for _, mend in complaints if mend))
    return Finding("sending", severity, f"the platform says {state}: {found}", mend or f"{_MANAGER} see what is wrong.")


def _untold(name: str, said: str) -> Finding:
    """Say that the platform left something out, or said what we do not know."""
    found = f"the platform says {said}, which is not known here" if said else "the platform does not tell"
    return warning(name, found, f"{_MANAGER} look for yourself.")


def _complaints(health: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What stands in the way, by entity: number, WABA, business, app."""
    for entity in map(lenient.mapping, lenient.sequence(health.get("entities"))):
        for one in map(lenient.mapping, lenient.sequence(entity.get("errors"))):
            kind = lenient.string(entity.get("entity_type")) or "something"
            said = lenient.string(one.get("error_description"))
            yield f"{kind}: {said}", lenient.string(one.get("possible_solution"))
