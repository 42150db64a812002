"""Connecting by consent, over HTTP on both sides: dialogs, codes, accounts, and everything that can go wrong."""

from typing import Any

import pytest
from tests.conftest import JWT_SECRET
from tests.connecting.town import RETURN_URL, Town, told
from tests.web.tokens import token

from hookline.domain.principal import Role
from hookline.services.upkeep import keep_up
from hookline.simulator import default
from hookline.simulator.faults import Effect, Fault

PAGE_SCOPES = {"pages_messaging", "pages_manage_metadata"}


async def test_a_page(place: Town) -> None:
    """One page ticked in the dialog is connected at once: named, subscribed, with permissions, and nothing secret."""
    answer = await place.connect("FACEBOOK", only={"page": [default.PAGE]})
    assert answer.status == 200, answer.text
    account = answer.json
    assert (account["externalAccountId"], account["displayName"]) == (default.PAGE, "Phone Store")
    assert (account["status"], account["metadata"]["login"]) == ("CONNECTED", "facebook")
    (known,) = account["oauthTokens"]
    assert set(known["scopes"]) >= PAGE_SCOPES
    assert known["expiresAt"] is None
    assert known["dataAccessExpiresAt"] > known["createdAt"]
    assert await place.accounts() == [account]
    page = place.sim.world.records.pages[default.PAGE]
    assert set(page.subscribed[place.sim.options.app_id]) >= {"messages", "message_echoes", "messaging_postbacks"}
    assert await place.feed() == ["account.connected"]


async def test_several_pages_are_offered_to_the_one_who_began(place: Town) -> None:
    """Where a consent reaches several pages, nothing is connected before the person chooses, by the same state."""
    begun = await place.begin("FACEBOOK", returnUrl=RETURN_URL)
    answer = await place.come_back(await place.consent(begun["authorizationUrl"]))
    assert told(answer) == {"state": begun["state"]}
    assert await place.accounts() == []
    path = f"/api/integrations/connections/{begun['state']}"
    offer = (await place.api.get(path)).json
    assert {one["externalAccountId"] for one in offer["accounts"]} == {default.PAGE, default.BUSINESS_PAGE}
    assert offer["state"] == begun["state"]
    stranger = {"Authorization": f"Bearer {_token_of('mallory')}", "X-Organization-Id": "org-1"}
    assert (await place.api.get(path, headers=stranger)).problem == "state-unknown"
    refused = await place.api.post(path, {"externalAccountIds": [default.PAGE]}, headers=stranger)
    assert refused.problem == "state-unknown"
    assert (await place.api.of("org-2").get(path)).problem == "state-unknown"
    chosen = await place.api.post(path, {"externalAccountIds": [default.PAGE, default.BUSINESS_PAGE]})
    assert chosen.status == 200, chosen.text
    assert [one["externalAccountId"] for one in chosen.json["accounts"]] == [default.PAGE, default.BUSINESS_PAGE]
    assert chosen.json["refused"] == []
    assert await place.accounts() == chosen.json["accounts"]


def _token_of(subject: str) -> str:
    return token(JWT_SECRET, {"org-1": Role.OWNER}, sub=subject)


async def test_pages_that_the_list_leaves_out_are_found(place: Town) -> None:
    """A page that only the consent's own record names is found by it."""
    place.sim.world.records.pages[default.PAGE].listed = False
    answer = await place.connect("FACEBOOK", only={"page": [default.PAGE]})
    assert (answer.status, answer.json["externalAccountId"]) == (200, default.PAGE)


async def test_an_instagram_account_by_its_own_login(place: Town) -> None:
    """Instagram's login connects the account under the id of its webhooks, and remembers the other one."""
    answer = await place.connect("INSTAGRAM", returnUrl=RETURN_URL)
    (account,) = await place.accounts()
    assert told(answer) == {"accountId": account["id"]}
    assert account["externalAccountId"] == default.INSTAGRAM_ACCOUNT
    assert account["metadata"]["login"] == "instagram"
    assert account["metadata"]["appScopedId"] == "25100000000000001"
    assert account["displayName"] == "Phone Store"
    (known,) = account["oauthTokens"]
    assert "instagram_business_manage_messages" in known["scopes"]
    assert known["expiresAt"] > known["createdAt"]
    routes = await place.pool.fetch("SELECT address FROM account_routes WHERE live")
    assert {row["address"] for row in routes} == {default.INSTAGRAM_ACCOUNT, "25100000000000001"}
    subscribed = place.sim.world.records.instagram_accounts[default.INSTAGRAM_ACCOUNT].subscribed
    assert "messages" in subscribed[place.sim.options.app_id]


