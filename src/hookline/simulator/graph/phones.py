"""WhatsApp numbers: the node with its health, its override, and registration.

Source: protocol reference 1.5 (override), 5.3 (register, its limits), 7.1 (health fields), 6.2 (133xxx).
"""

import re
from typing import Any

from hookline.simulator.behaviour import HOUR
from hookline.simulator.errors import Refusal
from hookline.simulator.fields import select
from hookline.simulator.graph.apps import check_callback
from hookline.simulator.graph.subscribing import checked_callback
from hookline.simulator.http import Call
from hookline.simulator.records import Override, PhoneNumber
from hookline.simulator.routes import Asked, Route
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import WHATSAPP
from hookline.simulator.world import Kind

_MANAGEMENT = ("whatsapp_business_management",)
_PIN = re.compile(r"^\d{6}$")
REGISTRATIONS_PER_WINDOW = 10
REGISTRATION_WINDOW_SECONDS = 72 * HOUR
WRONG_PINS_ALLOWED = 5

DEFAULT = ("verified_name", "code_verification_status", "display_phone_number", "quality_rating", "id")
LISTED_DEFAULT = (
    "verified_name",
    "code_verification_status",
    "display_phone_number",
    "quality_rating",
    "platform_type",
    "throughput",
    "id",
)


def phone_fields(sim: Simulator, phone: PhoneNumber) -> dict[str, Any]:
    """All of a number's fields."""
    limit = sim.world.business_of_phone(phone).messaging_limit
    return {
        "id": phone.id,
        "display_phone_number": phone.display,
        "verified_name": phone.verified_name,
        "quality_rating": phone.quality,
        "quality_score": {"score": phone.quality, "date": int(sim.world.clock.now()), "reasons": []},
        "throughput": {"level": phone.throughput},
        "name_status": phone.name_status,
        "new_name_status": "NONE",
        "code_verification_status": phone.code_verification,
        "status": phone.status,
        "platform_type": "CLOUD_API" if phone.registered else "NOT_APPLICABLE",
        "host_platform": "CLOUD_API",
        "account_mode": "LIVE",
        "country_code": phone.country,
        "country_dial_code": phone.digits[:1] if phone.country == "US" else None,
        "is_on_biz_app": phone.on_business_app,
        "is_pin_enabled": bool(phone.pin),
        "is_official_business_account": False,
        "is_preverified_number": False,
        "search_visibility": "NON_VISIBLE",
        "messaging_limit_tier": limit,
        "whatsapp_business_manager_messaging_limit": limit,
        "username": phone.username or None,
        "eligibility_for_api_business_global_search": "NON_ELIGIBLE_UNDEFINED_COUNTRY",
        "conversational_automation": {"enable_welcome_message": False, "prompts": [], "commands": []},
        "last_onboarded_time": None,
        "certificate": None,
        "new_certificate": None,
        "unified_cert_status": "APPROVED",
        "health_status": lambda _nested: _health(sim, phone),
        "webhook_configuration": lambda _nested: _callbacks(sim, phone),
    }


def _health(sim: Simulator, phone: PhoneNumber) -> dict[str, Any]:
    """Who may send, from the number up to the app; the number says what stands in its way."""
    errors = [*phone.blocked_by]
    if not phone.registered:
        errors.append(
            {
                "error_code": 141000,
                "error_description": "The phone number is not registered.",
                "possible_solution": "Register the phone number.",
            }
        )
    state = "BLOCKED" if errors else "AVAILABLE"
    number: dict[str, Any] = {"entity_type": "PHONE_NUMBER", "id": phone.id, "can_send_message": state}
    if errors:
        number["errors"] = errors
    business = sim.world.business_of_phone(phone)
    above = [("WABA", phone.waba_id), ("BUSINESS", business.id), ("APP", next(iter(sim.world.records.apps)))]
    entities = [number, *({"entity_type": kind, "id": one, "can_send_message": "AVAILABLE"} for kind, one in above)]
    return {"can_send_message": state, "entities": entities}


def _callbacks(sim: Simulator, phone: PhoneNumber) -> dict[str, Any]:
    """Where this number's messages are told, at every level that says so."""
    waba = sim.world.records.wabas[phone.waba_id]
    callbacks = {}
    for app_id, override in waba.subscribed.items():
        subscription = sim.world.records.apps[app_id].subscriptions.get(WHATSAPP)
        if subscription is not None:
            callbacks["application"] = subscription.callback_url
        if override is not None:
            callbacks["whatsapp_business_account"] = override.callback_url
    if phone.override is not None:
        callbacks["phone_number"] = phone.override.callback_url
    return callbacks


async def phone_number(asked: Asked) -> dict[str, Any]:
    """`GET /{phone}`."""
    fields = phone_fields(asked.sim, asked.node.as_(PhoneNumber))
    return select(asked.call.names("fields"), fields, DEFAULT)


async def update(asked: Asked) -> dict[str, Any]:
    """`POST /{phone}`: the override of its webhooks, its two-step pin, its user name."""
    phone = asked.node.as_(PhoneNumber)
    configuration = asked.call.params.get("webhook_configuration")
    if configuration is not None:
        phone.override = await _override(asked, configuration)
    security = asked.call.params.get("whatsapp_business_api_data")
    pin = security.get("pin") if isinstance(security, dict) else asked.call.params.get("pin")
    if pin is not None:
        phone.pin = _checked_pin(pin)
    username = asked.call.params.get("username")
    if isinstance(username, str):
        phone.username = username
    return {"success": True}


