"""The callbacks about people, and the page that tells how far a deletion is."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from typing import Any

import asyncpg
import pytest
from tests.conftest import JWT_SECRET
from tests.web.platform import INSTAGRAM_SECRET, PREVIOUS, SECRET, Open, Platform
from tests.web.tokens import token

from hookline.domain.account import IntegrationProvider
from hookline.domain.principal import Role
from hookline.domain.privacy import PLATFORM
from hookline.providers import PROVIDERS
from hookline.services.privacy import PrivacyRequests
from hookline.settings import Settings

USER = "10158000000000001"


def signed(secret: str = SECRET, **changed: Any) -> str:
    """A signed_request as the platform makes it."""
    said = {"user_id": USER, "algorithm": "HMAC-SHA256", "issued_at": 1_780_000_000, **changed}
    payload = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    signature = hmac.digest(secret.encode(), payload.encode(), hashlib.sha256)
    return f"{base64.urlsafe_b64encode(signature).decode().rstrip('=')}.{payload}"


def call(platform: Platform, kind: str = "data-deletion", provider: str = "facebook", **options: Any) -> Any:
    """POST a callback; by default with a right signed_request."""
    options = options or {"data": {"signed_request": signed()}}
    return platform.request("POST", f"/api/webhooks/{provider}/{kind}", **options)


async def stored(owner: asyncpg.Connection) -> tuple[int, int]:
    """How many requests and jobs there are."""
    return tuple(
        await owner.fetchrow("SELECT (SELECT count(*) FROM privacy_requests), (SELECT count(*) FROM integration_jobs)")
    )


async def test_a_deletion_is_stored_with_its_job_and_answered(platform: Platform, owner: asyncpg.Connection) -> None:
    """The answer is what the platform wants: an address that works, and the code in it."""
    answer = await call(platform)
    assert answer.status == 200, answer.text
    code = answer.json["confirmation_code"]
    assert answer.json == {"url": f"{platform.url}/api/data-deletion/{code}", "confirmation_code": code}
    assert re.fullmatch("[0-9a-f]{32}", code)
    assert await stored(owner) == (1, 1)
    job = await owner.fetchrow("SELECT * FROM integration_jobs")
    assert USER not in str(dict(job))
    shown = await platform.request("GET", answer.json["url"].removeprefix(platform.url))
    assert (shown.status, "Received" in shown.text) == (200, True)


async def test_the_address_is_the_public_one(open_platform: Open, settings_for: Any, database_url: str) -> None:
    """Where the installation has one."""
    settings: Settings = settings_for(database_url, public_url="https://hooks.example/base/")
    answer = await call(await open_platform(settings))
    assert answer.json["url"].startswith("https://hooks.example/base/api/data-deletion/")


async def test_a_deauthorization_is_stored_with_its_job(platform: Platform, owner: asyncpg.Connection) -> None:
    """And answered 200."""
    answer = await call(platform, "deauthorize", "WHATSAPP")
    assert (answer.status, answer.json) == (200, {"status": "received"})
    row = await owner.fetchrow("SELECT * FROM privacy_requests")
    assert (row["kind"], row["subject"], row["scope"]) == ("DEAUTHORIZE", USER, "app:meta")


async def test_told_again_it_is_the_same_request(platform: Platform, owner: asyncpg.Connection) -> None:
    """The very same callback, also many at once; and another one for the same person while theirs is open."""
    answers = await asyncio.gather(*(call(platform) for _ in range(8)))
    later = await call(platform, data={"signed_request": signed(issued_at=1_780_000_099)})
    assert len({one.json["confirmation_code"] for one in [*answers, later]}) == 1
    assert await stored(owner) == (1, 1)
    other = await call(platform, data={"signed_request": signed(user_id="2")})
    assert other.json["confirmation_code"] != later.json["confirmation_code"]


async def test_played_again_after_it_is_done_it_does_nothing(
    platform: Platform, owner: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    """The same callback names the same request, which is done; a new one of the same person is another."""
    code = (await call(platform)).json["confirmation_code"]
    await PrivacyRequests(pool, PROVIDERS).carry_out(await owner.fetchval("SELECT id FROM privacy_requests"))
    assert (await call(platform)).json["confirmation_code"] == code
    assert await stored(owner) == (1, 1)
    again = await call(platform, data={"signed_request": signed(issued_at=1_790_000_000)})
    assert again.json["confirmation_code"] != code


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
async def test_old_and_new_secret_hold(platform: Platform, secret: str) -> None:
    """While secrets change."""
    assert (await call(platform, data={"signed_request": signed(secret)})).status == 200


@pytest.mark.parametrize(
    ("provider", "secret"),
    [("facebook", INSTAGRAM_SECRET), ("whatsapp", INSTAGRAM_SECRET), ("instagram", SECRET), ("facebook", "guessed")],
)
@pytest.mark.parametrize("kind", ["deauthorize", "data-deletion"])
async def test_another_app_s_secret_does_not(
    platform: Platform, owner: asyncpg.Connection, provider: str, secret: str, kind: str
) -> None:
    """401, nothing stored, and no word of what would have been right. Unsigned ones are never taken."""
    answer = await call(platform, kind, provider, data={"signed_request": signed(secret)})
    assert (answer.status, answer.problem) == (401, "signature")
    assert await stored(owner) == (0, 0)
    assert not any(one in answer.text for one in (SECRET, PREVIOUS, INSTAGRAM_SECRET, USER))


async def test_an_app_without_secret_is_a_closed_door(open_platform: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no Instagram app is configured, nobody speaks for it."""
    platform = await open_platform()
    monkeypatch.setitem(platform.context.secrets.callbacks, IntegrationProvider.INSTAGRAM, [])  # type: ignore[arg-type]
    for secret in ("", INSTAGRAM_SECRET, SECRET):
        answer = await call(platform, provider="instagram", data={"signed_request": signed(secret)})
        assert answer.status == 401


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "options",
    [
        {"data": {"signed_request": signed(algorithm="none")}},
        {"data": {"signed_request": signed(user_id=None)}},
        {"data": {"signed_request": "nonsense"}},
        {"data": {"signed_request": ""}},
        {"data": {"other": signed()}},
        {"data": [("signed_request", signed()), ("signed_request", signed())]},
        {"json": {"signed_request": signed()}},
        {"data": b"", "headers": FORM},
        {"data": b"\xff\xfe=\x00", "headers": FORM},
        {"data": b"&".join([b"a=b"] * 1000), "headers": FORM},
        {"data": b"signed_request=" + signed().encode(), "headers": {"Content-Type": "text/plain"}},
        {"data": b"signed_request=%ff%fe.%ff", "headers": FORM},
    ],
)
async def test_what_is_no_callback_is_refused(platform: Platform, owner: asyncpg.Connection, options: Any) -> None:
    """400 with a reason by name, and nothing stored."""
    answer = await call(platform, **options)
    assert (answer.status, answer.problem) == (400, "signed-request"), answer.text
    assert await stored(owner) == (0, 0)
    assert USER not in answer.text


