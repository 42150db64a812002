"""Connecting by an id with its access token, or by a code that the platform's SDK gave to the browser."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conftest import SettingsFor
from tests.connecting.conftest import OPTIONS
from tests.connecting.town import Town, town
from tests.security.kms import LocalKms, kms

from hookline.simulator import default, grants
from hookline.simulator.grants import Consent
from hookline.simulator.records import TokenKind

__all__ = ["kms"]

NEVER = 0
WHATSAPP = ["whatsapp_business_management", "whatsapp_business_messaging"]
PAGES = ["pages_show_list", "pages_messaging", "pages_manage_metadata"]


def business_token(place: Town, scopes: list[str] | None = None, wabas: list[str] | None = None) -> str:
    """A system user's token for WhatsApp; limited to no business account, if none is named."""
    scopes = WHATSAPP if scopes is None else scopes
    granular = {} if wabas is None else dict.fromkeys(scopes, wabas)
    consent = Consent(user_id=default.OWNER, scopes=scopes, granular=granular)
    token = grants.give_token(
        place.sim, OPTIONS.app_id, consent, kind=TokenKind.SYSTEM_USER, subject_id=default.OWNER, seconds=NEVER
    )
    return token.value


def user_token(place: Town, user: str = default.OWNER) -> str:
    """A person's short-lived token for their pages."""
    consent = Consent(user_id=user, scopes=PAGES)
    token = grants.give_token(place.sim, OPTIONS.app_id, consent, kind=TokenKind.USER, subject_id=user, seconds=3600)
    return token.value


def signup_code(place: Town, wabas: list[str]) -> str:
    """What Embedded Signup gives to the browser."""
    app = place.sim.world.records.apps[OPTIONS.app_id]
    consent = Consent(user_id=default.OWNER, scopes=WHATSAPP, granular=dict.fromkeys(WHATSAPP, wabas))
    return grants.give_code(place.sim, app, consent, kind=TokenKind.SYSTEM_USER, redirect_uri=None).value


async def connect(place: Town, provider: str, **body: Any) -> Any:
    return await place.api.post(f"/api/integrations/{provider}/connect", body)


@pytest.mark.parametrize(
    ("limited", "metadata"), [(True, {}), (True, {"wabaId": "40199999999999"}), (False, {"wabaId": default.WABA})]
)
async def test_a_number_by_a_business_s_token(place: Town, limited: bool, metadata: Any) -> None:
    """A number connects by a token that reaches it; its addresses are the platform's, whatever the browser says."""
    token = business_token(place, wabas=[default.WABA] if limited else None)
    answer = await connect(
        place,
        "WHATSAPP",
        externalAccountId=default.PHONE_NUMBER,
        accessToken=token,
        displayName="Front desk",
        metadata={**metadata, "displayPhoneNumber": "+1 999"},
    )
    assert answer.status == 201, answer.text
    account = answer.json
    assert account["displayName"] == "Front desk"
    assert account["metadata"]["wabaId"] == default.WABA
    assert account["metadata"]["displayPhoneNumber"] == "+1 555-000-1001"
    assert token not in answer.text
    addresses = await place.pool.fetch("SELECT address FROM account_routes WHERE live")
    assert {row["address"] for row in addresses} == {
        default.PHONE_NUMBER,
        f"waba:{default.WABA}",
        "phone:15550001001",
    }


@pytest.mark.parametrize(
    ("account", "metadata"),
    [("50199999999999", {"wabaId": default.WABA}), ("../me", {}), (default.PHONE_NUMBER, {"wabaId": "40199999999999"})],
)
async def test_control_that_is_not_proved(place: Town, account: str, metadata: Any) -> None:
    """A token that does not reach the account connects nothing."""
    answer = await connect(
        place, "WHATSAPP", externalAccountId=account, accessToken=business_token(place), metadata=metadata
    )
    assert (answer.status, answer.problem) == (422, "control-unproved")
    assert await place.accounts() == []


async def test_a_token_that_does_not_hold(place: Town) -> None:
    """An invented token, a dead one, one of another app, and one without permissions are told apart and refused."""
    dead = business_token(place)
    place.sim.world.records.tokens[dead].dead = "removed"
    for token, problem in (
        ("EAAG-invented", "control-unproved"),
        (dead, "control-unproved"),
        (business_token(place, WHATSAPP[:1]), "missing-permissions"),
    ):
        answer = await connect(place, "WHATSAPP", externalAccountId=default.PHONE_NUMBER, accessToken=token)
        assert (answer.status, answer.problem) == (422, problem)
        assert token not in answer.text


async def test_a_page_by_a_person_s_token_or_its_own(place: Town) -> None:
    """A page connects by the token of somebody who manages it, and by its own."""
    answer = await connect(place, "FACEBOOK", externalAccountId=default.PAGE, accessToken=user_token(place))
    assert answer.status == 201, answer.text
    assert answer.json["oauthTokens"][0]["expiresAt"] is None
    page = place.sim.world.records.pages[default.BUSINESS_PAGE]
    person = place.sim.world.records.tokens[user_token(place)]
    own = grants.page_token(place.sim, person, page).value
    answer = await connect(place, "FACEBOOK", externalAccountId=default.BUSINESS_PAGE, accessToken=own)
    assert answer.status == 201, answer.text
    for token in (own, user_token(place, default.COLLEAGUE)):
        answer = await connect(place, "FACEBOOK", externalAccountId="30199999999999", accessToken=token)
        assert (answer.status, answer.problem) == (422, "control-unproved")
    answer = await connect(place, "FACEBOOK", externalAccountId=default.PAGE, accessToken=own)
    assert (answer.status, answer.problem) == (422, "control-unproved")


