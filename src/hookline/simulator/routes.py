"""Graph routing: a call is for a node of some kind and an edge of it; every host answers from one table of these.

A route says what it needs (host, scopes); what holds for all calls is here: faults, token, proof, reach, counters,
the error envelope. Source: protocol reference 0.1 (hosts, versions), 6 (envelope).
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
from aiohttp import web

from hookline.simulator import access
from hookline.simulator.errors import Refusal, graph_error
from hookline.simulator.faults import BEFORE, Effect, Fault, pause
from hookline.simulator.http import Call, Reply, json_reply, text_reply
from hookline.simulator.records import Token
from hookline.simulator.simulator import Simulator
from hookline.simulator.usage import uses_of
from hookline.simulator.world import Kind, Node

GRAPH = "graph"
INSTAGRAM_GRAPH = "instagram-graph"

_VERSION = re.compile(r"^v\d{1,2}\.\d$")
_BROKEN_PAGE = (
    "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Sorry, something went wrong.</h1></body></html>"
)


class Asked(msgspec.Struct, frozen=True):
    """What a handler is given: the simulator, the call, the node it is for, and the token it is made with."""

    sim: Simulator
    call: Call
    node: Node
    token: Token


Answer: TypeAlias = Reply | Mapping[str, Any]
Handler: TypeAlias = Callable[[Asked], Awaitable[Answer]]
FreeHandler: TypeAlias = Callable[[Simulator, Call], Awaitable[Answer]]


class Route(msgspec.Struct, frozen=True):
    """`{method} /{node of this kind}/{edge}`; edge "" is the node itself. `scopes` must all be granted."""

    method: str
    kind: Kind
    edge: str
    handler: Handler
    scopes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = (GRAPH,)


class FreeRoute(msgspec.Struct, frozen=True):
    """`{method} /{path}`: no node; the handler checks for itself what it needs."""

    method: str
    path: str
    handler: FreeHandler
    hosts: tuple[str, ...] = (GRAPH,)


class Graph:
    """One graph host."""

    def __init__(self, sim: Simulator, host: str, routes: Iterable[Route | FreeRoute]) -> None:
        self._sim = sim
        self._host = host
        self._routes: dict[tuple[str, Kind, str], Route] = {}
        self._free: dict[tuple[str, str], FreeRoute] = {}
        for route in routes:
            if host not in route.hosts:
                continue
            if isinstance(route, Route):
                self._routes[route.method, route.kind, route.edge] = route
            else:
                self._free[route.method, route.path] = route

    async def answer(self, request: web.BaseRequest, path: str) -> Reply:
        """Answer a request; `path` is what stands after the host's prefix."""
        call = _read_call(request, self._host, path)
        try:
            await call.read()
            faults = self._sim.faults.hitting(call) if self._sim.faults.active else []
            refused = await _before(request, faults)
            if refused is not None:
                return refused
            reply = await self._carry_out(call)
        except Refusal as refusal:
            return self._refused(refusal)
        return await self._after(request, faults, reply) if faults else reply

    async def _carry_out(self, call: Call) -> Reply:
        free = self._free.get((call.method, "/".join(call.segments)))
        if free is not None:
            self._count(call, free.path)
            return _reply(await free.handler(self._sim, call))
        token = access.read_token(self._sim.world, call.token)
        access.check_proof(self._sim.world, call, token)
        node = self._node(call, token)
        edge = "/".join(call.segments[1:])
        route = self._routes.get((call.method, node.kind, edge))
        self._count(call, f"{node.kind}/{edge}" if edge else node.kind)
        if route is None:
            raise Refusal(100, subcode=access.NO_ACCESS_SUBCODE, message=access.unsupported(node.id))
        access.require_reach(self._sim.world, token, node)
        self._charge(call, token, node, edge)
        access.require_scopes(token, route.scopes)
        reply = _reply(await route.handler(Asked(self._sim, call, node, token)))
        if call.reply_headers:
            reply.headers.update(call.reply_headers)
        return reply

    def _node(self, call: Call, token: Token) -> Node:
        if not call.segments:
            raise Refusal(100, subcode=access.NO_ACCESS_SUBCODE, message=access.unsupported("/"))
        name = call.segments[0]
        node = self._sim.world.node(token.subject_id if name == "me" else name)
        if node is None:
            raise Refusal(100, subcode=access.NO_ACCESS_SUBCODE, message=access.unsupported(name))
        return node

    def _charge(self, call: Call, token: Token, node: Node, edge: str) -> None:
        """Count the call against the hourly budgets.

        Raises: Refusal, beyond one.
        """
        if node.kind is Kind.PHONE_NUMBER and edge in ("messages", "marketing_messages"):
            return  # throughput is what limits these (reference 8)
        usage = self._sim.usage
        headers = usage.charge(token.app_id, uses_of(self._sim.world, usage.budgets, node, edge))
        call.reply_headers.update(headers)

    def _count(self, call: Call, what: str) -> None:
        self._sim.counters.calls[f"{call.method} {self._host} {what}"] += 1

    def _refused(self, refusal: Refusal) -> Reply:
        self._sim.counters.refusals[str(refusal)] += 1
        return json_reply(graph_error(refusal, self._sim.world.ids.trace()), refusal.status, refusal.headers)

    async def _after(self, request: web.BaseRequest, faults: list[Fault], reply: Reply) -> Reply:
        """Let the faults act that spoil the answer to what has been carried out."""
        for fault in faults:
            match fault.effect:
                case Effect.TIMEOUT_AFTER:
                    await pause(fault.seconds)
                case Effect.WEBHOOKS_FIRST:
                    await self._sim.settle()
                case Effect.RESET_AFTER:
                    _cut(request)
                case Effect.BROKEN_AFTER:
                    return text_reply(_BROKEN_PAGE, fault.status or 502, "text/html")
                case Effect.HEADERS:
                    reply.headers.update(fault.headers)
                case _:
                    pass
        return reply


def _read_call(request: web.BaseRequest, host: str, path: str) -> Call:
    version, segments = _split(path)
    query = dict(request.query) if "?" in request.raw_path else {}
    return Call(request, host, version, segments, query)


@lru_cache(maxsize=4096)
def _split(path: str) -> tuple[str, tuple[str, ...]]:
    """The version, if the path has one, and the pieces after it."""
    segments = tuple(piece for piece in path.split("/") if piece)
    if segments and _VERSION.match(segments[0]):
        return segments[0], segments[1:]
    return "", segments


async def _before(request: web.BaseRequest, faults: list[Fault]) -> Reply | None:
    """Let the faults act that come before anything is carried out.

    Raises: Refusal.
    """
    for fault in faults:
        if fault.effect not in BEFORE:
            continue
        await pause(fault.seconds)
        if fault.effect is Effect.RESET:
            _cut(request)
            return text_reply("")
        if fault.effect is Effect.BROKEN:
            return text_reply(_BROKEN_PAGE, fault.status or 502, "text/html")
        if fault.effect is Effect.REFUSE:
            refusal = Refusal(fault.code, fault.details, subcode=fault.subcode, status=fault.status)
            refusal.headers, refusal.instead = fault.headers, fault.error
            raise refusal
    return None


def _cut(request: web.BaseRequest) -> None:
    """Cut the connection; whatever is written afterwards goes nowhere."""
    if request.transport is not None:
        request.transport.abort()


def _reply(answer: Answer) -> Reply:
    return answer if isinstance(answer, web.StreamResponse) else json_reply(answer)
