"""Tokens and consent without a browser: ready connections, the dialogs' answers, revocation, removal of the app.

Source: protocol reference 5.1 to 5.4.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from hookline.simulator import dashboard, grants
from hookline.simulator.control.acting import Unfit
from hookline.simulator.control.asking import Ask, ControlRoute
from hookline.simulator.default import WHATSAPP_SCOPES
from hookline.simulator.error_table import DEAD_TOKENS
from hookline.simulator.errors import Refusal
from hookline.simulator.grants import BASIC_SCOPE, Consent
from hookline.simulator.graph.subscribing import INSTAGRAM_FIELDS, PAGE_FIELDS
from hookline.simulator.login.asking import Misasked
from hookline.simulator.login.facebook import PREFIX as FACEBOOK
from hookline.simulator.login.facebook import FacebookDialog
from hookline.simulator.login.instagram import PREFIX as INSTAGRAM
from hookline.simulator.login.instagram import InstagramDialog
from hookline.simulator.records import App, InstagramAccount, Page, PhoneNumber, Token, TokenKind, Waba
from hookline.simulator.scopes import FACEBOOK_SCOPES, INSTAGRAM_SCOPES
from hookline.simulator.simulator import Simulator
from hookline.simulator.world import Kind

_PAGE_SCOPES = [scope for scope in FACEBOOK_SCOPES if scope.startswith(("pages_", "instagram_"))]


async def subscribe(ask: Ask) -> dict[str, Any]:
    """Subscribe the app to every field of every object (or one `object`) below `callbackBase`, with its handshake.

    `verify` false leaves the handshake out.
    """
    object_name = ask.text("object", "")
    if object_name and object_name not in dashboard.PATHS:
        raise Unfit(f"object: one of {', '.join(dashboard.PATHS)}")
    base, verify = ask.text("callbackBase").rstrip("/"), bool(ask.body.get("verify", True))
    objects = [object_name] if object_name else list(dashboard.PATHS)
    try:
        for one in objects:
            await dashboard.subscribe(ask.sim, _app(ask).id, one, base, verify=verify)
    except Refusal as refusal:
        raise Unfit(refusal.message) from None
    return {"subscribed": objects}


async def connect(ask: Ask) -> dict[str, Any]:
    """Connect an account at once: a long-lived token with every scope, and every webhook subscribed (`subscribe`)."""
    node = ask.sim.world.node(ask.text("account"))
    subscribe = bool(ask.body.get("subscribe", True))
    app = _app(ask)
    if node is not None and node.kind is Kind.PHONE_NUMBER:
        waba = ask.sim.world.records.wabas[node.as_(PhoneNumber).waba_id]
        token = _connect_waba(ask.sim, app, waba, subscribe=subscribe)
    elif node is not None and node.kind is Kind.PAGE:
        token = _connect_page(ask.sim, app, node.as_(Page), subscribe=subscribe)
    elif node is not None and node.kind is Kind.INSTAGRAM:
        token = _connect_instagram(ask.sim, app, node.as_(InstagramAccount), subscribe=subscribe)
    else:
        raise Unfit("account: a phone number, a page or an Instagram account")
    return _shown(token)


def _connect_waba(sim: Simulator, app: App, waba: Waba, *, subscribe: bool) -> Token:
    if subscribe:
        waba.subscribed.setdefault(app.id, None)
    granular = {scope: [waba.id] for scope in WHATSAPP_SCOPES}
    consent = Consent(user_id=waba.admins[0], scopes=WHATSAPP_SCOPES, granular=granular)
    return grants.give_token(
        sim, app.id, consent, kind=TokenKind.SYSTEM_USER, subject_id=consent.user_id, seconds=0, long_lived=True
    )


def _connect_page(sim: Simulator, app: App, page: Page, *, subscribe: bool) -> Token:
    if subscribe:
        page.subscribed[app.id] = sorted(PAGE_FIELDS)
    consent = Consent(user_id=next(iter(page.roles)), scopes=[BASIC_SCOPE, *_PAGE_SCOPES])
    user_token = grants.give_token(
        sim,
        app.id,
        consent,
        kind=TokenKind.USER,
        subject_id=consent.user_id,
        seconds=sim.behaviour.long_lived_seconds,
        long_lived=True,
    )
    return grants.page_token(sim, user_token, page)


def _connect_instagram(sim: Simulator, app: App, account: InstagramAccount, *, subscribe: bool) -> Token:
    if subscribe:
        account.subscribed[app.id] = sorted(INSTAGRAM_FIELDS)
    return grants.give_token(
        sim,
        app.id,
        Consent(user_id=account.id, scopes=list(INSTAGRAM_SCOPES)),
        kind=TokenKind.INSTAGRAM,
        subject_id=account.id,
        seconds=sim.behaviour.long_lived_seconds,
        long_lived=True,
    )


async def consent(ask: Ask) -> dict[str, Any]:
    """Answer a dialog: `url` as the app made it, `decision` allow or deny, and who and what is chosen.

    `person` (a user, or for Instagram an account); `scopes`, `pages`, `instagram`, `wabas`: what is ticked; all, if
    nothing is given. The answer is the `redirect` that the browser would follow.
    """
    parts = urlsplit(ask.text("url"))
    host, _, _ = parts.path.lstrip("/").partition("/")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    form = {
        name: _chosen(ask, given)
        for name, given in (("scope", "scopes"), ("page", "pages"), ("instagram", "instagram"), ("waba", "wabas"))
    }
    allow, person = ask.text("decision", "allow") == "allow", ask.text("person", "")
    try:
        if host == FACEBOOK:
            return {"redirect": FacebookDialog(ask.sim).answer_for(query, person, form, allow=allow)}
        if host == INSTAGRAM:
            return {"redirect": InstagramDialog(ask.sim).answer_for(query, person, form, allow=allow)}
    except Misasked as wrong:
        raise Unfit(f"{wrong.title}: {wrong.reason}") from None
    raise Unfit("url: that of a consent dialog of this simulator")


def _chosen(ask: Ask, name: str) -> Sequence[str] | None:
    chosen = ask.body.get(name)
    if chosen is not None and not isinstance(chosen, list):
        raise Unfit(f"{name} must be a list")
    return None if chosen is None else [str(one) for one in chosen]


async def embedded_signup(ask: Ask) -> dict[str, Any]:
    """Embedded Signup as the SDK in a browser does it: the code (30 seconds), and the window's message.

    `waba`, `phoneNumber`, `user`; `event`: FINISH, FINISH_ONLY_WABA, FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING, CANCEL.
    """
    records = ask.sim.world.records
    waba = records.wabas.get(ask.text("waba", next(iter(records.wabas), "")))
    if waba is None:
        raise Unfit("waba: there is no such account")
    event = ask.text("event", "FINISH")
    if event == "CANCEL":
        return {"code": None, "message": _signup_message(event, {"current_step": "PHONE_NUMBER_SETUP"})}
    user_id = ask.text("user", waba.admins[0])
    if user_id not in waba.admins:
        raise Unfit("user: is no admin of this account")
    granular = {scope: [waba.id] for scope in WHATSAPP_SCOPES}
    code = grants.give_code(
        ask.sim,
        _app(ask),
        Consent(user_id=user_id, scopes=WHATSAPP_SCOPES, granular=granular),
        kind=TokenKind.SYSTEM_USER,
        redirect_uri=None,
        token_seconds=int(ask.body.get("tokenSeconds", 0)),
    )
    data = {"waba_id": waba.id, "business_id": waba.business_id}
    if event == "FINISH":
        data["phone_number_id"] = ask.text("phoneNumber", ask.sim.world.phone_numbers_of(waba.id)[0].id)
    if event == "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING":
        del data["business_id"]
    return {"code": code.value, "message": _signup_message(event, data)}


def _signup_message(event: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": "WA_EMBEDDED_SIGNUP", "event": event, "data": data, "version": "3"}


async def tokens(ask: Ask) -> list[dict[str, Any]]:
    """All tokens, or those of one `account` or `user`."""
    about = ask.query.get("account") or ask.query.get("user") or ""
    return [_shown(token) for token in _tokens_about(ask.sim, about)]


async def revoke(ask: Ask) -> dict[str, Any]:
    """End tokens: one `token`, or all of an `account` or a `user`; `cause` is removed, password, expired, …"""
    cause = ask.text("cause", "removed")
    if cause not in DEAD_TOKENS:
        raise Unfit(f"cause: one of {', '.join(DEAD_TOKENS)}")
    value = ask.text("token", "")
    if value:
        found = ask.sim.world.records.tokens.get(value)
        return {"tokens": grants.kill_tokens([found] if found is not None else [], cause)}
    about = ask.text("account", "") or ask.text("user", "")
    if not about:
        raise Unfit("token, account or user is needed")
    return {"tokens": grants.kill_tokens(_tokens_about(ask.sim, about), cause)}


def _tokens_about(sim: Simulator, about: str) -> list[Token]:
    """The tokens of a user, or that reach an account; all, for nothing."""
    if not about:
        return list(sim.world.records.tokens.values())
    phone = sim.world.records.phone_numbers.get(about)
    ids = {about, phone.waba_id} if phone is not None else {about}
    return [
        token
        for token in sim.world.records.tokens.values()
        if ids & {token.user_id, token.subject_id, *(one for targets in token.granular.values() for one in targets)}
    ]


def _app(ask: Ask) -> App:
    apps = ask.sim.world.records.apps
    app = apps.get(ask.text("app", next(iter(apps), "")))
    if app is None:
        raise Unfit("app: there is no such app")
    return app


def _shown(token: Token) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(token)
    shown["accessToken"] = shown.pop("value")
    return shown


ROUTES = (
    ControlRoute("POST", "subscribe", subscribe),
    ControlRoute("POST", "connect", connect),
    ControlRoute("POST", "consent", consent),
    ControlRoute("POST", "embedded-signup", embedded_signup),
    ControlRoute("GET", "tokens", tokens),
    ControlRoute("POST", "tokens/revoke", revoke),
)