async def _override(asked: Asked, configuration: Any) -> Override | None:
    """Source: reference 1.5: "" deletes it."""
    if not isinstance(configuration, dict):
        raise Refusal(100, "Param webhook_configuration must be a JSON object.")
    url = configuration.get("override_callback_uri")
    if not isinstance(url, str):
        raise Refusal(100, "Param webhook_configuration[override_callback_uri] must be a string.")
    if not url:
        return None
    token = configuration.get("verify_token")
    if not isinstance(token, str) or not token:
        raise Refusal(100, "The parameter webhook_configuration[verify_token] is required.")
    await check_callback(asked.sim, checked_callback(url), token)
    return Override(callback_url=url, verify_token=token)


async def register(asked: Asked) -> dict[str, Any]:
    """`POST /{phone}/register`: the pin is set by the first time, and must be right ever after."""
    phone = asked.node.as_(PhoneNumber)
    _require_product(asked.call)
    pin = _checked_pin(asked.call.params.get("pin"))
    if phone.on_business_app:
        raise Refusal(100, "Register endpoint is not available for API solution for SMB businesses.")
    now = asked.sim.world.clock.now()
    _require_room(phone, now)
    if phone.code_verification != "VERIFIED" or (phone.verified_until and phone.verified_until < now):
        raise Refusal(133006, "Verify the phone number before you register it.")
    if phone.wrong_pins >= WRONG_PINS_ALLOWED:
        raise Refusal(133008, "Wait before you try another PIN.")
    if phone.pin and phone.pin != pin:
        phone.wrong_pins += 1
        raise Refusal(133005, "The two-step verification PIN is not the one that is set.")
    phone.pin, phone.wrong_pins = pin, 0
    phone.registered, phone.status = True, "CONNECTED"
    phone.registrations.append(now)
    return {"success": True}


async def deregister(asked: Asked) -> dict[str, Any]:
    """`POST /{phone}/deregister`."""
    phone = asked.node.as_(PhoneNumber)
    if phone.on_business_app:
        raise Refusal(100, "Deregister endpoint is not available for API solution for SMB businesses.")
    if not phone.registered:
        raise Refusal(100, subcode=2207051, message="Phone number not registered on the WhatsApp Business Platform.")
    now = asked.sim.world.clock.now()
    _require_room(phone, now)
    phone.registered, phone.status = False, "DISCONNECTED"
    phone.registrations.append(now)
    return {"success": True}


async def request_code(asked: Asked) -> dict[str, Any]:
    """`POST /{phone}/request_code`."""
    method = asked.call.required("code_method")
    if method not in ("SMS", "VOICE"):
        raise Refusal(100, 'Param code_method must be one of {"SMS", "VOICE"}.')
    asked.call.required("language")
    if asked.node.as_(PhoneNumber).code_verification == "VERIFIED":
        raise Refusal(136024, "The phone number is verified already.")
    return {"success": True}


async def verify_code(asked: Asked) -> dict[str, Any]:
    """`POST /{phone}/verify_code`: any six digits but 000000 are right."""
    phone = asked.node.as_(PhoneNumber)
    code = asked.call.required("code")
    if not _PIN.match(code) or code == "000000":
        raise Refusal(136025, "The code is not right.")
    phone.code_verification = "VERIFIED"
    phone.verified_until = asked.sim.world.clock.now() + asked.sim.behaviour.register_within_seconds
    return {"success": True, "id": phone.id}


async def synchronize(asked: Asked) -> dict[str, Any]:
    """`POST /{phone}/smb_app_data`: contacts or history of the business app, each once (reference 2.3)."""
    phone = asked.node.as_(PhoneNumber)
    _require_product(asked.call)
    kind = asked.call.required("sync_type")
    if kind not in ("smb_app_state_sync", "history"):
        raise Refusal(100, 'Param sync_type must be one of {"smb_app_state_sync", "history"}.')
    if not phone.on_business_app:
        raise Refusal(100, "The phone number is not in use in the WhatsApp Business app.")
    if kind in phone.syncs:
        raise Refusal(2593107)
    phone.syncs.append(kind)
    return {"messaging_product": "whatsapp", "request_id": asked.sim.world.ids.digits("request", 16)}


def _require_product(call: Call) -> None:
    if call.params.get("messaging_product") != "whatsapp":
        raise Refusal(100, 'Param messaging_product must be one of {"whatsapp"}.')


def _checked_pin(pin: object) -> str:
    if not isinstance(pin, str) or not _PIN.match(pin):
        raise Refusal(100, "Param pin must be 6 digits long.")
    return pin


def _require_room(phone: PhoneNumber, now: float) -> None:
    """At most ten registrations and deregistrations in 72 hours."""
    phone.registrations = [at for at in phone.registrations if at > now - REGISTRATION_WINDOW_SECONDS]
    if len(phone.registrations) >= REGISTRATIONS_PER_WINDOW:
        raise Refusal(133016, "Too many registrations and deregistrations of this number; try again in 72 hours.")


ROUTES = (
    Route("GET", Kind.PHONE_NUMBER, "", phone_number, scopes=_MANAGEMENT),
    Route("POST", Kind.PHONE_NUMBER, "", update, scopes=_MANAGEMENT),
    Route("POST", Kind.PHONE_NUMBER, "register", register, scopes=_MANAGEMENT),
    Route("POST", Kind.PHONE_NUMBER, "deregister", deregister, scopes=_MANAGEMENT),
    Route("POST", Kind.PHONE_NUMBER, "request_code", request_code, scopes=_MANAGEMENT),
    Route("POST", Kind.PHONE_NUMBER, "verify_code", verify_code, scopes=_MANAGEMENT),
    Route("POST", Kind.PHONE_NUMBER, "smb_app_data", synchronize, scopes=_MANAGEMENT),
)
