"""Connecting as a person does it: `hookline run`, the dialogs' own pages in a browser, and what the API says then."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.conftest import JWT_SECRET
from tests.journeys.chromium import browser_page, needs_chromium, press
from tests.journeys.processes import program
from tests.journeys.test_first_minutes import Place, started
from tests.servers import open_folder
from tests.web.tokens import token

from hookline.domain.principal import Role
from hookline.simulator import default
from hookline.simulator.client import SimulatorClient

pytestmark = [needs_chromium, pytest.mark.xdist_group("connecting in a browser")]  # one program for all

CALLBACK = "/callback"
INTEGRATIONS = "/api/integrations"


class Office:
    """The running program, the fake platforms, and a person at a browser."""

    def __init__(self, place: Place, page: Page) -> None:
        self.place = place
        self.page = page
        self.simulator = SimulatorClient(f"http://127.0.0.1:{place.simulator_port}")
        self.addresses: list[str] = []

    def begin(self, provider: str, **body: Any) -> Any:
        """Ask the API for the dialog's address, and open it."""
        status, begun = self.place.ask("POST", f"{INTEGRATIONS}/{provider}/connect", body, self.place.caller)
        assert status == 200, begun
        self.page.goto(begun["authorizationUrl"])
        return begun

    def decide(self, button: str = "Allow") -> tuple[int, str]:
        """Press the dialog's button; the status and the words of the page that the browser comes back to."""
        answer = press(self.page, button, CALLBACK)
        self.addresses.append(answer.url)
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        return answer.status, self.page.locator("main").inner_text()

    def open(self, address: str) -> tuple[int, str]:
        """Open an address of ours."""
        answer = self.page.goto(address)
        assert answer is not None
        return answer.status, self.page.locator("main").inner_text()

    def accounts(self) -> list[Any]:
        """What the CRM sees."""
        status, found = self.place.ask("GET", INTEGRATIONS, None, self.place.caller)
        assert status == 200
        return list(found)

    def live(self) -> dict[str, Any]:
        """The connected accounts, by their ids at the platforms."""
        return {one["externalAccountId"]: one for one in self.accounts() if one["status"] == "CONNECTED"}

    def connected(self) -> dict[str, Any]:
        """The same, without what synchronizing changes by itself."""
        kept = ("id", "externalAccountId", "status", "createdAt", "oauthTokens")
        return {key: {name: one[name] for name in kept} for key, one in self.live().items()}

    def clear(self) -> None:
        """Disconnect everything, and end what was made to go wrong."""
        for account in self.live().values():
            status, _ = self.place.ask("DELETE", f"{INTEGRATIONS}/{account['id']}/disconnect", None, self.place.caller)
            assert status == 200
        self.simulator.switch("behaviour", facebookCodeSeconds=600, signupCodeSeconds=30, instagramCodeSeconds=3600)


@pytest.fixture(scope="module")
def running() -> Iterator[Place]:
    """`hookline run` in an empty folder, once for the module."""
    with open_folder() as folder:
        place = Place(folder)
        place.settings["JWT_SECRET"] = JWT_SECRET
        with program(["run"], place.folder, place.settings) as process:
            started(process)
            yield place
            assert process.stop() == 0, process.err
            assert "Traceback" not in process.err


@pytest.fixture
def office(running: Place) -> Iterator[Office]:
    with browser_page() as page:
        opened = Office(running, page)
        yield opened
        opened.clear()


def _only(page: Page, *names: str) -> None:
    """Leave only these ticked, of the dialog's pages."""
    for box in page.locator("input[name=page]").all():
        box.set_checked(box.get_attribute("value") in names)


def _expires(account: Any) -> datetime | None:
    (known,) = account["oauthTokens"]
    return known["expiresAt"] and datetime.fromisoformat(known["expiresAt"])


def test_a_page(office: Office) -> None:
    """Messenger: one page is ticked, allowed, and connected, with its permissions; a page's token does not end."""
    office.begin("FACEBOOK")
    _only(office.page, default.PAGE)
    status, words = office.decide()
    assert (status, "Connected" in words, "Phone Store" in words) == (200, True, True)
    (account,) = office.live().values()
    assert (account["externalAccountId"], account["provider"]) == (default.PAGE, "FACEBOOK")
    (known,) = account["oauthTokens"]
    assert {"pages_messaging", "pages_manage_metadata"} <= set(known["scopes"])
    assert known["expiresAt"] is None
    assert datetime.fromisoformat(known["dataAccessExpiresAt"]) > datetime.now(UTC) + timedelta(days=80)


def test_instagram_by_its_own_login(office: Office) -> None:
    """Instagram: allowed in its own dialog; the token lives for sixty days."""
    office.begin("INSTAGRAM")
    status, words = office.decide()
    assert (status, "Connected" in words) == (200, True)
    account = office.live()[default.INSTAGRAM_ACCOUNT]
    assert account["metadata"]["login"] == "instagram"
    assert "instagram_business_manage_messages" in account["oauthTokens"][0]["scopes"]
    ends = _expires(account)
    assert ends is not None
    assert timedelta(days=59) < ends - datetime.now(UTC) <= timedelta(days=60, minutes=1)


def test_instagram_behind_a_page(office: Office) -> None:
    """The CRM asks for the other login; the account behind the page is connected."""
    office.begin("INSTAGRAM", login="facebook")
    status, words = office.decide()
    assert (status, "Connected" in words) == (200, True)
    account = office.live()[default.INSTAGRAM_OF_PAGE]
    assert (account["metadata"]["login"], account["metadata"]["pageId"]) == ("facebook", default.PAGE)
    assert "instagram_manage_messages" in account["oauthTokens"][0]["scopes"]


