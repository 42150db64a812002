"""How fast an account may send: per number, per pair of number and person, per page and Instagram account.

Source: protocol reference 8. Every limit flows evenly: a burst at once, then as fast as the rate.
"""

import msgspec

from hookline.simulator.clock import Clock
from hookline.simulator.counters import Counters
from hookline.simulator.errors import Refusal
from hookline.simulator.records import PhoneNumber
from hookline.simulator.threads import Thread

_ROUNDING = 1e-3  # sums of times are not exact


class Rates(msgspec.Struct, kw_only=True, rename="camel"):
    """Messages per second, and the pair's pace; control can change them. 0 is no limit.

    number: a WhatsApp number's, `number_high` after its upgrade, `number_coexistence` beside the phone app.
    """

    number: float = 80.0
    number_high: float = 1000.0
    number_coexistence: float = 20.0
    pair_seconds: float = 6.0
    pair_burst: int = 45
    messenger: float = 300.0
    instagram: float = 300.0
    audio_video: float = 10.0


class Limits:
    """Lets a send pass, or refuses it with the limit's code. What was refused uses nothing up."""

    def __init__(self, clock: Clock, counters: Counters) -> None:
        self.rates = Rates()
        self._clock = clock
        self._counters = counters
        self._levels: dict[str, tuple[float, float]] = {}  # limit and account: when, and how full it was then

    def number(self, phone: PhoneNumber) -> None:
        """Let one message of a WhatsApp number pass.

        Raises: Refusal (130429).
        """
        self._pass(f"number {phone.id}", self._rate_of(phone), 130429)

    def received(self, phone: PhoneNumber) -> None:
        """Count a message that a number received: throughput is of both directions. It is never refused."""
        rate = self._rate_of(phone)
        if rate > 0:
            name = f"number {phone.id}"
            self._levels[name] = (self._clock.now(), self._level(name, rate) + 1)

    def pair(self, thread: Thread) -> None:
        """Let one message of a number to a person pass.

        Raises: Refusal (131056).
        """
        interval = self.rates.pair_seconds
        if interval <= 0:
            return
        now = self._clock.now()
        due = max(thread.pair_at, now)
        if due - now > interval * (self.rates.pair_burst - 1) + _ROUNDING:
            raise self._over("pair", 131056, "Too many messages sent from this number to the same person.")
        thread.pair_at = due + interval

    def page(self, page_id: str, kind: str) -> None:
        """Let one message of a page pass.

        Raises: Refusal (613).
        """
        self._account("messenger", page_id, kind, self.rates.messenger)

    def instagram(self, account_id: str, kind: str) -> None:
        """Let one message of an Instagram account pass.

        Raises: Refusal (613).
        """
        self._account("instagram", account_id, kind, self.rates.instagram)

    def reset(self) -> None:
        """Forget what was sent; the pairs' own accounts stay with the threads."""
        self._levels.clear()

    def _rate_of(self, phone: PhoneNumber) -> float:
        if phone.on_business_app:
            return self.rates.number_coexistence
        return self.rates.number_high if phone.throughput == "HIGH" else self.rates.number

    def _account(self, name: str, account_id: str, kind: str, rate: float) -> None:
        if kind in ("audio", "video"):
            self._pass(f"{name} audio/video {account_id}", self.rates.audio_video, 613)
        else:
            self._pass(f"{name} {account_id}", rate, 613)

    def _pass(self, name: str, rate: float, code: int) -> None:
        if rate <= 0:
            return
        level = self._level(name, rate)
        if level + 1 > rate + _ROUNDING:
            raise self._over(name.partition(" ")[0], code, "Message failed to send because there were too many.")
        self._levels[name] = (self._clock.now(), level + 1)

    def _level(self, name: str, rate: float) -> float:
        """How many messages of the last second count still: a vessel that empties evenly."""
        at, level = self._levels.get(name, (0.0, 0.0))
        return max(0.0, level - (self._clock.now() - at) * rate)

    def _over(self, name: str, code: int, details: str) -> Refusal:
        self._counters.over_limit[name] += 1
        return Refusal(code, details if code != 613 else "")
