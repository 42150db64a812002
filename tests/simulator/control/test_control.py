"""The control API: what it takes, what it refuses, and that what it sets is in force."""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.simulator.stage import WHATSAPP_TOKEN, Reply, Stage

from hookline.simulator import default
from hookline.simulator.control.api import ROUTES, described
from hookline.simulator.control.perform import perform

TEXT = {"messaging_product": "whatsapp", "to": "+15550002001", "type": "text", "text": {"body": "Hello"}}
PHONE = f"graph/v25.0/{default.PHONE_NUMBER}"


async def control(stage: Stage, method: str, path: str, body: Any = None) -> Reply:
    """Ask control."""
    return await stage.call(method, f"control/{path}", **({} if body is None else {"json": body}))


def open_window(stage: Stage) -> None:
    """Let somebody write, so that they can be answered."""
    perform(stage.sim, default.PHONE_NUMBER, "ann", "text", {"text": "Hello?"})


async def fault(stage: Stage, effect: str, **more: Any) -> None:
    """Put a fault in force."""
    assert (await control(stage, "POST", "faults", {"effect": effect, **more})).status == 200


async def test_control_lists_its_routes(stage: Stage) -> None:
    """GET /control names every route with what it does."""
    listed = (await control(stage, "GET", "")).json
    assert len(listed) == len(ROUTES)
    assert all(one["does"] for one in described())


async def test_a_page_of_another_origin_cannot_send_what_it_takes(stage: Stage) -> None:
    """A form or plain text, which browsers send without asking, is refused."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        url, headers = f"{stage.sim.url}/control/reset", {"Content-Type": kind}
        async with stage.session.post(url, data=b"{}", headers=headers) as reply:
            assert reply.status == 422


async def test_only_this_machine_s_names_lead_here(stage: Stage) -> None:
    """Under a name that somebody else's DNS points at this machine, nothing is answered."""
    for host, status in (("evil.example", 421), ("localhost:3001", 200), ("[::1]:3001", 200)):
        async with stage.session.get(f"{stage.sim.url}/control", headers={"Host": host}) as reply:
            assert reply.status == status


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("act", {"account": "1", "contact": "ann", "do": "text"}, "no phone number"),
        ("act", {"account": default.PAGE, "contact": "nobody", "do": "text"}, "there is no nobody"),
        ("act", {"account": default.PAGE, "contact": "ann", "do": "fly"}, "somebody can"),
        ("act", {"account": default.PAGE, "contact": "ann", "do": "text"}, "text must be a text"),
        ("act", {"account": default.PHONE_NUMBER, "contact": "closed", "do": "text", "text": "x"}, "not on WhatsApp"),
        ("act", {"account": default.PAGE, "contact": "ann", "do": "text", "text": "x", "times": 0}, "a whole number"),
        ("act", {"account": default.PAGE, "contact": "ann", "do": "sticker", "stickerId": "x"}, "a number"),
        ("happen", {"what": "rain"}, "one of"),
        ("happen", {"what": "history", "chunks": 1e9}, "whole number"),
        ("raw-webhook", {"bytes": 10**10}, "at most"),
        ("happen", {"what": "template_status", "template": "1"}, "no such record"),
        ("faults", {"effect": "explode"}, "Invalid enum value"),
        ("faults", {"effect": "slow", "speed": 1}, "unknown: speed"),
        ("world/contacts", {"id": "x", "shoeSize": 1}, "unknown: shoeSize"),
        ("connect", {"account": "1"}, "a phone number"),
        ("consent", {"url": "http://127.0.0.1/else"}, "consent dialog"),
        ("tokens/revoke", {"cause": "removed"}, "is needed"),
        ("tokens/revoke", {"user": default.OWNER, "cause": "boredom"}, "cause"),
        ("clock", {"seconds": "long"}, "a number"),
        ("reset", {"seed": "x"}, "whole number"),
    ],
)
async def test_what_cannot_be_done_is_said_why(stage: Stage, path: str, body: Any, why: str) -> None:
    """422 with a sentence."""
    reply = await control(stage, "POST", path, body)
    assert reply.status == 422
    assert why in reply.json["error"]


async def test_what_is_not_there_is_not_found(stage: Stage) -> None:
    """Routes, collections, records, groups of switches."""
    for method, path in (
        ("GET", "nothing"),
        ("GET", "world/planets"),
        ("GET", "world/contacts/nobody"),
        ("DELETE", "world/contacts/nobody"),
        ("PATCH", "switches/lights"),
    ):
        assert (await control(stage, method, path, {} if method == "PATCH" else None)).status == 404


