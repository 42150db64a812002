"""Users who have logged in: `/me`, `/me/accounts`, `/me/permissions`; and the profiles of people on the other side.

Source: protocol reference 5.1.5, 5.4 (revocation), 3 (Messenger profile), 6.1 (100/2018218, 230).
"""

from typing import Any

from hookline.simulator import access, grants
from hookline.simulator.errors import Refusal
from hookline.simulator.fields import origin, page_of, select
from hookline.simulator.graph.pages import PAGE_DEFAULT, page_fields
from hookline.simulator.records import Contact, InstagramAccount, TokenKind, User
from hookline.simulator.routes import GRAPH, INSTAGRAM_GRAPH, Asked, Route
from hookline.simulator.world import Kind

_BOTH = (GRAPH, INSTAGRAM_GRAPH)


async def user(asked: Asked) -> dict[str, Any]:
    """`GET /me`, `GET /{user}`."""
    person = asked.node.as_(User)
    return select(asked.call.names("fields"), {"id": person.id, "name": person.name}, ("name", "id"))


async def accounts(asked: Asked) -> dict[str, Any]:
    """`GET /me/accounts`: the pages that were granted; pages may be missing (reference 5.1.5)."""
    token = asked.token
    pages = [
        page
        for page in asked.sim.world.records.pages.values()
        if page.listed and token.user_id in page.roles and access.granted(token, "pages_show_list", page.id)
    ]
    names = asked.call.names("fields")
    return page_of(
        asked.call,
        pages,
        lambda page: select(names, page_fields(asked.sim, token, page), PAGE_DEFAULT),
        asked.sim.behaviour.page_size,
    )


async def permissions(asked: Asked) -> dict[str, Any]:
    """`GET /me/permissions`."""
    return {"data": [{"permission": scope, "status": "granted"} for scope in asked.token.scopes]}


async def revoke(asked: Asked) -> dict[str, Any]:
    """`DELETE /me/permissions`: the app is removed; every token of this person's grants dies (190/458)."""
    scope = asked.call.text("permission")
    tokens = grants.tokens_of(asked.sim, asked.token.app_id, asked.token.user_id)
    if scope:
        for token in tokens:
            token.scopes = [one for one in token.scopes if one != scope]
    else:
        grants.kill_tokens(tokens, "removed")
    return {"success": True}


async def profile(asked: Asked) -> dict[str, Any]:
    """`GET /{psid or igsid}`: who somebody is, to the account that they have written to."""
    contact = asked.node.as_(Contact)
    account = asked.sim.world.node(asked.node.account_id)
    instagram = account is not None and account.kind is Kind.INSTAGRAM
    if asked.node.account_id in contact.blocks or not contact.profile_open:
        raise (
            Refusal(230, message="User consent is required to access user profile")
            if instagram
            else Refusal(100, subcode=2018218)
        )
    picture = f"{origin(asked.call)}/pictures/{contact.id}.png"
    fields: dict[str, Any] = {"id": asked.node.id, "name": contact.name, "profile_pic": picture}
    if instagram:
        fields |= {
            "username": contact.username,
            "follower_count": 120,
            "is_verified_user": False,
            "is_user_follow_business": True,
            "is_business_follow_user": False,
        }
        return select(asked.call.names("fields"), fields, ("name", "username", "profile_pic"))
    fields |= {
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "locale": "en_US",
        "timezone": 1,
        "gender": None,
    }
    return select(asked.call.names("fields"), fields, ("first_name", "last_name", "profile_pic"))


async def instagram_permissions(asked: Asked) -> dict[str, Any]:
    """`DELETE /me/permissions` by Instagram Login."""
    account = asked.node.as_(InstagramAccount)
    if asked.token.kind is not TokenKind.INSTAGRAM:
        raise Refusal(100, subcode=access.NO_ACCESS_SUBCODE, message=access.unsupported(account.id))
    return await revoke(asked)


ROUTES = (
    Route("GET", Kind.USER, "", user),
    Route("GET", Kind.USER, "accounts", accounts, scopes=("pages_show_list",)),
    Route("GET", Kind.USER, "permissions", permissions),
    Route("DELETE", Kind.USER, "permissions", revoke),
    Route("DELETE", Kind.INSTAGRAM, "permissions", instagram_permissions, hosts=(INSTAGRAM_GRAPH,)),
    Route("GET", Kind.CONTACT, "", profile, hosts=_BOTH),
)
