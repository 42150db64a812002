"""What can go wrong with a send, on demand: refusals, answers that never come, HTML, webhooks that are too early."""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.simulator.stage import WHATSAPP_TOKEN, Stage

from hookline.simulator.error_table import ERRORS
from hookline.simulator.faults import Effect, Fault

PATH = "*/messages"


def body(own_id: str = "own-1") -> dict[str, Any]:
    """A template, which needs no window."""
    return {
        "messaging_product": "whatsapp",
        "to": "+15550002001",
        "type": "template",
        "template": {"name": "hello_world", "language": {"code": "en_US"}},
        "biz_opaque_callback_data": own_id,
    }


def fault(effect: Effect, **more: Any) -> Fault:
    """A fault of one send."""
    return Fault(effect=effect, path=PATH, **more)


async def outcome(stage: Stage, own_id: str = "own-1") -> tuple[bool, list[str]]:
    """Whether the message was taken, and what its statuses told."""
    statuses = [one for one in await stage.statuses() if one.get("biz_opaque_callback_data") == own_id]
    return own_id in stage.sim.counters.sends, [one["status"] for one in statuses]


@pytest.mark.parametrize(("code", "subcode"), list(ERRORS))
async def test_every_code(stage: Stage, code: int, subcode: int | None) -> None:
    """Every code of the table can be had for a send, with its HTTP status; the message is then not taken."""
    stage.sim.faults.add(fault(Effect.REFUSE, code=code, subcode=subcode))
    reply = await stage.whatsapp(body())
    assert (reply.status, reply.error) == (ERRORS[code, subcode].status, (code, subcode))
    assert await outcome(stage) == (False, [])
    assert (await stage.whatsapp(body())).status == 200


async def test_time_out_after_acceptance(stage: Stage) -> None:
    """The message is taken and delivered, while its sender waits in vain."""
    stage.sim.faults.add(fault(Effect.TIMEOUT_AFTER, seconds=3))
    headers = {"Authorization": f"Bearer {WHATSAPP_TOKEN}"}
    url = f"{stage.sim.url}/graph/v25.0/{stage.phone.id}/messages"
    with pytest.raises(TimeoutError):
        async with stage.session.post(
            url, json=body(), headers=headers, timeout=aiohttp.ClientTimeout(total=0.3)
        ) as answer:
            await answer.read()
    assert await outcome(stage) == (True, ["sent", "delivered"])


async def test_reset_after_acceptance(stage: Stage) -> None:
    """The message is taken and delivered, and the connection is cut instead of an answer."""
    stage.sim.faults.add(fault(Effect.RESET_AFTER))
    with pytest.raises(aiohttp.ClientError):
        await stage.whatsapp(body())
    assert await outcome(stage) == (True, ["sent", "delivered"])


async def test_reset_before(stage: Stage) -> None:
    """The connection is cut and nothing was taken: to the sender it looks the same."""
    stage.sim.faults.add(fault(Effect.RESET))
    with pytest.raises(aiohttp.ClientError):
        await stage.whatsapp(body())
    assert await outcome(stage) == (False, [])


@pytest.mark.parametrize(("effect", "taken"), [(Effect.BROKEN, False), (Effect.BROKEN_AFTER, True)])
async def test_a_page_instead_of_an_answer(stage: Stage, effect: Effect, taken: bool) -> None:
    """A proxy answers 502 with HTML, whether or not the message was taken."""
    stage.sim.faults.add(fault(effect, status=502))
    reply = await stage.whatsapp(body())
    assert (reply.status, reply.headers["Content-Type"].partition(";")[0]) == (502, "text/html")
    assert (await outcome(stage))[0] is taken


async def test_slow(stage: Stage) -> None:
    """An answer takes its time."""
    stage.sim.faults.add(fault(Effect.SLOW, seconds=0.3))
    started = asyncio.get_running_loop().time()
    assert (await stage.whatsapp(body())).status == 200
    assert asyncio.get_running_loop().time() - started >= 0.3


async def test_statuses_before_the_answer(stage: Stage) -> None:
    """Sent and delivered are told before the sender knows the message's id."""
    stage.sim.faults.add(fault(Effect.WEBHOOKS_FIRST))
    reply = await stage.whatsapp(body())
    assert len(stage.posts) == 2
    message_id = reply.json["messages"][0]["id"]
    assert [one["status"] for one in await stage.statuses(message_id)] == ["sent", "delivered"]


async def test_a_token_that_dies_midway(stage: Stage) -> None:
    """The first sends pass, then the token is revoked: each further one is 190/458."""
    stage.sim.faults.add(fault(Effect.REFUSE, code=190, subcode=458, skip=2, times=0))
    replies = [await stage.whatsapp(body(f"own-{number}")) for number in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 401, 401]
    assert replies[-1].error == (190, 458)


async def test_one_message_alone(stage: Stage) -> None:
    """A fault can be about one message, by a text that its body holds."""
    stage.sim.faults.add(fault(Effect.REFUSE, code=131016, contains='"own-2"', times=0))
    replies = [await stage.whatsapp(body(f"own-{number}")) for number in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 500, 200]
