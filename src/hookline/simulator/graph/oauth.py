"""Token endpoints of graph.facebook.com: exchange, long-lived exchange, app tokens, debug_token.

Source: protocol reference 5.1.3 to 5.1.6, 5.3.
"""

from typing import Any

from hookline.simulator import access, grants
from hookline.simulator.error_table import DEAD_TOKENS
from hookline.simulator.errors import Refusal
from hookline.simulator.http import Call
from hookline.simulator.records import App, Token, TokenKind
from hookline.simulator.routes import FreeRoute
from hookline.simulator.simulator import Simulator

# Not in the reference: what the vendor says to a wrong app id, and to a wrong secret.
UNKNOWN_APP = 101
_WRONG_SECRET = 1
_FROM_CODE = (TokenKind.USER, TokenKind.SYSTEM_USER)


async def access_token(sim: Simulator, call: Call) -> dict[str, Any]:
    """`/oauth/access_token`: a code, a short-lived token, or the app's own credentials for a token."""
    grant = call.text("grant_type")
    if grant in ("", "authorization_code"):
        return _exchange_code(sim, call)
    if grant == "fb_exchange_token":
        return _exchange_token(sim, call)
    if grant == "client_credentials":
        app = _app(sim, call)
        return {"access_token": f"{app.id}|{app.secret}", "token_type": "bearer"}
    raise Refusal(100, f"Unsupported grant_type {grant[:100]}")


def _exchange_code(sim: Simulator, call: Call) -> dict[str, Any]:
    app = _app(sim, call)
    redirect_uri = call.text("redirect_uri") or None
    try:
        code = grants.redeem(sim, app, call.required("code"), redirect_uri, _FROM_CODE)
    except grants.Wrong as wrong:
        raise Refusal(100, message=str(wrong), subcode=wrong.subcode) from None
    return _reply(sim, grants.token_of_code(sim, code))


def _exchange_token(sim: Simulator, call: Call) -> dict[str, Any]:
    app = _app(sim, call)
    token = access.read_token(sim.world, call.required("fb_exchange_token"))
    if token.app_id != app.id or token.kind is not TokenKind.USER:
        raise Refusal(190, message="Error validating access token: it does not belong to this application.")
    return _reply(sim, grants.prolong(sim, token))


def _reply(sim: Simulator, token: Token) -> dict[str, Any]:
    reply: dict[str, Any] = {"access_token": token.value, "token_type": "bearer"}
    if token.expires_at:
        reply["expires_in"] = token.expires_at - sim.world.clock.seconds()
    return reply


def _app(sim: Simulator, call: Call) -> App:
    app = sim.world.records.apps.get(call.required("client_id"))
    if app is None:
        raise Refusal(UNKNOWN_APP, message="Error validating application. Cannot get application info.")
    if call.required("client_secret") != app.secret:
        raise Refusal(_WRONG_SECRET, message="Error validating client secret.", status=400)
    return app


async def debug_token(sim: Simulator, call: Call) -> dict[str, Any]:
    """`/debug_token`: what a token is. Asked with the app's own token, or with one given to the same app."""
    asking = access.read_token(sim.world, call.token)
    access.check_proof(sim.world, call, asking)
    value = call.required("input_token")
    token = sim.world.records.tokens.get(value)
    if token is None or token.kind is TokenKind.INSTAGRAM:
        return {"data": {"error": _error(190, "Invalid OAuth access token."), "is_valid": False, "scopes": []}}
    if token.app_id != asking.app_id:
        raise Refusal(100, "The App_id in the input_token did not match the Viewing App")
    return {"data": _described(sim, token)}


def _described(sim: Simulator, token: Token) -> dict[str, Any]:
    death = access.cause_of_death(sim.world, token)
    data: dict[str, Any] = {
        "app_id": token.app_id,
        "type": token.kind.value,
        "application": access.app_of(sim.world, token).name,
        "data_access_expires_at": token.data_access_expires_at,
        "expires_at": token.expires_at,
        "is_valid": not death,
        "issued_at": token.issued_at,
        "scopes": token.scopes,
        "granular_scopes": [_granular(token, scope) for scope in token.scopes],
        "user_id": token.user_id,
    }
    if token.kind is TokenKind.PAGE:
        data["profile_id"] = token.subject_id
    if death:
        subcode, message = DEAD_TOKENS[death]
        data["error"] = _error(190, message, subcode)
    return data


def _granular(token: Token, scope: str) -> dict[str, Any]:
    targets = token.granular.get(scope)
    return {"scope": scope} if targets is None else {"scope": scope, "target_ids": targets}


def _error(code: int, message: str, subcode: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, **({"subcode": subcode} if subcode else {})}


ROUTES = (
    FreeRoute("GET", "oauth/access_token", access_token),
    FreeRoute("POST", "oauth/access_token", access_token),
    FreeRoute("GET", "debug_token", debug_token),
)
