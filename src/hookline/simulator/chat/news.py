"""News for an open page, as server-sent events: this conversation has changed, or another one has.

While the stream is open the person is looking: what arrives is read.
"""

import asyncio

from aiohttp import web

from hookline.simulator.conduct import Reads
from hookline.simulator.control.perform import perform
from hookline.simulator.http import Reply
from hookline.simulator.records import Contact, Reachability
from hookline.simulator.simulator import Simulator
from hookline.simulator.threads import Thread

# News are told at most so often. Nobody tells that a page was closed: it is looked for so often.
_PACE_SECONDS = 0.15
_LOOK_SECONDS = 0.5
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def stream(sim: Simulator, request: web.BaseRequest, account_id: str, contact: Contact) -> Reply:
    """Tell news until the page is closed."""
    reply = web.StreamResponse(headers=_HEADERS)
    await reply.prepare(request)
    threads = sim.threads  # another one after a reset: the page then asks anew
    thread = threads.of(account_id, contact.id)
    changed = asyncio.Event()
    news: set[str] = {"thread"}

    def note(one: Thread) -> None:
        news.add("thread" if one is thread else "people")
        changed.set()

    stop = threads.watch(note)
    thread.open_pages += 1
    try:
        read(sim, account_id, contact)
        changed.set()
        while sim.threads is threads and request.transport is not None and not request.transport.is_closing():
            await _tell(reply, changed, news)
    except ConnectionError:
        return reply  # the page was closed
    finally:
        thread.open_pages -= 1
        stop()
    return reply


def read(sim: Simulator, account_id: str, contact: Contact) -> None:
    """Have somebody read what has arrived, if they do so by themselves and their phone is on."""
    online = contact.reachability is Reachability.ONLINE and account_id not in contact.blocks
    if online and sim.conduct.reads is not Reads.NEVER:
        perform(sim, account_id, contact.id, "read", {})


async def _tell(reply: web.StreamResponse, changed: asyncio.Event, news: set[str]) -> None:
    """Tell what is new, if something is before it is time to look whether the page is still there."""
    try:
        await asyncio.wait_for(changed.wait(), _LOOK_SECONDS)
    except TimeoutError:
        return
    changed.clear()
    told = "".join(f"event: {what}\ndata: 1\n\n" for what in sorted(news))
    news.clear()
    await reply.write(told.encode())
    await asyncio.sleep(_PACE_SECONDS)
