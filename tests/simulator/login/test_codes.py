"""Codes: single use, in time, with the same redirect URI, and only for the app they were given to."""

import pytest
from tests.simulator.login.steps import (
    REDIRECT,
    answer_in,
    consent,
    exchange,
    exchange_instagram,
    facebook_dialog,
    instagram_dialog,
)
from tests.simulator.stage import Stage

from hookline.simulator import default
from hookline.simulator.options import DEFAULT_APP_ID


async def code(stage: Stage) -> str:
    """A code of Facebook's dialog."""
    return answer_in(await consent(stage, facebook_dialog()))["code"]


async def test_a_code_is_exchanged_once(stage: Stage) -> None:
    """The first exchange gives a short-lived token, the second is refused."""
    given = await code(stage)
    first = await exchange(stage, given)
    assert first.json["token_type"] == "bearer"
    assert 3590 <= first.json["expires_in"] <= 3600
    assert (await exchange(stage, given)).error == (100, 36009)


@pytest.mark.parametrize("changed", [REDIRECT + "/", REDIRECT.upper(), ""], ids=["slash", "case", "missing"])
async def test_the_redirect_uri_must_be_the_same_byte_for_byte(stage: Stage, changed: str) -> None:
    """Another redirect URI is refused; and does not use the code up."""
    given = await code(stage)
    assert (await exchange(stage, given, redirect_uri=changed)).error == (100, 36008)
    assert (await exchange(stage, given)).status == 200


async def test_a_code_of_the_dialog_lives_ten_minutes(stage: Stage) -> None:
    """After ten minutes it has expired."""
    given = await code(stage)
    stage.sim.world.clock.advance(601)
    assert (await exchange(stage, given)).error == (100, 36007)


async def test_wrong_credentials_are_refused(stage: Stage) -> None:
    """Unknown app, wrong secret, foreign code, no code: each its own refusal."""
    given = await code(stage)
    assert (await exchange(stage, given, client_id="1")).error == (101, None)
    assert (await exchange(stage, given, client_secret="no")).error == (1, None)
    assert (await exchange(stage, given[:-1])).error == (100, 36007)
    assert (await exchange(stage, "")).error == (100, None)
    other = await stage.call("POST", "control/world/apps", json={"name": "Other"})
    foreign = {"client_id": other.json["id"], "client_secret": other.json["secret"]}
    assert (await exchange(stage, given, **foreign)).error == (100, 36007)
    assert (await exchange(stage, given)).status == 200


async def test_a_signup_code_lives_thirty_seconds(stage: Stage) -> None:
    """It is exchanged without a redirect URI, at once or not at all."""
    signup = (await stage.call("POST", "control/embedded-signup", json={})).json
    assert signup["message"]["type"] == "WA_EMBEDDED_SIGNUP"
    data = signup["message"]["data"]
    assert (data["waba_id"], data["phone_number_id"]) == (default.WABA, default.PHONE_NUMBER)
    assert (await exchange(stage, signup["code"])).error == (100, 36008)
    exchanged = await exchange(stage, signup["code"], redirect_uri="")
    assert exchanged.status == 200
    assert "expires_in" not in exchanged.json
    late = (await stage.call("POST", "control/embedded-signup", json={})).json["code"]
    stage.sim.world.clock.advance(31)
    assert (await exchange(stage, late, redirect_uri="")).error == (100, 36007)


async def test_the_ways_a_signup_can_end(stage: Stage) -> None:
    """Without a number, by the phone's app, and cancelled: each with what its message tells, and no more."""
    ends = {}
    for event in ("FINISH_ONLY_WABA", "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING", "CANCEL"):
        ends[event] = (await stage.call("POST", "control/embedded-signup", json={"event": event})).json
    assert set(ends["FINISH_ONLY_WABA"]["message"]["data"]) == {"waba_id", "business_id"}
    assert set(ends["FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING"]["message"]["data"]) == {"waba_id"}
    assert ends["CANCEL"]["code"] is None


async def test_a_signup_token_can_be_of_sixty_days(stage: Stage) -> None:
    """A configuration may give tokens that expire."""
    signup = await stage.call("POST", "control/embedded-signup", json={"tokenSeconds": 60 * 86400})
    exchanged = await exchange(stage, signup.json["code"], redirect_uri="")
    assert exchanged.json["expires_in"] == 60 * 86400


async def test_instagram_answers_in_either_shape(stage: Stage) -> None:
    """Plain or wrapped; permissions as a text or a list; the user id is a JSON number beyond 2^53."""
    first = answer_in(await consent(stage, instagram_dialog()))["code"]
    plain = (await exchange_instagram(stage, first)).json
    assert plain["user_id"] == 25100000000000001
    assert plain["permissions"] == "instagram_business_basic,instagram_business_manage_messages"
    stage.sim.behaviour.instagram_exchange_wrapped = True
    stage.sim.behaviour.instagram_permissions_as_list = True
    second = answer_in(await consent(stage, instagram_dialog()))["code"]
    (wrapped,) = (await exchange_instagram(stage, second)).json["data"]
    assert wrapped["permissions"] == ["instagram_business_basic", "instagram_business_manage_messages"]


async def test_instagram_refuses_in_its_own_envelope(stage: Stage) -> None:
    """Used, expired, wrong secret, wrong redirect, the fragment left on the code, JSON instead of a form."""
    given = answer_in(await consent(stage, instagram_dialog()))["code"]
    wrong = [
        await exchange_instagram(stage, given, client_secret="no"),
        await exchange_instagram(stage, given, client_id=DEFAULT_APP_ID),
        await exchange_instagram(stage, given, redirect_uri=REDIRECT + "/"),
        await exchange_instagram(stage, given, grant_type="refresh_token"),
        await exchange_instagram(stage, given + "#_"),
        await stage.call("POST", "instagram-api/oauth/access_token", json={"code": given}),
        await stage.call("GET", "instagram-api/oauth/access_token", params={"code": given}),
    ]
    assert (await exchange_instagram(stage, given)).status == 200
    wrong.append(await exchange_instagram(stage, given))
    late = answer_in(await consent(stage, instagram_dialog()))["code"]
    stage.sim.world.clock.advance(3601)
    wrong.append(await exchange_instagram(stage, late))
    for reply in wrong:
        assert reply.status in (400, 404)
        assert set(reply.json) == {"error_type", "code", "error_message"}
        assert reply.json["error_type"] == "OAuthException"


async def test_a_code_of_one_login_is_nothing_to_the_other(stage: Stage) -> None:
    """Instagram's code is not taken by Facebook, nor the other way round."""
    instagram = answer_in(await consent(stage, instagram_dialog()))["code"]
    assert (await exchange(stage, instagram)).error == (100, 36007)
    assert (await exchange_instagram(stage, await code(stage))).status == 400
