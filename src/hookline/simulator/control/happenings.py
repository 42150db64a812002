"""What the platform does to accounts by itself: decisions, restrictions, removals. Each changes the world, and is told.

Source: protocol reference 1.3 (permissions), 1.4 (silent unsubscription), 2.3 (coexistence), 2.4 (account fields).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hookline.simulator import grants
from hookline.simulator.control import coexistence
from hookline.simulator.control.acting import Given, Unfit
from hookline.simulator.records import Page, PhoneNumber, Template, Waba
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import PERMISSIONS, WHATSAPP, Notice, Slot
from hookline.simulator.whatsapp.templates import review
from hookline.simulator.world import Found

Happening: TypeAlias = Callable[[Given], dict[str, Any] | None]

# After these the app has no access to the account any more (2.4).
_REMOVALS = frozenset({"PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED", "ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED"})
_SLOTS: Mapping[str, Slot] = {"changes": "changes", "messaging": "messaging", "standby": "standby", "entry": "entry"}


def happen(sim: Simulator, what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Have something happen, by its name.

    Raises: Unfit.
    """
    happening = HAPPENINGS.get(what)
    if happening is None:
        raise Unfit(f"what: one of {', '.join(sorted(HAPPENINGS))}")
    return happening(Given(sim, given)) or {}


def found(given: Given, name: str, collection: Mapping[str, Found]) -> Found:
    """The record that a particular names; the first there is, if it names none.

    Raises: Unfit.
    """
    if name not in given.given and collection:
        return next(iter(collection.values()))
    record = collection.get(given.text(name))
    if record is None:
        raise Unfit(f"{name}: there is no such record")
    return record


def _tell_waba(given: Given, waba_id: str, field: str, value: dict[str, Any]) -> None:
    now = given.sim.world.clock.seconds()
    notice = Notice(object=WHATSAPP, entry_id=waba_id, field=field, content=value, lane=f"{waba_id} account", time=now)
    given.sim.outbox.put(notice)


def _waba(given: Given) -> Waba:
    return found(given, "account", given.sim.world.records.wabas)


def _phone(given: Given) -> PhoneNumber:
    return found(given, "account", given.sim.world.records.phone_numbers)


def _template(given: Given) -> Template:
    return found(given, "template", given.sim.world.records.templates)


# -- WhatsApp Business accounts


def _account_update(given: Given) -> None:
    """Any event of `account_update`, with what else its value holds in `value`."""
    waba, event = _waba(given), given.text("event")
    value: dict[str, Any] = {"event": event}
    if event.startswith("PARTNER_") or event in _REMOVALS:
        value["waba_info"] = {"waba_id": waba.id, "owner_business_id": waba.business_id}
    _tell_waba(given, waba.id, "account_update", {**value, **given.object("value")})
    if event in _REMOVALS:
        _lose(given.sim, waba)


def _lose(sim: Simulator, waba: Waba) -> None:
    """Take an account away from every app: its subscription goes, and no token reaches it any more."""
    waba.subscribed.clear()
    for token in sim.world.records.tokens.values():
        for scope, targets in token.granular.items():
            if waba.id in targets:
                token.granular[scope] = [target for target in targets if target != waba.id]
        if token.granular and not any(token.granular.values()):
            token.dead = token.dead or "removed"


def _review(given: Given) -> None:
    waba = _waba(given)
    waba.review_status = given.choice("decision", ("APPROVED", "REJECTED", "PENDING", "DEFERRED"))
    _tell_waba(given, waba.id, "account_review_update", {"decision": waba.review_status})


def _alert(given: Given) -> None:
    waba = _waba(given)
    alert = {
        "alert_severity": "WARNING",
        "alert_status": "ACTIVE",
        "alert_type": "OBA_APPROVED",
        "alert_description": "Something deserves a look",
        **given.object("value"),
    }
    value = {"entity_type": "BUSINESS", "entity_id": waba.business_id, "alert_info": alert}
    _tell_waba(given, waba.id, "account_alerts", value)


def _capability(given: Given) -> None:
    """A new messaging limit of the business, as a number or as a tier."""
    waba = _waba(given)
    limit = given.given.get("limit", 2000)
    given.sim.world.records.businesses[waba.business_id].messaging_limit = str(limit)
    value = {"max_daily_conversations_per_business": limit, "max_phone_numbers_per_business": 20}
    _tell_waba(given, waba.id, "business_capability_update", {**value, **given.object("value")})


# -- numbers: these fields carry the displayed number, and no id (2.4)


def _quality(given: Given) -> None:
    """`event`, and with it `quality` (GREEN, YELLOW, RED) and `limit` (TIER_…)."""
    phone = _phone(given)
    event = given.choice("event", ("DOWNGRADE", "UPGRADE", "FLAGGED", "UNFLAGGED", "ONBOARDING", "THROUGHPUT_UPGRADE"))
    phone.quality = given.text("quality", phone.quality)
    if event == "THROUGHPUT_UPGRADE":
        phone.throughput = "HIGH"
    business = given.sim.world.business_of_phone(phone)
    old, business.messaging_limit = business.messaging_limit, given.text("limit", business.messaging_limit)
    value = {"event": event, "current_limit": business.messaging_limit, "old_limit": old}
    _tell_number(given, phone, "phone_number_quality_update", value)


