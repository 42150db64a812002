"""The whole way round: a customer writes on each platform, the CRM answers, and sees it sent, delivered and read."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.journeys.processes import program, until
from tests.journeys.test_first_minutes import Place, started
from tests.servers import open_folder

from hookline.simulator import default
from hookline.simulator.client import SimulatorClient

PLATFORMS = {
    "WHATSAPP": (default.PHONE_NUMBER, {"wabaId": default.WABA}),
    "FACEBOOK": (default.PAGE, {}),
    "INSTAGRAM": (default.INSTAGRAM_ACCOUNT, {}),
}


@pytest.fixture
def place() -> Iterator[Place]:
    with open_folder() as folder:
        yield Place(folder)


def test_a_customer_is_answered_on_each_platform(place: Place) -> None:
    """Connected by token, written to, answered in order, read; the log and the platform hold each message once."""
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        simulator = SimulatorClient(f"http://127.0.0.1:{place.simulator_port}")
        until(lambda: _subscribed(simulator), "the app's callbacks are set", 20)
        simulator.switch("conduct", reads="always")
        for provider, (external_id, metadata) in PLATFORMS.items():
            account = _connect(place, simulator, provider, external_id, metadata)
            _answer(place, simulator, account, external_id)
        assert simulator.counters()["sentMoreThanOnce"] == {}
        assert simulator.counters()["overLimit"] == {}
        outbound = [one for one in place.messages() if one["direction"] == "OUTBOUND"]
        assert len(outbound) == 9
        assert running.stop() == 0, running.err
        assert "Traceback" not in running.err
        assert "answer 1" not in running.err


def _subscribed(simulator: SimulatorClient) -> bool:
    (app,) = simulator.world()["apps"]
    return all(name in app["subscriptions"] for name in ("whatsapp_business_account", "page", "instagram"))


def _connect(place: Place, simulator: SimulatorClient, provider: str, external_id: str, metadata: Any) -> str:
    token = simulator.connect(external_id)["accessToken"]
    body = {"externalAccountId": external_id, "accessToken": token, "metadata": metadata}
    status, account = place.ask("POST", f"/api/integrations/{provider}/connect", body, place.caller)
    assert status == 201, account
    return str(account["id"])


def _answer(place: Place, simulator: SimulatorClient, account: str, external_id: str) -> None:
    """Let a customer write, answer three times, and wait until everything is read.

    Instagram names one message that was seen, the last one (protocol reference 3); the others tell of all before.
    """
    simulator.act(external_id, "mona", "text", text="Do you have it in blue?")
    until(lambda: _conversation(place, account), f"{external_id}: the customer's message is in the log", 20)
    contact = _conversation(place, account)["contact"]
    sent = [_send(place, account, contact, f"answer {number}") for number in range(3)]
    seen = sent[-1:] if external_id == default.INSTAGRAM_ACCOUNT else sent
    until(lambda: {_status(place, message) for message in seen} == {"READ"}, f"{external_id}: answers are read", 20)
    said = [one["content"] for one in simulator.messages(account=external_id) if one["direction"] == "outbound"]
    assert [_text(one) for one in said] == ["answer 0", "answer 1", "answer 2"]


def _conversation(place: Place, account: str) -> Any:
    _, page = place.ask("GET", f"/api/conversations?accountId={account}", None, place.caller)
    return page["items"][0] if page["items"] else None


def _send(place: Place, account: str, to: str, text: str) -> str:
    body = {"accountId": account, "to": to, "type": "text", "text": text}
    status, message = place.ask("POST", "/api/messages", body, place.caller)
    assert status == 202, message
    return str(message["id"])


def _status(place: Place, message: str) -> str:
    return str(place.ask("GET", f"/api/messages/{message}", None, place.caller)[1]["status"])


def _text(content: Any) -> str:
    text = content.get("text")
    return str(text["body"] if isinstance(text, dict) else text)
