"""What control is asked, and its little router."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from aiohttp import web

from hookline.simulator.control.acting import Unfit
from hookline.simulator.simulator import Simulator


class Ask(msgspec.Struct, frozen=True):
    """One request to control. names: what stands in the path's braces. body: its JSON object, or an empty one."""

    sim: Simulator
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    request: web.BaseRequest

    def text(self, name: str, default: str | None = None) -> str:
        """A field of the body as text; without a default it must be there.

        Raises: Unfit.
        """
        value = self.body.get(name, default)
        if not isinstance(value, str):
            raise Unfit(f"{name} must be a text")
        return value


class Missing(Exception):
    """There is no such thing."""


Command: TypeAlias = Callable[[Ask], Awaitable[Any]]


class ControlRoute(msgspec.Struct, frozen=True):
    """`{method} /control/{path}`; pieces in braces are names. Its docstring is its help."""

    method: str
    path: str
    command: Command
    raw_body: bool = False  # the body is a file, which the command reads itself

    def match(self, method: str, pieces: list[str]) -> dict[str, str] | None:
        """The names in the path, if this is the route of a request."""
        wanted = self.path.split("/")
        if method != self.method or len(wanted) != len(pieces):
            return None
        names: dict[str, str] = {}
        for want, piece in zip(wanted, pieces, strict=True):
            if want.startswith("{"):
                names[want[1:-1]] = piece
            elif want != piece:
                return None
        return names
