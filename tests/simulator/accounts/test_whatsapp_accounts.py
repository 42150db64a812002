"""WhatsApp accounts and numbers: fields, health, registration with its rules, synchronization."""

import pytest
from tests.simulator.login.steps import business_token
from tests.simulator.stage import WHATSAPP_TOKEN, Reply, Stage

from hookline.simulator import default

HOUR = 3600
HEALTH = "health_status,quality_rating,throughput,verified_name,display_phone_number,code_verification_status,"
HEALTH += "name_status,platform_type,is_on_biz_app,whatsapp_business_manager_messaging_limit"


async def register(stage: Stage, phone: str, pin: str = "123456") -> Reply:
    """Register a number."""
    body = {"messaging_product": "whatsapp", "pin": pin}
    return await stage.call("POST", f"graph/v25.0/{phone}/register", WHATSAPP_TOKEN, json=body)


async def deregister(stage: Stage, phone: str) -> Reply:
    """Deregister a number."""
    return await stage.call("POST", f"graph/v25.0/{phone}/deregister", WHATSAPP_TOKEN)


async def fields(stage: Stage, node: str, names: str) -> Reply:
    """Ask a node for fields."""
    return await stage.call("GET", f"graph/v25.0/{node}?fields={names}", WHATSAPP_TOKEN)


async def test_a_wabas_numbers_are_found_by_its_token(stage: Stage) -> None:
    """The token of Embedded Signup lists the account's numbers, and only its own account's."""
    token = await business_token(stage)
    listed = (await stage.call("GET", f"graph/v25.0/{default.WABA}/phone_numbers", token)).json
    numbers = [default.PHONE_NUMBER, default.SECOND_PHONE_NUMBER, default.COEXISTENCE_PHONE_NUMBER]
    assert [phone["id"] for phone in listed["data"]] == numbers
    assert set(listed["paging"]["cursors"]) == {"before", "after"}
    other = (await stage.call("POST", "control/world/wabas", json={"name": "Other"})).json["id"]
    assert (await stage.call("GET", f"graph/v25.0/{other}/phone_numbers", token)).error == (100, 33)
    business = (await stage.call("GET", f"graph/v25.0/{default.WABA}?fields=name,owner_business_info", token)).json
    assert business["owner_business_info"] == {"id": default.BUSINESS, "name": "Phone Store"}


async def test_a_number_tells_its_health(stage: Stage) -> None:
    """All documented fields at once; one that is not registered is blocked, and says why."""
    well = (await fields(stage, default.PHONE_NUMBER, HEALTH)).json
    assert set(well) == {*HEALTH.split(","), "id"}
    assert (well["health_status"]["can_send_message"], well["throughput"]) == ("AVAILABLE", {"level": "STANDARD"})
    ill = (await fields(stage, default.SECOND_PHONE_NUMBER, "health_status")).json["health_status"]
    assert ill["can_send_message"] == "BLOCKED"
    assert ill["entities"][0]["errors"][0]["error_code"] == 141000
    assert (await fields(stage, default.PHONE_NUMBER, "nonsense")).error == (100, None)


async def test_a_number_is_registered_with_the_pin_of_its_first_time(stage: Stage) -> None:
    """The first pin is set; another is refused with 133005, and after five of those with 133008."""
    phone = default.SECOND_PHONE_NUMBER
    assert (await register(stage, phone)).json == {"success": True}
    assert (await fields(stage, phone, "status,is_pin_enabled")).json["status"] == "CONNECTED"
    assert [(await register(stage, phone, "000000")).error[0] for _ in range(6)] == [133005] * 5 + [133008]


@pytest.mark.parametrize("pin", ["12345", "1234567", "abcdef", ""])
async def test_a_pin_has_six_digits(stage: Stage, pin: str) -> None:
    """Anything else is refused as a parameter."""
    assert (await register(stage, default.SECOND_PHONE_NUMBER, pin)).error == (100, None)


async def test_registering_is_limited_to_ten_times_in_three_days(stage: Stage) -> None:
    """Registrations and deregistrations count together; after 72 hours there is room again."""
    phone = default.SECOND_PHONE_NUMBER
    for _ in range(5):
        assert (await register(stage, phone)).status == 200
        assert (await deregister(stage, phone)).status == 200
    assert (await register(stage, phone)).error == (133016, None)
    stage.sim.world.clock.advance(72 * HOUR + 1)
    assert (await register(stage, phone)).status == 200


async def test_a_number_is_registered_within_two_weeks_of_its_verification(stage: Stage) -> None:
    """Unverified, or verified too long ago: 133006; a new code mends it."""
    phone = default.SECOND_PHONE_NUMBER
    await stage.call("PATCH", f"control/world/phone-numbers/{phone}", json={"codeVerification": "NOT_VERIFIED"})
    assert (await register(stage, phone)).error == (133006, None)
    path = f"graph/v25.0/{phone}"
    body = {"code_method": "SMS", "language": "en_US"}
    assert (await stage.call("POST", f"{path}/request_code", WHATSAPP_TOKEN, json=body)).json == {"success": True}
    wrong = await stage.call("POST", f"{path}/verify_code", WHATSAPP_TOKEN, json={"code": "000000"})
    assert wrong.error == (136025, None)
    right = await stage.call("POST", f"{path}/verify_code", WHATSAPP_TOKEN, json={"code": "123456"})
    assert right.json == {"success": True, "id": phone}
    stage.sim.world.clock.advance(14 * 24 * HOUR + 1)
    assert (await register(stage, phone)).error == (133006, None)


async def test_a_number_of_the_business_app_is_neither_registered_nor_deregistered(stage: Stage) -> None:
    """Coexistence: both are refused; its data can be asked for, each kind once."""
    phone = default.COEXISTENCE_PHONE_NUMBER
    assert (await register(stage, phone)).error == (100, None)
    assert (await deregister(stage, phone)).error == (100, None)
    path = f"graph/v25.0/{phone}/smb_app_data"
    body = {"messaging_product": "whatsapp", "sync_type": "history"}
    assert "request_id" in (await stage.call("POST", path, WHATSAPP_TOKEN, json=body)).json
    assert (await stage.call("POST", path, WHATSAPP_TOKEN, json=body)).error == (2593107, None)
    other = f"graph/v25.0/{default.PHONE_NUMBER}/smb_app_data"
    assert (await stage.call("POST", other, WHATSAPP_TOKEN, json=body)).error == (100, None)


async def test_the_pin_can_be_set_beforehand(stage: Stage) -> None:
    """Two-step verification by POST to the number; registering then takes that pin alone."""
    phone = default.SECOND_PHONE_NUMBER
    body = {"whatsapp_business_api_data": {"pin": "654321"}}
    assert (await stage.call("POST", f"graph/v25.0/{phone}", WHATSAPP_TOKEN, json=body)).json == {"success": True}
    assert (await register(stage, phone)).error == (133005, None)
    assert (await register(stage, phone, "654321")).status == 200