@pytest.mark.parametrize("name", [default.INSTAGRAM_ACCOUNT, "25100000000000001"])
async def test_an_instagram_account_by_its_token(place: Town, name: str) -> None:
    """Named by either of its ids, the account connects under the one of its webhooks."""
    consent = Consent(
        user_id=default.INSTAGRAM_ACCOUNT, scopes=["instagram_business_basic", "instagram_business_manage_messages"]
    )
    token = grants.give_token(
        place.sim,
        OPTIONS.app_id,
        consent,
        kind=TokenKind.INSTAGRAM,
        subject_id=default.INSTAGRAM_ACCOUNT,
        seconds=5_000_000,
        long_lived=True,
    ).value
    answer = await connect(place, "INSTAGRAM", externalAccountId=name, accessToken=token)
    assert (answer.status, answer.json["externalAccountId"]) == (201, default.INSTAGRAM_ACCOUNT)
    answer = await connect(place, "INSTAGRAM", externalAccountId=default.INSTAGRAM_OF_PAGE, accessToken=token)
    assert (answer.status, answer.problem) == (422, "control-unproved")


async def test_a_code_of_embedded_signup(place: Town) -> None:
    """The browser's code is exchanged at once; what it reaches counts, not what the browser says it is about."""
    code = signup_code(place, [default.WABA])
    answer = await connect(place, "WHATSAPP", code=code, externalAccountId=default.PHONE_NUMBER)
    assert (answer.status, answer.json["externalAccountId"]) == (201, default.PHONE_NUMBER)
    again = await connect(place, "WHATSAPP", code=code)
    assert (again.status, again.problem) == (422, "code-refused")
    assert code not in again.text
    other = await connect(place, "WHATSAPP", code=signup_code(place, []), externalAccountId=default.PHONE_NUMBER)
    assert (other.status, other.problem) == (422, "no-eligible-account")
    foreign = await connect(
        place, "WHATSAPP", code=signup_code(place, [default.WABA]), externalAccountId="50199999999999"
    )
    assert (foreign.status, foreign.problem) == (422, "no-eligible-account")


async def test_a_code_that_reaches_several_numbers(place: Town) -> None:
    """Several numbers are offered to the caller, who chooses among them."""
    answer = await connect(place, "WHATSAPP", code=signup_code(place, [default.WABA]))
    assert answer.status == 200
    assert len(answer.json["accounts"]) == 3
    chosen = await place.api.post(
        f"/api/integrations/connections/{answer.json['state']}", {"externalAccountIds": [default.PHONE_NUMBER]}
    )
    assert [one["externalAccountId"] for one in chosen.json["accounts"]] == [default.PHONE_NUMBER]


async def test_a_code_after_its_thirty_seconds(place: Town) -> None:
    """A code that came too late is refused as such."""
    code = signup_code(place, [default.WABA])
    place.sim.world.records.codes[code].expires_at = 0
    answer = await connect(place, "WHATSAPP", code=code)
    assert (answer.status, answer.problem) == (422, "code-refused")


async def test_a_token_mends_an_account_that_was_taken_at_its_word(place: Town) -> None:
    """An account that development connected unproved keeps its id when its token comes."""
    bare = (await connect(place, "WHATSAPP", externalAccountId=default.PHONE_NUMBER)).json
    assert bare["oauthTokens"] == []
    answer = await connect(
        place,
        "WHATSAPP",
        externalAccountId=default.PHONE_NUMBER,
        accessToken=business_token(place, wabas=[default.WABA]),
    )
    assert (answer.status, answer.json["id"]) == (200, bare["id"])
    assert len(answer.json["oauthTokens"]) == 1


@pytest.fixture
async def production(
    settings_for: SettingsFor, database_url: str, monkeypatch: pytest.MonkeyPatch, kms: LocalKms
) -> AsyncIterator[Town]:
    """The same place, in production; its platforms are the simulated ones all the same."""
    given = {
        "META_APP_ID": OPTIONS.app_id,
        "META_APP_SECRETS": OPTIONS.app_secret,
        "META_VERIFY_TOKEN": OPTIONS.verify_token,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"HOOKLINE_{name}", value)
    settings = settings_for(database_url, environment="production", kms_uri=kms.new_key())
    async with town(settings, OPTIONS, monkeypatch) as opened:
        yield opened


async def test_production_wants_proof(production: Town) -> None:
    """There nobody is taken at their word; with a token the account connects, encrypted by the KMS's key."""
    answer = await connect(production, "WHATSAPP", externalAccountId=default.PHONE_NUMBER)
    assert (answer.status, answer.problem) == (422, "invalid")
    answer = await connect(
        production,
        "WHATSAPP",
        externalAccountId=default.PHONE_NUMBER,
        accessToken=business_token(production, wabas=[default.WABA]),
    )
    assert answer.status == 201, answer.text
    assert (await production.pool.fetchval("SELECT wrapped_by FROM encryption_keysets")).startswith("aws-kms://")


async def test_production_allows_no_address_by_itself(production: Town) -> None:
    """There a browser goes back nowhere that is not allowed by name, this machine included."""
    for url in ("http://localhost:3000/", "https://crm.example/"):
        answer = await production.api.post("/api/integrations/FACEBOOK/connect", {"returnUrl": url})
        assert (answer.status, answer.problem) == (422, "return-url-refused")
    begun = await production.api.post("/api/integrations/INSTAGRAM/connect", {"login": "instagram"})
    assert (begun.status, begun.problem) == (501, "not-configured")