async def test_the_world_can_be_added_to_changed_and_taken_from(stage: Stage) -> None:
    """A contact that is added can write, one that is changed is called so, one that is removed is gone."""
    added = (await control(stage, "POST", "world/contacts", {"id": "zoe", "firstName": "Zoë"})).json
    assert added["waId"].startswith("1555")
    act = {"account": default.PHONE_NUMBER, "contact": "zoe", "do": "text", "text": "Hi"}
    assert (await control(stage, "POST", "act", act)).json["messageId"].startswith("wamid.")
    changed = await control(stage, "PATCH", "world/contacts/zoe", {"lastName": "Zuse", "waId": "4915501"})
    assert changed.json["lastName"] == "Zuse"
    assert stage.sim.world.contact_of_phone("4915501") is not None
    assert stage.sim.world.contact_of_phone(added["waId"]) is None
    assert (await control(stage, "PATCH", "world/contacts/zoe", {"id": "zed"})).status == 422
    assert (await control(stage, "PATCH", "world/contacts/zoe", {"lastName": 7})).status == 422
    assert (await control(stage, "DELETE", "world/contacts/zoe")).json == {"removed": "zoe"}
    assert (await control(stage, "POST", "act", act)).status == 422


async def test_every_collection_takes_a_new_record_of_nothing(stage: Stage) -> None:
    """All that is needed is filled in, and the record is found by its id."""
    for name in (await control(stage, "GET", "world")).json:
        added = (await control(stage, "POST", f"world/{name}", {})).json
        assert (await control(stage, "GET", f"world/{name}/{added['id']}")).json == added


async def test_a_ready_connection_needs_no_login(stage: Stage) -> None:
    """A token that works, and webhooks that come, for each kind of account."""
    for account, path in (
        (default.PHONE_NUMBER, f"graph/v25.0/{default.PHONE_NUMBER}"),
        (default.PAGE, "graph/v25.0/me"),
        (default.INSTAGRAM_ACCOUNT, "instagram-graph/v25.0/me"),
    ):
        token = (await control(stage, "POST", "connect", {"account": account})).json["accessToken"]
        assert (await stage.call("GET", path, token)).status == 200
        listed = (await control(stage, "GET", f"tokens?account={account}")).json
        assert token in {one["accessToken"] for one in listed}
        await control(stage, "POST", "tokens/revoke", {"account": account, "cause": "password"})
        assert (await stage.call("GET", path, token)).error == (190, 460)


async def test_a_fault_hits_the_calls_that_it_names_so_often(stage: Stage) -> None:
    """The second and third send are refused with the code, and nothing else is."""
    await fault(stage, "refuse", code=131056, path="*/messages", skip=1, times=2, contains="Hello")
    statuses = [(await stage.whatsapp(TEXT)).status for _ in range(4)]
    assert statuses == [200, 400, 400, 200]
    assert (await control(stage, "GET", "counters")).json["refusals"] == {"131056": 2}
    assert (await stage.call("GET", PHONE, WHATSAPP_TOKEN)).status == 200


async def test_every_code_of_the_table_can_be_had(stage: Stage) -> None:
    """With its subcode, its status, its details, and with headers."""
    headers = {"Retry-After": "7"}
    await fault(stage, "refuse", code=190, subcode=460)
    await fault(stage, "refuse", code=130429, status=429, details="Slow down", headers=headers, skip=0)
    assert (await stage.whatsapp(TEXT)).error == (190, 460)
    reply = await stage.whatsapp(TEXT)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
    assert reply.json["error"]["error_data"]["details"] == "Slow down"


async def test_a_proxy_in_front_can_break(stage: Stage) -> None:
    """An HTML page instead of JSON, before or after the call is carried out."""
    await fault(stage, "broken", status=502)
    await fault(stage, "broken_after", status=500)
    before = await stage.whatsapp(TEXT)
    assert (before.status, before.headers["Content-Type"].startswith("text/html")) == (502, True)
    assert stage.sim.counters.report()["sends"] == 0
    assert (await stage.whatsapp(TEXT)).status == 500
    assert stage.sim.counters.report()["sends"] == 1


@pytest.mark.parametrize(("effect", "sends"), [("reset", 0), ("reset_after", 1)])
async def test_a_connection_can_be_cut(stage: Stage, effect: str, sends: int) -> None:
    """Before anything is carried out, or when everything is: whoever called cannot tell which."""
    await fault(stage, effect)
    with pytest.raises(aiohttp.ClientError):
        await stage.whatsapp(TEXT)
    assert stage.sim.counters.report()["sends"] == sends


async def test_a_send_can_be_carried_out_and_not_answered_in_time(stage: Stage) -> None:
    """The time-out after acceptance: the message is on its way, the statuses come, the answer does not."""
    open_window(stage)
    await fault(stage, "timeout_after", seconds=1.0)
    with pytest.raises(TimeoutError):
        await stage.call(
            "POST", f"{PHONE}/messages", WHATSAPP_TOKEN, json=TEXT, timeout=aiohttp.ClientTimeout(total=0.3)
        )
    assert stage.sim.counters.report()["sends"] == 1
    assert [status["status"] for status in await stage.statuses()] == ["sent", "delivered"]


async def test_statuses_can_come_before_the_sends_own_answer(stage: Stage) -> None:
    """With the fault, the webhooks are delivered first."""
    open_window(stage)
    assert await stage.sim.settle()
    stage.posts.clear()
    await fault(stage, "webhooks_first")
    reply = await stage.whatsapp(TEXT)
    told = [status for post in stage.posts for status in post["entry"][0]["changes"][0]["value"]["statuses"]]
    assert [status["status"] for status in told] == ["sent", "delivered"]
    assert {status["id"] for status in told} == {reply.json["messages"][0]["id"]}


