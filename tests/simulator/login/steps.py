"""The way through a consent dialog: ask, decide, exchange the code."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.simulator.stage import APP_SECRET, INSTAGRAM_SECRET, Reply, Stage

from hookline.simulator.options import DEFAULT_APP_ID, DEFAULT_INSTAGRAM_APP_ID

REDIRECT = "http://localhost:3000/api/integrations/facebook/callback"
PAGE_SCOPES = "pages_show_list,pages_messaging,pages_manage_metadata,pages_read_engagement"
INSTAGRAM_SCOPES = "instagram_business_basic,instagram_business_manage_messages"


def facebook_dialog(**changed: str) -> str:
    """The path of Facebook Login's dialog."""
    query = {
        "client_id": DEFAULT_APP_ID,
        "redirect_uri": REDIRECT,
        "state": "a state/with & signs",
        "response_type": "code",
        "scope": PAGE_SCOPES,
    }
    return "facebook/v25.0/dialog/oauth?" + urlencode(query | changed)


def instagram_dialog(**changed: str) -> str:
    """The path of Instagram Login's dialog."""
    query = {
        "client_id": DEFAULT_INSTAGRAM_APP_ID,
        "redirect_uri": REDIRECT,
        "state": "a state",
        "response_type": "code",
        "scope": INSTAGRAM_SCOPES,
    }
    return "instagram/oauth/authorize?" + urlencode(query | changed)


async def decide(stage: Stage, dialog: str, *ticked: tuple[str, str], decision: str = "allow") -> Reply:
    """Press a button of a dialog, with some boxes ticked."""
    return await stage.call("POST", dialog, data=[("decision", decision), *ticked], allow_redirects=False)


async def consent(stage: Stage, dialog: str, **chosen: Any) -> str:
    """Allow everything, by control; where the browser is sent then."""
    url = f"{stage.sim.url}/{dialog}"
    reply = await stage.call("POST", "control/consent", json={"url": url, **chosen})
    assert reply.status == 200, reply.body
    return str(reply.json["redirect"])


def answer_in(location: str) -> dict[str, str]:
    """The query of a redirect."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def exchange(stage: Stage, code: str, **changed: str) -> Reply:
    """Exchange a code of Facebook's for a token."""
    query = {"client_id": DEFAULT_APP_ID, "client_secret": APP_SECRET, "redirect_uri": REDIRECT, "code": code}
    query = {name: value for name, value in (query | changed).items() if value}
    return await stage.call("GET", "graph/v25.0/oauth/access_token", params=query)


async def exchange_instagram(stage: Stage, code: str, **changed: str) -> Reply:
    """Exchange a code of Instagram's for a token."""
    form = {
        "client_id": DEFAULT_INSTAGRAM_APP_ID,
        "client_secret": INSTAGRAM_SECRET,
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT,
        "code": code,
    }
    return await stage.call("POST", "instagram-api/oauth/access_token", data=form | changed)


async def user_token(stage: Stage, **chosen: Any) -> str:
    """A user token, through the dialog."""
    code = answer_in(await consent(stage, facebook_dialog(), **chosen))["code"]
    return str((await exchange(stage, code)).json["access_token"])


async def page_token(stage: Stage, page_id: str, **chosen: Any) -> str:
    """A page's token, through the dialog."""
    token = await user_token(stage, **chosen)
    reply = await stage.call("GET", f"graph/v25.0/{page_id}?fields=access_token", token)
    return str(reply.json["access_token"])


async def instagram_token(stage: Stage, *, long_lived: bool = True) -> str:
    """A token by Instagram Login, through the dialog."""
    code = answer_in(await consent(stage, instagram_dialog()))["code"]
    short = str((await exchange_instagram(stage, code)).json["access_token"])
    if not long_lived:
        return short
    query = {"grant_type": "ig_exchange_token", "client_secret": INSTAGRAM_SECRET, "access_token": short}
    return str((await stage.call("GET", "instagram-graph/access_token", params=query)).json["access_token"])


async def business_token(stage: Stage) -> str:
    """A business's token, by Embedded Signup."""
    signup = await stage.call("POST", "control/embedded-signup", json={})
    return str((await exchange(stage, signup.json["code"], redirect_uri="")).json["access_token"])
