"""What somebody sets up in the vendor's dashboard, done by the simulator itself in development: the app's callbacks."""

import asyncio

import structlog

from hookline.simulator.errors import Refusal
from hookline.simulator.graph.apps import set_subscription
from hookline.simulator.graph.subscribing import FIELDS_OF
from hookline.simulator.records import AppSubscription
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import INSTAGRAM, PAGE, WHATSAPP

_PAUSE_SECONDS = 0.5
# Which of the program's paths takes which object.
_PATHS = {WHATSAPP: "whatsapp", PAGE: "facebook", INSTAGRAM: "instagram"}

log = structlog.get_logger(__name__)


async def keep_subscribed(sim: Simulator) -> None:
    """Subscribe the app to everything as soon as its callbacks answer, once a start; and again after a reset."""
    while sim.options.callback_base:
        for object_name, path in _PATHS.items():
            if object_name not in sim.subscribed:
                await _subscribe(sim, object_name, f"{sim.options.callback_base}/{path}")
        await asyncio.sleep(_PAUSE_SECONDS)


async def _subscribe(sim: Simulator, object_name: str, url: str) -> None:
    app = sim.world.records.apps[sim.options.app_id]
    _set_compliance(sim)
    fields = sorted(FIELDS_OF[object_name])
    subscription = AppSubscription(callback_url=url, verify_token=sim.options.verify_token, fields=fields)
    try:
        await set_subscription(sim, app, object_name, subscription)
    except Refusal as refusal:
        log.debug("the callback does not answer yet", object=object_name, why=refusal.message)
        return
    sim.subscribed.add(object_name)
    log.info("subscribed the app's webhooks", object=object_name, callback=url)


def _set_compliance(sim: Simulator) -> None:
    app, base = sim.world.records.apps[sim.options.app_id], sim.options.callback_base
    app.deauthorize_url = f"{base}/facebook/deauthorize"
    app.data_deletion_url = f"{base}/facebook/data-deletion"
    app.instagram_deauthorize_url = f"{base}/instagram/deauthorize"
    app.instagram_data_deletion_url = f"{base}/instagram/data-deletion"
