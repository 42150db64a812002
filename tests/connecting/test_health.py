"""An account's health: each thing that can be wrong with it is found, named, and has its mend."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.connecting.clinic import Clinic, by_name, place

from hookline.simulator import default, grants
from hookline.simulator.faults import Effect, Fault
from hookline.simulator.records import Override
from hookline.simulator.subscriptions import INSTAGRAM, PAGE, WHATSAPP

__all__ = ["place"]

OPERATORS_PAGE = (Path(__file__).parents[2] / "docs/operating.md").read_text()
ELSEWHERE = "https://elsewhere.example/hook?key=a-secret-of-others"
# What is not ok of a sound account that was connected by its token just now.
SOUND = {
    "WHATSAPP": {"last-webhook"},
    "FACEBOOK": {"last-webhook", "permissions"},
    "INSTAGRAM": {"last-webhook", "permissions", "token-expiry"},
}


@pytest.mark.parametrize("provider", SOUND)
async def test_a_sound_account(place: Clinic, provider: str) -> None:
    """All that the contract names is looked at and documented; only what is not known or not there is not ok."""
    report = await place.health(await place.connect(provider))
    found = by_name(report)
    assert {name for name, one in found.items() if one["severity"] != "ok"} == SOUND[provider]
    assert report["status"] == "warning"
    every = {"account", "pauses", "last-webhook", "database-clock", "handshake", "token", "permissions", "token-expiry"}
    assert found.keys() >= every | {"clock", "subscription", "app-subscription", "callback-app"}
    if provider == "WHATSAPP":
        of_numbers = {"registration", "quality", "messaging-limit", "display-name", "sending"}
        assert found.keys() >= of_numbers | {"callback-account", "callback-number"}
    for one in report["findings"]:
        assert f"`{one['name']}`" in OPERATORS_PAGE, one
        assert one["found"], one
        assert (one["mend"] is None) == (one["severity"] == "ok"), one


Break = Callable[[Clinic], Any]


def _tokens(place: Clinic) -> Any:
    return place.sim.world.records.tokens.values()


def _kill(cause: str) -> Break:
    return lambda place: grants.kill_tokens(_tokens(place), cause)


def _set(**values: Any) -> Break:
    def change(place: Clinic) -> None:
        for token in _tokens(place):
            for name, value in values.items():
                setattr(token, name, value)

    return change


def _without(scope: str) -> Break:
    def change(place: Clinic) -> None:
        for token in _tokens(place):
            token.scopes = [one for one in token.scopes if one != scope]

    return change


def _page_fields(*fields: str) -> Break:
    return lambda place: place.sim.world.records.pages[default.PAGE].subscribed.update({place.app.id: [*fields]})


def _no_subscription(place: Clinic) -> None:
    records = place.sim.world.records
    records.pages[default.PAGE].subscribed.clear()
    records.wabas[default.WABA].subscribed.clear()
    records.instagram_accounts[default.INSTAGRAM_ACCOUNT].subscribed.clear()


def _app_lacks(object_name: str, field: str) -> Break:
    return lambda place: place.app.subscriptions[object_name].fields.remove(field)


def _app_elsewhere(object_name: str) -> Break:
    return lambda place: setattr(place.app.subscriptions[object_name], "callback_url", ELSEWHERE)


def _waba_override(place: Clinic) -> None:
    place.sim.world.records.wabas[default.WABA].subscribed[place.app.id] = Override(
        callback_url=ELSEWHERE, verify_token="x"
    )


def _number(**values: Any) -> Break:
    def change(place: Clinic) -> None:
        for name, value in values.items():
            setattr(place.sim.world.records.phone_numbers[default.PHONE_NUMBER], name, value)

    return change


def _of_another_app(place: Clinic) -> None:
    other = msgspec.structs.replace(place.app, id="70100000000009", name="Another", secret="another")
    place.sim.world.records.apps[other.id] = other
    _set(app_id=other.id)(place)


NUMBER_ELSEWHERE = Override(callback_url=ELSEWHERE, verify_token="x")
BLOCKED = {"error_code": 141006, "error_description": "Payment is missing.", "possible_solution": "Pay the bill."}


# case: provider, what is broken, the finding's name and severity, a piece of what was seen, a piece of the mend
BROKEN: dict[str, tuple[str, Break, str, str, str, str]] = {
    "revoked": ("FACEBOOK", _kill("removed"), "token", "problem", "not valid", "Connect the account again"),
    "password changed": ("WHATSAPP", _kill("password"), "token", "problem", "not valid", "Connect"),
    "revoked at instagram": ("INSTAGRAM", _kill("removed"), "token", "problem", "refuses the access token", "Connect"),
    "expired": ("WHATSAPP", _kill("expired"), "token", "problem", "not valid", "Connect"),
    "ends soon": (
        "WHATSAPP",
        lambda place: _set(expires_at=int(place.sim.world.clock.now()) + 3 * 86400)(place),
        *("token-expiry", "warning", "ends at", "REFRESH_TOKEN"),
    ),
    "data access ended": (
        "FACEBOOK",
        lambda place: _set(data_access_expires_at=int(place.sim.world.clock.now()) - 60)(place),
        *("data-access", "problem", "ended", "Connect the account again"),
    ),
    "data access ends soon": (
        "FACEBOOK",
        lambda place: _set(data_access_expires_at=int(place.sim.world.clock.now()) + 86400)(place),
        *("data-access", "warning", "ends at", "connect the account again"),
    ),
    "a needed permission": (
        "FACEBOOK",
        _without("pages_messaging"),
        *("permissions", "problem", "pages_messaging", "ticked"),
    ),
    "another's permission": (
        "WHATSAPP",
        _without("whatsapp_business_messaging"),
        *("permissions", "problem", "whatsapp_business_messaging", "ticked"),
    ),
    "another app's token": (
        "FACEBOOK",
        _of_another_app,
        *("token", "problem", "not of our app", "HOOKLINE_META_APP_ID"),
    ),
    "the page's subscription": ("FACEBOOK", _no_subscription, "subscription", "problem", "not subscribed", "/sync"),
    "the account's": ("WHATSAPP", _no_subscription, "subscription", "problem", "not subscribed", "/sync"),
    "instagram's": ("INSTAGRAM", _no_subscription, "subscription", "problem", "not subscribed", "/sync"),
    "a page's field": (
        "FACEBOOK",
        _page_fields("messages", "feed"),
        *("subscription", "warning", "messaging_postbacks", "/sync"),
    ),
    "a page's messages": ("FACEBOOK", _page_fields("feed"), "subscription", "problem", "messages", "/sync"),
    "the app's field": (
        "WHATSAPP",
        _app_lacks(WHATSAPP, "account_update"),
        *("app-subscription", "warning", "account_update", "Webhooks → WhatsApp Business Account"),
    ),
    "the app's messages": (
        "INSTAGRAM",
        _app_lacks(INSTAGRAM, "messages"),
        *("app-subscription", "problem", "messages", "Webhooks → Instagram"),
    ),
    "the app's subscription": (
        "FACEBOOK",
        lambda place: place.app.subscriptions.pop(PAGE),
        *("app-subscription", "problem", "not subscribed to Page", "verify token"),
    ),
    "the app's callback": (
        "FACEBOOK",
        _app_elsewhere(PAGE),
        *("callback-app", "problem", "https://elsewhere.example/hook?…", "/api/webhooks/facebook"),
    ),
    "the account's callback": (
        "WHATSAPP",
        _waba_override,
        *("callback-account", "problem", "elsewhere.example", f"POST /{default.WABA}/subscribed_apps"),
    ),
    "the number's callback": (
        "WHATSAPP",
        _number(override=NUMBER_ELSEWHERE),
        *("callback-number", "problem", "elsewhere.example", f"POST /{default.PHONE_NUMBER}"),
    ),
    "quality": ("WHATSAPP", _number(quality="YELLOW"), "quality", "warning", "YELLOW", "marketing"),
    "bad quality": ("WHATSAPP", _number(quality="RED"), "quality", "problem", "RED", "marketing"),
    "a new quality": ("WHATSAPP", _number(quality="MAUVE"), "quality", "warning", "MAUVE", "look for yourself"),
    "registration": ("WHATSAPP", _number(registered=False), "registration", "problem", "not registered", "Connect"),
    "the name": ("WHATSAPP", _number(name_status="DECLINED"), "display-name", "problem", "declined", "name"),
    "sending": ("WHATSAPP", _number(blocked_by=[BLOCKED]), "sending", "problem", "Payment is missing", "Pay the bill"),
    "throttled": (
        "FACEBOOK",
        lambda place: place.sim.faults.add(Fault(effect=Effect.REFUSE, path="debug_token", code=4)),
        *("token", "warning", "does not tell now", "later"),
    ),
    "the app's secret": (
        "FACEBOOK",
        lambda place: setattr(place.app, "secret", "another"),
        *("token", "problem", "HOOKLINE_META_APP_SECRETS", "app"),
    ),
    "a page of HTML": (
        "FACEBOOK",
        lambda place: place.sim.faults.add(Fault(effect=Effect.BROKEN, path="*/subscriptions", status=502)),
        *("app-subscription", "warning", "502", "later"),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_what_is_wrong_is_found(place: Clinic, case: str) -> None:
    """The finding is there under its name, as bad as it is, with what was seen and a mend that fits."""
    provider, breaks, name, severity, found, mend = BROKEN[case]
    account_id = await place.connect(provider)
    breaks(place)
    report = await place.health(account_id)
    one = by_name(report)[name]
    assert one["severity"] == severity, one
    assert found in one["found"], one
    assert mend in one["mend"], one
    assert "a-secret-of-others" not in str(report)
    if severity == "problem":
        assert report["status"] == "problem"


async def test_an_override_that_is_ours(place: Clinic) -> None:
    """An app that serves another installation is only worth a warning where the number's messages come here."""
    account_id = await place.connect("WHATSAPP")
    ours = Override(callback_url=f"{place.owner.url}/API/Webhooks/WhatsApp", verify_token="x")
    _app_elsewhere(WHATSAPP)(place)
    place.sim.world.records.phone_numbers[default.PHONE_NUMBER].override = ours
    found = by_name(await place.health(account_id))
    assert found["callback-app"]["severity"] == "warning"
    assert "but for messages" in found["callback-app"]["found"]
    assert found["callback-number"]["severity"] == "ok"


async def test_instagram_behind_a_page(place: Clinic) -> None:
    """An account that a page's token serves is looked at through its page."""
    account_id = await place.connect("FACEBOOK")
    await place.execute(
        "UPDATE connected_accounts SET provider = 'INSTAGRAM', external_account_id = $1, metadata = $2",
        default.INSTAGRAM_OF_PAGE,
        f'{{"login": "facebook", "pageId": "{default.PAGE}"}}',
    )
    found = by_name(await place.health(account_id))
    assert found["token"]["severity"] == found["app-subscription"]["severity"] == "ok"
    assert found["subscription"]["found"] == "our app is subscribed to the account's page"
