"""/api/integrations over HTTP."""

import asyncio
from typing import Any

import pytest
from tests.conftest import SettingsFor
from tests.web.conftest import Client, OpenApi
from tests.web.rows import Rows

from hookline.domain.principal import Role

CONNECT = "/api/integrations/WHATSAPP/connect"


async def connect(api: Client, external_id: Any = "whatsapp-business-123", **more: Any) -> Any:
    answer = await api.post(CONNECT, {"externalAccountId": external_id, **more})
    assert answer.status == 201, answer.text
    return answer.json


async def test_connect_answers_the_account_in_the_specification_s_shape(api: Client) -> None:
    """Connecting answers 201 with the account, connected, without any token."""
    account = await connect(api, displayName="My WhatsApp Business")
    assert account["organizationId"] == "org-1"
    assert account["provider"] == "WHATSAPP"
    assert account["externalAccountId"] == "whatsapp-business-123"
    assert account["displayName"] == "My WhatsApp Business"
    assert account["status"] == "CONNECTED"
    assert account["oauthTokens"] == []
    assert account["createdAt"].endswith("Z")
    assert account["updatedAt"] == account["createdAt"]


async def test_list_is_a_bare_array_in_order_of_connection(api: Client) -> None:
    """The list of accounts is an array, oldest first."""
    assert (await api.get("/api/integrations")).json == []
    first, second = await connect(api, "one"), await connect(api, "two")
    assert (await api.get("/api/integrations")).json == [first, second]


async def test_list_shows_the_caller_s_organization_only(api: Client) -> None:
    """Nobody sees the accounts of another organization."""
    await connect(api, "one")
    theirs = await connect(api.of("org-2"), "two")
    assert (await api.of("org-2").get("/api/integrations")).json == [theirs]


async def test_provider_is_taken_in_either_case(api: Client) -> None:
    """A provider's name in the path may be written in small letters."""
    answer = await api.post("/api/integrations/whatsapp/connect", {"externalAccountId": "one"})
    assert (answer.status, answer.json["provider"]) == (201, "WHATSAPP")


UNKNOWN = ["TELEGRAM", "%00", "WHATSAPP%20", "%F0%9F%98%80"]


async def test_unknown_provider_is_not_found(api: Client) -> None:
    """A provider that does not exist is 404, whatever the body."""
    for name in UNKNOWN:
        answer = await api.post(f"/api/integrations/{name}/connect", {})
        assert (answer.status, answer.problem) == (404, "not-found")


async def test_connecting_what_is_live_answers_the_same_account(api: Client) -> None:
    """Connecting again answers 200 with the same account, and adds none."""
    account = await connect(api, metadata={"wabaId": "1"})
    again = await api.post(CONNECT, {"externalAccountId": "whatsapp-business-123", "metadata": {"tier": 2}})
    assert (again.status, again.json["id"]) == (200, account["id"])
    assert again.json["metadata"] == {"wabaId": "1", "tier": 2}
    assert len((await api.get("/api/integrations")).json) == 1


async def test_two_at_once_make_one_account(api: Client) -> None:
    """The same connection asked for many times at once makes one account, and one of the answers is 201."""
    asked = [api.post(CONNECT, {"externalAccountId": "one"}) for _ in range(6)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in answers) == [200] * 5 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1


async def test_disconnect(api: Client) -> None:
    """Disconnecting answers id, status and time; the account stays in the list; twice changes nothing."""
    account = await connect(api)
    path = f"/api/integrations/{account['id']}/disconnect"
    first = await api.delete(path)
    assert first.status == 200
    assert first.json == {"id": account["id"], "status": "DISCONNECTED", "updatedAt": first.json["updatedAt"]}
    assert first.json["updatedAt"] > account["updatedAt"]
    second = await api.delete(path)
    assert (second.status, second.json) == (200, first.json)
    assert [one["status"] for one in (await api.get("/api/integrations")).json] == ["DISCONNECTED"]


async def test_a_disconnected_account_is_revived_under_its_id(api: Client) -> None:
    """Connecting a disconnected account again answers 201 with the id that it had, and keeps its name."""
    account = await connect(api, displayName="Shop")
    await api.delete(f"/api/integrations/{account['id']}/disconnect")
    revived = await connect(api)
    assert (revived["id"], revived["status"], revived["displayName"]) == (account["id"], "CONNECTED", "Shop")