@pytest.mark.parametrize(("wrapped", "listed"), [(False, True), (True, False), (True, True)])
async def test_instagram_s_answers_come_in_several_shapes(place: Town, wrapped: bool, listed: bool) -> None:
    """The exchange is read whether its reply is wrapped or not, permissions as text or list."""
    place.sim.behaviour.instagram_exchange_wrapped = wrapped
    place.sim.behaviour.instagram_permissions_as_list = listed
    assert (await place.connect("INSTAGRAM")).status == 200


async def test_an_instagram_account_behind_a_page(place: Town) -> None:
    """By the other login, the account behind a page is connected, remembers its page, and the page is subscribed."""
    answer = await place.connect("INSTAGRAM", login="facebook")
    account = answer.json
    assert account["externalAccountId"] == default.INSTAGRAM_OF_PAGE
    assert (account["metadata"]["login"], account["metadata"]["pageId"]) == ("facebook", default.PAGE)
    assert place.sim.options.app_id in place.sim.world.records.pages[default.PAGE].subscribed


async def test_messenger_and_instagram_share_a_page_s_subscription(place: Town) -> None:
    """Connecting the account behind a page leaves the fields that the page itself is subscribed to."""
    await place.connect("FACEBOOK", only={"page": [default.PAGE]})
    before = list(place.sim.world.records.pages[default.PAGE].subscribed[place.sim.options.app_id])
    await place.connect("INSTAGRAM", login="facebook")
    assert place.sim.world.records.pages[default.PAGE].subscribed[place.sim.options.app_id] == before


async def test_whatsapp_numbers_by_redirect(place: Town) -> None:
    """The numbers of the business account are offered; one is registered, one is already, one must not be."""
    begun = await place.begin("WHATSAPP")
    answer = await place.come_back(await place.consent(begun["authorizationUrl"]))
    assert answer.status == 200
    needs = {one["externalAccountId"]: one["needsPin"] for one in answer.json["accounts"]}
    assert needs == {
        default.PHONE_NUMBER: False,
        default.SECOND_PHONE_NUMBER: True,
        default.COEXISTENCE_PHONE_NUMBER: False,
    }
    chosen = await place.api.post(
        f"/api/integrations/connections/{begun['state']}", {"externalAccountIds": list(needs)}
    )
    assert chosen.json["refused"] == []
    account = {one["externalAccountId"]: one for one in chosen.json["accounts"]}[default.SECOND_PHONE_NUMBER]
    assert account["metadata"]["wabaId"] == default.WABA
    assert account["metadata"]["displayPhoneNumber"] == "+1 555-000-1002"
    assert place.calls("register") == 1
    assert place.sim.world.records.phone_numbers[default.SECOND_PHONE_NUMBER].registered
    assert place.sim.options.app_id in place.sim.world.records.wabas[default.WABA].subscribed


async def test_the_pin_of_a_number_outlives_its_account(place: Town) -> None:
    """A number that was registered here once is registered again with the PIN that it got then."""
    begun = await place.begin("WHATSAPP")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    path = f"/api/integrations/connections/{begun['state']}"
    body = {"externalAccountIds": [default.SECOND_PHONE_NUMBER]}
    (account,) = (await place.api.post(path, body)).json["accounts"]
    await place.api.delete(f"/api/integrations/{account['id']}/disconnect")
    await place.work()
    place.sim.world.records.phone_numbers[default.SECOND_PHONE_NUMBER].registered = False
    begun = await place.begin("WHATSAPP")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    again = await place.api.post(f"/api/integrations/connections/{begun['state']}", body)
    assert [one["id"] for one in again.json["accounts"]] == [account["id"]]
    assert place.calls("register") == 2


