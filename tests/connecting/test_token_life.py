"""Keeping tokens alive: renewed in time and once, lost with a reason, mended by connecting again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.connecting.test_by_token import business_token
from tests.connecting.town import Town

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.job import IntegrationJobType
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.services import account_jobs
from hookline.services.refresh import ATTENDED_FOR, TokenRefresh
from hookline.services.tokens import credentials
from hookline.services.upkeep import keep_up
from hookline.simulator import default, grants
from hookline.simulator.faults import Effect, Fault
from hookline.store.jobs import Job


async def connected(place: Town, provider: str = "INSTAGRAM") -> UUID:
    """Connect one account, and do what follows from that."""
    only = {"page": [default.PAGE]} if provider == "FACEBOOK" else {}
    answer = await place.connect(provider, only=only)
    assert answer.status == 200, answer.text
    await place.work()
    return UUID(answer.json["id"])


async def age(place: Town, *, days_left: float = 10, days_old: float = 2) -> None:
    """Let all tokens come near their end, and be due."""
    place.sim.behaviour.instagram_refresh_after_seconds = 0
    now = datetime.now(UTC)
    await place.pool.execute(
        "UPDATE oauth_tokens SET updated_at = $1, due_at = $2,"
        " expires_at = CASE WHEN expires_at IS NOT NULL THEN $3::timestamptz END,"
        " refresh_expires_at = CASE WHEN refresh_expires_at IS NOT NULL THEN $3::timestamptz END",
        now - timedelta(days=days_old),
        now - timedelta(seconds=1),
        now + timedelta(days=days_left),
    )


async def tend(place: Town) -> None:
    """Do a round of upkeep, and run what it enqueued."""
    while await keep_up(place.pool, unowned_for=place.worker.unowned_for):
        pass
    await place.work()


async def row(place: Town) -> Any:
    return await place.pool.fetchrow("SELECT * FROM oauth_tokens")


async def status(place: Town) -> tuple[str, str | None]:
    return tuple(await place.pool.fetchrow("SELECT status, last_error FROM connected_accounts"))


async def token_of(place: Town, account_id: UUID) -> str:
    async with place.pool.acquire() as connection:
        return await place.worker.access_token(connection, account_id, "org-1")


def kill(place: Town, cause: str) -> None:
    """Let the platform end every token, without a word."""
    grants.kill_tokens(place.sim.world.records.tokens.values(), cause)


async def jobs_of(place: Town, kind: str) -> list[Any]:
    query = "SELECT * FROM integration_jobs WHERE job_type = $1 ORDER BY seq"
    return list(await place.pool.fetch(query, kind))


async def test_a_token_is_renewed_well_before_it_ends(place: Town) -> None:
    """Weeks before its end a token is exchanged for a later one, which calls go on with."""
    account = await connected(place)
    before, old = await row(place), await token_of(place, account)
    await age(place)
    await tend(place)
    after = await row(place)
    assert after["expires_at"] > before["updated_at"] + timedelta(days=59)
    assert (after["id"], after["generation"]) == (before["id"], before["generation"] + 1)
    assert await token_of(place, account) != old
    assert place.calls("refresh_access_token") == 1
    assert timedelta(hours=20) < after["due_at"] - datetime.now(UTC) < timedelta(hours=25)


@pytest.mark.parametrize(("left", "old"), [(40, 2), (10, 0.5)])
async def test_a_token_is_not_renewed_too_early(place: Town, left: float, old: float) -> None:
    """One that lives long, or is not a day old, is only looked at."""
    await connected(place)
    await age(place, days_left=left, days_old=old)
    await tend(place)
    assert place.calls("refresh_access_token") == 0
    assert (await row(place))["due_at"] > datetime.now(UTC)
    assert (await status(place))[0] == "CONNECTED"


async def test_a_page_s_token_is_renewed_by_its_person_s(place: Town) -> None:
    """A page's token has no end, but the person's that it hangs on has: that one is exchanged in time."""
    await connected(place, "FACEBOOK")
    before = await row(place)
    assert before["expires_at"] is None
    await age(place)
    calls = place.calls("oauth/access_token")
    await tend(place)
    after = await row(place)
    assert after["refresh_expires_at"] > datetime.now(UTC) + timedelta(days=59)
    assert after["refresh_token_encrypted"] != before["refresh_token_encrypted"]
    assert place.calls("oauth/access_token") == calls + 1
    await age(place, days_left=40)
    await tend(place)
    assert place.calls("oauth/access_token") == calls + 1


async def test_a_person_s_token_that_cannot_be_prolonged_is_no_loss(place: Town) -> None:
    """If the person's token has died, the page's own goes on as long as the platform takes it."""
    await connected(place, "FACEBOOK")
    for token in place.sim.world.records.tokens.values():
        if token.kind.value == "USER":
            token.dead = "expired"
    await age(place)
    await tend(place)
    assert await status(place) == ("CONNECTED", None)


async def test_two_workers_call_the_platform_once(place: Town) -> None:
    """However many processes come to renew the same token at once, one calls."""
    account = await connected(place)
    await age(place)
    place.sim.faults.add(Fault(effect=Effect.SLOW, path="refresh_access_token", seconds=0.3, times=0))
    job = await _job(place, account)
    workers = [TokenRefresh(place.pool, place.worker.vault, place.worker.accounts) for _ in range(4)]
    await asyncio.gather(*(worker(job) for worker in workers))
    assert place.calls("refresh_access_token") == 1
    assert (await row(place))["generation"] == 2


async def _job(place: Town, account: UUID) -> Job:
    async with place.pool.acquire() as connection:
        return await account_jobs.enqueue(
            connection, IntegrationJobType.REFRESH_TOKEN, IntegrationProvider.INSTAGRAM, "org-1", account
        )


async def test_a_worker_that_died_in_it_does_not_hold_the_token(place: Town) -> None:
    """Who took the right to renew and never came back loses it after a while."""
    account = await connected(place)
    await age(place)
    await place.pool.execute("UPDATE oauth_tokens SET attended_until = now() + $1::interval", ATTENDED_FOR)
    refresh = TokenRefresh(place.pool, place.worker.vault, place.worker.accounts)
    await refresh(await _job(place, account))
    assert place.calls("refresh_access_token") == 0
    await place.pool.execute("UPDATE oauth_tokens SET attended_until = now() - interval '1 second'")
    await refresh(await _job(place, account))
    assert place.calls("refresh_access_token") == 1


async def test_a_consent_during_a_renewal_wins(place: Town) -> None:
    """If somebody connects again while the old token is being renewed, the new consent's token stays."""
    account = await connected(place)
    await age(place)
    place.sim.faults.add(Fault(effect=Effect.SLOW, path="refresh_access_token", seconds=0.6))
    refresh = TokenRefresh(place.pool, place.worker.vault, place.worker.accounts)
    renewing = asyncio.create_task(refresh(await _job(place, account)))
    await asyncio.sleep(0.2)
    assert (await place.connect("INSTAGRAM")).status == 200
    mine = await token_of(place, account)
    await renewing
    assert await token_of(place, account) == mine
    assert (await row(place))["generation"] == 2


