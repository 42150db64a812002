"""What our worker is compared with: a process that sends by pywa, or by bare aiohttp, and does nothing else.

Its order comes as JSON on standard input; it says `ready`, waits for a line, and ends with `done SECONDS CPU`.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Literal

import aiohttp
import httpx
import msgspec
import uvloop
from pywa_async import WhatsApp

API_VERSION = "25.0"
SAYS = "Yes, it comes in green as well: number {}"

Client = Literal["pywa", "aiohttp"]
Send = Callable[[str, str, int], Awaitable[object]]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Send `count` texts to these people by turns, each from the number that is theirs, so many at a time.

    tokens: by number.
    """

    client: Client
    url: str
    tokens: dict[str, str]
    people: list[str]
    count: int
    at_once: int


def number_for(numbers: list[str], person: int) -> str:
    """Whose person somebody is."""
    return numbers[person % len(numbers)]


async def _pywa(order: Order, stack: AsyncExitStack) -> Send:
    """A client a number, as it is meant to be used."""
    clients: dict[str, WhatsApp] = {}
    for number, token in order.tokens.items():
        session = await stack.enter_async_context(httpx.AsyncClient())
        clients[number] = WhatsApp(number, token, session=session, api_version=API_VERSION)
        session.base_url = f"{order.url}/graph/v{API_VERSION}"  # the client has put the platform's own there

    async def send(number: str, person: str, count: int) -> object:
        return await clients[number].send_message(person, SAYS.format(count))

    return send


async def _aiohttp(order: Order, stack: AsyncExitStack) -> Send:
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))

    async def send(number: str, person: str, count: int) -> object:
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": person,
            "type": "text",
            "text": {"body": SAYS.format(count), "preview_url": False},
        }
        headers = {"Authorization": f"Bearer {order.tokens[number]}", "Content-Type": "application/json"}
        address = f"{order.url}/graph/v{API_VERSION}/{number}/messages"
        async with session.post(address, data=msgspec.json.encode(body), headers=headers) as answer:
            if answer.status != 200:
                raise RuntimeError(await answer.text())
            return msgspec.json.decode(await answer.read())["messages"][0]["id"]

    return send


async def _run(order: Order) -> None:
    clients: Mapping[Client, Callable[[Order, AsyncExitStack], Awaitable[Send]]] = {"pywa": _pywa, "aiohttp": _aiohttp}
    async with AsyncExitStack() as stack:
        send = await clients[order.client](order, stack)
        numbers = list(order.tokens)
        left = iter(range(order.count))

        async def some() -> None:
            for count in left:
                person = count % len(order.people)
                await send(number_for(numbers, person), order.people[person], count)

        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began, used = time.monotonic(), time.process_time()
        await asyncio.gather(*(some() for _ in range(order.at_once)))
        print("done", time.monotonic() - began, time.process_time() - used, flush=True)


if __name__ == "__main__":
    uvloop.run(_run(msgspec.json.decode(sys.stdin.readline(), type=Order)))
