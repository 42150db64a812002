"""Instagram accounts, by either login, and the subscription by Instagram Login. Source: reference 1.5, 5.2.6."""

from typing import Any

from hookline.simulator.fields import origin, select
from hookline.simulator.graph.subscribing import INSTAGRAM_FIELDS, checked_fields, subscribed_report
from hookline.simulator.records import InstagramAccount
from hookline.simulator.routes import GRAPH, INSTAGRAM_GRAPH, Asked, Route
from hookline.simulator.world import Kind

_BASIC = ("instagram_business_basic",)
_MESSAGES = ("instagram_business_basic", "instagram_business_manage_messages")
_BY_LOGIN = (INSTAGRAM_GRAPH,)


async def by_login(asked: Asked) -> dict[str, Any]:
    """`GET /me` and `GET /{id}` of graph.instagram.com: `id` is app-scoped, `user_id` is what webhooks carry."""
    account = asked.node.as_(InstagramAccount)
    fields = _fields(asked, account) | {
        "id": account.app_scoped_id,
        "user_id": account.id,
        "account_type": account.account_type,
    }
    return select(asked.call.names("fields"), fields, ("id",))


async def by_page(asked: Asked) -> dict[str, Any]:
    """`GET /{id}` of graph.facebook.com: the account that is linked to a page."""
    account = asked.node.as_(InstagramAccount)
    return select(asked.call.names("fields"), _fields(asked, account) | {"id": account.id, "ig_id": None}, ("id",))


def _fields(asked: Asked, account: InstagramAccount) -> dict[str, Any]:
    return {
        "username": account.username,
        "name": account.name,
        "profile_picture_url": f"{origin(asked.call)}/pictures/{account.id}.png",
        "followers_count": 4200,
        "follows_count": 17,
        "media_count": 12,
        "biography": "",
    }


async def subscribe(asked: Asked) -> dict[str, Any]:
    """`POST /me/subscribed_apps`."""
    fields = checked_fields(asked.call, "subscribed_fields", INSTAGRAM_FIELDS)
    asked.node.as_(InstagramAccount).subscribed[asked.token.app_id] = fields
    return {"success": True}


async def subscriptions(asked: Asked) -> dict[str, Any]:
    """`GET /me/subscribed_apps`."""
    return subscribed_report(asked.sim, asked.node.as_(InstagramAccount).subscribed)


async def unsubscribe(asked: Asked) -> dict[str, Any]:
    """`DELETE /me/subscribed_apps`."""
    asked.node.as_(InstagramAccount).subscribed.pop(asked.token.app_id, None)
    return {"success": True}


ROUTES = (
    Route("GET", Kind.INSTAGRAM, "", by_login, scopes=_BASIC, hosts=_BY_LOGIN),
    Route("GET", Kind.INSTAGRAM, "", by_page, scopes=("instagram_basic",), hosts=(GRAPH,)),
    Route("POST", Kind.INSTAGRAM, "subscribed_apps", subscribe, scopes=_MESSAGES, hosts=_BY_LOGIN),
    Route("GET", Kind.INSTAGRAM, "subscribed_apps", subscriptions, scopes=_BASIC, hosts=_BY_LOGIN),
    Route("DELETE", Kind.INSTAGRAM, "subscribed_apps", unsubscribe, scopes=_BASIC, hosts=_BY_LOGIN),
)
