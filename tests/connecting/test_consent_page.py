"""What a person's browser is shown at the end of a consent, when the CRM named no place to go back to."""

import html
from urllib.parse import urlsplit

import pytest
from tests.connecting.town import RETURN_URL, Town, told
from tests.web.answer import Answer
from tests.web.conftest import Client

from hookline.simulator import default
from hookline.web.consent_page import PAGE

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
HOSTILE = "<script>alert(1)</script>\"'>&{{ 7*7 }}"


async def come_back(api: Client, location: str, accept: str = BROWSER) -> Answer:
    """Follow the platform's redirect as a browser does, or as who accepts something else."""
    parts = urlsplit(location)
    return await api.get(f"{parts.path}?{parts.query}", headers={"Accept": accept}, allow_redirects=False)


def shown(answer: Answer, status: int) -> str:
    """The page's text, which loads nothing, runs nothing, and tells nobody where it was."""
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == PAGE.policy
    assert "'unsafe" not in PAGE.policy
    assert "script-src" not in PAGE.policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Vary"] == "Accept"
    return answer.text


async def test_connected(place: Town) -> None:
    """The account's name is there; coming back once more says that the link has been used, not that it failed."""
    begun = await place.begin("FACEBOOK")
    location = await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]})
    page = shown(await come_back(place.api, location), 200)
    assert "<h1>Connected</h1>" in page
    assert "Phone Store" in page
    assert default.PAGE in page
    assert begun["state"] not in page
    again = shown(await come_back(place.api, location), 409)
    assert "This link has been used" in again
    assert "Nothing was connected" not in again
    assert len(await place.accounts()) == 1


async def test_several_are_named_and_chosen_where_one_began(place: Town) -> None:
    """The page names them, gives no state away and offers nothing to press: who began chooses, by the API."""
    begun = await place.begin("FACEBOOK")
    page = shown(await come_back(place.api, await place.consent(begun["authorizationUrl"])), 200)
    assert "Choose an account" in page
    assert "Phone Store Outlet" in page
    assert "<form" not in page
    assert "<a " not in page
    assert begun["state"] not in page
    assert await place.accounts() == []
    path = f"/api/integrations/connections/{begun['state']}"
    assert (await place.api.post(path, {"externalAccountIds": [default.PAGE]})).status == 200


async def test_what_went_wrong_is_said(place: Town) -> None:
    """Denied, unknown, too old, refused, of no platform: each in words, with its status, and what to do."""
    begun = await place.begin("INSTAGRAM")
    denied = await come_back(place.api, await place.consent(begun["authorizationUrl"], allow=False))
    assert "You declined" in shown(denied, 403)
    unknown = shown(await come_back(place.api, "http://x/api/integrations/facebook/callback?state=x&code=y"), 404)
    assert "Nobody began this connection" in unknown
    nothing = shown(await come_back(place.api, "http://x/api/integrations/facebook/callback"), 404)
    assert "there is no state" in nothing
    begun = await place.begin("FACEBOOK")
    location = await place.consent(begun["authorizationUrl"])
    await place.pool.execute("UPDATE oauth_flows SET expires_at = now() - interval '1 second'")
    assert "older than ten minutes" in shown(await come_back(place.api, location), 410)
    begun = await place.begin("FACEBOOK")
    location = await place.consent(begun["authorizationUrl"])
    for code in place.sim.world.records.codes.values():
        code.expires_at = 0
    assert "did not take the code" in shown(await come_back(place.api, location), 422)
    shown(await come_back(place.api, "http://x/api/integrations/nobody/callback?state=x"), 404)
    shown(await come_back(place.api, f"http://x/api/integrations/facebook/callback?state={'x' * 5000}"), 422)
    assert await place.accounts() == []


async def test_nothing_that_others_wrote_becomes_markup(place: Town) -> None:
    """Names come from the platform, errors from the address: both are shown as they are written."""
    place.sim.world.records.pages[default.PAGE].name = HOSTILE
    begun = await place.begin("FACEBOOK")
    location = await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]})
    page = shown(await come_back(place.api, location), 200)
    assert "<script" not in page
    assert HOSTILE in html.unescape(page)
    begun = await place.begin("FACEBOOK")
    told_by_address = f"http://x/api/integrations/facebook/callback?state={begun['state']}&error=%3Cscript%3Ex%22"
    page = shown(await come_back(place.api, told_by_address), 502)
    assert "<script" not in page
    assert "&lt;script&gt;x" in page


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True),
        ("TEXT/HTML", True),
        ("text/html;q=0.5, application/json;q=0.4", True),
        ("application/json", False),
        ("application/json, text/html", False),
        ("application/json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html;q=much", False),
        ("*/*", False),
        ("", False),
        (";;,,;q=", False),
    ],
)
async def test_a_program_gets_json(place: Town, accept: str, page: bool) -> None:
    """Who does not ask for HTML, or asks for JSON as much, gets what it always got."""
    answer = await come_back(place.api, "http://x/api/integrations/facebook/callback?state=x", accept)
    expected = "text/html; charset=utf-8" if page else "application/problem+json"
    assert (answer.status, answer.headers["Content-Type"]) == (404, expected)


async def test_only_the_way_back_has_pages(place: Town) -> None:
    """A browser that opens anything else of the API sees the problem that everybody sees."""
    for path in ("/api/integrations", "/api/integrations/facebook/connect", "/callback"):
        answer = await place.api.get(path, headers={"Accept": BROWSER})
        assert answer.headers["Content-Type"] == "application/problem+json", path


async def test_a_place_to_go_back_to_is_gone_to(place: Town) -> None:
    """With a returnUrl a browser is sent there, whatever it accepts."""
    begun = await place.begin("FACEBOOK", returnUrl=RETURN_URL)
    location = await place.consent(begun["authorizationUrl"], only={"page": [default.PAGE]})
    assert "accountId" in told(await come_back(place.api, location))