async def test_an_account_is_live_in_one_organization_at_a_time(api: Client) -> None:
    """What is live elsewhere is a conflict that does not say where; once disconnected there, it can be connected."""
    account = await connect(api)
    refused = await api.of("org-2").post(CONNECT, {"externalAccountId": "whatsapp-business-123"})
    assert (refused.status, refused.problem) == (409, "account-elsewhere")
    assert "org-1" not in refused.text
    assert account["id"] not in refused.text
    await api.delete(f"/api/integrations/{account['id']}/disconnect")
    await connect(api.of("org-2"))
    back = await api.post(CONNECT, {"externalAccountId": "whatsapp-business-123"})
    assert (back.status, back.problem) == (409, "account-elsewhere")


async def test_the_same_id_at_two_platforms_is_two_accounts(api: Client, rows: Rows) -> None:
    """An external id belongs to its platform."""
    await rows.account("org-2", provider="FACEBOOK", external_id="one")
    await connect(api, "one")


async def test_another_organization_s_account_cannot_be_disconnected(api: Client) -> None:
    """Another organization's account is not found, and stays connected."""
    account = await connect(api)
    answer = await api.of("org-2").delete(f"/api/integrations/{account['id']}/disconnect")
    assert (answer.status, answer.problem) == (404, "not-found")
    assert (await api.get("/api/integrations")).json[0]["status"] == "CONNECTED"


ABSENT = ["x", "0198c0de-0000-7000-8000-000000000001", "%00", "a" * 3000]


async def test_an_account_that_is_not_there_cannot_be_disconnected(api: Client) -> None:
    """An id that nobody has, or that is none, is not found."""
    for account_id in ABSENT:
        answer = await api.delete(f"/api/integrations/{account_id}/disconnect")
        assert (answer.status, answer.problem) == (404, "not-found")


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.MANAGER])
async def test_managers_connect_and_disconnect(api: Client, role: Role) -> None:
    """Owners, admins and managers connect and disconnect."""
    caller = api.of("org-1", role)
    account = await connect(caller)
    assert (await caller.delete(f"/api/integrations/{account['id']}/disconnect")).status == 200


async def test_members_only_look(api: Client) -> None:
    """Members see the accounts, and neither connect nor disconnect any."""
    account = await connect(api)
    caller = api.of("org-1", Role.MEMBER)
    assert len((await caller.get("/api/integrations")).json) == 1
    refused = await caller.post(CONNECT, {"externalAccountId": "two"})
    assert (refused.status, refused.problem) == (403, "forbidden")
    refused = await caller.delete(f"/api/integrations/{account['id']}/disconnect")
    assert (refused.status, refused.problem) == (403, "forbidden")


async def test_connecting_and_disconnecting_are_facts_of_the_feed(api: Client, rows: Rows) -> None:
    """Each change is told once, whoever asks how often."""
    account = await connect(api)
    await api.post(CONNECT, {"externalAccountId": "whatsapp-business-123"})
    for _ in range(2):
        await api.delete(f"/api/integrations/{account['id']}/disconnect")
    facts = await rows.connection.fetch("SELECT type FROM outbox ORDER BY tx_id, seq")
    assert [fact["type"] for fact in facts] == ["account.connected", "account.disconnected"]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (106540352242922, "106540352242922"),
        (123456789012345678901234567890, "123456789012345678901234567890"),
        ("x" * 512, "x" * 512),
        ("номер-😀", "номер-😀"),
        ("'; DROP TABLE messages; --", "'; DROP TABLE messages; --"),
    ],
)
async def test_external_ids_are_text(api: Client, given: Any, stored: str) -> None:
    """An id may be written as a whole number of any length, and is kept as text, digit for digit."""
    assert (await connect(api, given))["externalAccountId"] == stored


