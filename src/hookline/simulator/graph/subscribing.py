"""What can be subscribed to, and how a subscription is checked and shown. Source: protocol reference 1.5, 2."""

from collections.abc import Mapping
from typing import Any

from hookline.simulator.errors import Refusal
from hookline.simulator.http import Call
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import INSTAGRAM, PAGE, PERMISSIONS, USER, WHATSAPP

LONGEST_CALLBACK = 200


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


PAGE_FIELDS = _names(
    """feed mention message_deliveries message_echoes message_edits message_reactions message_reads messages
    messaging_account_linking messaging_feedback messaging_handovers messaging_optins messaging_policy_enforcement
    messaging_postbacks messaging_referrals standby leadgen ratings"""
)
INSTAGRAM_FIELDS = _names(
    """comments live_comments mentions message_edit message_reactions messages messaging_handover messaging_optins
    messaging_postbacks messaging_referral messaging_seen standby story_insights"""
)
WHATSAPP_FIELDS = _names(
    """account_alerts account_review_update account_update automatic_events business_capability_update
    business_username_update calls flows group_lifecycle_update group_participants_update group_settings_update
    group_status_update history message_template_components_update message_template_quality_update
    message_template_status_update messages partner_solutions payment_configuration_update phone_number_name_update
    phone_number_quality_update phone_number_username_update security smb_app_state_sync smb_message_echoes
    template_category_update user_id_update user_preferences"""
)
FIELDS_OF = {
    WHATSAPP: WHATSAPP_FIELDS,
    PAGE: PAGE_FIELDS,
    INSTAGRAM: INSTAGRAM_FIELDS,
    PERMISSIONS: frozenset({"connected"}),
    USER: frozenset({"name", "email"}),
}


def checked_fields(call: Call, name: str, known: frozenset[str]) -> list[str]:
    """Read the fields of a subscription: at least one, and none that does not exist.

    Raises: Refusal (100).
    """
    fields = call.names(name)
    if not fields:
        raise Refusal(100, f"The parameter {name} is required.")
    for position, field in enumerate(fields):
        if field not in known:
            raise Refusal(100, f"Param {name}[{position}] must be one of {{{', '.join(sorted(known))}}}")
    return list(dict.fromkeys(fields))


def checked_callback(url: str) -> str:
    """Check a callback's address: absolute, and not too long. The real platform takes HTTPS only.

    Raises: Refusal (100).
    """
    if len(url) > LONGEST_CALLBACK or not url.startswith(("http://", "https://")):
        raise Refusal(100, f"The callback must be a URL of at most {LONGEST_CALLBACK} characters")
    return url


def subscribed_report(sim: Simulator, subscribed: Mapping[str, list[str]]) -> dict[str, Any]:
    """What `GET …/subscribed_apps` shows for pages and Instagram accounts."""
    apps = sim.world.records.apps
    return {
        "data": [
            {"id": app_id, "name": apps[app_id].name, "link": app_link(app_id), "subscribed_fields": fields}
            for app_id, fields in subscribed.items()
        ]
    }


def app_link(app_id: str) -> str:
    """The page that the vendor shows for an app."""
    return f"https://www.facebook.com/games/?app_id={app_id}"