async def test_a_number_with_a_pin_of_its_own(place: Town) -> None:
    """A number whose PIN is not known here is not connected; with the PIN it is, from the same choice."""
    place.sim.world.records.phone_numbers[default.SECOND_PHONE_NUMBER].pin = "271828"
    begun = await place.begin("WHATSAPP")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    path = f"/api/integrations/connections/{begun['state']}"
    body = {"externalAccountIds": [default.SECOND_PHONE_NUMBER]}
    refused = await place.api.post(path, body)
    assert (refused.status, refused.problem) == (422, "pin-required")
    assert await place.accounts() == []
    done = await place.api.post(path, {**body, "pin": "271828"})
    assert done.status == 200, done.text
    assert [one["status"] for one in await place.accounts()] == ["CONNECTED"]


async def test_a_denial(place: Town) -> None:
    """Who declines is sent back with that; nothing is connected, and the state has served."""
    begun = await place.begin("FACEBOOK", returnUrl=RETURN_URL)
    location = await place.consent(begun["authorizationUrl"], allow=False)
    assert told(await place.come_back(location))["error"] == "access-denied"
    assert told(await place.come_back(location))["error"] == "state-used"
    assert await place.accounts() == []
    begun = await place.begin("INSTAGRAM")
    answer = await place.come_back(await place.consent(begun["authorizationUrl"], allow=False))
    assert (answer.status, answer.problem) == (403, "access-denied")


async def test_a_replayed_callback(place: Town) -> None:
    """A callback serves once: played again, it connects nothing and does not ask the platform."""
    begun = await place.begin("FACEBOOK")
    location = await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]})
    assert (await place.come_back(location)).status == 200
    calls = place.calls("oauth/access_token")
    again = await place.come_back(location)
    assert (again.status, again.problem) == (409, "state-used")
    assert place.calls("oauth/access_token") == calls


async def test_a_state_of_another_platform_or_of_nobody(place: Town) -> None:
    """A state that was not given out for this is unknown, and asking wrongly does not use it up."""
    begun = await place.begin("FACEBOOK")
    location = await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]})
    for wrong in (
        location.replace("/facebook/", "/instagram/"),
        location.replace(begun["state"], "x" * 43),
        location.replace(begun["state"], begun["state"][:-1] + ("A" if begun["state"][-1] != "A" else "B")),
        location.replace(f"state={begun['state']}", "state="),
        location.replace(f"state={begun['state']}", "state=%00%ED%A0%80"),
    ):
        answer = await place.come_back(wrong)
        assert (answer.status, answer.problem) == (404, "state-unknown"), wrong
    assert (await place.come_back(location)).status == 200


async def test_a_state_that_is_too_old(place: Town) -> None:
    """After ten minutes the link is over, and says so at the CRM."""
    begun = await place.begin("FACEBOOK", returnUrl=RETURN_URL)
    location = await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]})
    await place.pool.execute("UPDATE oauth_flows SET expires_at = now() - interval '1 second'")
    assert told(await place.come_back(location))["error"] == "state-expired"
    assert await place.accounts() == []


async def test_the_time_to_choose_ends(place: Town) -> None:
    """After half an hour nothing can be chosen any more, and upkeep forgets the grant."""
    begun = await place.begin("FACEBOOK")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    assert await place.pool.fetchval("SELECT count(*) FROM sealed_secrets") == 1
    await place.pool.execute("UPDATE oauth_flows SET expires_at = now() - interval '1 second'")
    path = f"/api/integrations/connections/{begun['state']}"
    for answer in (
        await place.api.get(path),
        await place.api.post(path, {"externalAccountIds": [default.PAGE]}),
    ):
        assert (answer.status, answer.problem) == (410, "state-expired")
    await _upkeep(place)
    assert await place.pool.fetchval("SELECT count(*) FROM sealed_secrets") == 0
    await place.pool.execute("UPDATE oauth_flows SET expires_at = now() - interval '2 days'")
    await _upkeep(place)
    assert await place.pool.fetchval("SELECT count(*) FROM oauth_flows") == 0


async def _upkeep(place: Town) -> None:
    await keep_up(place.pool, unowned_for=place.worker.unowned_for)


