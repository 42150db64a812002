"""An app's own subscriptions, made with its own token, after the callback has passed the check.

Source: protocol reference 1.1, 1.5.
"""

from typing import Any

from hookline.simulator.errors import Refusal
from hookline.simulator.fields import select
from hookline.simulator.graph.subscribing import FIELDS_OF, checked_callback, checked_fields
from hookline.simulator.handshake import verify_callback
from hookline.simulator.records import App, AppSubscription, TokenKind
from hookline.simulator.routes import Asked, Route
from hookline.simulator.simulator import Simulator
from hookline.simulator.world import Kind


async def app(asked: Asked) -> dict[str, Any]:
    """`GET /{app}`."""
    found = asked.node.as_(App)
    return select(asked.call.names("fields"), {"id": found.id, "name": found.name}, ("name", "id"))


async def subscribe(asked: Asked) -> dict[str, Any]:
    """`POST /{app}/subscriptions`: object, callback_url, verify_token, fields."""
    _require_app_token(asked)
    object_name = asked.call.required("object")
    known = FIELDS_OF.get(object_name)
    if known is None:
        raise Refusal(100, f"Param object must be one of {{{', '.join(FIELDS_OF)}}}")
    subscription = AppSubscription(
        callback_url=checked_callback(asked.call.required("callback_url")),
        verify_token=asked.call.required("verify_token"),
        fields=checked_fields(asked.call, "fields", known),
    )
    await set_subscription(asked.sim, asked.node.as_(App), object_name, subscription)
    return {"success": True}


async def set_subscription(sim: Simulator, found: App, object_name: str, subscription: AppSubscription) -> None:
    """Subscribe an app to an object, once its callback has passed the check.

    Raises: Refusal.
    """
    await check_callback(sim, subscription.callback_url, subscription.verify_token)
    found.subscriptions[object_name] = subscription


async def check_callback(sim: Simulator, url: str, verify_token: str) -> None:
    """Have a callback repeat a new challenge.

    Raises: Refusal.
    """
    await verify_callback(sim.session, url, verify_token, sim.world.ids.digits("challenge", 10))


async def subscriptions(asked: Asked) -> dict[str, Any]:
    """`GET /{app}/subscriptions`."""
    _require_app_token(asked)
    version = asked.call.version or "v25.0"
    return {
        "data": [
            {
                "object": object_name,
                "callback_url": subscription.callback_url,
                "active": True,
                "fields": [{"name": field, "version": version} for field in subscription.fields],
            }
            for object_name, subscription in asked.node.as_(App).subscriptions.items()
        ]
    }


async def unsubscribe(asked: Asked) -> dict[str, Any]:
    """`DELETE /{app}/subscriptions`: one object, some of its fields, or everything."""
    _require_app_token(asked)
    found = asked.node.as_(App)
    object_name = asked.call.text("object")
    if not object_name:
        found.subscriptions.clear()
        return {"success": True}
    subscription = found.subscriptions.get(object_name)
    fields = asked.call.names("fields")
    if subscription is not None and fields:
        subscription.fields = [field for field in subscription.fields if field not in fields]
    if not fields or (subscription is not None and not subscription.fields):
        found.subscriptions.pop(object_name, None)
    return {"success": True}


def _require_app_token(asked: Asked) -> None:
    if asked.token.kind is not TokenKind.APP:
        raise Refusal(15, message="This method must be called with an app access_token.", status=400)


ROUTES = (
    Route("GET", Kind.APP, "", app),
    Route("POST", Kind.APP, "subscriptions", subscribe),
    Route("GET", Kind.APP, "subscriptions", subscriptions),
    Route("DELETE", Kind.APP, "subscriptions", unsubscribe),
)
