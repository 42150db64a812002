"""Pages for people who come from a platform: no script, one style sheet named by its hash, everything escaped."""

import base64
import hashlib
from functools import lru_cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

_HTML: Final = "text/html"
_JSON: Final = "application/json"


class Page:
    """One kind of page. template: a file in `templates/`. headers: what every one of them bears beside the policy.

    policy: the content security policy, by which nothing but that style sheet is loaded.
    """

    def __init__(self, template: str, style: str, headers: dict[str, str]) -> None:
        self._template = template
        self._style = Markup(style)  # noqa: S704 - a constant of the page's own file
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        # No font, no image, no frame, no form either.
        kept_out = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        self.policy = f"default-src 'none'; style-src 'sha256-{digest}'; {kept_out}"
        self._headers = {**headers, "Content-Security-Policy": self.policy}

    def answer(self, status: int, **shown: Any) -> Response:
        """Show something."""
        text = _environment().get_template(self._template).render(style=self._style, **shown)
        return HTMLResponse(text, status, self._headers)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("hookline.web", "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asked_for(accept: str) -> tuple[float, float]:
    """Say how much a page and JSON are asked for by name, by a header `Accept` (RFC 9110, 12.5.1)."""
    asked: dict[str, float] = {}
    for one in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in one.split(";"))
        asked[kind] = next((_quality(piece[2:]) for piece in parameters if piece.startswith("q=")), 1.0)
    return asked.get(_HTML, 0.0), asked.get(_JSON, 0.0)


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
