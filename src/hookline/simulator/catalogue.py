"""Everything that the simulator answers, gathered: routes of the graph hosts, and the places beside them.

A place is made for a simulator and answers what stands below its prefix.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from hookline.simulator import cdn, html, pictures, sending
from hookline.simulator.chat import page as chat
from hookline.simulator.control import api as control
from hookline.simulator.graph import apps, instagram, instagram_tokens, oauth, pages, people, phones, wabas
from hookline.simulator.http import Reply
from hookline.simulator.login import facebook
from hookline.simulator.login import instagram as instagram_login
from hookline.simulator.routes import FreeRoute, Route
from hookline.simulator.simulator import Simulator

ROUTES: tuple[Route, ...] = (
    *apps.ROUTES,
    *instagram.ROUTES,
    *pages.ROUTES,
    *people.ROUTES,
    *phones.ROUTES,
    *sending.ROUTES,
    *wabas.ROUTES,
)
FREE_ROUTES: tuple[FreeRoute, ...] = (*instagram_tokens.ROUTES, *oauth.ROUTES)
PLACES: dict[str, Callable[[Simulator], Callable[[web.BaseRequest, str], Awaitable[Reply]]]] = {
    chat.HOME: lambda sim: chat.Chat(sim).home,
    chat.PREFIX: lambda sim: chat.Chat(sim).answer,
    control.PREFIX: lambda sim: control.Control(sim).answer,
    facebook.PREFIX: lambda sim: facebook.FacebookDialog(sim).answer,
    instagram_login.PREFIX: lambda sim: instagram_login.InstagramDialog(sim).answer,
    cdn.PREFIX: cdn.place,
    instagram_tokens.INSTAGRAM_API: lambda sim: instagram_tokens.CodeExchange(sim).answer,
    pictures.PREFIX: lambda sim: pictures.Pictures(sim).answer,
    html.STATIC: lambda sim: html.Static(sim).answer,
}
