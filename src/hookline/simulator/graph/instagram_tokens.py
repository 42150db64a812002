"""Instagram Login's token endpoints, on two hosts: the code on api.instagram.com, the rest on graph.instagram.com.

Source: protocol reference 5.2.3 to 5.2.5.
"""

from typing import Any

from aiohttp import web

from hookline.simulator import access, grants
from hookline.simulator.errors import InstagramRefusal, Refusal, instagram_error
from hookline.simulator.http import Call, Reply, json_reply
from hookline.simulator.records import App, Token, TokenKind
from hookline.simulator.routes import INSTAGRAM_GRAPH, FreeRoute
from hookline.simulator.simulator import Simulator

INSTAGRAM_API = "instagram-api"
_FORM = "application/x-www-form-urlencoded"


class CodeExchange:
    """api.instagram.com, which has one endpoint and its own error envelope."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    async def answer(self, request: web.BaseRequest, path: str) -> Reply:
        """Answer a request."""
        call = Call(request, INSTAGRAM_API, "", tuple(path.split("/")), dict(request.query))
        try:
            await call.read()
            return json_reply(await self._exchange(call, path))
        except InstagramRefusal as refusal:
            self._sim.counters.refusals[f"instagram {refusal.status}"] += 1
            return json_reply(instagram_error(refusal), refusal.status)
        except Refusal:
            return json_reply(instagram_error(InstagramRefusal("The body is not valid.")), 400)

    async def _exchange(self, call: Call, path: str) -> dict[str, Any]:
        self._sim.counters.calls[f"{call.method} {INSTAGRAM_API} {path}"] += 1
        if path.strip("/") != "oauth/access_token" or call.method != "POST":
            raise InstagramRefusal("Unknown path", status=404)
        if call.request.content_type not in (_FORM, "multipart/form-data"):
            raise InstagramRefusal("The request must be form-encoded")
        await self._read_multipart(call)
        app = self._app(call)
        if call.text("grant_type") != "authorization_code":
            raise InstagramRefusal("Invalid grant_type")
        # The redirect comes with `#_` behind the code; it is no part of it (reference 5.2.2).
        try:
            code = grants.redeem(
                self._sim, app, call.text("code"), call.text("redirect_uri"), kinds=(TokenKind.INSTAGRAM,)
            )
        except grants.Wrong as wrong:
            raise InstagramRefusal(str(wrong)) from None
        return self._shaped(grants.token_of_code(self._sim, code))

    async def _read_multipart(self, call: Call) -> None:
        if call.request.content_type != "multipart/form-data":
            return
        form = await call.request.post()
        call.params = {**call.params, **{name: value for name, value in form.items() if isinstance(value, str)}}

    def _app(self, call: Call) -> App:
        client_id = call.text("client_id")
        app = self._sim.world.app_of_client(client_id)
        if app is None or app.instagram_id != client_id:
            raise InstagramRefusal("Invalid platform app")
        if call.text("client_secret") != app.instagram_secret:
            raise InstagramRefusal("Error validating client secret.")
        return app

    def _shaped(self, token: Token) -> dict[str, Any]:
        """Either of the two shapes; the user id is a JSON number beyond 2^53."""
        behaviour = self._sim.behaviour
        account = self._sim.world.records.instagram_accounts[token.subject_id]
        reply = {
            "access_token": token.value,
            "user_id": int(account.app_scoped_id),
            "permissions": token.scopes if behaviour.instagram_permissions_as_list else ",".join(token.scopes),
        }
        return {"data": [reply]} if behaviour.instagram_exchange_wrapped else reply


async def exchange_token(sim: Simulator, call: Call) -> dict[str, Any]:
    """`/access_token?grant_type=ig_exchange_token`: the 60-day token for a short-lived one."""
    if call.required("grant_type") != "ig_exchange_token":
        raise Refusal(100, "Unsupported grant_type")
    token = _instagram_token(sim, call)
    if call.required("client_secret") != access.app_of(sim.world, token).instagram_secret:
        raise Refusal(1, message="Error validating client secret.", status=400)
    if token.long_lived:
        raise Refusal(100, "The access token is long-lived already")
    return _reply(sim, grants.prolong(sim, token))


async def refresh_token(sim: Simulator, call: Call) -> dict[str, Any]:
    """`/refresh_access_token`: 60 days more, if the token is a day old, not expired, and still granted."""
    if call.required("grant_type") != "ig_refresh_token":
        raise Refusal(100, "Unsupported grant_type")
    token = _instagram_token(sim, call)
    if not token.long_lived:
        raise Refusal(100, "Only a long-lived access token can be refreshed")
    if "instagram_business_basic" not in token.scopes:
        raise Refusal(10)
    now = sim.world.clock.seconds()
    if now - token.issued_at < sim.behaviour.instagram_refresh_after_seconds:
        raise Refusal(100, "The access token must be at least 24 hours old to be refreshed")
    if sim.behaviour.instagram_refresh_rotates:
        return _reply(sim, grants.prolong(sim, token))
    token.issued_at = now
    token.expires_at = now + sim.behaviour.long_lived_seconds
    return _reply(sim, token)


def _instagram_token(sim: Simulator, call: Call) -> Token:
    token = access.read_token(sim.world, call.token)
    if token.kind is not TokenKind.INSTAGRAM:
        raise Refusal(190)
    return token


def _reply(sim: Simulator, token: Token) -> dict[str, Any]:
    return {
        "access_token": token.value,
        "token_type": "bearer",
        "expires_in": token.expires_at - sim.world.clock.seconds(),
        "permissions": ",".join(token.scopes),
    }


ROUTES = (
    FreeRoute("GET", "access_token", exchange_token, hosts=(INSTAGRAM_GRAPH,)),
    FreeRoute("GET", "refresh_access_token", refresh_token, hosts=(INSTAGRAM_GRAPH,)),
)
