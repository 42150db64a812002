"""Everything of the graph hosts that is about what is said: sending, media, templates."""

from hookline.simulator.instagram import sending as instagram
from hookline.simulator.messenger import attachments
from hookline.simulator.messenger import sending as messenger
from hookline.simulator.routes import Route
from hookline.simulator.whatsapp import media, templates
from hookline.simulator.whatsapp import sending as whatsapp

ROUTES: tuple[Route, ...] = (
    *whatsapp.ROUTES,
    *media.ROUTES,
    *templates.ROUTES,
    *messenger.ROUTES,
    *attachments.ROUTES,
    *instagram.ROUTES,
)
