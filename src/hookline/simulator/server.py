"""The simulator's HTTP server: which prefix is which host, start and stop."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from hookline.simulator.catalogue import FREE_ROUTES, PLACES, ROUTES
from hookline.simulator.dashboard import keep_subscribed
from hookline.simulator.http import Reply, text_reply
from hookline.simulator.options import Options
from hookline.simulator.routes import GRAPH, INSTAGRAM_GRAPH, FreeRoute, Graph, Route
from hookline.simulator.saved import keep_saved, load, save, written
from hookline.simulator.simulator import Simulator

STOP_SECONDS = 2.0
MAX_BODY_BYTES = 110 * 1024 * 1024  # the largest document is 100 MB (reference 2.5)

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

log = structlog.get_logger(__name__)

Place: TypeAlias = Callable[[web.BaseRequest, str], Awaitable[Reply]]


class Application:
    """Finds the place that a path's first piece names, and has it answer."""

    def __init__(self, sim: Simulator) -> None:
        graph_routes: list[Route | FreeRoute] = [*ROUTES, *FREE_ROUTES]
        self._open_to_all = sim.options.host not in _LOOPBACK
        self._places: dict[str, Place] = {
            GRAPH: Graph(sim, GRAPH, graph_routes).answer,
            INSTAGRAM_GRAPH: Graph(sim, INSTAGRAM_GRAPH, graph_routes).answer,
        }
        for prefix, make in PLACES.items():
            self._places[prefix] = make(sim)

    async def __call__(self, request: web.BaseRequest) -> Reply:
        """Answer one request. A name that leads here by somebody else's DNS is no name of ours."""
        if not self._open_to_all and urlsplit(f"//{request.host}").hostname not in _LOOPBACK:
            return text_reply("This simulator is for this machine only: call it by 127.0.0.1 or localhost.\n", 421)
        prefix, _, path = request.path.lstrip("/").partition("/")
        place = self._places.get(prefix)
        if place is None:
            return text_reply("There is nothing here.\n", 404)
        return await place(request, path)


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Simulator]:
    """Run a simulator while this is open. Port 0 finds a free one; `url` tells it.

    Raises: OSError, if the address cannot be listened on.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        sim = Simulator(options, session, load(options))
        runner = web.ServerRunner(
            web.Server(Application(sim), request_factory=_request, access_log=None), shutdown_timeout=STOP_SECONDS
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, options.host, options.port, reuse_address=True)
            await site.start()
            sim.url = f"http://{options.host}:{runner.addresses[0][1]}"
            async with _beside(sim):
                yield sim
        finally:
            await sim.close()
            await runner.cleanup()


@asynccontextmanager
async def _beside(sim: Simulator) -> AsyncIterator[None]:
    """What goes on beside the calls, as long as the simulator runs."""
    path = sim.options.state_path
    tasks = [asyncio.create_task(keep_subscribed(sim))]
    if path is not None:
        tasks.append(asyncio.create_task(keep_saved(sim, path)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if path is not None:
            save(path, written(sim))


def rest_the_collector() -> None:
    """Have the garbage collector look less often: nearly all that is made here stays, and each look walks all of it."""
    gc.set_threshold(50_000, 50, 500)


async def serve(options: Options, stop: asyncio.Event, *, listening: Callable[[Simulator], None]) -> None:
    """Run until `stop` is set. `listening` is told when it answers.

    Raises: OSError, if the address cannot be listened on.
    """
    rest_the_collector()
    async with running(options) as sim:
        listening(sim)
        await stop.wait()


def _request(
    message: RawRequestMessage,
    payload: aiohttp.StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    """Make a request object that takes the largest file there may be."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)
