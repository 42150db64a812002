"""`/control`: JSON in, JSON out. For this machine only: it takes no form that a web page could send by itself."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from hookline.simulator.control import access, collections, commands, compliance
from hookline.simulator.control.acting import Unfit
from hookline.simulator.control.asking import Ask, ControlRoute, Missing
from hookline.simulator.http import Reply, json_reply
from hookline.simulator.simulator import Simulator

PREFIX = "control"
ROUTES: tuple[ControlRoute, ...] = (*commands.ROUTES, *collections.ROUTES, *access.ROUTES, *compliance.ROUTES)
_BODILESS = frozenset({"GET", "HEAD", "DELETE"})
_JSON = "application/json"


class Control:
    """Answers what stands below `/control`."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    async def answer(self, request: web.BaseRequest, path: str) -> Reply:
        """Answer a request."""
        pieces = path.strip("/").split("/")
        if request.method == "GET" and pieces == [""]:
            return json_reply(described())
        for route in ROUTES:
            names = route.match(request.method, pieces)
            if names is not None:
                return await self._carry_out(route, request, names)
        return _wrong(404, "there is no such route; GET /control lists all")

    async def _carry_out(self, route: ControlRoute, request: web.BaseRequest, names: Mapping[str, str]) -> Reply:
        try:
            body = {} if route.raw_body else await _read(request)
            return json_reply(await route.command(Ask(self._sim, names, dict(request.query), body, request)))
        except Missing as missing:
            return _wrong(404, str(missing))
        except Unfit as unfit:
            return _wrong(422, str(unfit))


async def _read(request: web.BaseRequest) -> dict[str, Any]:
    """Read a JSON object. The content type must say so: a page of another origin cannot send that without asking.

    Raises: Unfit.
    """
    if request.method in _BODILESS or not request.can_read_body:
        return {}
    if request.content_type != _JSON:
        raise Unfit(f"the Content-Type must be {_JSON}")
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Unfit(f"the body must be a JSON object: {error}") from None


def _wrong(status: int, why: str) -> Reply:
    return json_reply({"error": why}, status)


def described() -> list[dict[str, str]]:
    """Every route, with what it does."""
    return [
        {"route": f"{route.method} /{PREFIX}/{route.path}", "does": _first_line(route.command.__doc__)}
        for route in ROUTES
    ]


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
