"""Answering what people write, seen from both sides: the customer's phone in a browser, and the CRM's API.

What goes well, and what does not: blocked, throttled, timed out after acceptance, revoked. Every state is the right one
on both sides, and says why in words.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.journeys.chromium import browser_page, needs_chromium
from tests.journeys.processes import program, until
from tests.journeys.test_answering import PLATFORMS
from tests.journeys.test_first_minutes import Place, started
from tests.servers import open_folder

from hookline.domain.provider_error import ErrorClass
from hookline.simulator.client import SimulatorClient

pytestmark = [needs_chromium, pytest.mark.xdist_group("answering in a browser")]  # one program for all

PATIENCE_SECONDS = 40
every_platform = pytest.mark.parametrize("provider", list(PLATFORMS))


class Shop:
    """A business whose three accounts are connected, and a customer of it with a browser."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.simulator = SimulatorClient(f"http://127.0.0.1:{place.simulator_port}")
        self.accounts: dict[str, str] = {}

    def connect(self, provider: str) -> None:
        """Connect an account by a token of its own, or mend it."""
        external_id, metadata = PLATFORMS[provider]
        given = self.simulator.connect(external_id)["accessToken"]
        body = {"externalAccountId": external_id, "accessToken": given, "metadata": metadata}
        status, account = self.place.ask("POST", f"/api/integrations/{provider}/connect", body, self.place.caller)
        assert status in (200, 201), account
        assert self.accounts.setdefault(provider, account["id"]) == account["id"]

    def account(self, provider: str) -> Any:
        """What the CRM sees of it."""
        _, found = self.place.ask("GET", "/api/integrations", None, self.place.caller)
        return next(one for one in found if one["id"] == self.accounts[provider])

    def send(self, provider: str, to: str, text: str) -> str:
        """Answer through the API; our id."""
        body = {"accountId": self.accounts[provider], "to": to, "type": "text", "text": text}
        status, message = self.place.ask("POST", "/api/messages", body, self.place.caller)
        assert (status, message.get("status")) == (202, "QUEUED"), message
        return str(message["id"])

    def message(self, message_id: str) -> Any:
        """What the CRM sees of a message."""
        return self.place.ask("GET", f"/api/messages/{message_id}", None, self.place.caller)[1]

    def becomes(self, message_id: str, status: str) -> Any:
        """Wait until a message has a status; the message."""
        until(lambda: self.message(message_id)["status"] == status, f"{status}, not {self.message(message_id)}", 40)
        return self.message(message_id)

    def attempts(self, message_id: str) -> list[Any]:
        """What was tried for a message."""
        _, found = self.place.ask("GET", f"/api/messages/{message_id}/attempts", None, self.place.caller)
        return list(found["items"] if isinstance(found, dict) else found)

    def arrived(self, provider: str, text: str) -> int:
        """How often the platform took a text of ours."""
        found = self.simulator.messages(account=PLATFORMS[provider][0])
        return sum(text in str(one["content"]) for one in found if one["direction"] == "outbound")


class Phone:
    """The customer's side: a chat page in a browser."""

    def __init__(self, shop: Shop, page: Page) -> None:
        self.shop = shop
        self.page = page

    def write(self, provider: str, contact: str, text: str) -> str:
        """Open the conversation and write; how the CRM may address the person then."""
        self.page.goto(f"{self.shop.simulator.url}/?account={PLATFORMS[provider][0]}&contact={contact}")
        self.page.wait_for_function("() => news !== null && news.readyState === 1")
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.keyboard.press("Enter")
        found: list[Any] = []
        account = self.shop.accounts[provider]

        def heard() -> bool:
            path = f"/api/messages?accountId={account}&direction=INBOUND"
            _, listed = self.shop.place.ask("GET", path, None, self.shop.place.caller)
            found[:] = [one for one in listed["items"] if one["text"] == text]
            return bool(found)

        until(heard, f"{provider}: {text} is in the log", PATIENCE_SECONDS)
        return str(found[0]["contact"])

    def choose(self, label: str) -> None:
        """Press something in the menu at the top."""
        self.page.get_by_label("What else you can do").click()
        self.page.get_by_role("button", name=label).click()

    def bubble(self, text: str) -> Locator:
        """An answer, as the customer sees it."""
        return self.page.locator("li.theirs").filter(has_text=text)


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """`hookline run` in an empty folder, once for the module."""
    with open_folder() as folder:
        place = Place(folder)
        with program(["run"], place.folder, place.settings) as process:
            started(process)
            opened = Shop(place)
            until(lambda: _subscribed(opened.simulator), "the app's callbacks are set", PATIENCE_SECONDS)
            for provider in PLATFORMS:
                opened.connect(provider)
            yield opened
            assert opened.simulator.counters()["sentMoreThanOnce"] == {}
            assert process.stop() == 0, process.err
            assert "Traceback" not in process.err
            assert "we have it" not in process.err


def _subscribed(simulator: SimulatorClient) -> bool:
    (app,) = simulator.world()["apps"]
    return all(name in app["subscriptions"] for name in ("whatsapp_business_account", "page", "instagram"))


@pytest.fixture
def phone(shop: Shop) -> Iterator[Phone]:
    with browser_page() as page:
        yield Phone(shop, page)
        shop.simulator.clear_faults()
        shop.simulator.switch("webhooks", held=False)


