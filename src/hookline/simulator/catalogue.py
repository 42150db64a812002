"""Everything that the simulator answers, gathered: routes of the graph hosts, and the places beside them.

A place is made for a simulator and answers what stands below its prefix.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from hookline.simulator.http import Reply
from hookline.simulator.routes import FreeRoute, Route
from hookline.simulator.simulator import Simulator

ROUTES: tuple[Route, ...] = ()
FREE_ROUTES: tuple[FreeRoute, ...] = ()
PLACES: dict[str, Callable[[Simulator], Callable[[web.BaseRequest, str], Awaitable[Reply]]]] = {}
