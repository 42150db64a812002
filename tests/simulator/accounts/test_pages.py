"""Pages and Instagram accounts: lists with pages, omissions, tokens, subscriptions, profiles."""

from urllib.parse import urlsplit

import pytest
from tests.simulator.login.steps import (
    answer_in,
    consent,
    exchange,
    facebook_dialog,
    instagram_token,
    page_token,
    user_token,
)
from tests.simulator.stage import PAGE_TOKEN, Stage

from hookline.simulator import default
from hookline.simulator.options import DEFAULT_APP_ID

FIELDS = "id,name,access_token,tasks,instagram_business_account{id,username}"


async def test_accounts_come_page_by_page(stage: Stage) -> None:
    """`paging.next` leads to the rest, and ends; it is followed as it is."""
    for number in range(5):
        await stage.call("POST", "control/world/pages", json={"name": f"Page {number}"})
    user = await user_token(stage)
    url: str | None = f"{stage.sim.url}/graph/v25.0/me/accounts?fields=id&limit=3"
    found, rounds = [], 0
    while url:
        reply = (await stage.call("GET", url, user)).json
        found += [page["id"] for page in reply["data"]]
        url = reply.get("paging", {}).get("next")
        rounds += 1
    assert rounds == 3
    assert found == list(stage.sim.world.records.pages)


async def test_a_cursor_that_is_none_is_refused(stage: Stage) -> None:
    """A cursor of somebody's own making is not taken."""
    user = await user_token(stage)
    assert (await stage.call("GET", "graph/v25.0/me/accounts?after=nonsense", user)).error == (131059, None)
    assert (await stage.call("GET", "graph/v25.0/me/accounts?limit=0", user)).error == (100, None)


async def test_an_account_has_what_was_asked_for(stage: Stage) -> None:
    """Fields with nested fields; what a page does not have is left out; an unknown field is refused."""
    user = await user_token(stage)
    reply = await stage.call("GET", f"graph/v25.0/me/accounts?fields={FIELDS}", user)
    linked, plain = reply.json["data"]
    assert set(linked) == {"id", "name", "access_token", "tasks", "instagram_business_account"}
    assert linked["instagram_business_account"] == {"id": default.INSTAGRAM_OF_PAGE, "username": "phone.store.page"}
    assert "instagram_business_account" not in plain
    assert "MESSAGING" in plain["tasks"]
    assert (await stage.call("GET", "graph/v25.0/me/accounts?fields=id,shoe_size", user)).error == (100, None)


async def test_pages_can_be_left_out_and_still_be_reached(stage: Stage) -> None:
    """`/me/accounts` omits a page; its id is in the granular scopes, and the page itself answers."""
    await stage.call("PATCH", f"control/world/pages/{default.PAGE}", json={"listed": False})
    user = await user_token(stage)
    listed = (await stage.call("GET", "graph/v25.0/me/accounts?fields=id", user)).json["data"]
    assert [page["id"] for page in listed] == [default.BUSINESS_PAGE]
    page = await stage.call("GET", f"graph/v25.0/{default.PAGE}?fields=access_token,name", user)
    assert page.json["name"] == "Phone Store"
    assert page.json["access_token"]


async def test_a_page_that_was_not_granted_looks_as_if_it_were_not_there(stage: Stage) -> None:
    """Neither in the list nor by its id."""
    user = await user_token(stage, pages=[default.BUSINESS_PAGE])
    assert len((await stage.call("GET", "graph/v25.0/me/accounts", user)).json["data"]) == 1
    assert (await stage.call("GET", f"graph/v25.0/{default.PAGE}", user)).error == (100, 33)
    assert (await stage.call("GET", "graph/v25.0/999999", user)).error == (100, 33)


async def test_the_instagram_account_of_a_page_needs_its_scope(stage: Stage) -> None:
    """With instagram_basic for that account it answers, without it does not."""
    scopes = "pages_show_list,pages_read_engagement,instagram_basic"
    location = await consent(stage, facebook_dialog(scope=scopes))
    granted = (await exchange(stage, answer_in(location)["code"])).json["access_token"]
    reply = await stage.call("GET", f"graph/v25.0/{default.INSTAGRAM_OF_PAGE}?fields=username", granted)
    assert reply.json == {"username": "phone.store.page", "id": default.INSTAGRAM_OF_PAGE}
    bare = await user_token(stage)
    assert (await stage.call("GET", f"graph/v25.0/{default.INSTAGRAM_OF_PAGE}", bare)).error == (100, 33)


