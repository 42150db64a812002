"""FETCH_PROFILE: who somebody is, asked of the platform once, and what becomes of it when it does not say."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from tests.connecting.test_token_life import connected, kill
from tests.connecting.town import Town
from tests.services import bodies

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Signature
from hookline.domain.job import IntegrationJobType
from hookline.providers import PROVIDERS
from hookline.services import account_jobs
from hookline.services.ingest import Ingest, events_of
from hookline.simulator.faults import Effect, Fault

PERSON = "ann"


async def account_of(place: Town, provider: str, login: str | None = None) -> str:
    """Connect an account; the platform's id of it."""
    if login is None:
        await connected(place, provider)
    else:
        await place.connect(provider, login=login)
    (account,) = await place.accounts()
    return str(account["externalAccountId"])


async def write(place: Town, provider: str, account: str, person: str = PERSON, mid: str = "m1") -> str:
    """Let a person write, and do what follows from that; the id that the account knows them by."""
    node = place.sim.world.node(account)
    assert node is not None
    scoped = place.sim.world.scoped_id(place.sim.world.records.contacts[person], account)
    item = bodies.item(scoped, account, message={"mid": mid, "text": "Hello"})
    body = bodies.messaging(item, account=account, name="instagram" if provider == "INSTAGRAM" else "page")
    known = PROVIDERS[IntegrationProvider(provider)]
    rows = events_of(known, body, Signature.VERIFIED, organization_hint=None, latest_if_unnamed=False)
    await Ingest(place.pool).store(rows, len(body))
    await place.work()
    return scoped


async def contact(place: Town) -> Any:
    """The only contact, as the API shows it."""
    (found,) = (await place.api.get("/api/contacts")).json["items"]
    return found


async def fetches(place: Town) -> list[tuple[str, int]]:
    """The jobs: status and attempts."""
    rows = await place.pool.fetch("SELECT status, attempts FROM integration_jobs WHERE job_type = 'FETCH_PROFILE'")
    return [(row["status"], row["attempts"]) for row in rows]


async def told(place: Town) -> list[str]:
    """What the feed says of contacts."""
    rows = await place.pool.fetch("SELECT type FROM outbox WHERE type LIKE 'contact.%' ORDER BY tx_id, seq")
    return [row["type"] for row in rows]


async def again(place: Town) -> None:
    """Ask for the profile again, as the next message after long would."""
    found = await contact(place)
    async with place.pool.acquire() as connection:
        await account_jobs.enqueue(
            connection,
            IntegrationJobType.FETCH_PROFILE,
            IntegrationProvider(found["provider"]),
            "org-1",
            UUID(found["connectedAccountId"]),
            {"contactId": found["id"]},
        )
    await place.work()


@pytest.mark.parametrize(
    ("provider", "login", "name", "username"),
    [
        ("FACEBOOK", None, "Ann Archer", None),
        ("INSTAGRAM", "instagram", "Ann Archer", "ann.archer"),
        ("INSTAGRAM", "facebook", "Ann Archer", "ann.archer"),
    ],
)
async def test_somebody_who_writes_gets_a_name(
    place: Town, provider: str, login: str | None, name: str, username: str | None
) -> None:
    """And a picture, by whichever login; conversation and message show it."""
    account = await account_of(place, provider, login)
    scoped = await write(place, provider, account)
    found = await contact(place)
    assert (found["externalId"], found["name"], found["username"]) == (scoped, name, username)
    assert found["pictureUrl"].startswith("http")
    assert (found["profileStatus"], found["profileError"]) == ("FETCHED", None)
    assert await told(place) == ["contact.created", "contact.updated"]
    (conversation,) = (await place.api.get("/api/conversations")).json["items"]
    assert (conversation["name"], conversation["contactId"]) == (name, found["id"])
    (message,) = (await place.api.get("/api/messages")).json["items"]
    assert message["contactName"] == conversation["lastMessage"]["contactName"] == name