@every_platform
def test_written_answered_read(shop: Shop, phone: Phone, provider: str) -> None:
    """The customer sees the answer appear; the CRM sees it sent, delivered (where that is told) and read."""
    contact = phone.write(provider, "ann", "Do you have it in blue?")
    answer = shop.send(provider, contact, "Yes, we have it")
    expect(phone.bubble("Yes, we have it")).to_have_class(re.compile("read"), timeout=PATIENCE_SECONDS * 1000)
    message = shop.becomes(answer, "READ")
    assert (message["errorCode"], message["errorText"]) == (None, None)
    assert message["sentAt"] <= message["readAt"]
    assert (message["deliveredAt"] is None) == (provider == "INSTAGRAM")  # it tells no delivery: reference 4
    assert [one["outcome"] for one in shop.attempts(answer)] == ["sent"]


@every_platform
def test_blocked(shop: Shop, phone: Phone, provider: str) -> None:
    """Messenger and Instagram refuse, and the message says why; WhatsApp takes it and tells nobody: it stays SENT."""
    contact = phone.write(provider, "joao", "Leave me alone")
    phone.choose("Block the business")
    expect(phone.page.get_by_text("You have blocked this business")).to_be_visible()
    answer = shop.send(provider, contact, "But we have it")
    if provider == "WHATSAPP":
        assert shop.becomes(answer, "SENT")["errorCode"] is None
    else:
        failed = shop.becomes(answer, "FAILED")
        assert failed["errorText"].startswith(ErrorClass.RECIPIENT.sentence)
        assert failed["errorCode"].startswith("551")
    assert len(shop.attempts(answer)) == 1
    phone.choose("Unblock the business")
    shop.becomes(shop.send(provider, contact, "Now we have it"), "READ")


@every_platform
def test_throttled(shop: Shop, phone: Phone, provider: str) -> None:
    """The message waits, says for what, costs no attempt, and goes out when the platform lets it."""
    code = 130429 if provider == "WHATSAPP" else 613
    contact = phone.write(provider, "mona", "Is it busy there?")
    path = "*/messages"
    shop.simulator.fault("refuse", path=path, code=code, status=429, headers={"Retry-After": "6"})
    answer = shop.send(provider, contact, "Busy, but we have it")
    until(lambda: shop.message(answer)["errorCode"], "the wait is told", PATIENCE_SECONDS)
    waiting = shop.message(answer)
    assert (waiting["status"], waiting["errorCode"]) == ("QUEUED", str(code))
    assert waiting["errorText"].startswith(ErrorClass.WAIT.sentence)
    expect(phone.bubble("Busy, but we have it")).to_have_class(re.compile("read"), timeout=PATIENCE_SECONDS * 1000)
    sent = shop.becomes(answer, "READ")
    assert (sent["errorCode"], sent["errorText"]) == (None, None)
    assert shop.arrived(provider, "Busy, but") == 1


# A time-out takes as long as we wait for an answer: one platform's is enough.
@pytest.mark.parametrize(
    ("provider", "effect"),
    [("WHATSAPP", "timeout_after"), *((provider, "reset_after") for provider in PLATFORMS)],
)
def test_timed_out_after_acceptance(shop: Shop, phone: Phone, provider: str, effect: str) -> None:
    """The message is UNKNOWN and says so; the platform's report settles it; it arrived once, and was called once."""
    contact = phone.write(provider, "ann", f"Hello? ({effect})")
    shop.simulator.switch("webhooks", held=True)
    shop.simulator.fault(effect, path="*/messages", seconds=40)
    answer = shop.send(provider, contact, f"We have it, {effect}")
    unknown = shop.becomes(answer, "UNKNOWN")
    assert unknown["errorText"]
    assert shop.arrived(provider, f"We have it, {effect}") == 1
    shop.simulator.switch("webhooks", held=False)
    settled = shop.becomes(answer, "READ")
    assert (settled["errorCode"], settled["errorText"]) == (None, None)
    assert settled["externalId"]
    assert shop.arrived(provider, f"We have it, {effect}") == 1
    assert len(shop.attempts(answer)) == 1


@every_platform
def test_revoked(shop: Shop, phone: Phone, provider: str) -> None:
    """The account is in ERROR with a reason, nothing more is called; connected again, it sends what waited."""
    contact = phone.write(provider, "ann", "Are you still there?")
    external_id = PLATFORMS[provider][0]
    assert shop.simulator.revoke(account=external_id) >= 1
    before = sum(shop.simulator.counters()["calls"].values())
    answer = shop.send(provider, contact, "Still there, we have it")
    until(lambda: shop.account(provider)["status"] == "ERROR", "the account is in ERROR", PATIENCE_SECONDS)
    assert "connect" in shop.account(provider)["lastError"].lower()
    # Another call may have been refused first, such as one that asks who the person is.
    until(lambda: shop.message(answer)["errorText"], "the message says why it waits", PATIENCE_SECONDS)
    waiting = shop.message(answer)
    assert waiting["status"] == "QUEUED"
    assert waiting["errorText"].startswith(ErrorClass.REAUTHORIZE.sentence)
    status, refused = shop.place.ask(
        "POST",
        "/api/messages",
        {"accountId": shop.accounts[provider], "to": contact, "type": "text", "text": "And another"},
        shop.place.caller,
    )
    assert (status, refused["type"]) == (422, "urn:hookline:problem:account-not-ready")
    assert sum(shop.simulator.counters()["calls"].values()) - before <= 3
    shop.connect(provider)
    assert shop.account(provider)["status"] == "CONNECTED"
    assert shop.account(provider)["lastError"] is None
    shop.becomes(answer, "READ")
    assert shop.arrived(provider, "Still there") == 1