@pytest.mark.parametrize(
    ("provider", "cause", "code"),
    [("INSTAGRAM", "removed", "190/458"), ("FACEBOOK", "password", "190/460"), ("WHATSAPP", "removed", "190/458")],
)
async def test_a_lost_token_puts_the_account_into_error(place: Town, provider: str, cause: str, code: str) -> None:
    """When the platform has ended a token, the account says so once, and nobody calls with it any more."""
    if provider == "WHATSAPP":
        account = await _number(place)
    else:
        account = await connected(place, provider)
    kill(place, cause)
    await age(place)
    await tend(place)
    (shown,) = await place.accounts()
    assert shown["status"] == "ERROR"
    assert code in shown["lastError"]
    assert "Connect the account again" in shown["lastError"]
    assert (await row(place))["due_at"] is None
    calls = sum(place.sim.counters.calls.values())
    await tend(place)
    assert sum(place.sim.counters.calls.values()) == calls
    assert await place.feed() == ["account.connected", "account.error"]
    assert [job["status"] for job in await jobs_of(place, "REFRESH_TOKEN")] == ["DONE"]
    with pytest.raises(ProviderError) as raised:
        await token_of(place, account)
    assert raised.value.error_class is ErrorClass.REAUTHORIZE
    assert code in str(raised.value)