def test_whatsapp_by_redirect_and_a_choice_among_several(office: Office) -> None:
    """Embedded Signup: the business account's numbers are named; the one who began chooses two by the API."""
    begun = office.begin("WHATSAPP")
    status, words = office.decide()
    assert (status, "Choose an account" in words) == (200, True)
    assert default.SECOND_PHONE_NUMBER in words
    assert office.page.locator("form, a, script").count() == 0
    assert office.live() == {}
    path = f"{INTEGRATIONS}/connections/{begun['state']}"
    status, offer = office.place.ask("GET", path, None, office.place.caller)
    assert status == 200
    ids = [one["externalAccountId"] for one in offer["accounts"]]
    assert set(ids) == {default.PHONE_NUMBER, default.SECOND_PHONE_NUMBER, default.COEXISTENCE_PHONE_NUMBER}
    chosen = {"externalAccountIds": [default.PHONE_NUMBER, default.SECOND_PHONE_NUMBER]}
    other = token(JWT_SECRET, {"org-123": Role.OWNER}, sub="somebody-else")
    stranger = {**office.place.caller, "Authorization": f"Bearer {other}"}
    status, refused = office.place.ask("POST", path, chosen, stranger)
    assert (status, refused["type"]) == (404, "urn:hookline:problem:state-unknown")
    status, done = office.place.ask("POST", path, chosen, office.place.caller)
    assert (status, done["refused"]) == (200, [])
    live = office.live()
    assert set(live) == set(chosen["externalAccountIds"])
    for account in live.values():
        assert set(account["oauthTokens"][0]["scopes"]) >= set(default.WHATSAPP_SCOPES)


@pytest.mark.parametrize(("provider", "button"), [("WHATSAPP", "Deny"), ("FACEBOOK", "Deny"), ("INSTAGRAM", "Cancel")])
def test_denied(office: Office, provider: str, button: str) -> None:
    """Who declines reads so; nothing is connected, and the link is used up."""
    office.begin(provider)
    status, words = office.decide(button)
    assert (status, "You declined" in words) == (403, True)
    status, words = office.open(office.addresses[-1])
    assert (status, "This link has been used" in words) == (409, True)
    assert office.live() == {}


def test_a_callback_played_again(office: Office) -> None:
    """The same address again, or reloaded, connects nothing more and takes nothing away."""
    office.begin("FACEBOOK")
    _only(office.page, default.BUSINESS_PAGE)
    assert office.decide()[0] == 200
    before = office.connected()
    for _ in range(2):
        status, words = office.open(office.addresses[-1])
        assert (status, "This link has been used" in words) == (409, True)
    assert office.connected() == before


@pytest.mark.parametrize(
    ("provider", "lives"),
    [("WHATSAPP", "signupCodeSeconds"), ("FACEBOOK", "facebookCodeSeconds"), ("INSTAGRAM", "instagramCodeSeconds")],
)
def test_a_code_that_has_expired(office: Office, provider: str, lives: str) -> None:
    """A code that is too old when it comes is refused as such, and beginning again connects."""
    office.simulator.switch("behaviour", **{lives: 0})
    office.begin(provider)
    status, words = office.decide()
    assert (status, "did not take the code" in words) == (422, True)
    assert office.live() == {}
    office.simulator.switch("behaviour", **{lives: 60})
    office.begin(provider)
    assert office.decide()[0] == 200


def test_a_state_of_another_platform_of_nobody_and_none(office: Office) -> None:
    """Each is unknown, uses nothing up, and asks no platform; the right address still connects."""
    begun = office.begin("FACEBOOK")
    _only(office.page, default.PAGE)
    ours = f"http://127.0.0.1:{office.place.port}{INTEGRATIONS}"
    for wrong in (
        f"{ours}/instagram/callback?state={begun['state']}&code=x",
        f"{ours}/facebook/callback?state={'x' * 43}&code=x",
        f"{ours}/facebook/callback?code=x",
    ):
        tab = office.page.context.new_page()
        answer = tab.goto(wrong)
        assert answer is not None
        assert answer.status == 404, wrong
        assert "Nothing was connected" in tab.locator("main").inner_text()
        tab.close()
    assert office.decide()[0] == 200
    assert set(office.live()) == {default.PAGE}


def test_an_account_that_is_live_elsewhere(office: Office) -> None:
    """Another organization's account stays theirs; the person reads why, and nothing of the consent is kept."""
    other = office.place.told("token", "--org", "org-other").strip()
    theirs = {**office.place.caller, "Authorization": f"Bearer {other}", "X-Organization-Id": "org-other"}
    body = {"externalAccountId": default.PAGE, "displayName": "Theirs"}
    status, account = office.place.ask("POST", f"{INTEGRATIONS}/FACEBOOK/connect", body, theirs)
    assert status == 201
    office.begin("FACEBOOK")
    _only(office.page, default.PAGE)
    status, words = office.decide()
    assert (status, "connected elsewhere" in words) == (409, True)
    assert "org-other" not in words
    assert office.live() == {}
    assert office.place.ask("DELETE", f"{INTEGRATIONS}/{account['id']}/disconnect", None, theirs)[0] == 200


def test_back_to_the_crm(office: Office) -> None:
    """With a returnUrl the browser ends at the CRM, with the account's id, and without the platform's code."""
    back = f"http://127.0.0.1:{office.place.simulator_port}/static/chat.css?app=1"
    office.begin("INSTAGRAM", returnUrl=back)
    answer = press(office.page, "Allow", "/static/chat.css?app=1")
    assert answer.status == 200
    (account,) = office.live().values()
    assert office.page.url == f"{back}&accountId={account['id']}#"
    assert not answer.request.headers.get("referer")
