"""SYNC_ACCOUNT: what the platform says of an account comes into its metadata, and its subscription is seen to."""

from typing import Any
from uuid import UUID

import pytest
from tests.connecting.test_token_life import age, connected, jobs_of, kill, tend
from tests.connecting.town import Town

from hookline.domain.principal import Role
from hookline.simulator import default
from hookline.simulator.faults import Effect, Fault


async def sync(place: Town, account: UUID) -> Any:
    """Ask for it as a member, and let it happen; the account afterwards."""
    answer = await place.api.of("org-1", Role.MEMBER).post(f"/api/integrations/{account}/sync")
    assert answer.status == 202, answer.text
    assert (answer.json["jobType"], answer.json["connectedAccountId"]) == ("SYNC_ACCOUNT", str(account))
    await place.work()
    (found,) = await place.accounts()
    return found


async def number(place: Town) -> UUID:
    begun = await place.begin("WHATSAPP")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    body = {"externalAccountIds": [default.PHONE_NUMBER]}
    chosen = await place.api.post(f"/api/integrations/connections/{begun['state']}", body)
    return UUID(chosen.json["accounts"][0]["id"])


async def test_a_page(place: Town) -> None:
    """A page's new name arrives, and its picture."""
    account = await connected(place, "FACEBOOK")
    place.sim.world.records.pages[default.PAGE].name = "Phone Store and Repair"
    found = await sync(place, account)
    assert found["displayName"] == found["metadata"]["name"] == "Phone Store and Repair"
    assert found["metadata"]["pictureUrl"].startswith("http")
    assert found["metadata"]["subscribed"] is True
    assert found["metadata"]["syncedAt"] > found["createdAt"]


@pytest.mark.parametrize("login", ["instagram", "facebook"])
async def test_an_instagram_account(place: Town, login: str) -> None:
    """Its names and picture arrive, by whichever login it is connected."""
    answer = await place.connect("INSTAGRAM", login=login)
    name = answer.json["externalAccountId"]
    place.sim.world.records.instagram_accounts[name].username = "renamed"
    found = await sync(place, UUID(answer.json["id"]))
    assert found["metadata"]["username"] == "renamed"
    assert found["metadata"]["pictureUrl"].startswith("http")
    assert found["metadata"]["login"] == login


async def test_a_number(place: Town) -> None:
    """Quality, tier and state of a number arrive."""
    account = await number(place)
    phone = place.sim.world.records.phone_numbers[default.PHONE_NUMBER]
    phone.quality = "RED"
    metadata = (await sync(place, account))["metadata"]
    assert metadata["qualityRating"] == "RED"
    assert metadata["messagingLimit"].startswith("TIER_")
    assert metadata["platformType"] == "CLOUD_API"
    assert metadata["wabaId"] == default.WABA


async def test_a_name_that_people_gave_stays(place: Town) -> None:
    """The platform's name does not replace one of the CRM's own."""
    account = await connected(place, "FACEBOOK")
    await place.pool.execute("UPDATE connected_accounts SET display_name = 'Front desk'")
    assert (await sync(place, account))["displayName"] == "Front desk"


async def test_a_subscription_that_ended_silently_is_made_again(place: Town) -> None:
    """What the platform unsubscribed without a word is subscribed again, by the daily look too."""
    await connected(place, "FACEBOOK")
    page = place.sim.world.records.pages[default.PAGE]
    page.subscribed.clear()
    await age(place, days_left=40)
    await tend(place)
    assert "messages" in page.subscribed[place.sim.options.app_id]


async def test_an_account_in_error_that_works_again(place: Town) -> None:
    """If the platform takes the token after all, the account is connected again, and its token looked after."""
    account = await connected(place, "FACEBOOK")
    kill(place, "password")
    await age(place)
    await tend(place)
    assert (await place.accounts())[0]["status"] == "ERROR"
    assert (await sync(place, account))["status"] == "ERROR"
    for token in place.sim.world.records.tokens.values():
        token.dead = ""
    assert (await sync(place, account))["status"] == "CONNECTED"
    assert await place.feed() == ["account.connected", "account.error", "account.connected"]
    assert await place.pool.fetchval("SELECT due_at > now() FROM oauth_tokens")


async def test_a_refused_token_is_noticed(place: Town) -> None:
    """A sync that finds the token dead says so on the account; the job has done what it could."""
    account = await connected(place, "FACEBOOK")
    kill(place, "removed")
    found = await sync(place, account)
    assert found["status"] == "ERROR"
    assert {job["status"] for job in await jobs_of(place, "SYNC_ACCOUNT")} == {"DONE"}


async def test_a_failing_platform_is_asked_again(place: Town) -> None:
    """A passing failure is tried again; one that no repetition mends is not."""
    account = await connected(place, "FACEBOOK")
    place.sim.faults.add(Fault(effect=Effect.RESET, path="*/subscribed_apps"))
    await sync(place, account)
    assert [job["status"] for job in await jobs_of(place, "SYNC_ACCOUNT")] == ["DONE", "PENDING"]
    await place.pool.execute("DELETE FROM integration_jobs")
    place.sim.faults.add(Fault(effect=Effect.REFUSE, path="*/subscribed_apps", code=100))
    await sync(place, account)
    (job,) = await jobs_of(place, "SYNC_ACCOUNT")
    assert job["status"] == "FAILED"
    assert "100" in job["last_error"]


async def test_what_cannot_be_synchronized(place: Town) -> None:
    """An account that is not there, is somebody else's, or is disconnected is refused; one without a token fails."""
    account = await connected(place, "FACEBOOK")
    for path in ("x", str(UUID(int=7))):
        assert (await place.api.post(f"/api/integrations/{path}/sync")).problem == "not-found"
    assert (await place.api.of("org-2").post(f"/api/integrations/{account}/sync")).problem == "not-found"
    await place.api.delete(f"/api/integrations/{account}/disconnect")
    assert (await place.api.post(f"/api/integrations/{account}/sync")).problem == "conflict"
    bare = await place.api.post("/api/integrations/FACEBOOK/connect", {"externalAccountId": "1"})
    await place.api.post(f"/api/integrations/{bare.json['id']}/sync")
    await place.work()
    job = (await jobs_of(place, "SYNC_ACCOUNT"))[-1]
    assert job["status"] == "FAILED"
    assert "no access token" in job["last_error"]