async def _number(place: Town) -> UUID:
    begun = await place.begin("WHATSAPP")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    body = {"externalAccountIds": [default.PHONE_NUMBER]}
    chosen = await place.api.post(f"/api/integrations/connections/{begun['state']}", body)
    await place.work()
    return UUID(chosen.json["accounts"][0]["id"])


async def test_connecting_again_mends_it(place: Town) -> None:
    """A new consent brings the account back under its id, tells it, and the tokens are looked after again."""
    account = await connected(place)
    kill(place, "removed")
    await age(place)
    await tend(place)
    answer = await place.connect("INSTAGRAM")
    assert (answer.status, answer.json["id"], answer.json["status"]) == (200, str(account), "CONNECTED")
    assert answer.json["lastError"] is None
    assert await place.feed() == ["account.connected", "account.error", "account.connected"]
    assert (await token_of(place, account)).startswith("IGAA")
    assert (await row(place))["due_at"] is not None


@pytest.mark.parametrize("mend", ["connect", "sync"])
async def test_what_waited_for_its_account_is_sent_as_soon_as_that_is_mended(place: Town, mend: str) -> None:
    """A message that met a dead token goes out as soon as its account is connected again, or found well."""
    by_token = {"externalAccountId": default.PHONE_NUMBER, "accessToken": business_token(place, wabas=[default.WABA])}
    path = "/api/integrations/WHATSAPP/connect"
    account = (await place.api.post(path, by_token)).json["id"]
    await place.work()
    tokens = [one for one in place.sim.world.records.tokens.values() if not one.dead]
    kill(place, "removed")
    template = {"name": "hello_world", "language": "en_US"}
    ids = []
    for to in ("+15550002001", "+15550002001", "+201000002003"):
        body = {"accountId": account, "to": to, "type": "template", "template": template}
        answer = await place.api.post("/api/messages", body)
        assert answer.status == 202, answer.text
        ids.append(answer.json["id"])
    await place.work()
    assert (await status(place))[0] == "ERROR"
    assert await _statuses(place, ids) == ["QUEUED"] * 3
    calls = place.calls("messages")
    if mend == "connect":
        answer = await place.api.post(path, {**by_token, "accessToken": business_token(place, wabas=[default.WABA])})
        assert (answer.status, answer.json["id"]) == (200, account)
    else:
        for one in tokens:
            one.dead = ""
        assert (await place.api.post(f"/api/integrations/{account}/sync")).status == 202
    await place.work()
    await place.work()
    assert (await status(place))[0] == "CONNECTED"
    assert await _statuses(place, ids) == ["SENT"] * 3
    assert place.calls("messages") == calls + 3


async def _statuses(place: Town, ids: list[str]) -> list[str]:
    return [(await place.api.get(f"/api/messages/{one}")).json["status"] for one in ids]


async def test_a_refusal_in_the_middle_of_work(place: Town) -> None:
    """A refused token that another one has replaced says nothing; one that is still in use is the end of it, once."""
    account = await connected(place)
    stale = await token_of(place, account)
    await place.connect("INSTAGRAM")
    error = ProviderError(ErrorClass.REAUTHORIZE, "190/463", "the session has expired")

    async def note(used: str | None, error: ProviderError = error) -> bool:
        async with place.pool.acquire() as connection, connection.transaction():
            return await place.worker.note_refusal(connection, account, "org-1", error, used)

    assert not await note(stale)
    assert not await note(None, ProviderError(ErrorClass.WAIT, "4", "slow down"))
    assert (await status(place))[0] == "CONNECTED"
    current = await token_of(place, account)
    assert await asyncio.gather(note(current), note(current), note(None)) in (
        [True, False, False],
        [False, True, False],
        [False, False, True],
    )
    assert (await status(place))[0] == ConnectedAccountStatus.ERROR
    assert await place.feed() == ["account.connected", "account.error"]