async def test_nothing_to_choose(place: Town) -> None:
    """A state that offers nothing, has not come back, or belongs to no choice says which."""
    begun = await place.begin("FACEBOOK")
    path = f"/api/integrations/connections/{begun['state']}"
    assert (await place.api.get(path)).problem == "state-unknown"
    await place.come_back(await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]}))
    assert (await place.api.get(path)).problem == "state-used"
    begun = await place.begin("FACEBOOK")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    path = f"/api/integrations/connections/{begun['state']}"
    refused = await place.api.post(path, {"externalAccountIds": [default.PAGE, "30199999999999"]})
    assert (refused.status, refused.problem) == (422, "invalid")
    assert len(await place.accounts()) == 1


async def test_a_code_that_the_platform_does_not_take(place: Town) -> None:
    """A code that expired, or is nonsense, connects nothing; it is begun again."""
    begun = await place.begin("FACEBOOK", returnUrl=RETURN_URL)
    location = await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]})
    for code in place.sim.world.records.codes.values():
        code.expires_at = 0
    found = told(await place.come_back(location))
    assert found["error"] == "code-refused"
    assert "expired" in found["errorDetail"]
    begun = await place.begin("INSTAGRAM")
    answer = await place.api.get(
        f"/api/integrations/instagram/callback?code=nonsense%23_&state={begun['state']}", headers={}
    )
    assert (answer.status, answer.problem) == (422, "code-refused")
    assert "nonsense" not in answer.text


async def test_missing_permissions(place: Town) -> None:
    """A consent without what is needed names what is missing."""
    answer = await place.connect("FACEBOOK", leave_out=["pages_messaging"])
    assert (answer.status, answer.problem) == (422, "missing-permissions")
    assert "pages_messaging" in answer.json["detail"]
    answer = await place.connect("INSTAGRAM", leave_out=["instagram_business_manage_messages"])
    assert (answer.status, answer.problem) == (422, "missing-permissions")
    answer = await place.connect("WHATSAPP", leave_out=["whatsapp_business_messaging"])
    assert (answer.status, answer.problem) == (422, "missing-permissions")
    assert await place.accounts() == []


async def test_no_account_was_ticked(place: Town) -> None:
    """A consent that reaches no page connects none, and says so."""
    answer = await place.connect("FACEBOOK", only={"page": []})
    assert (answer.status, answer.problem) == (422, "no-eligible-account")


async def test_a_page_on_which_the_person_may_not_answer(place: Town) -> None:
    """A page on which somebody has no right to write messages is not eligible."""
    place.sim.world.records.pages[default.PAGE].roles[default.OWNER] = ["ANALYZE"]
    answer = await place.connect("FACEBOOK", only={"page": [default.PAGE]})
    assert (answer.status, answer.problem) == (422, "no-eligible-account")


async def test_an_account_that_is_live_elsewhere(place: Town) -> None:
    """What is live in another organization is a conflict, before anything is done at the platform."""
    await place.connect("FACEBOOK", only={"page": [default.PAGE]})
    subscribed = place.calls("subscribed_apps")
    answer = await place.connect("FACEBOOK", place.api.of("org-2"), only={"page": [default.PAGE]}, returnUrl=RETURN_URL)
    assert told(answer)["error"] == "account-elsewhere"
    assert place.calls("subscribed_apps") == subscribed
    assert await place.accounts(place.api.of("org-2")) == []
    assert [one["status"] for one in await place.accounts()] == ["CONNECTED"]


async def test_one_refusal_does_not_hold_the_others(place: Town) -> None:
    """Of several that are chosen, those that can be connected are; the rest is told with its reason."""
    await place.connect("FACEBOOK", only={"page": [default.PAGE]})
    other = place.api.of("org-2")
    begun = await place.begin("FACEBOOK", other)
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    chosen = await other.post(
        f"/api/integrations/connections/{begun['state']}",
        {"externalAccountIds": [default.PAGE, default.BUSINESS_PAGE]},
    )
    assert [one["externalAccountId"] for one in chosen.json["accounts"]] == [default.BUSINESS_PAGE]
    (refused,) = chosen.json["refused"]
    assert refused["externalAccountId"] == default.PAGE
    assert refused["type"] == "urn:hookline:problem:account-elsewhere"


