"""What a send costs the simulator: `python -m tests.simulator.cost` prints CPU time per accepted WhatsApp send.

The sender and the receiver of webhooks are processes of their own, so that the time is the simulator's alone.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp
import uvloop
from aiohttp import web
from tests.simulator.stage import WHATSAPP_TOKEN, open_stage

from hookline.simulator import default
from hookline.simulator.conduct import Reads
from hookline.simulator.limits import Rates
from hookline.simulator.server import rest_the_collector

SENDS = 20_000
SENDERS = 32
BATCH = 200


async def measure(*, statuses: bool) -> None:
    """Let another process send, and print what it cost here."""
    async with open_stage() as stage:
        sim = stage.sim
        sim.limits.rates = Rates(number=0, pair_seconds=0)
        sim.conduct.statuses, sim.conduct.reads = statuses, Reads.ALWAYS
        sim.outbox.manner.batch, sim.outbox.manner.batch_seconds = BATCH, 1.0
        receiver = _child("receive")
        port = await asyncio.to_thread(_first_line, receiver)
        app = next(iter(sim.world.records.apps.values()))
        app.subscriptions["whatsapp_business_account"].callback_url = f"http://127.0.0.1:{port}/"
        try:
            began, used = time.monotonic(), time.process_time()
            sender = _child("send", sim.url)
            if await asyncio.to_thread(sender.wait):
                raise RuntimeError("the sender failed")
            took = time.monotonic() - began
            await sim.settle(30)
            cost = (time.process_time() - used) / SENDS * 1e6
        finally:
            receiver.terminate()
            receiver.wait()
        what = f"three statuses each in batches of {BATCH}" if statuses else "no statuses"
        print(
            f"{what}: {cost:.0f} us of CPU per send ({500_000 / cost:.0f}/s on half a core), {SENDS / took:.0f}/s here"
        )


async def send(url: str) -> None:
    """Send as fast as answers come."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {WHATSAPP_TOKEN}"}) as session:
        await asyncio.gather(*(_send_some(session, url, number) for number in range(SENDERS)))


async def _send_some(session: aiohttp.ClientSession, url: str, sender: int) -> None:
    for number in range(SENDS // SENDERS):
        parameters = [{"type": "text", "text": "Ann"}, {"type": "text", "text": str(number)}]
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": f"+1777{sender:03d}{number:04d}",
            "type": "template",
            "template": {
                "name": "order_sent",
                "language": {"code": "en_US"},
                "components": [{"type": "body", "parameters": parameters}],
            },
            "biz_opaque_callback_data": f"own-{sender}-{number}",
        }
        async with session.post(f"{url}/graph/v25.0/{default.PHONE_NUMBER}/messages", json=body) as answer:
            if answer.status != 200:
                raise RuntimeError(await answer.text())


async def receive() -> None:
    """Take webhooks until terminated."""

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response()

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def _child(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.simulator.cost", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))


def _first_line(process: subprocess.Popen[str]) -> int:
    if process.stdout is None:
        raise RuntimeError("the receiver says nothing")
    return int(process.stdout.readline())


async def main() -> None:
    """Measure without statuses, and with them."""
    rest_the_collector()  # as `hookline simulator` does
    await measure(statuses=False)
    await measure(statuses=True)


if __name__ == "__main__":
    parts: dict[str, Callable[..., Awaitable[None]]] = {"send": send, "receive": receive, "": main}
    name, *rest = sys.argv[1:] or [""]
    uvloop.run(parts[name](*rest))  # type: ignore[arg-type]