def _name(given: Given) -> None:
    phone = _phone(given)
    decision = given.choice("decision", ("APPROVED", "REJECTED", "DEFERRED"))
    name = given.text("name", phone.verified_name)
    if decision == "APPROVED":
        phone.verified_name, phone.name_status = name, "APPROVED"
    reason = None if decision == "APPROVED" else given.text("reason", "NAME_NOT_CONSISTENT")
    value = {"decision": decision, "requested_verified_name": name, "rejection_reason": reason}
    _tell_number(given, phone, "phone_number_name_update", value)


def _security(given: Given) -> None:
    phone = _phone(given)
    event = given.choice("event", ("PIN_CHANGED", "PIN_RESET_REQUEST", "PIN_RESET_SUCCESS"))
    if event == "PIN_RESET_SUCCESS":
        phone.pin = ""
    _tell_number(given, phone, "security", {"event": event, "requester": given.text("requester", "1")})


def _tell_number(given: Given, phone: PhoneNumber, field: str, value: dict[str, Any]) -> None:
    _tell_waba(given, phone.waba_id, field, {"display_phone_number": phone.digits, **value})


# -- templates


def _template_status(given: Given) -> None:
    review(given.sim, _template(given), given.text("event", "APPROVED"), given.text("reason", "NONE"))


def _template_quality(given: Given) -> None:
    template = _template(given)
    old, template.quality = template.quality, given.choice("quality", ("YELLOW", "RED", "GREEN", "UNKNOWN"))
    value = {"previous_quality_score": old, "new_quality_score": template.quality}
    _tell_template(given, template, "message_template_quality_update", value)


def _template_category(given: Given) -> None:
    """At once; or, with `soon`, announced for tomorrow: then `new_category` is the one it still has (2.4)."""
    template = _template(given)
    category = given.choice("category", ("MARKETING", "UTILITY", "AUTHENTICATION"))
    if given.flag("soon"):
        value = {"new_category": template.category, "correct_category": category}
    else:
        value = {"previous_category": template.category, "new_category": category}
        template.category = category
    _tell_template(given, template, "template_category_update", value)


def _template_components(given: Given) -> None:
    template = _template(given)
    element = given.text("text", "Hello again {{1}}")
    for component in template.components:
        if component.get("type") == "BODY":
            component["text"] = element
    _tell_template(given, template, "message_template_components_update", {"message_template_element": element})


def _tell_template(given: Given, template: Template, field: str, value: dict[str, Any]) -> None:
    named = {
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
    }
    _tell_waba(given, template.waba_id, field, {**named, **value})


# -- everything else


def _page_unsubscribed(given: Given) -> None:
    """The app is unsubscribed from a page without a word, as after an hour of failures (1.4)."""
    found(given, "account", given.sim.world.records.pages).subscribed.clear()


def _role_lost(given: Given) -> dict[str, Any]:
    """Somebody is no admin of a page any more: their page tokens die (190/492)."""
    page: Page = found(given, "account", given.sim.world.records.pages)
    user = found(given, "user", given.sim.world.records.users)
    page.roles.pop(user.id, None)
    tokens = given.sim.world.records.tokens.values()
    lost = [token for token in tokens if token.subject_id == page.id and token.user_id == user.id]
    return {"tokens": grants.kill_tokens(lost, "not_admin")}


def _permissions(given: Given) -> None:
    """The object `permissions` (1.3)."""
    user = found(given, "user", given.sim.world.records.users)
    field = given.text("field", "connected")
    value = {"verb": given.choice("verb", ("revoked", "granted")), "target_ids": given.given.get("targetIds", [])}
    now = given.sim.world.clock.seconds()
    given.sim.outbox.put(Notice(object=PERMISSIONS, entry_id=user.id, field=field, content=value, time=now))


def _notice(given: Given) -> dict[str, Any]:
    """Anything at all, to whoever is subscribed: `object`, `entryId`, `field`, `content`, and its place, `slot`."""
    time = given.given.get("time", given.sim.world.clock.seconds())
    notice = Notice(
        object=given.text("object"),
        entry_id=given.text("entryId"),
        field=given.text("field"),
        content=given.given.get("content"),
        slot=_SLOTS[given.choice("slot", tuple(_SLOTS))],
        phone_number_id=given.text("phoneNumberId", ""),
        time=time if isinstance(time, int) else None,
    )
    return {"told": given.sim.outbox.put(notice)}


HAPPENINGS: dict[str, Happening] = {
    "account_update": _account_update,
    "account_review": _review,
    "account_alert": _alert,
    "business_capability": _capability,
    "number_quality": _quality,
    "number_name": _name,
    "number_security": _security,
    "template_status": _template_status,
    "template_quality": _template_quality,
    "template_category": _template_category,
    "template_components": _template_components,
    "history": coexistence.history,
    "history_declined": coexistence.history_declined,
    "history_media": coexistence.history_media,
    "contacts_sync": coexistence.contacts_sync,
    "page_unsubscribed": _page_unsubscribed,
    "role_lost": _role_lost,
    "permissions": _permissions,
    "notice": _notice,
}
