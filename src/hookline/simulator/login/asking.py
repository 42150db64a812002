"""What an app asks for when it sends somebody to a dialog, and the way back. Source: reference 5.1.1, 5.2.1."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import msgspec
from aiohttp import web

from hookline.simulator.records import App, LoginConfig


class Misasked(Exception):
    """A dialog that cannot be shown; the person sees why, and is not sent back."""

    def __init__(self, title: str, reason: str) -> None:
        super().__init__(title)
        self.title = title
        self.reason = reason


class Asking(msgspec.Struct, frozen=True):
    """A well-formed request for consent. config: what its `config_id` stands for."""

    app: App
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    config: LoginConfig | None = None
    signup: bool = False


def checked_redirect(app: App, uri: str) -> str:
    """Check where an app wants the person sent back to.

    Raises: Misasked.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
        raise Misasked("Invalid redirect URI", "The redirect_uri must be an absolute URL without a fragment.")
    if app.redirect_uris and uri not in app.redirect_uris:
        raise Misasked(
            "URL blocked", "This redirect failed because the redirect URI is not among those of the app's settings."
        )
    return uri


def checked_scopes(text: str, known: Mapping[str, str]) -> tuple[str, ...]:
    """Read `a,b` or `a b`.

    Raises: Misasked, for a scope that does not exist.
    """
    scopes = tuple(dict.fromkeys(text.replace(",", " ").split()))
    unknown = [scope for scope in scopes if scope not in known]
    if unknown:
        raise Misasked("Invalid scopes", f"These permissions do not exist: {', '.join(unknown)[:300]}.")
    return scopes


def checked_response_type(query: Mapping[str, str]) -> None:
    """See that a code is asked for.

    Raises: Misasked.
    """
    if query.get("response_type", "code") != "code":
        raise Misasked("Invalid response type", "Only response_type=code is offered.")


def way_back(asking: Asking, answer: Mapping[str, str], fragment: str = "") -> str:
    """The app's address with what became of it, and the state as it was."""
    query = dict(answer)
    if asking.state:
        query["state"] = asking.state
    joint = "&" if "?" in asking.redirect_uri else "?"
    return f"{asking.redirect_uri}{joint}{urlencode(query)}{fragment}"


def send(location: str) -> web.Response:
    """Send the browser somewhere."""
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})
