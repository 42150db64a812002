"""The HTML pages: one Jinja environment, one style sheet, and headers that let nothing else in."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from hookline.simulator.http import Reply, text_reply
from hookline.simulator.simulator import Simulator

STATIC = "static"
_NOTHING_ELSE = ("default-src 'none'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'")
# Forms may lead anywhere by their redirect: that is what a consent dialog is for.
WITHOUT_SCRIPT = "; ".join((*_NOTHING_ELSE, "img-src 'self'", "form-action 'self' http: https:"))
# Our own script, which asks this server alone.
WITH_SCRIPT = "; ".join(
    (
        *_NOTHING_ELSE,
        "img-src 'self'",
        "media-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types fragments",  # the server's own, which has escaped them
    )
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FILES = {
    "simulator.css": "text/css",
    "chat.css": "text/css",
    "chat.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("hookline.simulator", "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, status: int = 200, *, policy: str = WITHOUT_SCRIPT, **values: Any) -> web.Response:
    """Answer a page. `policy`: what it may load and do."""
    text = _templates().get_template(template).render(values)
    headers = {**HEADERS, "Content-Security-Policy": policy}
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=headers)


class Static:
    """The style sheets, and the one script."""

    def __init__(self, _sim: Simulator) -> None:
        folder = files("hookline.simulator") / STATIC
        self._texts = {name: (folder / name).read_text() for name in _FILES}

    async def answer(self, _request: web.BaseRequest, path: str) -> Reply:
        """Answer a request."""
        if path not in _FILES:
            return text_reply("There is no such file.\n", 404)
        return text_reply(self._texts[path], content_type=_FILES[path])
