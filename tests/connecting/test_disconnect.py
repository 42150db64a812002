"""Disconnecting: at once for everybody here, then at the platform; also when the platform took the account itself."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.connecting.test_by_token import business_token
from tests.connecting.test_token_life import connected, jobs_of, kill
from tests.connecting.town import Town

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Signature
from hookline.providers import PROVIDERS
from hookline.services.ingest import Ingest, events_of
from hookline.simulator import default
from hookline.simulator.faults import Effect, Fault


async def disconnect(place: Town, account: Any) -> None:
    answer = await place.api.delete(f"/api/integrations/{account}/disconnect")
    assert (answer.status, answer.json["status"]) == (200, "DISCONNECTED")


async def tokens_left(place: Town) -> int:
    return int(await place.pool.fetchval("SELECT count(*) FROM oauth_tokens"))


def live_tokens(place: Town) -> int:
    return sum(not token.dead for token in place.sim.world.records.tokens.values())


@pytest.mark.parametrize("provider", ["FACEBOOK", "INSTAGRAM"])
async def test_everything_is_given_back(place: Town, provider: str) -> None:
    """The subscription ends, the consent is given back, the tokens are gone: here and there."""
    account = await connected(place, provider)
    await disconnect(place, account)
    assert await tokens_left(place) == 1
    await place.work()
    assert await tokens_left(place) == 0
    assert live_tokens(place) == 0
    records = place.sim.world.records
    assert not records.pages[default.PAGE].subscribed
    assert not records.instagram_accounts[default.INSTAGRAM_ACCOUNT].subscribed
    assert [job["status"] for job in await jobs_of(place, "DISCONNECT_ACCOUNT")] == ["DONE"]


async def _numbers(place: Town, *names: str) -> list[str]:
    begun = await place.begin("WHATSAPP")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    path = f"/api/integrations/connections/{begun['state']}"
    chosen = await place.api.post(path, {"externalAccountIds": list(names)})
    return [one["id"] for one in chosen.json["accounts"]]


async def test_what_another_account_lives_by_stays(place: Town) -> None:
    """Two numbers share their business account's subscription and consent: both stay until the second one goes."""
    first, second = await _numbers(place, default.PHONE_NUMBER, default.COEXISTENCE_PHONE_NUMBER)
    waba = place.sim.world.records.wabas[default.WABA]
    await disconnect(place, first)
    await place.work()
    assert place.sim.options.app_id in waba.subscribed
    assert live_tokens(place) == 1
    assert await tokens_left(place) == 1
    await disconnect(place, second)
    await place.work()
    assert not waba.subscribed
    assert live_tokens(place) == 0


async def test_a_page_and_the_account_behind_it(place: Town) -> None:
    """Disconnecting the page leaves the subscription that its Instagram account lives by, whoever's that is."""
    page = await connected(place, "FACEBOOK")
    other = place.api.of("org-2")
    assert (await place.connect("INSTAGRAM", other, login="facebook")).status == 200
    await disconnect(place, page)
    await place.work()
    assert place.sim.options.app_id in place.sim.world.records.pages[default.PAGE].subscribed
    (theirs,) = await place.accounts(other)
    assert theirs["status"] == "CONNECTED"
    assert live_tokens(place) > 0


async def test_a_token_that_somebody_brought_is_theirs(place: Town) -> None:
    """A token that was not given to us in a dialog is forgotten, and not revoked."""
    token = business_token(place, wabas=[default.WABA])
    answer = await place.api.post(
        "/api/integrations/WHATSAPP/connect", {"externalAccountId": default.PHONE_NUMBER, "accessToken": token}
    )
    await disconnect(place, answer.json["id"])
    await place.work()
    assert await tokens_left(place) == 0
    assert not place.sim.world.records.tokens[token].dead
    assert not place.sim.world.records.wabas[default.WABA].subscribed


@pytest.mark.parametrize("cause", ["removed", "expired"])
async def test_what_is_gone_already_is_fine(place: Town, cause: str) -> None:
    """If the platform ended everything before us, the tokens are deleted all the same."""
    account = await connected(place)
    kill(place, cause)
    await disconnect(place, account)
    await place.work()
    assert await tokens_left(place) == 0
    assert [job["status"] for job in await jobs_of(place, "DISCONNECT_ACCOUNT")] == ["DONE"]


