"""Pages: the node, its token, and the app's subscription to its webhooks. Source: protocol reference 1.5, 5.1.5."""

from typing import Any

from hookline.simulator import grants
from hookline.simulator.errors import Refusal
from hookline.simulator.fields import select
from hookline.simulator.graph.subscribing import PAGE_FIELDS, checked_fields, subscribed_report
from hookline.simulator.records import InstagramAccount, Page, Token, TokenKind
from hookline.simulator.routes import Asked, Route
from hookline.simulator.simulator import Simulator
from hookline.simulator.world import Kind

PAGE_DEFAULT = ("access_token", "category", "name", "id", "tasks")
# Not in the reference: a page's own token is wanted where a user's was given.
_PAGE_TOKEN_NEEDED = 210


def page_fields(sim: Simulator, token: Token, page: Page) -> dict[str, Any]:
    """A page's fields as the holder of a token sees them. Its token is for users with a role, and for itself."""
    linked = sim.world.instagram_of_page(page)
    return {
        "id": page.id,
        "name": page.name,
        "category": page.category,
        "tasks": page.roles.get(token.user_id),
        "access_token": lambda _nested: _token(sim, token, page),
        "instagram_business_account": lambda nested: (
            select(nested, _linked_fields(linked), ("id",)) if linked is not None else None
        ),
        "picture": {"data": {"url": f"{sim.url}/pictures/{page.id}.png", "width": 64, "height": 64}},
        "business": {"id": page.business_id, "name": sim.world.records.businesses[page.business_id].name}
        if page.business_id
        else None,
    }


def _token(sim: Simulator, token: Token, page: Page) -> str | None:
    if token.kind is TokenKind.PAGE:
        return token.value
    return grants.page_token(sim, token, page).value if token.kind is TokenKind.USER else None


def _linked_fields(account: InstagramAccount) -> dict[str, Any]:
    return {"id": account.id, "username": account.username, "name": account.name}


async def page(asked: Asked) -> dict[str, Any]:
    """`GET /{page}`."""
    fields = page_fields(asked.sim, asked.token, asked.node.as_(Page))
    return select(asked.call.names("fields"), fields, ("name", "id"))


async def subscribe(asked: Asked) -> dict[str, Any]:
    """`POST /{page}/subscribed_apps` with `subscribed_fields`."""
    _require_page_token(asked)
    fields = checked_fields(asked.call, "subscribed_fields", PAGE_FIELDS)
    asked.node.as_(Page).subscribed[asked.token.app_id] = fields
    return {"success": True}


async def subscriptions(asked: Asked) -> dict[str, Any]:
    """`GET /{page}/subscribed_apps`."""
    _require_page_token(asked)
    return subscribed_report(asked.sim, asked.node.as_(Page).subscribed)


async def unsubscribe(asked: Asked) -> dict[str, Any]:
    """`DELETE /{page}/subscribed_apps`."""
    _require_page_token(asked)
    asked.node.as_(Page).subscribed.pop(asked.token.app_id, None)
    return {"success": True}


def _require_page_token(asked: Asked) -> None:
    if asked.token.kind is not TokenKind.PAGE:
        raise Refusal(
            _PAGE_TOKEN_NEEDED, message="A page access token is required to request this resource.", status=400
        )


ROUTES = (
    Route("GET", Kind.PAGE, "", page),
    Route("POST", Kind.PAGE, "subscribed_apps", subscribe, scopes=("pages_manage_metadata",)),
    Route("GET", Kind.PAGE, "subscribed_apps", subscriptions, scopes=("pages_manage_metadata",)),
    Route("DELETE", Kind.PAGE, "subscribed_apps", unsubscribe, scopes=("pages_manage_metadata",)),
)
