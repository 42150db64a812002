"""What somebody sets up in the vendor's dashboard, done by the simulator itself in development: the app's callbacks."""

import asyncio

import structlog

from hookline.simulator.errors import Refusal
from hookline.simulator.graph.apps import set_subscription
from hookline.simulator.graph.subscribing import FIELDS_OF
from hookline.simulator.records import App, AppSubscription
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import INSTAGRAM, PAGE, WHATSAPP

_PAUSE_SECONDS = 0.5
# Which of the program's paths takes which object.
PATHS = {WHATSAPP: "whatsapp", PAGE: "facebook", INSTAGRAM: "instagram"}

log = structlog.get_logger(__name__)


async def keep_subscribed(sim: Simulator) -> None:
    """Subscribe the app to everything as soon as its callbacks answer, once a start; and again after a reset."""
    while sim.options.callback_base:
        for object_name in set(PATHS) - sim.subscribed:
            try:
                await subscribe(sim, sim.options.app_id, object_name, sim.options.callback_base)
            except Refusal as refusal:
                log.debug("the callback does not answer yet", object=object_name, why=refusal.message)
                continue
            sim.subscribed.add(object_name)
            log.info("subscribed the app's webhooks", object=object_name, base=sim.options.callback_base)
        await asyncio.sleep(_PAUSE_SECONDS)


async def subscribe(sim: Simulator, app_id: str, object_name: str, callback_base: str, *, verify: bool = True) -> None:
    """Subscribe an app to every field of an object, below a base of callbacks; and set its compliance callbacks.

    Raises: Refusal, if the callback fails the check.
    """
    app = sim.world.records.apps[app_id]
    _set_compliance(app, callback_base)
    subscription = AppSubscription(
        callback_url=f"{callback_base}/{PATHS[object_name]}",
        verify_token=sim.options.verify_token,
        fields=sorted(FIELDS_OF[object_name]),
    )
    if verify:
        await set_subscription(sim, app, object_name, subscription)
    else:
        app.subscriptions[object_name] = subscription


def _set_compliance(app: App, base: str) -> None:
    app.deauthorize_url = f"{base}/facebook/deauthorize"
    app.data_deletion_url = f"{base}/facebook/data-deletion"
    app.instagram_deauthorize_url = f"{base}/instagram/deauthorize"
    app.instagram_data_deletion_url = f"{base}/instagram/data-deletion"
