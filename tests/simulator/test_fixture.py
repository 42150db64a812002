"""The `simulator` fixture and its client, as a CRM's own tests would use them: blocking, over HTTP, from outside."""

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hookline.simulator import default
from hookline.simulator.background import BackgroundSimulator
from hookline.simulator.client import ControlError
from hookline.simulator.options import Options


class Receiver(http.server.BaseHTTPRequestHandler):
    """A program that takes webhooks: the smallest there is."""

    taken: list[tuple[str, Any]]

    def do_GET(self) -> None:
        """Repeat the challenge."""
        challenge = parse_qs(urlsplit(self.path).query)["hub.challenge"][0]
        self._answer(challenge.encode())

    def do_POST(self) -> None:
        """Keep what is told."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, json.loads(body)))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """A receiver's address, and what it has taken."""
    taken: list[tuple[str, Any]] = []
    handler = type("Handler", (Receiver,), {"taken": taken})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hooks", taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def call(url: str, token: str, body: Any = None) -> Any:
    """Call the Graph API as any program does."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
        return json.loads(answer.read())


def test_a_customer_writes_and_is_answered(
    simulator: BackgroundSimulator, receiver: tuple[str, list[tuple[str, Any]]]
) -> None:
    """Subscribe, connect, be written to, answer, and see the statuses: a whole conversation in a test."""
    base, taken = receiver
    assert simulator.subscribe(base)["subscribed"] == ["whatsapp_business_account", "page", "instagram"]
    token = simulator.connect(default.PHONE_NUMBER)["accessToken"]
    said = simulator.act(default.PHONE_NUMBER, "ann", "text", text="Is it in stock?")
    assert simulator.settle()
    path, post = taken[-1]
    assert path == "/hooks/whatsapp"
    assert post["entry"][0]["changes"][0]["value"]["messages"][0]["id"] == said["messageId"]
    body = {"messaging_product": "whatsapp", "to": "+15550002001", "text": {"body": "It is."}}
    call(f"{simulator.url}/graph/v25.0/{default.PHONE_NUMBER}/messages", token, body)
    simulator.act(default.PHONE_NUMBER, "ann", "reaction", emoji="👍")
    assert simulator.settle()
    assert [message["direction"] for message in simulator.messages(contact="ann")] == ["inbound", "outbound"]
    assert simulator.counters()["sends"] == 1


def test_every_test_begins_anew(simulator: BackgroundSimulator) -> None:
    """Nothing of another test is left: no messages, tokens, deliveries, counts."""
    assert simulator.messages() == simulator.tokens() == simulator.deliveries() == []
    assert simulator.counters()["calls"] == {}
    simulator.act(default.PAGE, "ann", "text", text="Hello")
    simulator.fault("refuse", times=0)
    simulator.move_clock(3600)


def test_a_person_can_be_made_and_changed(simulator: BackgroundSimulator) -> None:
    """People with what a test needs of them, in Python's names."""
    simulator.add("contacts", id="zoe", first_name="Zoë", phone_hidden=True)
    assert simulator.change("contacts", "zoe", last_name="Zuse")["lastName"] == "Zuse"
    assert "zoe" in {contact["id"] for contact in simulator.world()["contacts"]}
    simulator.remove("contacts", "zoe")
    with pytest.raises(ControlError, match="there is no zoe"):
        simulator.change("contacts", "zoe", last_name="Zuse")


def test_the_login_can_be_answered_without_a_browser(simulator: BackgroundSimulator) -> None:
    """Allowed or denied, where the browser would be sent; and Embedded Signup's code."""
    client = simulator.options.app_id
    dialog = f"{simulator.url}/facebook/v25.0/dialog/oauth?client_id={client}&redirect_uri=http://localhost/cb&state=s"
    assert "code=" in simulator.consent(f"{dialog}&scope=pages_show_list", pages=[default.PAGE])
    assert "error=access_denied" in simulator.consent(f"{dialog}&scope=pages_show_list", "deny")
    assert simulator.embedded_signup(event="FINISH_ONLY_WABA")["code"]


def test_tokens_end_and_apps_are_removed(simulator: BackgroundSimulator) -> None:
    """By account and cause; or with everything that comes of it."""
    simulator.connect(default.PAGE)
    assert simulator.revoke(account=default.PAGE, cause="expired") == 1
    simulator.connect(default.INSTAGRAM_ACCOUNT)
    assert simulator.remove_app(account=default.INSTAGRAM_ACCOUNT) == {"tokens": 1, "called": None}
    assert simulator.request_deletion(user=default.OWNER) == {"called": None}


def test_the_platform_acts_and_switches_switch(simulator: BackgroundSimulator) -> None:
    """Decisions about accounts, files of one's own, huge webhooks, and faults that end."""
    simulator.happen("number_quality", event="FLAGGED", quality="RED")
    numbers = {phone["id"]: phone for phone in simulator.world()["phone-numbers"]}
    assert numbers[default.PHONE_NUMBER]["quality"] == "RED"
    assert simulator.switch("webhooks", retry_factor=5)["retryFactor"] == 5
    media_id = simulator.upload(default.PAGE, b"bytes", "text/plain", "a.txt")
    assert simulator.act(default.PAGE, "ann", "file", media_id=media_id)["messageId"]
    assert simulator.raw_webhook(bytes=1000) == {"told": 0, "bytes": 1000}
    assert simulator.fault("slow").startswith("fault-")
    simulator.clear_faults()


def test_it_says_how_a_program_talks_to_it(simulator: BackgroundSimulator) -> None:
    """The settings of a Hookline process that is to use it."""
    settings = simulator.environment()
    assert settings["SIMULATOR_PORT"] == simulator.url.rpartition(":")[2]
    assert settings["META_APP_ID"] == simulator.options.app_id


def test_an_address_that_is_taken_is_an_error(simulator: BackgroundSimulator) -> None:
    """Starting a second one on the same port fails at once, in the caller's thread."""
    port = int(simulator.url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"), BackgroundSimulator(Options(port=port)):
        pass