async def test_slow_calls_and_headers(stage: Stage) -> None:
    """A call can take its time; usage headers can be whatever a test needs."""
    await fault(stage, "slow", seconds=0.2)
    await fault(stage, "headers", headers={"X-App-Usage": '{"call_count":96}'})
    began = asyncio.get_running_loop().time()
    reply = await stage.whatsapp(TEXT)
    assert asyncio.get_running_loop().time() - began >= 0.2
    assert reply.headers["X-App-Usage"] == '{"call_count":96}'


async def test_faults_end(stage: Stage) -> None:
    """One by its id, or all."""
    one = (await control(stage, "POST", "faults", {"effect": "refuse", "times": 0})).json
    await fault(stage, "slow", times=0)
    assert len((await control(stage, "GET", "faults")).json) == 2
    assert (await control(stage, "DELETE", f"faults/{one['id']}")).json == {"removed": 1}
    assert (await stage.whatsapp(TEXT)).status == 200
    assert (await control(stage, "DELETE", "faults")).json == {"removed": 1}


async def test_switches_are_set_and_checked(stage: Stage) -> None:
    """A group takes its own switches, of the right type, all or none."""
    changed = await control(stage, "PATCH", "switches/behaviour", {"hiddenPhone": "scoped", "pageSize": 3})
    assert (changed.json["hiddenPhone"], stage.sim.behaviour.page_size) == ("scoped", 3)
    for wrong in ({"hiddenPhone": "painted"}, {"colour": "red"}, {"pageSize": 5, "hiddenPhone": 1}):
        assert (await control(stage, "PATCH", "switches/behaviour", wrong)).status == 422
    assert stage.sim.behaviour.page_size == 3
    assert set((await control(stage, "GET", "switches")).json) == {
        "behaviour",
        "budgets",
        "conduct",
        "rates",
        "webhooks",
    }


async def test_the_clock_moves(stage: Stage) -> None:
    """Forward; tokens age with it."""
    before = (await control(stage, "GET", "clock")).json["now"]
    after = (await control(stage, "POST", "clock", {"seconds": 86400})).json
    assert after["offsetSeconds"] == 86400
    assert after["now"] >= before + 86400


async def test_beginning_anew(stage: Stage) -> None:
    """Everything is as at first: people, tokens, faults, switches, counters, clock; and the same ids come again."""

    async def first_id() -> str:
        act = {"account": default.PAGE, "contact": "ann", "do": "text", "text": "Hi"}
        return str((await control(stage, "POST", "act", act)).json["messageId"])

    await control(stage, "POST", "reset", {"seed": 7})
    made = await first_id()
    await fault(stage, "refuse")
    await control(stage, "POST", "clock", {"seconds": 10})
    await control(stage, "POST", "world/contacts", {"id": "zoe"})
    await control(stage, "POST", "reset", {"seed": 8})
    assert await first_id() != made
    await control(stage, "POST", "reset", {"seed": 7})
    assert await first_id() == made
    assert stage.sim.faults.active == []
    assert stage.sim.world.clock.offset_seconds == 0
    assert "zoe" not in stage.sim.world.records.contacts
    assert (await stage.whatsapp(TEXT)).error == (190, None), "tokens are gone"


async def test_a_file_that_is_uploaded_is_sent(stage: Stage) -> None:
    """The bytes that control uploads are those that the business fetches."""
    url = f"{stage.sim.url}/control/media?account={default.PHONE_NUMBER}&filename=a.txt"
    async with stage.session.post(url, data=b"the very bytes", headers={"Content-Type": "text/plain"}) as kept:
        media_id = (await kept.json())["mediaId"]
    act = {"account": default.PHONE_NUMBER, "contact": "ann", "do": "document", "mediaId": media_id, "caption": "Look"}
    await control(stage, "POST", "act", act)
    (value,) = await stage.told("messages")
    document = value["messages"][0]["document"]
    assert (document["filename"], document["caption"], document["mime_type"]) == ("a.txt", "Look", "text/plain")
    url = (await stage.call("GET", f"graph/v25.0/{document['id']}", WHATSAPP_TOKEN)).json["url"]
    assert (await stage.call("GET", url, WHATSAPP_TOKEN)).body == b"the very bytes"


async def test_messages_and_deliveries_can_be_read(stage: Stage) -> None:
    """By account and contact; by state and object; the newest so many."""
    for contact in ("ann", "joao"):
        act = {"account": default.PHONE_NUMBER, "contact": contact, "do": "text", "text": "Hi", "times": 3}
        await control(stage, "POST", "act", act)
    await control(stage, "POST", "settle", {"seconds": 5})
    assert len((await control(stage, "GET", "messages?contact=joao")).json) == 3
    assert len((await control(stage, "GET", "messages?limit=4")).json) == 4
    delivered = (await control(stage, "GET", "deliveries?state=delivered&limit=2")).json
    assert [one["attempts"][0]["status"] for one in delivered] == [200, 200]
    assert (await control(stage, "GET", "deliveries?limit=0")).status == 422
