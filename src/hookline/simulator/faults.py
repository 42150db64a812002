"""Faults on request: which calls they hit, how often, and what happens then.

A fault acts before the call is carried out, or after it ("the time-out after acceptance": it happened, and nobody
was told). Source: protocol reference 6 (codes, HTML bodies), 7 (a time-out is an unknown outcome), 8 (usage headers).
"""

import asyncio
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from hookline.simulator.http import Call


class Effect(StrEnum):
    """What a fault does."""

    REFUSE = "refuse"  # with `code` and `subcode`; nothing is carried out
    BROKEN = "broken"  # an HTML page with `status`, as a proxy in front answers; nothing is carried out
    SLOW = "slow"  # the call is carried out after `seconds`
    RESET = "reset"  # the connection is cut before anything is carried out
    TIMEOUT_AFTER = "timeout_after"  # carried out; the answer comes after `seconds`
    RESET_AFTER = "reset_after"  # carried out; the connection is cut instead of an answer
    BROKEN_AFTER = "broken_after"  # carried out; the answer is an HTML page with `status`
    WEBHOOKS_FIRST = "webhooks_first"  # carried out; the answer waits until its webhooks are delivered
    HEADERS = "headers"  # carried out; the answer bears `headers` as well


# Nothing is carried out after these, so no further fault is used up by the call.
FINAL = frozenset({Effect.REFUSE, Effect.BROKEN, Effect.RESET})
BEFORE = FINAL | {Effect.SLOW}


class Fault(msgspec.Struct, kw_only=True, rename="camel"):
    """One fault.

    method, host, path: which calls, as shell patterns; the path is that after the version (`*/messages`).
    contains: a text that the body, written as JSON, must hold. skip: so many of them pass first. times: so many are
    hit; 0 is all. code, subcode, status, details: of the refusal; status 0 is the table's. error: what else its error
    object says, or says instead (null: leaves out).
    """

    effect: Effect
    id: str = ""
    method: str = "*"
    host: str = "*"
    path: str = "*"
    contains: str = ""
    skip: int = 0
    times: int = 1
    seconds: float = 0.0
    code: int = 2
    subcode: int | None = None
    status: int = 0
    details: str = ""
    error: dict[str, Any] = {}
    headers: dict[str, str] = {}
    hits: int = 0

    def fits(self, call: Call) -> bool:
        """Whether it is about this call."""
        if self.times and self.hits >= self.times:
            return False
        return (
            fnmatchcase(call.method, self.method)
            and fnmatchcase(call.host, self.host)
            and fnmatchcase("/".join(call.segments), self.path)
            and (not self.contains or self.contains in msgspec.json.encode(call.params).decode())
        )


class Faults:
    """The faults in force, in the order in which they were set."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self._made = 0

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force."""
        self._made += 1
        fault.id = fault.id or f"fault-{self._made}"
        self.active.append(fault)
        return fault

    def remove(self, fault_id: str | None = None) -> int:
        """End one fault, or all; how many ended."""
        kept = [] if fault_id is None else [fault for fault in self.active if fault.id != fault_id]
        ended = len(self.active) - len(kept)
        self.active = kept
        return ended

    def hitting(self, call: Call) -> list[Fault]:
        """The faults that hit this call, which is counted."""
        hit: list[Fault] = []
        for fault in self.active:
            if not fault.fits(call):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.hits += 1
            hit.append(fault)
            if fault.effect in FINAL:
                break
        return hit


async def pause(seconds: float) -> None:
    """Wait in real time: what is slow is slow for whoever waits."""
    if seconds > 0:
        await asyncio.sleep(seconds)
