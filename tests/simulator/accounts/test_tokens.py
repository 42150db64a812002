"""Tokens: their lives, what debug_token says of them, how they end, and the app secret's proof."""

import hashlib
import hmac
from typing import Any

import pytest
from tests.simulator.login.steps import business_token, instagram_token, page_token, user_token
from tests.simulator.stage import APP_SECRET, INSTAGRAM_SECRET, Reply, Stage

from hookline.simulator import default
from hookline.simulator.error_table import DEAD_TOKENS
from hookline.simulator.options import DEFAULT_APP_ID

APP_TOKEN = f"{DEFAULT_APP_ID}|{APP_SECRET}"
DAY = 86400


async def debug(stage: Stage, token: str, asking: str = APP_TOKEN) -> dict[str, Any]:
    """What debug_token says."""
    query = {"input_token": token, "access_token": asking}
    data: dict[str, Any] = (await stage.call("GET", "graph/v25.0/debug_token", params=query)).json["data"]
    return data


async def prolonged(stage: Stage, token: str, **changed: str) -> Reply:
    """Exchange a user token for a long-lived one."""
    query = {
        "grant_type": "fb_exchange_token",
        "client_id": DEFAULT_APP_ID,
        "client_secret": APP_SECRET,
        "fb_exchange_token": token,
    }
    return await stage.call("GET", "graph/v25.0/oauth/access_token", params=query | changed)


async def refreshed(stage: Stage, token: str) -> Reply:
    """Refresh a token of Instagram Login."""
    query = {"grant_type": "ig_refresh_token", "access_token": token}
    return await stage.call("GET", "instagram-graph/refresh_access_token", params=query)


async def test_a_user_token_is_prolonged_while_it_is_valid(stage: Stage) -> None:
    """Sixty days for an hour's token; an expired one is prolonged no more."""
    token = await user_token(stage)
    long = (await prolonged(stage, token)).json
    assert long["expires_in"] == 60 * DAY
    assert (await debug(stage, long["access_token"]))["is_valid"] is True
    assert (await prolonged(stage, token, client_secret="no")).error == (1, None)
    stage.sim.world.clock.advance(3601)
    assert (await prolonged(stage, token)).error == (190, 463)


async def test_debug_token_tells_what_a_token_is(stage: Stage) -> None:
    """App, type, life, scopes, and the pages that each scope was granted for."""
    token = await user_token(stage, pages=[default.PAGE])
    data = await debug(stage, token)
    assert (data["app_id"], data["type"], data["user_id"]) == (DEFAULT_APP_ID, "USER", default.OWNER)
    assert data["expires_at"] == data["issued_at"] + 3600
    assert data["data_access_expires_at"] == data["issued_at"] + 90 * DAY
    granular = {one["scope"]: one.get("target_ids") for one in data["granular_scopes"]}
    assert granular["pages_messaging"] == [default.PAGE]
    assert granular["public_profile"] is None


async def test_a_page_token_lives_as_its_user_token_does(stage: Stage) -> None:
    """From a short-lived user token it expires with that, from a long-lived one never."""
    user = await user_token(stage)
    long = (await prolonged(stage, user)).json["access_token"]
    lives = []
    for token in (user, long):
        reply = await stage.call("GET", f"graph/v25.0/{default.PAGE}?fields=access_token", token)
        data = await debug(stage, reply.json["access_token"])
        assert (data["type"], data["profile_id"]) == ("PAGE", default.PAGE)
        lives.append(data["expires_at"])
    assert lives[0] > 0
    assert lives[1] == 0


async def test_the_same_page_token_is_given_again(stage: Stage) -> None:
    """Asking twice gives one token, not two."""
    user = await user_token(stage)
    asked = [await stage.call("GET", f"graph/v25.0/{default.PAGE}?fields=access_token", user) for _ in range(2)]
    assert asked[0].json["access_token"] == asked[1].json["access_token"]


async def test_debug_token_is_for_the_tokens_own_app(stage: Stage) -> None:
    """Another app is refused; a token that is none is not valid; a wrong app secret is no token."""
    token = await user_token(stage)
    other = (await stage.call("POST", "control/world/apps", json={"name": "Other"})).json
    query = {"input_token": token, "access_token": f"{other['id']}|{other['secret']}"}
    assert (await stage.call("GET", "graph/v25.0/debug_token", params=query)).error == (100, None)
    assert (await debug(stage, "nonsense"))["is_valid"] is False
    query = {"input_token": token, "access_token": f"{DEFAULT_APP_ID}|no"}
    assert (await stage.call("GET", "graph/v25.0/debug_token", params=query)).error == (190, None)


@pytest.mark.parametrize("cause", [cause for cause in DEAD_TOKENS if cause != "expired"])
async def test_a_token_dies_of_what_control_says(stage: Stage, cause: str) -> None:
    """Every way in which a token can end: its subcode in calls, and in debug_token's error."""
    token = await user_token(stage)
    ended = await stage.call("POST", "control/tokens/revoke", json={"user": default.OWNER, "cause": cause})
    assert ended.json["tokens"] >= 1
    reply = await stage.call("GET", "graph/v25.0/me", token)
    assert (reply.status, reply.error) == (401, (190, DEAD_TOKENS[cause][0]))
    data = await debug(stage, token)
    assert (data["is_valid"], data["error"]["subcode"]) == (False, DEAD_TOKENS[cause][0])