@pytest.mark.parametrize("effect", [Effect.RESET, Effect.BROKEN])
async def test_a_platform_that_is_away_is_asked_again(place: Town, effect: Effect) -> None:
    """A call that fails for a passing reason is tried again later, and the account stays connected."""
    await connected(place)
    await age(place)
    place.sim.faults.add(Fault(effect=effect, path="refresh_access_token", status=502))
    await tend(place)
    (job,) = await jobs_of(place, "REFRESH_TOKEN")
    assert (job["status"], job["attempts"]) == ("PENDING", 1)
    assert await status(place) == ("CONNECTED", None)
    assert (await row(place))["attended_until"] is None
    await place.pool.execute("UPDATE integration_jobs SET run_at = now()")
    await tend(place)
    assert [job["status"] for job in await jobs_of(place, "REFRESH_TOKEN")] == ["DONE"]
    assert (await row(place))["generation"] == 2


async def test_a_platform_that_asks_to_wait_is_waited_for(place: Town) -> None:
    """A rate limit uses no attempt."""
    await connected(place)
    await age(place)
    place.sim.faults.add(Fault(effect=Effect.REFUSE, path="refresh_access_token", code=4))
    await tend(place)
    (job,) = await jobs_of(place, "REFRESH_TOKEN")
    assert (job["status"], job["attempts"]) == ("PENDING", 0)
    assert job["run_at"] > datetime.now(UTC)
    assert await status(place) == ("CONNECTED", None)


async def test_a_wrong_secret_of_our_own_is_no_account_s_fault(place: Town) -> None:
    """If the platform refuses the app itself, no account falls into ERROR for it; the job says what to mend."""
    await connected(place, "FACEBOOK")
    place.sim.world.records.apps[place.sim.options.app_id].secret = "rotated-over-there"
    await age(place, days_left=40)
    await tend(place)
    assert await status(place) == ("CONNECTED", None)
    (job,) = await jobs_of(place, "REFRESH_TOKEN")
    assert job["status"] == "FAILED"
    assert await place.feed() == ["account.connected"]


async def test_a_failing_job_makes_no_others(place: Town) -> None:
    """While a token's job waits for its retry, upkeep adds none beside it."""
    await connected(place)
    await age(place)
    place.sim.faults.add(Fault(effect=Effect.RESET, path="refresh_access_token", times=0))
    for _ in range(5):
        await tend(place)
    assert len(await jobs_of(place, "REFRESH_TOKEN")) == 1


async def test_a_disconnected_account_s_token_is_left_alone(place: Town) -> None:
    """What was disconnected is not looked after."""
    account = await connected(place)
    await place.api.delete(f"/api/integrations/{account}/disconnect")
    await age(place)
    await keep_up(place.pool, unowned_for=place.worker.unowned_for)
    assert await jobs_of(place, "REFRESH_TOKEN") == []


async def test_the_tokens_of_a_worker_come_from_the_database(place: Town) -> None:
    """What the worker decrypts is what the API encrypted, in all its parts."""
    account = await connected(place, "FACEBOOK")
    async with place.pool.acquire() as connection:
        found = await credentials(connection, place.worker.vault, "org-1", account)
    assert found is not None
    tokens = place.sim.world.records.tokens
    mine = found[1]
    assert tokens[mine.access_token].kind.value == "PAGE"
    assert mine.refresh_token is not None
    assert tokens[mine.refresh_token].kind.value == "USER"
    assert mine.user_id == default.OWNER
    assert mine.by_consent