async def test_a_platform_that_is_away_is_asked_again(place: Town) -> None:
    """The account is disconnected at once; what the platform missed is done when it is back."""
    account = await connected(place)
    place.sim.faults.add(Fault(effect=Effect.RESET, path="me/subscribed_apps"))
    await disconnect(place, account)
    await place.work()
    (job,) = await jobs_of(place, "DISCONNECT_ACCOUNT")
    assert (job["status"], job["attempts"], await tokens_left(place)) == ("PENDING", 1, 1)
    await place.pool.execute("UPDATE integration_jobs SET run_at = now()")
    await place.work()
    assert await tokens_left(place) == 0


async def test_who_connects_again_meanwhile_keeps_everything(place: Town) -> None:
    """A job that comes after the account was connected again touches nothing."""
    account = await connected(place)
    await disconnect(place, account)
    assert (await place.connect("INSTAGRAM")).status == 200
    await place.work()
    assert (await place.accounts())[0]["status"] == "CONNECTED"
    assert await tokens_left(place) == 1
    assert place.sim.world.records.instagram_accounts[default.INSTAGRAM_ACCOUNT].subscribed


async def test_an_account_without_a_token(place: Town) -> None:
    """One that was connected at its word is disconnected without a call."""
    bare = await place.api.post("/api/integrations/FACEBOOK/connect", {"externalAccountId": "1"})
    await disconnect(place, bare.json["id"])
    await place.work()
    assert sum(place.sim.counters.calls.values()) == 0
    assert [job["status"] for job in await jobs_of(place, "DISCONNECT_ACCOUNT")] == ["DONE"]


def removal(at: datetime) -> bytes:
    """The platform says that a business took its number from us."""
    value = {"event": "PARTNER_REMOVED", "waba_info": {"waba_id": default.WABA}}
    change = {"field": "account_update", "value": value}
    entry = {"id": default.WABA, "time": int(at.timestamp()), "changes": [change]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


async def take_in(place: Town, body: bytes) -> None:
    ingest = Ingest(place.pool)
    known = PROVIDERS[IntegrationProvider.WHATSAPP]
    await ingest.store(events_of(known, body, Signature.VERIFIED, organization_hint=None, latest_if_unnamed=False), 1)
    await place.work()


async def test_the_platform_takes_an_account(place: Town) -> None:
    """A removal at the platform disconnects the account here, tells it, and deletes the tokens."""
    (account,) = await _numbers(place, default.PHONE_NUMBER)
    kill(place, "removed")
    await take_in(place, removal(datetime.now(UTC) + timedelta(seconds=1)))
    (found,) = await place.accounts()
    assert (found["id"], found["status"]) == (account, "DISCONNECTED")
    assert await tokens_left(place) == 0
    assert sorted(await place.feed()) == ["account.connected", "account.disconnected", "account.notice"]
    assert await place.pool.fetchval("SELECT count(*) FROM account_routes WHERE live") == 0


async def test_an_old_removal_does_not_end_a_new_connection(place: Town) -> None:
    """A removal that happened before the account was connected, told late or replayed, changes nothing."""
    await _numbers(place, default.PHONE_NUMBER)
    await take_in(place, removal(datetime.now(UTC) - timedelta(hours=1)))
    assert (await place.accounts())[0]["status"] == "CONNECTED"
    assert "account.notice" in await place.feed()


async def test_a_replayed_removal_does_not_end_what_was_connected_since(place: Town) -> None:
    """Replaying the event of a removal leaves the account alone that was connected again after it."""
    (account,) = await _numbers(place, default.PHONE_NUMBER)
    await take_in(place, removal(datetime.now(UTC) + timedelta(seconds=1)))
    await _numbers(place, default.PHONE_NUMBER)
    event = await place.pool.fetchval("SELECT id FROM webhook_events")
    assert (await place.api.post(f"/api/webhook-events/{event}/replay")).status in (200, 202)
    await place.work()
    (found,) = await place.accounts()
    assert (UUID(found["id"]), found["status"]) == (UUID(account), "CONNECTED")