async def test_a_profile_that_is_the_same_is_no_news(place: Town) -> None:
    """Asked for again, it is told only if it changed."""
    account = await account_of(place, "FACEBOOK")
    await write(place, "FACEBOOK", account)
    await again(place)
    assert await told(place) == ["contact.created", "contact.updated"]
    place.sim.world.records.contacts[PERSON].last_name = "Baker"
    await again(place)
    assert (await contact(place))["name"] == "Ann Baker"
    assert (await told(place))[2:] == ["contact.updated"]


@pytest.mark.parametrize(("provider", "code"), [("FACEBOOK", "100/2018218"), ("INSTAGRAM", "230")])
async def test_who_gives_no_consent_is_left_alone(place: Town, provider: str, code: str) -> None:
    """It is noted why; the job is done, the account stays connected, and the next message asks nothing."""
    account = await account_of(place, provider)
    await write(place, provider, account, "closed")
    found = await contact(place)
    assert (found["profileStatus"], found["name"]) == ("REFUSED", None)
    assert found["profileError"].startswith(f"{code}: ")
    assert await fetches(place) == [("DONE", 0)]
    await write(place, provider, account, "closed", mid="m2")
    assert len(await fetches(place)) == 1
    (account_now,) = await place.accounts()
    assert account_now["status"] == "CONNECTED"
    assert await told(place) == ["contact.created"]


async def test_who_is_gone_keeps_what_was_known(place: Town) -> None:
    """The name stays, and it is noted that the platform does not say it any more."""
    account = await account_of(place, "INSTAGRAM")
    await write(place, "INSTAGRAM", account)
    place.sim.world.records.contacts[PERSON].profile_open = False
    await again(place)
    found = await contact(place)
    assert (found["profileStatus"], found["name"]) == ("REFUSED", "Ann Archer")


async def test_a_platform_that_is_busy_is_asked_later(place: Town) -> None:
    """A temporary refusal is an attempt like any other, and nothing is noted of the person."""
    account = await account_of(place, "FACEBOOK")
    place.sim.faults.add(Fault(effect=Effect.REFUSE, method="GET", contains="first_name", code=2))
    await write(place, "FACEBOOK", account)
    assert (await contact(place))["profileStatus"] is None
    assert (await fetches(place))[0][0] == "PENDING"
    await place.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE status = 'PENDING'")
    await place.work()
    assert (await contact(place))["name"] == "Ann Archer"


async def test_a_lost_token_puts_the_account_into_error(place: Town) -> None:
    """As any call does; the person is asked for when the account is back."""
    account = await account_of(place, "FACEBOOK")
    kill(place, "removed")
    await write(place, "FACEBOOK", account)
    (account_now,) = await place.accounts()
    assert account_now["status"] == "ERROR"
    assert (await contact(place))["profileStatus"] is None


async def test_whoever_was_deleted_meanwhile_stays_so(place: Town) -> None:
    """The answer about them is dropped."""
    account = await account_of(place, "FACEBOOK")
    fault = place.sim.faults.add(Fault(effect=Effect.SLOW, method="GET", contains="first_name", seconds=0.5))
    writing = asyncio.create_task(write(place, "FACEBOOK", account))
    async with asyncio.timeout(20):
        while not fault.hits:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
    await place.pool.execute("DELETE FROM contact_ids")
    await place.pool.execute("DELETE FROM contacts")
    await writing
    assert (await place.api.get("/api/contacts")).json["items"] == []
    assert (await fetches(place))[0][0] == "DONE"


async def test_who_asks_for_nobody_is_told_so(place: Town) -> None:
    """A job that names no contact fails for good; one of somebody who is not there is done."""
    await account_of(place, "FACEBOOK")
    async with place.pool.acquire() as connection:
        for payload in ({}, {"contactId": "x"}, {"contactId": str(UUID(int=7))}):
            await account_jobs.enqueue(
                connection,
                IntegrationJobType.FETCH_PROFILE,
                IntegrationProvider.FACEBOOK,
                "org-1",
                UUID(int=1),
                payload,
            )
    await place.work()
    assert sorted(status for status, _ in await fetches(place)) == ["DONE", "FAILED", "FAILED"]