async def test_a_page_is_subscribed_with_its_own_token(stage: Stage) -> None:
    """A user's token is refused; fields must exist; GET shows ours, DELETE removes it."""
    path = f"graph/v25.0/{default.BUSINESS_PAGE}/subscribed_apps"
    fields = {"subscribed_fields": "messages,messaging_postbacks"}
    assert (await stage.call("POST", path, await user_token(stage), data=fields)).error == (210, None)
    token = await page_token(stage, default.BUSINESS_PAGE)
    assert (await stage.call("POST", path, token)).error == (100, None)
    assert (await stage.call("POST", path, token, data={"subscribed_fields": "telepathy"})).error == (100, None)
    assert (await stage.call("POST", path, token, data=fields)).json == {"success": True}
    (app,) = (await stage.call("GET", path, token)).json["data"]
    assert (app["id"], app["subscribed_fields"]) == (DEFAULT_APP_ID, ["messages", "messaging_postbacks"])
    assert (await stage.call("POST", path, token, json={"subscribed_fields": ["feed"]})).json == {"success": True}
    assert (await stage.call("DELETE", path, token)).json == {"success": True}
    assert (await stage.call("GET", path, token)).json == {"data": []}


async def test_subscribing_a_page_needs_its_scope(stage: Stage) -> None:
    """Without pages_manage_metadata it is refused with 10."""
    token = await page_token(stage, default.PAGE, scopes=["pages_show_list", "pages_messaging"])
    reply = await stage.call("GET", f"graph/v25.0/{default.PAGE}/subscribed_apps", token)
    assert (reply.status, reply.error) == (403, (10, None))


async def test_a_page_token_is_for_one_page(stage: Stage) -> None:
    """It does not open another."""
    token = await page_token(stage, default.PAGE)
    assert (await stage.call("GET", f"graph/v25.0/{default.BUSINESS_PAGE}", token)).error == (100, 33)
    assert (await stage.call("GET", "graph/v25.0/me?fields=id", token)).json == {"id": default.PAGE}


async def test_instagram_has_two_ids(stage: Stage) -> None:
    """`id` is app-scoped, `user_id` is what webhooks carry; either leads to the account."""
    token = await instagram_token(stage)
    fields = "id,user_id,username,name,account_type,profile_picture_url"
    me = (await stage.call("GET", f"instagram-graph/v25.0/me?fields={fields}", token)).json
    assert (me["id"], me["user_id"]) == ("25100000000000001", default.INSTAGRAM_ACCOUNT)
    assert me["account_type"] == "BUSINESS"
    for one in (me["id"], me["user_id"]):
        assert (await stage.call("GET", f"instagram-graph/v25.0/{one}", token)).json == {"id": me["id"]}
    picture = await stage.call("GET", urlsplit(me["profile_picture_url"]).path.lstrip("/"))
    assert picture.body.startswith(b"\x89PNG")


async def test_instagram_is_subscribed_by_its_own_login(stage: Stage) -> None:
    """By query or form; unknown fields are refused; only what the token reaches."""
    token = await instagram_token(stage)
    path = "instagram-graph/v25.0/me/subscribed_apps"
    assert (await stage.call("POST", f"{path}?subscribed_fields=message_echoes", token)).error == (100, None)
    asked = f"{path}?subscribed_fields=messages,comments"
    assert (await stage.call("POST", asked, token)).json == {"success": True}
    (app,) = (await stage.call("GET", path, token)).json["data"]
    assert app["subscribed_fields"] == ["messages", "comments"]
    assert (await stage.call("DELETE", path, token)).json == {"success": True}
    assert (await stage.call("GET", path, token)).json == {"data": []}
    other = f"instagram-graph/v25.0/{default.INSTAGRAM_OF_PAGE}/subscribed_apps"
    assert (await stage.call("GET", other, token)).error == (100, 33)


@pytest.mark.parametrize("instagram", [False, True], ids=["messenger", "instagram"])
async def test_profiles_are_for_the_account_that_was_written_to(stage: Stage, instagram: bool) -> None:
    """Name and picture; refused for somebody whose profile is closed, and for another account's id."""
    account = default.INSTAGRAM_ACCOUNT if instagram else default.PAGE
    token = await instagram_token(stage) if instagram else PAGE_TOKEN
    host = "instagram-graph" if instagram else "graph"
    ann = stage.sim.world.scoped_id(stage.contact(), account)
    profile = (await stage.call("GET", f"{host}/v25.0/{ann}", token)).json
    if instagram:
        assert (profile["name"], profile["username"]) == ("Ann Archer", "ann.archer")
    else:
        assert (profile["first_name"], profile["last_name"]) == ("Ann", "Archer")
    assert profile["profile_pic"].endswith("/pictures/ann.png")
    closed = stage.sim.world.scoped_id(stage.contact("closed"), account)
    refused = (230, None) if instagram else (100, 2018218)
    assert (await stage.call("GET", f"{host}/v25.0/{closed}", token)).error == refused
    other = default.INSTAGRAM_OF_PAGE if instagram else default.BUSINESS_PAGE
    foreign = stage.sim.world.scoped_id(stage.contact(), other)
    assert (await stage.call("GET", f"{host}/v25.0/{foreign}", token)).error == (100, 33)
