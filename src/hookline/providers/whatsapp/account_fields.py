"""WhatsApp's fields about the account itself, its templates and groups, and about people's preferences and ids."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from hookline.domain.event import AccountItem, Contact, ContactItem, Item
from hookline.providers.meta import lenient
from hookline.providers.meta.source import Numbers, unsupported
from hookline.providers.whatsapp.template_notices import read_change


class Field(NamedTuple):
    """How a field becomes an account item: its kind, and which of its members the account's metadata should hold."""

    kind: str
    metadata: Mapping[str, str] = MappingProxyType({})


_TEMPLATE = Field("template")

# Source: protocol reference 2.4.
FIELDS = {
    "account_update": Field("account"),
    "account_review_update": Field("account", {"decision": "reviewDecision"}),
    "account_alerts": Field("account"),
    "account_settings_update": Field("account"),
    "business_capability_update": Field(
        "quality",
        {
            "max_daily_conversations_per_business": "messagingLimit",
            "max_daily_conversation_per_phone": "messagingLimitPerPhone",
            "max_phone_numbers_per_waba": "maxPhoneNumbers",
            "max_phone_numbers_per_business": "maxPhoneNumbersPerBusiness",
        },
    ),
    "phone_number_quality_update": Field(
        "quality",
        {
            "event": "qualityEvent",
            "current_limit": "messagingLimit",
            "max_daily_conversations_per_business": "messagingLimit",
        },
    ),
    "phone_number_name_update": Field("account", {"decision": "nameDecision"}),
    "business_username_update": Field("account", {"username": "username", "status": "usernameStatus"}),
    "phone_number_username_update": Field("account", {"username": "username", "status": "usernameStatus"}),
    "security": Field("account"),
    "flows": Field("account"),
    "payment_configuration_update": Field("account"),
    "partner_solutions": Field("account"),
    "automatic_events": Field("account"),
    "message_template_status_update": _TEMPLATE,
    "message_template_quality_update": _TEMPLATE,
    "message_template_components_update": _TEMPLATE,
    "template_category_update": _TEMPLATE,
}
# Events of `account_update` after which webhooks end: the account is no longer ours to use.
# Source: protocol reference 2.3, 2.4.
DISCONNECTING_EVENTS = frozenset(
    {"PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED", "ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED"}
)
_GROUP_FIELDS = frozenset(
    {"group_lifecycle_update", "group_settings_update", "group_participants_update", "group_status_update"}
)


def read(field: str, value: dict[str, Any], at: datetime | None, numbers: Numbers) -> Iterator[Item]:
    """Read a change of any field that is not about conversations; one that we do not know is unsupported.

    at: the entry's time. Source: protocol reference 2.4.
    """
    if field in FIELDS:
        yield _account_item(field, value, at, next(numbers))
    elif field in _GROUP_FIELDS:
        yield from _each(value, "groups", "group", numbers, _group_item)
    elif field == "user_preferences":
        yield from _each(value, "user_preferences", "preference", numbers, _preference_item)
    elif field == "user_id_update":
        yield from _each(value, "user_id_update", "identity", numbers, _identity_item)
    else:
        yield unsupported(next(numbers), field, f"field {field} is not known")


def _account_item(field: str, value: dict[str, Any], at: datetime | None, index: int) -> Item:
    kind, names = FIELDS[field]
    metadata = {ours: value[theirs] for theirs, ours in names.items() if value.get(theirs) is not None}
    external_id, template = None, None
    if kind == "template":
        external_id = lenient.identifier(value.get("message_template_id"))
        template = read_change(field, value)
    elif field == "account_update":
        kind, metadata = _account_update(value)
    elif field == "phone_number_name_update" and value.get("decision") == "APPROVED":
        metadata["verifiedName"] = lenient.string(value.get("requested_verified_name"))
    data = {"field": field, **value}
    return AccountItem(
        index=index, kind=kind, external_id=external_id, at=at, metadata=metadata, data=data, template=template
    )


def _account_update(value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Read what happened to a WABA: `disconnected` when it is lost to us, else a fact about it.

    Source: protocol reference 2.4.
    """
    event = lenient.label(value.get("event"), "unknown")
    metadata: dict[str, Any] = {"accountEvent": event}
    ban = lenient.mapping(value.get("ban_info"))
    if ban:
        metadata["banState"] = lenient.string(ban.get("waba_ban_state"))
        metadata["banDate"] = lenient.string(ban.get("waba_ban_date"))
    restrictions = lenient.sequence(value.get("restriction_info"))
    if restrictions:
        metadata["restrictions"] = restrictions
    return "disconnected" if event in DISCONNECTING_EVENTS else "account", metadata


def _each(
    value: dict[str, Any], name: str, kind: str, numbers: Numbers, item_of: Callable[[dict[str, Any], int], Item]
) -> Iterator[Item]:
    elements = value.get(name)
    if not isinstance(elements, list) or not elements:
        yield unsupported(next(numbers), kind, f"a change without {name}")
        return
    for element in elements:
        if isinstance(element, dict):
            yield item_of(element, next(numbers))
        else:
            yield unsupported(next(numbers), kind, f"an item of {name} that is not an object")


def _group_item(group: dict[str, Any], index: int) -> Item:
    return AccountItem(
        index=index,
        kind="group",
        external_id=lenient.identifier(group.get("group_id")),
        at=lenient.moment(group.get("timestamp")),
        data=group,
    )


def _preference_item(preference: dict[str, Any], index: int) -> Item:
    """Read whether a person wants marketing messages: stop, resume or signup."""
    person = lenient.first_identifier(preference.get("wa_id"), preference.get("user_id"))
    return ContactItem(
        index=index,
        kind="preference",
        external_id=person,
        contact=Contact(
            external_id=person,
            phone=lenient.identifier(preference.get("wa_id")),
            user_id=lenient.identifier(preference.get("user_id")),
        ),
        at=lenient.moment(preference.get("timestamp")),
        data=preference,
    )


def _identity_item(update: dict[str, Any], index: int) -> Item:
    """Read a user id that was made anew: `{wa_id?, user_id: {previous, current}, parent_user_id?: {…}}`.

    Source: protocol reference 2.6.
    """
    user = lenient.mapping(update.get("user_id"))
    phone = lenient.identifier(update.get("wa_id"))
    person = phone or lenient.first_identifier(user.get("previous"), user.get("current"))
    return ContactItem(
        index=index,
        kind="identity",
        external_id=person,
        contact=Contact(
            external_id=person,
            phone=phone,
            user_id=lenient.identifier(user.get("current")),
            parent_user_id=lenient.identifier(lenient.mapping(update.get("parent_user_id")).get("current")),
        ),
        at=lenient.moment(update.get("timestamp")),
        data=update,
    )
