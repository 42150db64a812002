"""The HTML pages: one Jinja environment, one style sheet, and headers that let nothing else in."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from hookline.simulator.http import Reply, text_reply
from hookline.simulator.simulator import Simulator

STATIC = "static"
# Forms may lead anywhere by their redirect: that is what a consent dialog is for.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self' http: https:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STYLE = "simulator.css"


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("hookline.simulator", "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, status: int = 200, **values: Any) -> web.Response:
    """Answer a page."""
    text = _templates().get_template(template).render(values)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


class Static:
    """The style sheet."""

    def __init__(self, _sim: Simulator) -> None:
        self._style = (files("hookline.simulator") / "static" / _STYLE).read_text()

    async def answer(self, _request: web.BaseRequest, path: str) -> Reply:
        """Answer a request."""
        if path != _STYLE:
            return text_reply("There is no such file.\n", 404)
        return text_reply(self._style, content_type="text/css")