async def test_revoking_permissions_ends_everything_that_came_of_them(stage: Stage) -> None:
    """DELETE /me/permissions ends user and page tokens; a second time it meets a dead token."""
    user, page = await user_token(stage), await page_token(stage, default.PAGE)
    assert (await stage.call("DELETE", "graph/v25.0/me/permissions", user)).json == {"success": True}
    for token in (user, page):
        assert (await stage.call("GET", "graph/v25.0/me", token)).error == (190, 458)
    assert (await stage.call("DELETE", "graph/v25.0/me/permissions", user)).error == (190, 458)


async def test_one_permission_can_be_revoked(stage: Stage) -> None:
    """One scope goes; the token stays, without it."""
    user = await user_token(stage)
    gone = "graph/v25.0/me/permissions?permission=pages_show_list"
    assert (await stage.call("DELETE", gone, user)).json == {"success": True}
    granted = (await stage.call("GET", "graph/v25.0/me/permissions", user)).json["data"]
    assert "pages_show_list" not in {one["permission"] for one in granted}
    assert (await stage.call("GET", "graph/v25.0/me/accounts", user)).error == (10, None)


async def test_instagram_tokens_are_refreshed_by_the_rules(stage: Stage) -> None:
    """Not a short-lived one, not within a day, not once it has expired; in between, for sixty days more."""
    short = await instagram_token(stage, long_lived=False)
    assert (await refreshed(stage, short)).error == (100, None)
    token = await instagram_token(stage)
    assert (await refreshed(stage, token)).error == (100, None)
    stage.sim.world.clock.advance(DAY + 1)
    reply = await refreshed(stage, token)
    assert reply.json["expires_in"] == 60 * DAY
    assert reply.json["access_token"] != token
    stage.sim.world.clock.advance(60 * DAY)
    assert (await refreshed(stage, token)).error == (190, 463)


async def test_a_refresh_can_keep_the_same_text(stage: Stage) -> None:
    """With the switch, the token's life is longer, and its text the same."""
    stage.sim.behaviour.instagram_refresh_rotates = False
    token = await instagram_token(stage)
    stage.sim.world.clock.advance(DAY + 1)
    reply = await refreshed(stage, token)
    assert (reply.json["access_token"], reply.json["expires_in"]) == (token, 60 * DAY)


async def test_a_short_instagram_token_is_exchanged_with_the_instagram_secret(stage: Stage) -> None:
    """The Meta app's secret is the wrong one; a long-lived token is exchanged no more."""
    short = await instagram_token(stage, long_lived=False)
    query = {"grant_type": "ig_exchange_token", "client_secret": APP_SECRET, "access_token": short}
    assert (await stage.call("GET", "instagram-graph/access_token", params=query)).error == (1, None)
    query = {"grant_type": "ig_exchange_token", "client_secret": INSTAGRAM_SECRET, "access_token": short}
    long = (await stage.call("GET", "instagram-graph/access_token", params=query)).json
    assert long["expires_in"] == 60 * DAY
    query["access_token"] = long["access_token"]
    assert (await stage.call("GET", "instagram-graph/access_token", params=query)).error == (100, None)


async def test_removed_instagram_permissions_end_its_tokens(stage: Stage) -> None:
    """DELETE /me/permissions by Instagram Login."""
    token = await instagram_token(stage)
    assert (await stage.call("DELETE", "instagram-graph/v25.0/me/permissions", token)).json == {"success": True}
    assert (await stage.call("GET", "instagram-graph/v25.0/me", token)).error == (190, 458)


async def test_a_token_of_one_login_is_none_on_the_others_host(stage: Stage) -> None:
    """An Instagram token does not open Facebook's nodes, nor a page's token Instagram's host's own."""
    instagram, business = await instagram_token(stage), await business_token(stage)
    assert (await stage.call("GET", f"graph/v25.0/{default.PAGE}", instagram)).error == (100, 33)
    assert (await stage.call("GET", f"instagram-graph/v25.0/{default.INSTAGRAM_ACCOUNT}", business)).error == (100, 33)
    assert (await debug(stage, instagram))["is_valid"] is False


def proof(secret: str, token: str) -> str:
    """The app secret's proof of a token."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


async def test_the_proof_is_checked_wherever_it_is_given(stage: Stage) -> None:
    """Right with the app's secret, for Instagram with the Instagram app's; wrong is refused, though not required."""
    user, instagram = await user_token(stage), await instagram_token(stage)
    for path, token, right, wrong in (
        ("graph/v25.0/me", user, APP_SECRET, INSTAGRAM_SECRET),
        ("instagram-graph/v25.0/me", instagram, INSTAGRAM_SECRET, APP_SECRET),
    ):
        good = await stage.call("GET", f"{path}?appsecret_proof={proof(right, token)}", token)
        bad = await stage.call("GET", f"{path}?appsecret_proof={proof(wrong, token)}", token)
        assert good.status == 200
        assert bad.error == (100, None)


async def test_an_app_can_require_the_proof(stage: Stage) -> None:
    """Then a call without it is refused."""
    user = await user_token(stage)
    await stage.call("PATCH", f"control/world/apps/{DEFAULT_APP_ID}", json={"requireProof": True})
    assert (await stage.call("GET", "graph/v25.0/me", user)).error == (100, None)
    assert (await stage.call("GET", f"graph/v25.0/me?appsecret_proof={proof(APP_SECRET, user)}", user)).status == 200


async def test_no_token_and_no_such_token(stage: Stage) -> None:
    """Both are 190, with 401; a token may come by header or query."""
    user = await user_token(stage)
    for path in ("graph/v25.0/me", "graph/v25.0/me?access_token=nonsense"):
        reply = await stage.call("GET", path)
        assert (reply.status, reply.error) == (401, (190, None))
    assert (await stage.call("GET", f"graph/me?access_token={user}")).json["id"] == default.OWNER