async def test_connecting_again_keeps_the_account(place: Town) -> None:
    """A second consent renews the tokens of the same account and tells nothing new; a disconnected one is revived."""
    first = (await place.connect("FACEBOOK", only={"page": [default.PAGE]})).json
    second = (await place.connect("FACEBOOK", only={"page": [default.PAGE]})).json
    assert second["id"] == first["id"]
    assert second["oauthTokens"][0]["id"] == first["oauthTokens"][0]["id"]
    assert second["oauthTokens"][0]["updatedAt"] > first["oauthTokens"][0]["updatedAt"]
    assert await place.feed() == ["account.connected"]
    await place.api.delete(f"/api/integrations/{first['id']}/disconnect")
    third = (await place.connect("FACEBOOK", only={"page": [default.PAGE]})).json
    assert (third["id"], third["status"]) == (first["id"], "CONNECTED")
    assert await place.feed() == ["account.connected", "account.disconnected", "account.connected"]


FAULTS: list[Any] = [
    (Effect.REFUSE, {"path": "oauth/access_token", "code": 2}, "platform-unreachable"),
    (Effect.RESET, {"path": "oauth/access_token"}, "platform-unreachable"),
    (Effect.RESET, {"path": "me/accounts"}, "platform-unreachable"),
    (Effect.BROKEN, {"path": "me/accounts", "status": 502}, "platform-unreachable"),
    (Effect.REFUSE, {"path": "*/subscribed_apps", "code": 200, "status": 403}, "platform-refused"),
    (Effect.RESET_AFTER, {"path": "*/subscribed_apps"}, "platform-unreachable"),
]


@pytest.mark.parametrize(("effect", "where", "problem"), FAULTS)
async def test_the_platform_fails_in_between(place: Town, effect: Effect, where: Any, problem: str) -> None:
    """Wherever the platform fails, nothing is half-connected, and beginning again connects."""
    begun = await place.begin("FACEBOOK", returnUrl=RETURN_URL)
    location = await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]})
    place.sim.faults.add(Fault(effect=effect, **where))
    assert told(await place.come_back(location))["error"] == problem
    assert await place.accounts() == []
    assert await place.pool.fetchval("SELECT count(*) FROM oauth_tokens") == 0
    assert await place.pool.fetchval("SELECT count(*) FROM account_routes") == 0
    assert (await place.connect("FACEBOOK", only={"page": [default.PAGE]})).status == 200


async def test_where_a_browser_may_go_back_to(place: Town) -> None:
    """Only addresses of the allowed list are gone back to; beginning with another one is refused."""
    for url in (
        "https://evil.example/accounts",
        "https://crm.example.evil.example/",
        "https://crm.example@evil.example/",
        "https://crm.example:8443/accounts",
        "http://crm.example/accounts",
        "javascript:alert(1)",
        "//crm.example/accounts",
        "https://crm.example/../accounts\\@evil.example",
        "https://crm.example\t.evil.example/",
        "",
    ):
        answer = await place.api.post("/api/integrations/FACEBOOK/connect", {"returnUrl": url})
        assert answer.status == 422, url
    for url in (RETURN_URL, "https://crm.example", "https://crm.example/a?b=c&state=x", "http://localhost:5173/x"):
        begun = await place.begin("FACEBOOK", returnUrl=url)
        assert begun["authorizationUrl"].startswith(place.sim.url)


async def test_the_crm_s_own_parameters_stay(place: Town) -> None:
    """What stood in the address to return to is still there, and cannot pass for ours."""
    url = RETURN_URL + "?tab=2&accountId=fake&error=fake"
    answer = await place.connect("FACEBOOK", only={"page": [default.PAGE]}, returnUrl=url)
    (account,) = await place.accounts()
    assert told(answer) == {"tab": "2", "error": "fake", "accountId": account["id"]}
    assert answer.headers["Location"].endswith("#")  # lest the browser keeps the platform's fragment
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_who_may_begin(place: Town) -> None:
    """Members neither begin nor choose; strangers do nothing."""
    member = place.api.of("org-1", Role.MEMBER)
    assert (await member.post("/api/integrations/FACEBOOK/connect", {})).problem == "forbidden"
    assert (await member.get("/api/integrations/connections/x")).problem == "forbidden"
    assert (await place.api.get("/api/integrations/connections/x", headers={})).problem == "unauthenticated"


async def test_an_unknown_login(place: Town) -> None:
    """A page is not connected by Instagram's login."""
    answer = await place.api.post("/api/integrations/FACEBOOK/connect", {"login": "instagram"})
    assert (answer.status, answer.problem) == (422, "invalid")
