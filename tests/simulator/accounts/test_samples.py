"""The accounts side against the shared samples: replies have the documented outline, requests are accepted."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.simulator.accounts.test_tokens import debug
from tests.simulator.login.steps import (
    answer_in,
    consent,
    exchange_instagram,
    instagram_dialog,
    user_token,
)
from tests.simulator.stage import WHATSAPP_TOKEN, Reply, Stage

from hookline.simulator import default

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "payloads"
OPENAPI = FOLDER / "facebook__openapi" / "api"
VARIANTS = FOLDER / "facebook__openapi" / "variants" / "api"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the shared payload samples are not here")


def sample(path: Path) -> Any:
    """Read a sample."""
    return json.loads(path.read_text())


def differences(ours: Any, theirs: Any, at: str = "") -> list[str]:
    """What a documented value has that ours has not: keys, and types (null fits any)."""
    if theirs is None or ours is None:
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        missing = [f"{at}.{key} is missing" for key in theirs if key not in ours]
        common = [key for key in theirs if key in ours]
        return missing + [one for key in common for one in differences(ours[key], theirs[key], f"{at}.{key}")]
    if isinstance(theirs, list) and isinstance(ours, list):
        return [one for item in ours[:1] for one in differences(item, theirs[0], f"{at}[]")] if theirs else []
    if type(theirs) is type(ours):
        return []
    return [f"{at} is {type(ours).__name__}, not {type(theirs).__name__}"]


async def fields_of(stage: Stage, node: str, names: list[str]) -> Any:
    """Ask a node for fields."""
    reply = await stage.call("GET", f"graph/v25.0/{node}?fields={','.join(names)}", WHATSAPP_TOKEN)
    assert reply.status == 200, reply.body
    return reply.json


@pytest.mark.parametrize(
    "path",
    [
        OPENAPI / "GETVersion_Phone_Number_ID/response200_comprehensive_response.json",
        FOLDER / "Bindambc__whatsapp-business-java-api/phone/phoneNumber.json",
        FOLDER / "Bindambc__whatsapp-business-java-api/phone/phoneWithSpecificFields.json",
    ],
    ids=lambda path: path.name,
)
async def test_a_numbers_fields(stage: Stage, path: Path) -> None:
    """Asked for what a sample shows, a number shows it."""
    theirs = sample(path)
    assert differences(await fields_of(stage, default.PHONE_NUMBER, list(theirs)), theirs) == []


async def test_a_numbers_full_answer(stage: Stage) -> None:
    """All the fields of the longest sample exist; those that a number has are of its types."""
    theirs = sample(FOLDER / "restfb__restfb/whatsapp/phone-number-full-response.json")
    ours = await fields_of(stage, default.SECOND_PHONE_NUMBER, list(theirs))
    absent = {"certificate", "new_certificate", "last_onboarded_time"}  # of a number that has none
    wanted = {key: value for key, value in theirs.items() if key not in absent}
    wanted["health_status"]["entities"] = wanted["health_status"]["entities"][:1]
    del wanted["health_status"]["entities"][0]["additional_info"]
    assert differences(ours, wanted) == []


@pytest.mark.parametrize(
    "path",
    [
        OPENAPI / "GETVersion_WABA_ID_phone_numbers/response200_multiple_phone_numbers.json",
        FOLDER / "Bindambc__whatsapp-business-java-api/phone/phoneNumbersList.json",
    ],
    ids=lambda path: path.name,
)
async def test_a_wabas_numbers(stage: Stage, path: Path) -> None:
    """The list has the sample's outline, cursors included."""
    theirs = sample(path)
    names = [name for name in theirs["data"][0] if theirs["data"][0][name] is not None]
    url = f"graph/v25.0/{default.WABA}/phone_numbers?fields={','.join(names)}"
    ours = (await stage.call("GET", url, WHATSAPP_TOKEN)).json
    theirs["data"] = [{name: value for name, value in one.items() if name in ours["data"][0]} for one in theirs["data"]]
    assert differences(ours, theirs) == []
    assert {"id", "display_phone_number", "verified_name", "quality_rating"} <= set(ours["data"][0])


async def test_a_waba(stage: Stage) -> None:
    """Asked for what the sample shows, a WABA shows it."""
    theirs = sample(OPENAPI / "GETVersion_WABA_ID/response200_basic_account.json")
    assert differences(await fields_of(stage, default.WABA, list(theirs)), theirs) == []


async def test_subscribed_apps(stage: Stage) -> None:
    """None, with an override, and gone: the three answers of the samples."""
    path = f"graph/v25.0/{default.WABA}/subscribed_apps"
    gone = await stage.call("DELETE", path, WHATSAPP_TOKEN)
    unsubscribed = "DELETEVersion_WABA_ID_subscribed_apps/response200_unsubscribe_success.json"
    assert gone.json == sample(VARIANTS / unsubscribed)
    none = sample(OPENAPI / "GETVersion_WABA_ID_subscribed_apps/response200_no_subscriptions.json")
    assert (await stage.call("GET", path, WHATSAPP_TOKEN)).json == none
    body = sample(OPENAPI / "POSTVersion_WABA_ID_subscribed_apps/request_custom_callback.json")
    refused = await stage.call("POST", path, WHATSAPP_TOKEN, json=body)
    assert refused.error == (2200, None), "its callback is nobody's"
    made = sample(OPENAPI / "POSTVersion_WABA_ID_subscribed_apps/response200_custom_callback_success.json")
    assert (await stage.call("POST", path, WHATSAPP_TOKEN)).json == {"success": made["success"]}


