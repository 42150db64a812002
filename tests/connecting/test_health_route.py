"""Asking about an account's health: who may, how often the platform is asked, how long it takes, what is not known."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from tests.connecting.clinic import Clinic, by_name, place

from hookline.bootstrap import make_examiner
from hookline.domain.errors import Unavailable
from hookline.domain.health import Finding, Severity
from hookline.domain.principal import Role
from hookline.providers.http import HttpClient
from hookline.services import health as service
from hookline.services.handshake import shake_hands
from hookline.services.health import Examiner, RecentReports
from hookline.simulator import grants
from hookline.simulator.faults import Effect, Fault

__all__ = ["place"]


def examiner(place: Clinic, **settings: str) -> Examiner:
    """The API's examiner, with other settings of the platforms."""
    context = place.context
    platforms = {**context.platforms, **settings}
    return make_examiner(context.settings, context.pool, context.vault, context.http, platforms)


async def findings(examines: Examiner, account_id: str) -> dict[str, Finding]:
    return {one.name: one for one in (await examines.examine("org-1", UUID(account_id))).findings}


async def test_who_may_ask(place: Clinic) -> None:
    """A member may; for everybody else there is no such account, whoever they are to their own organization."""
    account_id = await place.connect("FACEBOOK")
    path = f"/api/integrations/{account_id}/health"
    assert (await place.api.get(path)).status == 200
    assert (await place.api.of("org-2", Role.OWNER).get(path)).problem == "not-found"
    assert (await place.api.get(path, headers={})).problem == "unauthenticated"
    headers = {"X-Organization-Id": "org-2"}
    for name in ("x", str(uuid4()), "%00", f"{account_id}%20"):
        assert (await place.api.get(f"/api/integrations/{name}/health")).problem == "not-found"
    assert (await place.api.get(path, headers=headers)).status == 401


async def test_another_tenant_asks_first_or_after(place: Clinic) -> None:
    """What was found for one organization is given to no other, however fresh it is."""
    account_id = await place.connect("FACEBOOK")
    path = f"/api/integrations/{account_id}/health"
    asked = [place.api.of("org-2").get(path), place.api.get(path), place.api.of("org-2").get(path)]
    assert [answer.status for answer in await asyncio.gather(*asked)] == [404, 200, 404]


async def test_the_platform_is_not_hammered(place: Clinic) -> None:
    """Many who ask at once, and again, are given one answer, for which the platform was asked once."""
    account_id = await place.connect("FACEBOOK")
    before = place.calls("debug_token")
    reports = await asyncio.gather(*(place.health(account_id) for _ in range(8)))
    reports.append(await place.health(account_id))
    assert place.calls("debug_token") == before + 1
    assert len({report["checkedAt"] for report in reports}) == 1


async def test_an_old_answer_is_not_given(place: Clinic) -> None:
    """After some seconds the platform is asked anew, and what was mended meanwhile is seen."""
    account_id = await place.connect("FACEBOOK")
    reports = RecentReports(examiner(place), fresh_seconds=0)
    place.sim.faults.add(Fault(effect=Effect.REFUSE, path="debug_token", code=4))
    first = await reports.of("org-1", UUID(account_id))
    second = await reports.of("org-1", UUID(account_id))
    told = [next(one.severity for one in report.findings if one.name == "token") for report in (first, second)]
    assert told == [Severity.WARNING, Severity.OK]


async def test_who_leaves_does_not_end_it_for_others(place: Clinic) -> None:
    """A caller that goes away in the middle leaves the others their answer."""
    account_id = await place.connect("FACEBOOK")
    place.sim.faults.add(Fault(effect=Effect.SLOW, path="debug_token", seconds=0.5))
    reports = RecentReports(examiner(place))
    leaving = asyncio.create_task(reports.of("org-1", UUID(account_id)))
    staying = asyncio.create_task(reports.of("org-1", UUID(account_id)))
    await asyncio.sleep(0.1)
    leaving.cancel()
    assert (await staying).account.id == UUID(account_id)
    await reports.close()


