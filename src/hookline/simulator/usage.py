"""The hourly budgets of calls, and the headers that say how much of them is used.

Source: protocol reference 8. Calls beyond a budget are refused, and each one counts: they put the end further off.
"""

import math
from collections import deque

import msgspec

from hookline.simulator.clock import Clock
from hookline.simulator.counters import Counters
from hookline.simulator.errors import Refusal
from hookline.simulator.records import Template
from hookline.simulator.world import Kind, Node, World

HOUR = 3600.0
_SLICE_SECONDS = 60.0


class Budgets(msgspec.Struct, kw_only=True, rename="camel"):
    """Calls per hour; control can change them. 0 is no limit, and no header.

    app: of an app (code 4). waba: of an app and a WABA's management, `waba_active` once it has a registered number
    (80007). page (80001), instagram (80002), messenger (80006): of an app and that account.
    """

    app: int = 0
    waba: int = 200
    waba_active: int = 5000
    page: int = 0
    instagram: int = 0
    messenger: int = 0


class Use(msgspec.Struct, frozen=True):
    """One budget that a call draws on: `type` as the header names it, and the code beyond it."""

    type: str
    object_id: str
    budget: int
    code: int


class _Window:
    """The calls of the last hour, minute by minute."""

    def __init__(self) -> None:
        self._slices: deque[list[float]] = deque()  # [start, calls]
        self._total = 0.0

    def add(self, now: float) -> float:
        """Count a call; how many there are."""
        self.drop(now)
        if not self._slices or now - self._slices[-1][0] >= _SLICE_SECONDS:
            self._slices.append([now, 0.0])
        self._slices[-1][1] += 1
        self._total += 1
        return self._total

    def drop(self, now: float) -> None:
        while self._slices and now - self._slices[0][0] >= HOUR:
            self._total -= self._slices.popleft()[1]

    def below(self, budget: int, now: float) -> float:
        """In how many seconds fewer than `budget` calls will be left."""
        left = self._total
        for start, calls in self._slices:
            left -= calls
            if left < budget:
                return start + HOUR - now
        return 0.0


class Usage:
    """Counts calls against budgets."""

    def __init__(self, clock: Clock, counters: Counters) -> None:
        self.budgets = Budgets()
        self._clock = clock
        self._counters = counters
        self._windows: dict[tuple[str, str, str], _Window] = {}

    def charge(self, app_id: str, uses: list[Use]) -> dict[str, str]:
        """Count a call of an app; the headers to answer with.

        Raises: Refusal, with those headers, if it is one too many.
        """
        headers: dict[str, str] = {}
        over: list[int] = []
        if self.budgets.app:
            percent, _ = self._add(app_id, "app", app_id, self.budgets.app)
            headers["X-App-Usage"] = _json(
                {"call_count": percent, "total_time": percent, "total_cputime": percent // 2}
            )
            if percent > 100:
                over.append(4)
        cases = {}
        for use in uses:
            percent, minutes = self._add(app_id, use.type, use.object_id, use.budget)
            cases[use.object_id] = [
                {
                    "type": use.type,
                    "call_count": percent,
                    "total_cputime": percent // 2,
                    "total_time": percent,
                    "estimated_time_to_regain_access": minutes,
                }
            ]
            if percent > 100:
                over.append(use.code)
        if cases:
            headers["X-Business-Use-Case-Usage"] = _json(cases)
        if over:
            self._counters.over_limit["app" if over[0] == 4 else f"use case {over[0]}"] += 1
            refusal = Refusal(over[0])
            refusal.headers = headers
            raise refusal
        return headers

    def reset(self) -> None:
        """Begin a new hour."""
        self._windows.clear()

    def _add(self, app_id: str, kind: str, object_id: str, budget: int) -> tuple[int, int]:
        """Count a call; the percentage used, and the minutes until calls are taken again (0: they are)."""
        now = self._clock.now()
        window = self._windows.setdefault((app_id, kind, object_id), _Window())
        calls = window.add(now)
        percent = math.ceil(calls * 100 / budget) if calls > budget else int(calls * 100 / budget)
        return percent, math.ceil(window.below(budget, now) / 60) if calls > budget else 0


def _json(content: object) -> str:
    return msgspec.json.encode(content).decode()


_MANAGED = frozenset({"", "assigned_users", "phone_numbers", "message_templates", "subscribed_apps"})
_MESSENGER = frozenset({"messages", "message_attachments"})


def uses_of(world: World, budgets: Budgets, node: Node, edge: str) -> list[Use]:
    """The budgets that a call to a node's edge draws on, besides the app's. Sending on WhatsApp draws on none."""
    uses: list[Use] = []
    if node.kind in (Kind.WABA, Kind.TEMPLATE):
        waba_id = node.as_(Template).waba_id if node.kind is Kind.TEMPLATE else node.id
        active = any(phone.registered for phone in world.phone_numbers_of(waba_id))
        if edge in _MANAGED:
            uses.append(Use("whatsapp", waba_id, budgets.waba_active if active else budgets.waba, 80007))
    elif node.kind is Kind.PAGE:
        if edge in _MESSENGER:
            uses.append(Use("messenger", node.id, budgets.messenger, 80006))
        else:
            uses.append(Use("pages", node.id, budgets.page, 80001))
    elif node.kind is Kind.INSTAGRAM:
        uses.append(Use("instagram", node.id, budgets.instagram, 80002))
    return [use for use in uses if use.budget > 0]