@pytest.mark.parametrize("case", ["advanced", "migration"])
async def test_registration(stage: Stage, case: str) -> None:
    """The samples' requests are accepted, and answered as the sample says."""
    body = sample(OPENAPI / f"POSTVersion_Phone_Number_ID_register/request_{case}_registration.json")
    path = f"graph/v25.0/{default.SECOND_PHONE_NUMBER}/register"
    success = sample(VARIANTS / "POSTVersion_Phone_Number_ID_register/response200_successful_registration.json")
    assert (await stage.call("POST", path, WHATSAPP_TOKEN, json=body)).json == success


@pytest.mark.parametrize(
    ("phone", "case"),
    [(default.SECOND_PHONE_NUMBER, "phone_not_registered"), (default.COEXISTENCE_PHONE_NUMBER, "smb_account_error")],
)
async def test_deregistration_is_refused_as_documented(stage: Stage, phone: str, case: str) -> None:
    """Code, subcode, type and words of the samples."""
    reply = await stage.call("POST", f"graph/v25.0/{phone}/deregister", WHATSAPP_TOKEN)
    theirs = sample(OPENAPI / f"POSTVersion_Phone_Number_ID_deregister/response400_{case}.json")["error"]
    assert reply.status == 400
    same(reply, theirs)


def same(reply: Reply, theirs: dict[str, Any]) -> None:
    """Compare an error with a sample's: the words may have the code in front."""
    ours = reply.json["error"]
    for key in ("type", "code", "error_subcode"):
        assert ours.get(key) == theirs.get(key)
    assert ours["message"].endswith(theirs["message"])


@pytest.mark.parametrize("case", ["set_username", "update_security_settings"])
async def test_a_numbers_settings(stage: Stage, case: str) -> None:
    """The samples' updates are accepted."""
    body = sample(OPENAPI / f"POSTVersion_Phone_Number_ID/request_{case}.json")
    reply = await stage.call("POST", f"graph/v25.0/{default.PHONE_NUMBER}", WHATSAPP_TOKEN, json=body)
    assert reply.json == sample(OPENAPI / "POSTVersion_Phone_Number_ID/response200_settings_updated.json")


async def test_verification_of_a_number(stage: Stage) -> None:
    """Request and verify a code as the samples do."""
    phone = default.SECOND_PHONE_NUMBER
    stage.sim.world.records.phone_numbers[phone].code_verification = "NOT_VERIFIED"
    asked = sample(OPENAPI / "POSTVersion_Phone_Number_ID_request_code/request_voice_verification.json")
    reply = await stage.call("POST", f"graph/v25.0/{phone}/request_code", WHATSAPP_TOKEN, json=asked)
    assert reply.json == sample(OPENAPI / "POSTVersion_Phone_Number_ID_request_code/response200_success_response.json")
    given = sample(OPENAPI / "POSTVersion_Phone_Number_ID_verify_code/request_verify_code.json")
    reply = await stage.call("POST", f"graph/v25.0/{phone}/verify_code", WHATSAPP_TOKEN, json=given)
    verified = "POSTVersion_Phone_Number_ID_verify_code/response200_successful_verification.json"
    assert differences(reply.json, sample(VARIANTS / verified)) == []


async def test_debug_token(stage: Stage) -> None:
    """A user token's description has the sample's outline."""
    theirs = sample(FOLDER / "restfb__restfb/debug-token-info-3.json")
    assert differences(await debug(stage, await user_token(stage)), theirs) == []


async def test_an_account_of_a_user(stage: Stage) -> None:
    """A page in `/me/accounts` has the sample's outline without being asked."""
    theirs = sample(FOLDER / "restfb__restfb/account.json")
    listed = (await stage.call("GET", "graph/v25.0/me/accounts", await user_token(stage))).json["data"]
    assert differences(listed[0], theirs) == []


async def test_instagrams_token(stage: Stage) -> None:
    """The code exchange has the sample's outline; the user id is a number here, which is documented, too."""
    stage.sim.behaviour.instagram_permissions_as_list = True
    theirs = sample(FOLDER / "restfb__restfb/instagram/accesstoken.json")
    code = answer_in(await consent(stage, instagram_dialog()))["code"]
    ours = (await exchange_instagram(stage, code)).json
    assert differences({**ours, "user_id": str(ours["user_id"])}, theirs) == []
    assert isinstance(ours["user_id"], int)


async def test_a_number_that_is_not_there(stage: Stage) -> None:
    """As the sample of an unknown id: 100/33, GraphMethodException."""
    theirs = sample(FOLDER / "Bindambc__whatsapp-business-java-api/phone/phoneNumberNotFoundError.json")["error"]
    ours = (await stage.call("GET", "graph/v25.0/454545", WHATSAPP_TOKEN)).json["error"]
    for key in ("type", "code", "error_subcode"):
        assert ours[key] == theirs[key]
    assert "Object with ID '454545' does not exist" in ours["message"]