async def test_no_crowd_of_accounts(place: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many accounts are examined at once; who waits too long is told to come again."""
    account_id = await place.connect("FACEBOOK")
    monkeypatch.setattr(service, "SIDE_BY_SIDE", 1)
    monkeypatch.setattr(service, "TIME_LIMIT_SECONDS", 0.2)
    place.sim.faults.add(Fault(effect=Effect.SLOW, path="debug_token", seconds=0.8))
    reports = RecentReports(examiner(place))
    first = asyncio.create_task(reports.of("org-1", UUID(account_id)))
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable):
        await reports.of("org-2", UUID(account_id))
    assert (await first).findings
    await reports.close()


async def test_a_platform_that_is_down(place: Clinic) -> None:
    """What cannot be looked at is said, once and by name, and nothing of it is called ok."""
    account_id = await place.connect("WHATSAPP")
    place.sim.faults.add(Fault(effect=Effect.RESET, path="*", times=0))
    report = await place.health(account_id)
    found = by_name(report)
    assert found["platform"]["severity"] == report["status"] == "problem"
    assert found["platform"]["found"].endswith("not looked at: token, subscription, app-subscription, registration")
    assert "status page" in found["platform"]["mend"]
    assert not {"token", "permissions", "subscription", "clock", "quality"} & found.keys()
    assert found["handshake"]["severity"] == "ok"


async def test_a_platform_that_hangs(place: Clinic) -> None:
    """It takes no longer than it may; what was answered by then is told, and what was not is told as that."""
    account_id = await place.connect("FACEBOOK")
    place.sim.faults.add(Fault(effect=Effect.SLOW, path="debug_token", seconds=30))
    begun = time.monotonic()
    found = await findings(msgspec.structs.replace(examiner(place), seconds=1.0), account_id)
    assert time.monotonic() - begun < 5
    assert "no answer within 1 s" in found["platform"].found
    assert found["platform"].found.endswith("not looked at: token")
    assert found["subscription"].severity is Severity.OK


async def test_without_an_app(place: Clinic) -> None:
    """Where no app is set, what only an app may ask is said not to be known; the number itself is looked at."""
    account_id = await place.connect("WHATSAPP")
    found = await findings(examiner(place, META_APP_ID=""), account_id)
    assert found["app"].severity is Severity.WARNING
    assert "HOOKLINE_META_APP_ID" in (found["app"].mend or "")
    assert not {"token", "subscription", "app-subscription"} & found.keys()
    assert found["quality"].severity is Severity.OK


async def test_without_a_whatsapp_account(place: Clinic) -> None:
    """Of a number whose account nobody has named, the subscription is said not to be known."""
    account_id = await place.connect("WHATSAPP")
    await place.execute("UPDATE connected_accounts SET metadata = '{}'")
    one = by_name(await place.health(account_id))["subscription"]
    assert (one["severity"], "not known here" in one["found"], "wabaId" in one["mend"]) == ("warning", True, True)


async def test_a_disconnected_account(place: Clinic) -> None:
    """It can be asked about, and nobody calls the platform for it."""
    account_id = await place.connect("FACEBOOK")
    await place.owner.delete(f"/api/integrations/{account_id}/disconnect")
    calls = sum(place.sim.counters.calls.values())
    report = await place.health(account_id)
    assert by_name(report)["account"]["severity"] == report["status"] == "warning"
    assert "disconnected" in by_name(report)["account"]["found"]
    assert sum(place.sim.counters.calls.values()) == calls


async def test_an_account_in_error(place: Clinic) -> None:
    """Its reason is told, and the platform is asked all the same: it may be mended by now."""
    account_id = await place.connect("FACEBOOK")
    await place.execute("UPDATE connected_accounts SET status = 'ERROR', last_error = 'The platform said no: 190/460'")
    found = by_name(await place.health(account_id))
    assert (found["account"]["severity"], found["token"]["severity"]) == ("problem", "ok")
    assert "190/460" in found["account"]["found"]


async def test_an_account_without_a_token(place: Clinic) -> None:
    """It says so, and what can be looked at without one is looked at."""
    answer = await place.owner.post("/api/integrations/WHATSAPP/connect", {"externalAccountId": "1"})
    found = by_name(await place.health(answer.json["id"]))
    assert found["token"]["severity"] == "problem"
    assert "no access token" in found["token"]["found"]
    assert found["handshake"]["severity"] == "ok"


async def test_a_token_that_no_key_opens(place: Clinic) -> None:
    """A row that came from elsewhere does not decrypt, which is a finding and no failure."""
    account_id = await place.connect("FACEBOOK")
    other = await place.connect("INSTAGRAM")
    await place.execute(
        "UPDATE oauth_tokens SET access_token_encrypted ="
        " (SELECT t.access_token_encrypted FROM oauth_tokens t WHERE t.connected_account_id = $1)",
        UUID(other),
    )
    one = by_name(await place.health(account_id))["token"]
    assert (one["severity"], "cannot be decrypted" in one["found"]) == ("problem", True)


async def test_pauses_and_silence(place: Clinic) -> None:
    """A paused account, and one that has been silent for long, are told, each with what to do."""
    account_id = await place.connect("FACEBOOK")
    await place.owner.post(f"/api/integrations/{account_id}/pause")
    await place.execute(
        "UPDATE connected_accounts SET connected_at = now() - interval '30 days',"
        " last_webhook_at = now() - interval '9 days'"
    )
    found = by_name(await place.health(account_id))
    assert (found["pauses"]["severity"], found["last-webhook"]["severity"]) == ("warning", "warning")
    assert "/resume" in found["pauses"]["mend"]
    assert "nobody writes, or nothing arrives" in found["last-webhook"]["found"]


async def test_the_last_webhook(place: Clinic) -> None:
    """One that came lately is as it should be."""
    account_id = await place.connect("FACEBOOK")
    await place.execute("UPDATE connected_accounts SET last_webhook_at = now() + interval '1 second'")
    assert by_name(await place.health(account_id))["last-webhook"]["severity"] == "ok"


WHERE_NOTHING_IS = "http://127.0.0.1:9/api/webhooks/whatsapp"


@pytest.mark.parametrize(
    ("path", "verify_token", "found", "mend"),
    [
        ("/api/webhooks/whatsapp", "another-token", "refuses the verify token", "HOOKLINE_META_VERIFY_TOKEN"),
        ("/docs", None, "does not repeat the platforms' challenge (status 200)", "something else answers"),
        ("/nothing", None, "status 404", "Lead the address to the API"),
    ],
)
async def test_a_handshake_that_fails(
    place: Clinic, path: str, verify_token: str | None, found: str, mend: str
) -> None:
    """A wrong verify token, and an address that leads elsewhere, are told from each other."""
    token = verify_token or place.sim.options.verify_token
    one = await shake_hands(place.context.http, place.owner.url + path, token)
    assert one.severity is Severity.PROBLEM
    assert found in one.found
    assert mend in f"{one.found} {one.mend}"
    assert token not in str(one)


async def test_a_callback_that_nobody_answers() -> None:
    """An address where nothing listens, one that is none, and none at all are problems, and no failures."""
    async with HttpClient() as http:
        for url in (WHERE_NOTHING_IS, "not a url", "https://", None):
            one: Any = await shake_hands(http, url, "the-verify-token")
            assert one.severity is Severity.PROBLEM
            assert "HOOKLINE_PUBLIC_URL" in one.mend


async def test_a_connection_that_mends_is_seen(place: Clinic) -> None:
    """What was revoked and connected again is sound again when it is next looked at."""
    account_id = await place.connect("FACEBOOK")
    grants.kill_tokens(place.sim.world.records.tokens.values(), "removed")
    assert (await findings(examiner(place), account_id))["token"].severity is Severity.PROBLEM
    await place.reconnect("FACEBOOK")
    assert (await findings(examiner(place), account_id))["token"].severity is Severity.OK


async def test_what_the_platform_says_at_length(place: Clinic) -> None:
    """A text of the platform's is cut, and does not become the report."""
    account_id = await place.connect("FACEBOOK")
    error = {"message": "x" * 100_000}
    place.sim.faults.add(Fault(effect=Effect.REFUSE, path="debug_token", code=4, error=error))
    found = by_name(await place.health(account_id))["token"]["found"]
    assert 100 < len(found) < 3000
