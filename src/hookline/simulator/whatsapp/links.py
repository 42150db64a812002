"""Media that are sent by a link: the platform fetches them, or the message fails.

Source: protocol reference 2.5, 6.2 (131053).
"""

import aiohttp

from hookline.simulator.records import Contact, Message
from hookline.simulator.simulator import Simulator
from hookline.simulator.whatsapp import statuses

_SECONDS = 10.0


def check_then_plan(sim: Simulator, message: Message, contact: Contact, link: str) -> None:
    """Look whether the link can be fetched; then have the statuses told, or the failure."""
    sim.spawn(_check_then_plan(sim, message, contact, link))


async def _check_then_plan(sim: Simulator, message: Message, contact: Contact, link: str) -> None:
    statuses.plan(sim, message, contact, 0 if await _reachable(sim.session, link) else 131053)


async def _reachable(session: aiohttp.ClientSession, link: str) -> bool:
    try:
        async with session.get(link, timeout=aiohttp.ClientTimeout(total=_SECONDS)) as answer:
            await answer.content.read(1)
            return answer.status == 200
    except (TimeoutError, aiohttp.ClientError, ValueError):
        return False
