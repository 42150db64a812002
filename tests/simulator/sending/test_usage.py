"""The hourly budgets over HTTP: headers that grow towards 100, then a refusal, until the hour is over."""

import json
from typing import Any

from tests.simulator.stage import INSTAGRAM_TOKEN, PAGE_TOKEN, WHATSAPP_TOKEN, Reply, Stage

from hookline.simulator import default
from hookline.simulator.options import DEFAULT_APP_ID
from hookline.simulator.usage import Budgets

HOUR = 3600
TEMPLATES = f"graph/v25.0/{default.WABA}/message_templates"


def use(reply: Reply, object_id: str) -> dict[str, Any]:
    """What the header says of one object."""
    (found,) = json.loads(reply.headers["X-Business-Use-Case-Usage"])[object_id]
    assert isinstance(found, dict)
    return found


async def test_waba_management(stage: Stage) -> None:
    """Calls about templates and numbers count per app and WABA; beyond the budget they are 80007, for minutes."""
    stage.sim.usage.budgets = Budgets(waba_active=4)
    replies = [await stage.call("GET", TEMPLATES, WHATSAPP_TOKEN) for _ in range(5)]
    assert [use(reply, default.WABA)["call_count"] for reply in replies] == [25, 50, 75, 100, 125]
    assert [reply.status for reply in replies] == [200, 200, 200, 200, 400]
    assert replies[-1].error == (80007, None)
    assert use(replies[-1], default.WABA)["estimated_time_to_regain_access"] == 60
    assert use(replies[0], default.WABA)["type"] == "whatsapp"
    assert stage.sim.counters.over_limit == {"use case 80007": 1}
    stage.sim.world.clock.advance(HOUR)
    assert (await stage.call("GET", TEMPLATES, WHATSAPP_TOKEN)).status == 200


async def test_calling_on_extends_it(stage: Stage) -> None:
    """Whoever calls on while they are throttled waits longer."""
    stage.sim.usage.budgets = Budgets(waba_active=1)
    await stage.call("GET", TEMPLATES, WHATSAPP_TOKEN)
    stage.sim.world.clock.advance(HOUR / 2)
    throttled = await stage.call("GET", TEMPLATES, WHATSAPP_TOKEN)
    assert use(throttled, default.WABA)["estimated_time_to_regain_access"] == 60
    stage.sim.world.clock.advance(HOUR / 2)
    assert (await stage.call("GET", TEMPLATES, WHATSAPP_TOKEN)).error == (80007, None)


async def test_a_waba_without_numbers(stage: Stage) -> None:
    """200 calls an hour, and 5000 once a number is registered."""
    assert (Budgets().waba, Budgets().waba_active) == (200, 5000)
    for phone in stage.sim.world.records.phone_numbers.values():
        phone.registered = False
    replies = [await stage.call("GET", TEMPLATES, WHATSAPP_TOKEN) for _ in range(201)]
    assert [reply.status for reply in replies].count(400) == 1


async def test_the_app(stage: Stage) -> None:
    """All calls of an app count together; beyond its budget they are 4."""
    stage.sim.usage.budgets = Budgets(app=2)
    replies = [await stage.call("GET", f"graph/v25.0/{default.PAGE}", PAGE_TOKEN) for _ in range(3)]
    counts = [json.loads(reply.headers["X-App-Usage"])["call_count"] for reply in replies]
    assert counts == [50, 100, 150]
    assert replies[-1].error == (4, None)
    assert replies[-1].json["error"]["is_transient"] is True
    assert stage.sim.counters.over_limit == {"app": 1}
    assert DEFAULT_APP_ID not in replies[0].headers.get("X-Business-Use-Case-Usage", "")


async def test_whatsapp_messages_are_free(stage: Stage) -> None:
    """Sending on WhatsApp is limited by throughput, and by no budget of calls."""
    stage.sim.usage.budgets = Budgets(app=1, waba_active=1)
    body = {"messaging_product": "whatsapp", "to": "+15550002001", "text": {"body": "Hi"}}
    replies = [await stage.whatsapp(body) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert "X-App-Usage" not in replies[0].headers


async def test_messaging_budgets(stage: Stage) -> None:
    """A page's messages count as messenger's (80006), its other calls as the page's (80001); Instagram's are 80002."""
    stage.sim.usage.budgets = Budgets(messenger=1, page=1, instagram=1)
    calls = (
        ("POST", "graph/v25.0/me/messages", PAGE_TOKEN, 80006),
        ("GET", f"graph/v25.0/{default.PAGE}", PAGE_TOKEN, 80001),
        ("GET", "instagram-graph/v25.0/me", INSTAGRAM_TOKEN, 80002),
    )
    for method, path, token, code in calls:
        await stage.call(method, path, token)
        assert (await stage.call(method, path, token)).error == (code, None)


async def test_no_headers_by_default(stage: Stage) -> None:
    """Where there is no budget there is no header (reference 8: absent on low usage)."""
    reply = await stage.call("GET", f"graph/v25.0/{default.PAGE}", PAGE_TOKEN)
    assert not [name for name in reply.headers if name.startswith("X-")]
