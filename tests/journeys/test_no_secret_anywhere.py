"""The whole program at level DEBUG, through everything that may go wrong; then every place is searched for secrets."""

import asyncio
import base64
import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from tests.conftest import JWT_SECRET
from tests.journeys.hidden import dump, places_of, writings
from tests.journeys.processes import arguments_of, children_of, program, until
from tests.journeys.test_answering import PLATFORMS
from tests.journeys.test_first_minutes import Place, started

from hookline.security.master_key import FILE_NAME
from hookline.simulator import default
from hookline.simulator.client import SimulatorClient

OWN = {
    "META_APP_SECRETS": "meta-app-secret/of+the=test,an-older-meta-secret-of-the-test",
    "INSTAGRAM_APP_SECRETS": "instagram-app-secret?of&the test",
    "META_VERIFY_TOKEN": "verify-token%of#the:test",
    "JWT_SECRET": JWT_SECRET,
}
NOBODYS_TOKEN = "EAAG-nobody-s-token-1234567890"
SAID = "Zebrafink"  # every text that is said begins with this
INTEGRATIONS = "/api/integrations"


class Town:
    """The running program, the platforms, and everything that was answered or given out."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.simulator = SimulatorClient(f"http://127.0.0.1:{place.simulator_port}")
        self.answers: list[str] = []
        self.codes: list[str] = []
        self.accounts: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API; the answer is kept."""
        _, found = self.place.ask(method, path, body, self.place.caller)
        self.answers.append(json.dumps(found, ensure_ascii=False))
        return found

    def visit(self, address: str) -> None:
        """Follow a browser's redirect to us; what it is shown, and where it is sent, is kept."""
        query = parse_qs(urlsplit(address).query)
        self.codes += query.get("code", [])
        request = urllib.request.Request(
            address.split("#", maxsplit=1)[0].replace("//localhost:", "//127.0.0.1:"), headers={"Accept": "text/html"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.answers.append(answer.read().decode() + str(answer.headers))
        except HTTPError as error:
            self.answers.append(error.read().decode() + str(error.headers))

    def consent(self, provider: str, decision: str = "allow", body: Any = None, **chosen: Any) -> str:
        """Go through a dialog, and come back twice; the state."""
        begun = self.ask("POST", f"{INTEGRATIONS}/{provider}/connect", body or {})
        address = self.simulator.consent(begun["authorizationUrl"], decision, **chosen)
        self.visit(address)
        self.visit(address)
        return str(begun["state"])

    def send(self, provider: str, contact: str, text: str) -> str:
        """Send a text through the API."""
        body = {"accountId": self.accounts[provider], "to": contact, "type": "text", "text": f"{SAID} {text}"}
        return str(self.ask("POST", "/api/messages", body).get("id"))

    def raw(self, path: str, data: bytes, headers: dict[str, str]) -> None:
        """Send what nobody should send."""
        request = urllib.request.Request(self.place.url + path, data, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.answers.append(answer.read().decode())
        except HTTPError as error:
            self.answers.append(error.read().decode())


def _connect(town: Town) -> None:
    """Every way to connect, and every way to fail at it."""
    sim = town.simulator
    sim.switch("behaviour", instagramRefreshAfterSeconds=0)
    town.consent("FACEBOOK", pages=[default.PAGE])
    town.consent("INSTAGRAM")
    town.consent("INSTAGRAM", body={"login": "facebook"})
    town.consent("INSTAGRAM", "deny")
    state = town.consent("FACEBOOK")
    path = f"{INTEGRATIONS}/connections/{state}"
    town.ask("GET", path)
    town.ask("POST", path, {"externalAccountIds": [default.BUSINESS_PAGE]})
    sim.switch("behaviour", facebookCodeSeconds=0)
    town.consent("FACEBOOK")
    sim.switch("behaviour", facebookCodeSeconds=600)
    connect = f"{INTEGRATIONS}/WHATSAPP/connect"
    signed = sim.embedded_signup(waba=default.WABA, phone_number=default.PHONE_NUMBER)
    town.codes.append(signed["code"])
    chosen = {"code": signed["code"], "externalAccountId": default.PHONE_NUMBER}
    town.ask("POST", connect, chosen)
    town.ask("POST", connect, chosen)
    town.ask("POST", connect, {"externalAccountId": "1", "accessToken": NOBODYS_TOKEN})
    ready = sim.connect(default.SECOND_PHONE_NUMBER)["accessToken"]
    town.ask("POST", connect, {"externalAccountId": default.SECOND_PHONE_NUMBER, "accessToken": ready})
    for effect, where in (("reset", "*access_token"), ("refuse", "debug_token"), ("broken", "me*")):
        sim.fault(effect, path=where, status=500, details=f"bad token {ready}")
        town.consent("FACEBOOK")
    sim.clear_faults()
    live = {one["externalAccountId"]: one["id"] for one in town.ask("GET", INTEGRATIONS)}
    town.accounts = {provider: live[external_id] for provider, (external_id, _) in PLATFORMS.items()}


def _talk(town: Town) -> None:
    """Receive and send on each platform, through each kind of trouble; refusals quote tokens and texts."""
    sim = town.simulator
    for provider, (external_id, _) in PLATFORMS.items():
        _talk_on(town, provider, external_id)
    sim.clear_faults()
    path = "/api/webhooks/WHATSAPP"
    text = f'{{"private": "{SAID}'.encode()
    town.raw(path, text, {"X-Hub-Signature-256": "sha256=" + "0" * 64})
    town.raw(path, text, {"Content-Type": "application/json"})
    wrong = {**town.place.caller, "Authorization": f"Bearer {NOBODYS_TOKEN}"}
    town.raw("/api/messages", b'{"text": "' + SAID.encode(), wrong)
    town.raw("/api/messages", b'{"text": "' + SAID.encode(), town.place.caller)


def _talk_on(town: Town, provider: str, external_id: str) -> None:
    sim = town.simulator
    sim.act(external_id, "mona", "text", text=f"{SAID} in blue, {provider}?")
    until(lambda: _contact(town, provider), f"{provider}: the message is in the log", 40)
    contact = _contact(town, provider)
    ends = [town.send(provider, contact, "yes")]
    until(lambda: _ended(town, ends), f"{provider}: sent", 40)
    token = sim.tokens(account=external_id)[-1]["accessToken"]
    for effect in ("refuse", "reset_after", "broken_after"):
        details = f"{SAID}: bad token {token}"
        sim.fault(effect, path="*/messages", code=100, status=500, details=details, error={"message": details})
        ends.append(town.send(provider, contact, effect))
    until(lambda: _ended(town, ends), f"{provider}: everything has ended", 60)
    sim.fault("reset", path="*/messages")
    unknown = town.send(provider, contact, "reset")
    until(lambda: town.ask("GET", f"/api/messages/{unknown}")["status"] == "UNKNOWN", f"{provider}: unknown", 40)


def _contact(town: Town, provider: str) -> str:
    page = town.ask("GET", f"/api/conversations?accountId={town.accounts[provider]}")
    return str(page["items"][0]["contact"]) if page["items"] else ""


def _ended(town: Town, messages: list[str]) -> bool:
    final = {"SENT", "DELIVERED", "READ", "FAILED"}
    return all(town.ask("GET", f"/api/messages/{one}")["status"] in final for one in messages)


async def _look_after(town: Town, url: str) -> None:
    """Renew every token, rotate the keys, cut the connections, lose a token, disconnect."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "UPDATE oauth_tokens SET expires_at = now() + '9 days', refresh_expires_at = now() + '9 days'"
        )
        before = await connection.fetchval("SELECT count(*) FROM oauth_tokens")
        await connection.execute("UPDATE oauth_tokens SET due_at = now(), updated_at = now() - interval '2 days'")
        assert before >= 5
        await _none(connection, "SELECT count(*) FROM oauth_tokens WHERE due_at <= now()")
        rotated = await asyncio.to_thread(town.place.told, "keys", "rotate")
        town.answers.append(rotated)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await asyncio.to_thread(until, lambda: town.place.ask("GET", "/readyz")[0] == 200, "it is ready again", 60)
        town.simulator.revoke(account=default.PHONE_NUMBER)
        await connection.execute("UPDATE oauth_tokens SET due_at = now()")
        await _none(connection, "SELECT count(*) FROM oauth_tokens WHERE due_at <= now()")
        await _none(connection, "SELECT 1 - count(*) FROM connected_accounts WHERE status = 'ERROR' LIMIT 1")
    finally:
        await connection.close()


async def _none(connection: asyncpg.Connection, query: str) -> None:
    for _ in range(600):
        if await connection.fetchval(query) <= 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(query)


def _master_keys(folder: Path) -> list[str]:
    """The development's master key: as it is written, and its bytes as Latin-1."""
    text = (folder / FILE_NAME).read_text()
    values = [one["keyData"]["value"] for one in json.loads(text)["key"]]
    return [*values, *(base64.b64decode(one).decode("latin-1") for one in values)]


@pytest.mark.parametrize("secret", ["EAAG-a.token+of/some=length", "0123456789abcdef"])
def test_a_secret_is_found_however_it_is_written(secret: str) -> None:
    """What searches below would find it: alone, or in the middle of something that is encoded as a whole."""
    for before in range(4):
        for after in range(4):
            around = b"x" * before + secret.encode() + b"y" * after
            for text in (base64.b64encode(around), base64.urlsafe_b64encode(around), around.hex().encode()):
                assert list(places_of([secret], {"here": text.decode()})) != []
    assert list(places_of([secret], {"here": secret[:-1], "there": ""})) == []
    assert all(len(one) > 10 for one in writings(secret))


def test_no_secret_and_no_text_stands_where_it_must_not(database_url: str, tmp_path: Path) -> None:
    """No token, code, secret or key in any column of any table, any log, any answer; no text in any log."""
    place = Place(tmp_path)
    place.settings |= {**OWN, "DATABASE_URL": database_url, "LOG_LEVEL": "DEBUG"}
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        town = Town(place)
        until(lambda: all(app["subscriptions"] for app in town.simulator.world()["apps"]), "callbacks are set", 40)
        _connect(town)
        _talk(town)
        asyncio.run(_look_after(town, database_url))
        for account in town.ask("GET", INTEGRATIONS)[:2]:
            town.ask("DELETE", f"{INTEGRATIONS}/{account['id']}/disconnect")
        for path in (INTEGRATIONS, "/api/jobs?limit=500", "/api/events?limit=500", "/api/messages?limit=500"):
            town.ask("GET", path)
        secrets = {
            *(one["accessToken"] for one in town.simulator.tokens()),
            *town.codes,
            *(one for text in OWN.values() for one in text.split(",")),
            *_master_keys(Path(place.settings["DATA_DIR"])),
            NOBODYS_TOKEN,
            place.caller["Authorization"].removeprefix("Bearer "),
        }
        started_with = "\n".join(" ".join(arguments_of(pid)) for pid in children_of(running.process.pid))
        assert "worker" in started_with
        assert running.stop() == 0, running.err
        logs = {"stdout": running.out, "stderr": running.err}
    tables = asyncio.run(dump(database_url))
    assert len(secrets) > 25
    assert len(set(town.codes)) > 8
    assert SAID in tables["messages"]
    assert "[warning" in logs["stderr"]
    answers = "\n".join(town.answers)
    assert SAID in answers
    places = {**tables, **logs, "answers": answers, "arguments": started_with}
    assert list(places_of(secrets, places)) == []
    assert list(places_of([SAID], logs)) == []