BAD_BODIES: list[tuple[Any, str]] = [
    ({"externalAccountId": ""}, "body.externalAccountId"),
    ({"externalAccountId": " one"}, "body.externalAccountId"),
    ({"externalAccountId": "x" * 513}, "body.externalAccountId"),
    ({"externalAccountId": "ж" * 300}, "body.externalAccountId"),
    ({"externalAccountId": "a\x00b"}, "body.externalAccountId"),
    ({"externalAccountId": "a\ud800b"}, "body.externalAccountId"),
    ({"externalAccountId": 1.5}, "body.externalAccountId"),
    ({"externalAccountId": True}, "body.externalAccountId"),
    ({"externalAccountId": ["one"]}, "body.externalAccountId"),
    ({"externalAccountId": 10**600}, "body.externalAccountId"),
    ({"externalAccountId": "one", "displayName": 7}, "body.displayName"),
    ({"externalAccountId": "one", "displayName": "a\x00"}, "body.displayName"),
    ({"externalAccountId": "one", "metadata": []}, "body.metadata"),
    ({"externalAccountId": "one", "metadata": {"a": {}}}, "body.metadata"),
    ({"externalAccountId": "one", "metadata": {"a": "\x00"}}, "body.metadata"),
    ({"externalAccountId": "one", "metadata": {"a\ud800": 1}}, "body.metadata"),
    ({"externalAccountId": "one", "metadata": {str(n): n for n in range(65)}}, "body.metadata"),
    ({"externalAccountId": "one", "accessToken": "open sesame"}, "body.accessToken"),
    ({"externalAccountId": "one", "accessToken": "sesame\r\nHost: x"}, "body.accessToken"),
    ({"externalAccountId": "one", "accessToken": ""}, "body.accessToken"),
    ({"accessToken": "sesame"}, "body"),
    ({"externalAccountId": "one", "accessToken": "sesame", "code": "x"}, "body"),
    ({"externalAccountId": "one", "code": "", "pin": "123456"}, "body.code"),
    ({"externalAccountId": "one", "pin": "12345"}, "body.pin"),
    ({"externalAccountId": "one", "pin": "١٢٣٤٥٦"}, "body.pin"),
    ({"externalAccountId": "one", "pin": "123456\n"}, "body.pin"),
    ({"externalAccountId": "one", "login": "myspace"}, "body.login"),
    ({"externalAccountId": "one", "returnUrl": "http://localhost/"}, "body"),
    ({"externalAccountId": "one", "organizationId": "org-2"}, "body.organizationId"),
    ({"externalAccountId": "one", "weird\n<b>": 1}, "body.weird?<b>"),
    ({"externalAccountId": "one", "weird\ud800": 1}, "body"),
    ({"externalAccountId": "one", "w" * 600: 1}, "body." + "w" * 95),
    ([], "body"),
    ("one", "body"),
]


async def test_a_body_that_does_not_fit_is_named_by_field(api: Client) -> None:
    """A body that does not fit is 422, names the field, and connects nothing."""
    for body, location in BAD_BODIES:
        answer = await api.post(CONNECT, body)
        assert (answer.status, answer.problem) == (422, "invalid")
        assert [error["location"] for error in answer.json["errors"]] == [location]
        assert (await api.get("/api/integrations")).json == []


NO_JSON = [
    b"{",
    b"\xff\xfe",
    b'{"externalAccountId": NaN}',
    b"[" * 100_000,
    b'{"externalAccountId": ' + b"1" * 5000 + b"}",
    b'{"externalAccountId": "one", "metadata": {"a": 1e999}}',
]


async def test_a_body_that_is_no_json_is_422(api: Client) -> None:
    """What is no JSON in UTF-8, or beyond any reader's limits, is 422, never an error of ours."""
    for body in NO_JSON:
        answer = await api.post(CONNECT, data=body)
        assert (answer.status, answer.problem) == (422, "invalid")


async def test_a_huge_body_is_refused(api: Client) -> None:
    """A body over one megabyte is 413."""
    answer = await api.post(CONNECT, {"externalAccountId": "one", "displayName": "x" * 1_100_000})
    assert (answer.status, answer.problem) == (413, "too-large")


async def test_strangers_bodies_are_not_looked_at(api: Client) -> None:
    """Without a token, even a broken body is 401."""
    answer = await api.post(CONNECT, headers={}, data=b"{")
    assert (answer.status, answer.problem) == (401, "unauthenticated")


async def test_metadata_goes_out_as_it_came_in(api: Client) -> None:
    """Metadata keeps its values, whole numbers beyond 64 bits included."""
    metadata = {"wabaId": "102290129340398", "tier": 3, "verified": True, "quality": None, "ratio": 0.5}
    assert (await connect(api, metadata=metadata))["metadata"] == metadata
    big = await api.post(CONNECT, {"externalAccountId": "big", "metadata": {"id": 2**80}})
    assert (big.status, str(2**80) in big.text) == (201, True)


async def test_production_does_not_connect_by_id(
    open_api: OpenApi, settings_for: SettingsFor, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In production nobody connects an account whose control is not proved; the answer says what is missing."""
    for name in ("META_APP_ID", "META_APP_SECRETS", "META_VERIFY_TOKEN", "INSTAGRAM_APP_SECRETS"):
        monkeypatch.setenv(f"HOOKLINE_{name}", "something of thirty-two characters")
    api = await open_api(settings_for(database_url, environment="production"))
    answer = await api.post(CONNECT, {"externalAccountId": "one"})
    assert (answer.status, answer.problem) == (422, "invalid")
    assert "access token" in answer.json["detail"]
    assert (await api.get("/api/integrations")).json == []
