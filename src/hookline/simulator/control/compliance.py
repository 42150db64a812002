"""Somebody removes the app, or has their data deleted: the platform calls back with a signed_request.

Source: protocol reference 5.4.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

import aiohttp

from hookline.simulator import grants
from hookline.simulator.control.acting import Unfit
from hookline.simulator.control.asking import Ask, ControlRoute
from hookline.simulator.records import App
from hookline.simulator.simulator import Simulator

_SECONDS = 10.0


def signed_request(user_id: str, secret: str, issued_at: int, *, algorithm: str = "HMAC-SHA256") -> str:
    """`<signature>.<payload>`, both base64url without padding; the signature is over the encoded payload."""
    content = {"user_id": user_id, "algorithm": algorithm, "issued_at": issued_at}
    payload = _encoded(json.dumps(content, separators=(",", ":")).encode())
    signature = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    return f"{_encoded(signature)}.{payload}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


async def remove_app(ask: Ask) -> dict[str, Any]:
    """Somebody (`user`, or an Instagram `account`) removes the app: tokens die, webhooks end, it is told."""
    app, user_id, instagram = _who(ask)
    ended = grants.kill_tokens(grants.tokens_of(ask.sim, app.id, _granter(ask, user_id)), "removed")
    _unsubscribe(ask.sim, app, _granter(ask, user_id))
    url = app.instagram_deauthorize_url if instagram else app.deauthorize_url
    return {"tokens": ended, **await _call(ask, app, url, user_id, instagram=instagram)}


async def request_deletion(ask: Ask) -> dict[str, Any]:
    """Somebody has their data deleted; the app must answer a status page and a confirmation code."""
    app, user_id, instagram = _who(ask)
    url = app.instagram_data_deletion_url if instagram else app.data_deletion_url
    return await _call(ask, app, url, user_id, instagram=instagram)


def _who(ask: Ask) -> tuple[App, str, bool]:
    """The app, and the person's app-scoped id; by Instagram Login, whoever owns the account."""
    apps = ask.sim.world.records.apps
    app = apps.get(ask.text("app", next(iter(apps), "")))
    if app is None:
        raise Unfit("app: there is no such app")
    account = ask.sim.world.records.instagram_accounts.get(ask.text("account", ""))
    if account is not None:
        return app, account.app_scoped_id, True
    user = ask.sim.world.records.users.get(ask.text("user", ""))
    if user is None:
        raise Unfit("user, or an Instagram account")
    return app, user.id, False


def _granter(ask: Ask, user_id: str) -> str:
    """Whom tokens call the user: an Instagram account is known to them by its own id."""
    node = ask.sim.world.node(user_id)
    return node.record_id if node is not None else user_id


def _unsubscribe(sim: Simulator, app: App, granter: str) -> None:
    records = sim.world.records
    for page in records.pages.values():
        if granter in page.roles:
            page.subscribed.pop(app.id, None)
    for waba in records.wabas.values():
        if granter in waba.admins:
            waba.subscribed.pop(app.id, None)
    if granter in records.instagram_accounts:
        records.instagram_accounts[granter].subscribed.pop(app.id, None)


async def _call(ask: Ask, app: App, url: str, user_id: str, *, instagram: bool) -> dict[str, Any]:
    """POST the signed_request; what was answered. `tamper`: signed with another secret; `algorithm`: another name."""
    if not url:
        return {"called": None}
    secret = app.instagram_secret or app.secret if instagram else app.secret
    if ask.body.get("tamper"):
        secret = "not the secret"  # noqa: S105 - that is its purpose
    request = signed_request(
        user_id, secret, ask.sim.world.clock.seconds(), algorithm=ask.text("algorithm", "HMAC-SHA256")
    )
    try:
        async with ask.sim.session.post(
            url,
            data={"signed_request": request},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
        ) as answer:
            return {"called": url, "status": answer.status, "answer": (await answer.read()).decode("utf-8", "replace")}
    except (aiohttp.ClientError, TimeoutError) as error:
        return {"called": url, "status": 0, "answer": type(error).__name__}


ROUTES = (
    ControlRoute("POST", "remove-app", remove_app),
    ControlRoute("POST", "request-deletion", request_deletion),
)
