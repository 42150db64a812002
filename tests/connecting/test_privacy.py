"""Somebody removes the app, or wants their data deleted: what becomes of their accounts and their words."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from tests.connecting.test_secrecy import dump
from tests.connecting.test_token_life import connected
from tests.connecting.town import Town
from tests.services import bodies

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Signature
from hookline.domain.privacy import PersonCallback, PrivacyRequestKind
from hookline.providers import PROVIDERS
from hookline.services import privacy
from hookline.services.ingest import Ingest, events_of
from hookline.services.privacy_intake import take
from hookline.simulator import default

APP_SCOPED = "25100000000000001"  # of the Instagram account's owner


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PASS_DELAY", "_TOKENS_DELAY"):
        monkeypatch.setattr(privacy, name, timedelta(0))


@pytest.fixture
async def told(place: Town) -> Town:
    """A town whose platforms know where to call."""
    subscribed = {"callbackBase": f"{place.api.url}/api/webhooks", "verify": False}
    await control(place, "subscribe", subscribed)
    return place


async def control(place: Town, what: str, body: Any) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{place.sim.url}/control/{what}", json=body) as answer,
    ):
        text = await answer.text()
        assert answer.status == 200, text
        return json.loads(text)


async def statuses(place: Town) -> dict[str, str]:
    records = await place.pool.fetch("SELECT organization_id, provider, status FROM connected_accounts")
    return {f"{one['organization_id']} {one['provider']}": one["status"] for one in records}


async def tokens(place: Town) -> int:
    return int(await place.pool.fetchval("SELECT count(*) FROM oauth_tokens"))


async def take_in(place: Town, body: bytes, provider: IntegrationProvider = IntegrationProvider.INSTAGRAM) -> None:
    known = PROVIDERS[provider]
    rows = events_of(known, body, Signature.VERIFIED, organization_hint=None, latest_if_unnamed=False)
    await Ingest(place.pool).store(rows, len(body))
    await place.work()


async def test_whoever_removes_the_app_lets_go_of_their_accounts(told: Town) -> None:
    """In every organization: DISCONNECTED, tokens deleted, and the CRM is told why. Another login's stay."""
    await connected(told, "FACEBOOK")
    other = told.api.of("org-2")
    assert (await told.connect("INSTAGRAM", other, login="facebook")).status == 200
    whatsapp = await told.api.of("org-3").post("/api/integrations/WHATSAPP/connect", {"externalAccountId": "1"})
    assert whatsapp.status == 201
    answered = await control(told, "remove-app", {"user": default.OWNER})
    assert (answered["status"], json.loads(answered["answer"])) == (200, {"status": "received"})
    assert set((await statuses(told)).values()) == {"CONNECTED"}
    await told.work()
    assert await statuses(told) == {
        "org-1 FACEBOOK": "DISCONNECTED",
        "org-2 INSTAGRAM": "DISCONNECTED",
        "org-3 WHATSAPP": "CONNECTED",
    }
    assert await tokens(told) == 0
    (shown,) = await told.accounts()
    assert shown["lastError"] == privacy.REASON
    records = await told.pool.fetch("SELECT organization_id, data FROM outbox WHERE type = 'account.disconnected'")
    assert {one["organization_id"] for one in records} == {"org-1", "org-2"}
    assert all(json.loads(one["data"])["account"]["lastError"] == privacy.REASON for one in records)


async def test_by_instagram_login_too(told: Town) -> None:
    """By that app's secret and ids; the accounts behind pages are another app's."""
    await connected(told, "INSTAGRAM")
    await connected(told, "FACEBOOK")
    assert (await control(told, "remove-app", {"account": default.INSTAGRAM_ACCOUNT}))["status"] == 200
    await told.work()
    assert await statuses(told) == {"org-1 INSTAGRAM": "DISCONNECTED", "org-1 FACEBOOK": "CONNECTED"}
    assert await tokens(told) == 1


@pytest.mark.parametrize("forged", [{"tamper": True}, {"algorithm": "none"}])
async def test_a_forged_callback_changes_nothing(told: Town, forged: Any) -> None:
    """It is refused, and nothing is stored."""
    await connected(told, "FACEBOOK")
    answered = await control(told, "request-deletion", {"user": default.OWNER, **forged})
    assert answered["status"] == (401 if "tamper" in forged else 400)
    await told.work()
    assert await statuses(told) == {"org-1 FACEBOOK": "CONNECTED"}
    assert await told.pool.fetchval("SELECT count(*) FROM privacy_requests") == 0


