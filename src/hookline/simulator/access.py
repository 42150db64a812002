"""Who may do what: tokens read and judged, the app secret's proof, scopes, and which nodes a token reaches.

Source: protocol reference 5.1.6 (page tokens), 5.3 (granular scopes), 5.4 (proof), 6.1 (190 and its subcodes, 10, 200).
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable

from hookline.simulator.error_table import DEAD_TOKENS
from hookline.simulator.errors import Refusal
from hookline.simulator.http import Call
from hookline.simulator.records import (
    App,
    InstagramAccount,
    Media,
    Page,
    PhoneNumber,
    Template,
    Token,
    TokenKind,
    Waba,
)
from hookline.simulator.world import Kind, Node, World

NO_ACCESS_SUBCODE = 33


def read_token(world: World, value: str) -> Token:
    """Find a token and see that it is valid. An app's own token is `{app id}|{app secret}`.

    Raises: Refusal (190).
    """
    if not value:
        raise Refusal(190, message="An access token is required to request this resource.")
    if "|" in value:
        return _app_token(world, value)
    token = world.records.tokens.get(value)
    if token is None:
        raise Refusal(190)
    death = cause_of_death(world, token)
    if death:
        subcode, message = DEAD_TOKENS[death]
        raise Refusal(190, subcode=subcode, message=f"{message} {token.app_id}." if death == "removed" else message)
    return token


def cause_of_death(world: World, token: Token) -> str:
    """Why a token is not valid (a key of DEAD_TOKENS); empty if it is."""
    if token.dead:
        return token.dead
    return "expired" if token.expires_at and token.expires_at <= world.clock.now() else ""


def app_of(world: World, token: Token) -> App:
    """The app that a token was given to."""
    return world.records.apps[token.app_id]


def check_proof(world: World, call: Call, token: Token) -> None:
    """See that `appsecret_proof` is there if the app requires it, and right if it is there (reference 5.4).

    Raises: Refusal (100).
    """
    app = app_of(world, token)
    given = call.params.get("appsecret_proof")
    if given is None:
        if app.require_proof and token.kind is not TokenKind.APP:
            raise Refusal(100, "API calls from the server require an appsecret_proof argument")
        return
    secret = app.instagram_secret or app.secret if token.kind is TokenKind.INSTAGRAM else app.secret
    right = hmac.new(secret.encode(), token.value.encode(), hashlib.sha256).hexdigest()
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), right.encode()):
        raise Refusal(100, "Invalid appsecret_proof provided in the API argument")


def require_scopes(token: Token, scopes: Iterable[str]) -> None:
    """See that every scope was granted.

    Raises: Refusal (10).
    """
    missing = [scope for scope in scopes if scope not in token.scopes]
    if missing and token.kind is not TokenKind.APP:
        raise Refusal(10, f"To use this, your use must have the permission {', '.join(missing)}")


def require_reach(world: World, token: Token, node: Node) -> None:
    """See that a token reaches a node. What it does not reach looks as if it were not there.

    Raises: Refusal (100/33).
    """
    if not reaches(world, token, node):
        raise Refusal(100, subcode=NO_ACCESS_SUBCODE, message=unsupported(node.id))


def unsupported(node_id: str) -> str:
    """What the platform says of an object that is not there, or not for this token."""
    return (
        f"Unsupported request. Object with ID '{node_id[:100]}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation. Please read the Graph API documentation."
    )


def reaches(world: World, token: Token, node: Node) -> bool:
    """Whether a token reaches a node. Contacts, comments and files are reached by whoever reaches their account."""
    if node.kind in (Kind.CONTACT, Kind.COMMENT, Kind.MEDIA):
        owner = world.node(node.account_id or node.as_(Media).account_id)
        return owner is not None and reaches(world, token, owner)
    return _REACHES[node.kind](world, token, node)


def granted(token: Token, scope: str, target_id: str) -> bool:
    """Whether a scope was granted for one target: for all targets, or for this one (reference 5.1.5)."""
    if scope not in token.scopes:
        return False
    targets = token.granular.get(scope)
    return targets is None or target_id in targets


def _reaches_app(_world: World, token: Token, node: Node) -> bool:
    return node.id == token.app_id


def _reaches_user(_world: World, token: Token, node: Node) -> bool:
    return token.kind in (TokenKind.USER, TokenKind.SYSTEM_USER) and node.id == token.user_id


def _reaches_page(_world: World, token: Token, node: Node) -> bool:
    page = node.as_(Page)
    if token.kind is TokenKind.PAGE:
        return token.subject_id == page.id
    if token.kind is not TokenKind.USER or token.user_id not in page.roles:
        return False
    page_scopes = [scope for scope in token.scopes if scope.startswith("pages_")]
    return any(granted(token, scope, page.id) for scope in page_scopes)


def _reaches_instagram(world: World, token: Token, node: Node) -> bool:
    account = node.as_(InstagramAccount)
    if token.kind is TokenKind.INSTAGRAM:
        return token.subject_id == account.id
    page = world.node(account.page_id)
    return page is not None and _reaches_page(world, token, page) and granted(token, "instagram_basic", account.id)


def _reaches_waba(world: World, token: Token, node: Node) -> bool:
    record = node.record
    if isinstance(record, PhoneNumber | Template):
        waba_id = record.waba_id
    elif isinstance(record, Waba):
        waba_id = record.id
    else:
        return False
    waba = world.records.wabas.get(waba_id)
    if waba is None or token.user_id not in waba.admins:
        return False
    scopes = ("whatsapp_business_management", "whatsapp_business_messaging")
    return any(granted(token, scope, waba_id) for scope in scopes)


def _reaches_business(world: World, token: Token, node: Node) -> bool:
    if "business_management" not in token.scopes:
        return False
    pages = world.records.pages.values()
    wabas = world.records.wabas.values()
    return any(page.business_id == node.id and token.user_id in page.roles for page in pages) or any(
        waba.business_id == node.id and token.user_id in waba.admins for waba in wabas
    )


_REACHES: dict[Kind, Callable[[World, Token, Node], bool]] = {
    Kind.APP: _reaches_app,
    Kind.USER: _reaches_user,
    Kind.PAGE: _reaches_page,
    Kind.INSTAGRAM: _reaches_instagram,
    Kind.BUSINESS: _reaches_business,
    Kind.WABA: _reaches_waba,
    Kind.PHONE_NUMBER: _reaches_waba,
    Kind.TEMPLATE: _reaches_waba,
}


def _app_token(world: World, value: str) -> Token:
    app_id, _, secret = value.partition("|")
    app = world.records.apps.get(app_id)
    if app is None or not hmac.compare_digest(secret.encode(), app.secret.encode()):
        raise Refusal(190, message="Invalid OAuth access token signature.")
    return Token(value=value, kind=TokenKind.APP, app_id=app.id, user_id="", subject_id=app.id, scopes=[])