async def test_a_huge_body_is_not_read(platform: Platform, owner: asyncpg.Connection) -> None:
    """413 as soon as it is too much, whatever it says."""
    answer = await call(platform, data={"signed_request": "x" * 3_000_000})
    assert (answer.status, answer.problem) == (413, "too-large")
    assert await stored(owner) == (0, 0)


async def test_other_ways_to_ask(platform: Platform) -> None:
    """No such platform, and no such method."""
    assert (await call(platform, provider="myspace")).status == 404
    assert (await platform.request("GET", "/api/webhooks/facebook/data-deletion")).status == 405


async def test_the_database_is_away(open_platform: Open, settings_for: Any, database_url: str) -> None:
    """503: the platform's caller tries again, and nobody is told that it was taken."""
    platform = await open_platform()
    await platform.context.pool.close()
    assert (await call(platform)).status == 503


async def status_of(platform: Platform, code: str, accept: str) -> Any:
    return await platform.request("GET", f"/api/data-deletion/{code}", headers={"Accept": accept})


async def test_the_page_follows_the_request(platform: Platform, owner: asyncpg.Connection, pool: asyncpg.Pool) -> None:
    """Received, under way, done with its date; without a login, and with nothing about the person."""
    code = (await call(platform)).json["confirmation_code"]
    request_id = await owner.fetchval("SELECT id FROM privacy_requests")
    requests, seen = PrivacyRequests(pool, PROVIDERS), []
    for step in range(3):
        answer = await status_of(platform, code, "application/json")
        seen.append(answer.json["status"])
        page = await status_of(platform, code, "text/html,application/xhtml+xml,*/*;q=0.8")
        assert page.headers["Content-Type"].startswith("text/html")
        for text in (answer.text, page.text):
            assert USER not in text
            assert "app:meta" not in text
        if step == 0:
            await requests.step(request_id)
        elif step == 1:
            await requests.carry_out(request_id)
    assert seen == ["RECEIVED", "UNDERWAY", "DONE"]
    assert sorted(answer.json) == ["doneAt", "receivedAt", "status"]
    done = await owner.fetchval("SELECT done_at FROM privacy_requests")
    assert done.strftime("%d %B %Y") in page.text


async def test_the_page_runs_and_loads_nothing(platform: Platform) -> None:
    """Its policy forbids it, and it does not try; its address is told to nobody."""
    code = (await call(platform)).json["confirmation_code"]
    page = await status_of(platform, code, "*/*")
    policy = page.headers["Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    named = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{named}'")
    assert not re.search(r"<script|<link|<img|<iframe|<form|src=|href=|style=|\son\w+=", page.text)
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "noindex" in page.headers["X-Robots-Tag"]


@pytest.mark.parametrize("code", ["0" * 32, "xyz-1", "%00" * 32, "é" * 32, "<script>", "'" * 32])
async def test_an_unknown_code(platform: Platform, code: str) -> None:
    """404 for people and programs; what was asked for is not repeated."""
    page = await status_of(platform, code, "text/html")
    assert (page.status, "Not known" in page.text, code in page.text) == (404, True, False)
    assert (await status_of(platform, code, "application/json")).problem == "not-found"


async def test_no_tenant_sees_the_platform_s_requests(platform: Platform, owner: asyncpg.Connection) -> None:
    """The job belongs to an organization that no caller can name."""
    await call(platform)
    for named in (PLATFORM, PLATFORM.strip()):
        held = token(JWT_SECRET, {PLATFORM: Role.OWNER, PLATFORM.strip(): Role.OWNER})
        headers = {"Authorization": f"Bearer {held}", "X-Organization-Id": named}
        answer = await platform.request("GET", "/api/jobs", headers=headers)
        assert (answer.status, answer.json["items"]) == (200, [])