async def test_who_connects_again_keeps_the_new_connection(told: Town) -> None:
    """A callback that comes late, or is played again, ends nothing that was connected after it was issued."""
    account = await connected(told, "INSTAGRAM")
    earlier = datetime.now(UTC) - timedelta(hours=1)
    callback = PersonCallback(user_id=APP_SCOPED, issued_at=earlier, digest=b"1")
    provider = PROVIDERS[IntegrationProvider.INSTAGRAM]
    for kind in (PrivacyRequestKind.DEAUTHORIZE, PrivacyRequestKind.DATA_DELETION):
        await take(told.pool, kind, provider, callback)
        await told.work()
    (shown,) = await told.accounts()
    assert (UUID(shown["id"]), shown["status"], shown["metadata"]["appScopedId"]) == (account, "CONNECTED", APP_SCOPED)
    assert await tokens(told) == 1


async def test_a_deletion_leaves_nothing_of_the_person(told: Town) -> None:
    """Owner of an account, and known in two organizations as somebody who wrote: gone; and their neighbour not."""
    await connected(told, "INSTAGRAM")
    other = told.api.of("org-2")
    answer = await other.post("/api/integrations/INSTAGRAM/connect", {"externalAccountId": "17841499999999999"})
    assert answer.status == 201
    for account in (default.INSTAGRAM_ACCOUNT, "17841499999999999"):
        for person, text in ((APP_SCOPED, "words-of-theirs"), ("1789", "words-of-others")):
            said = {"mid": f"m-{account}-{person}", "text": f"{text} at {account}"}
            await take_in(
                told, bodies.messaging(bodies.item(person, account, message=said), account=account, name="instagram")
            )
    before = await dump(told.pool)
    assert before.count("words-of-theirs") > 4
    name = told.sim.world.records.instagram_accounts[default.INSTAGRAM_ACCOUNT].username
    assert name in before
    answered = await control(told, "request-deletion", {"account": default.INSTAGRAM_ACCOUNT})
    assert answered["status"] == 200, answered
    code = json.loads(answered["answer"])["confirmation_code"]
    for _ in range(5):
        await told.work()
    shown = await told.api.get(f"/api/data-deletion/{code}", headers={"Accept": "application/json"})
    assert shown.json["status"] == "DONE"
    after = await dump(told.pool)
    for gone in (APP_SCOPED, "words-of-theirs", name):
        assert gone not in after, [line for line in after.splitlines() if gone in line]
    assert after.count("words-of-others") == before.count("words-of-others")
    assert await statuses(told) == {"org-1 INSTAGRAM": "DISCONNECTED", "org-2 INSTAGRAM": "CONNECTED"}
    assert await tokens(told) == 0


async def test_tokens_that_cannot_be_given_back_are_deleted_all_the_same(
    told: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deletion waits for the job that gives them back, but not for ever."""
    await connected(told, "FACEBOOK")
    await control(told, "request-deletion", {"user": default.OWNER})
    await told.pool.execute("UPDATE oauth_tokens SET access_token_encrypted = 'broken'")
    monkeypatch.setattr(privacy, "_TOKENS_DELAY", timedelta(minutes=1))
    await told.work()
    assert await tokens(told) == 1
    assert await told.pool.fetchval("SELECT status FROM privacy_requests") == "UNDERWAY"
    await told.pool.execute("UPDATE privacy_requests SET received_at = now() - interval '2 hours'")
    await told.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE job_type = 'PRIVACY_REQUEST'")
    await told.work()
    assert await tokens(told) == 0
    assert await told.pool.fetchval("SELECT status FROM privacy_requests") == "DONE"


async def test_nobody_known_is_done_at_once(told: Town) -> None:
    """A person of whom there is nothing is answered, and done."""
    await control(told, "request-deletion", {"user": default.OWNER})
    await asyncio.gather(told.work(), told.work())
    assert await told.pool.fetchval("SELECT status FROM privacy_requests") == "DONE"
