"""WhatsApp Business accounts: the node, its numbers, and the app's subscription. Source: reference 1.5, 5.3."""

from typing import Any

from hookline.simulator.fields import page_of, select
from hookline.simulator.graph.apps import check_callback
from hookline.simulator.graph.phones import LISTED_DEFAULT, phone_fields
from hookline.simulator.graph.subscribing import app_link, checked_callback
from hookline.simulator.records import Override, Waba
from hookline.simulator.routes import Asked, Route
from hookline.simulator.world import Kind

_MANAGEMENT = ("whatsapp_business_management",)


async def waba(asked: Asked) -> dict[str, Any]:
    """`GET /{waba}`."""
    found = asked.node.as_(Waba)
    business = asked.sim.world.records.businesses[found.business_id]
    fields: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "currency": found.currency,
        "timezone_id": found.timezone_id,
        "message_template_namespace": f"namespace_{found.id}",
        "account_review_status": found.review_status,
        "business_verification_status": business.verification,
        "owner_business_info": {"id": business.id, "name": business.name},
        "on_behalf_of_business_info": None,
        "ownership_type": "CLIENT_OWNED",
        "country": None,
        "whatsapp_business_manager_messaging_limit": business.messaging_limit,
    }
    return select(
        asked.call.names("fields"), fields, ("id", "name", "timezone_id", "message_template_namespace", "currency")
    )


async def phone_numbers(asked: Asked) -> dict[str, Any]:
    """`GET /{waba}/phone_numbers`."""
    names = asked.call.names("fields")
    return page_of(
        asked.call,
        asked.sim.world.phone_numbers_of(asked.node.id),
        lambda phone: select(names, phone_fields(asked.sim, phone), LISTED_DEFAULT),
        asked.sim.behaviour.page_size,
    )


async def subscribe(asked: Asked) -> dict[str, Any]:
    """`POST /{waba}/subscribed_apps`: with an override after its check; without one, the override goes."""
    found = asked.node.as_(Waba)
    app_id = asked.token.app_id
    url = asked.call.text("override_callback_uri")
    if not url:
        found.subscribed[app_id] = None
        return {"success": True}
    override = Override(callback_url=checked_callback(url), verify_token=asked.call.required("verify_token"))
    await check_callback(asked.sim, override.callback_url, override.verify_token)
    found.subscribed[app_id] = override
    return {"success": True, "data": [_shown(asked, app_id, override)]}


async def subscriptions(asked: Asked) -> dict[str, Any]:
    """`GET /{waba}/subscribed_apps`."""
    subscribed = asked.node.as_(Waba).subscribed
    return {"data": [_shown(asked, app_id, override) for app_id, override in subscribed.items()]}


async def unsubscribe(asked: Asked) -> dict[str, Any]:
    """`DELETE /{waba}/subscribed_apps`."""
    asked.node.as_(Waba).subscribed.pop(asked.token.app_id, None)
    return {"success": True}


def _shown(asked: Asked, app_id: str, override: Override | None) -> dict[str, Any]:
    app = asked.sim.world.records.apps[app_id]
    shown: dict[str, Any] = {
        "whatsapp_business_api_data": {"id": app_id, "link": app_link(app_id), "name": app.name},
    }
    return {"override_callback_uri": override.callback_url, **shown} if override is not None else shown


ROUTES = (
    Route("GET", Kind.WABA, "", waba, scopes=_MANAGEMENT),
    Route("GET", Kind.WABA, "phone_numbers", phone_numbers, scopes=_MANAGEMENT),
    Route("POST", Kind.WABA, "subscribed_apps", subscribe, scopes=_MANAGEMENT),
    Route("GET", Kind.WABA, "subscribed_apps", subscriptions, scopes=_MANAGEMENT),
    Route("DELETE", Kind.WABA, "subscribed_apps", unsubscribe, scopes=_MANAGEMENT),
)
