"""Pace before calling: slots in which an account's messages may leave, shared by all workers through the database.

A worker reserves slots in blocks, for whoever waits for the same account at that moment, and many accounts in one
statement; so the database is not asked for every message. A slot that is too far off is not waited for: the job goes
back to the queue for as long, and others run meanwhile. What the platform asks for stops a limit for everybody.
"""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from hookline.domain.errors import WaitRequested
from hookline.domain.sending import Usage
from hookline.services.batching import MicroBatcher
from hookline.store import paces
from hookline.store.paces import Ask, PaceState

# The platform counts arrivals, and ours are not exactly where they were sent: a little less than it allows.
HEADROOM: Final = 0.95
AHEAD: Final = timedelta(seconds=0.3)
BLOCK_SECONDS: Final = 0.25
# A slot that was missed by more than this is given up: late ones must not leave together with those of others.
LATENESS_SECONDS: Final = 0.25
SLOW_FROM_PERCENT: Final = 80
STOP_FROM_PERCENT: Final = 95
STOP_FOR: Final = timedelta(minutes=1)
# What is left of the pace of a whole app while its budget of calls is nearly used up, in calls a second.
APP_SLOW_PER_SECOND: Final = 20.0
# Usage is told with every reply: it is kept when it matters, and not more often than this.
_KEEP_USAGE_EVERY_SECONDS: Final = 1.0
_LONGEST_WAIT: Final = timedelta(minutes=5)


class _Lane:
    """One limit as this process sees it: who waits for slots of it, and until when it is given out to those put off."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.interval = 0.0
        self.waiting: deque[asyncio.Future[float]] = deque()
        self.filling: asyncio.Task[None] | None = None
        self.blocked_until = 0.0
        self.blocked_by: str | None = None
        self.put_off_until = 0.0
        self.usage: int | None = None
        self.usage_kept_at = -math.inf


class Pacer:
    """The slots of one worker process. Times are the event loop's clock."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._lanes: dict[str, _Lane] = {}
        self._apps: set[str] = set()
        self._reservations: MicroBatcher[Ask, float | PaceState] = MicroBatcher(self._reserve, max_items=256)
        self._keeping: set[asyncio.Task[None]] = set()

    async def slot(self, key: str, per_second: float, app: str) -> float:
        """Reserve the time at which one message may leave; it is near.

        Raises: WaitRequested, if there is none near, or the platform stopped the account or the whole app.
        """
        self._apps.add(app)
        whole = self._lane(app)
        self._refuse_if_blocked(whole)
        lane = self._lane(key)
        lane.interval = 1 / (per_second * HEADROOM * slowdown(lane.usage))
        at = await self._ask(lane)
        self._refuse_if_blocked(whole)  # with the slot came what other workers know of the app
        if slowdown(whole.usage) < 1:
            whole.interval = 1 / (APP_SLOW_PER_SECOND * slowdown(whole.usage))
            at = max(at, await self._ask(whole))
        return at

    async def wait_for(self, at: float, lateness: float = LATENESS_SECONDS) -> bool:
        """Sleep until a slot; False if it was missed by too much to be used."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, at - loop.time()))
        return loop.time() - at <= lateness

    async def block(self, key: str, wait: timedelta, reason: str) -> bool:
        """Stop a limit everywhere, as the platform asked; True if that is news."""
        lane = self._lane(key)
        lane.blocked_until = max(lane.blocked_until, _now() + wait.total_seconds())
        lane.blocked_by = reason
        async with self._pool.acquire() as connection:
            return await paces.block(connection, key, wait, reason)

    def note_usage(self, account: str, app: str, usage: Usage) -> None:
        """Take what the platform says of its budgets: slow from 80 percent on, stop at 95. Returns at once."""
        for key, percent in ((account, usage.account_percent), (app, usage.app_percent)):
            if percent is None:
                continue
            lane = self._lane(key)
            before, lane.usage = lane.usage, percent
            if max(percent, before or 0) < SLOW_FROM_PERCENT:
                continue
            if _now() - lane.usage_kept_at < _KEEP_USAGE_EVERY_SECONDS and percent < STOP_FROM_PERCENT:
                continue
            lane.usage_kept_at = _now()
            task = asyncio.create_task(self._keep_usage(key, percent, usage.regain), name="usage")
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    async def close(self) -> None:
        """Wait for what is on its way to the database."""
        await self._reservations.close()
        if self._keeping:
            await asyncio.wait(self._keeping)

    def _lane(self, key: str) -> _Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key)
        return lane

    def _refuse_if_blocked(self, lane: _Lane) -> None:
        wait = lane.blocked_until - _now()
        if wait > AHEAD.total_seconds():
            raise WaitRequested(f"the platform asked to wait: {lane.blocked_by}", timedelta(seconds=wait))

    async def _ask(self, lane: _Lane) -> float:
        self._refuse_if_blocked(lane)
        if len(lane.waiting) * lane.interval > AHEAD.total_seconds():
            raise self._put_off(lane, len(lane.waiting) * lane.interval)
        place: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        lane.waiting.append(place)
        if lane.filling is None:
            lane.filling = asyncio.create_task(self._fill(lane), name="pace")
        return await place

    def _put_off(self, lane: _Lane, wait: float) -> WaitRequested:
        """Send a job back to the queue, each a place further behind, so that they do not all come at once again."""
        lane.put_off_until = max(lane.put_off_until + lane.interval, _now() + wait)
        delay = min(timedelta(seconds=lane.put_off_until - _now()), _LONGEST_WAIT)
        return WaitRequested("the account is sending as fast as the platform allows", delay)

    async def _fill(self, lane: _Lane) -> None:
        """Reserve blocks until nobody waits."""
        try:
            while lane.waiting:
                wanted = min(len(lane.waiting), max(1, math.ceil(BLOCK_SECONDS / lane.interval)))
                granted = await self._reservations.submit(Ask(lane.key, wanted * lane.interval))
                if isinstance(granted, PaceState):
                    self._turn_away(lane, granted)
                else:
                    self._hand_out(lane, granted, wanted)
        except Exception as error:  # whoever waits is told; the next one asks anew
            while lane.waiting:
                _fail(lane.waiting.popleft(), error)
        finally:
            lane.filling = None

    def _hand_out(self, lane: _Lane, begins: float, wanted: int) -> None:
        start = _now() + begins
        for number in range(wanted):
            place = lane.waiting.popleft()
            if not place.done():
                place.set_result(start + number * lane.interval)

    def _turn_away(self, lane: _Lane, state: PaceState) -> None:
        if state.blocked_seconds > 0:
            lane.blocked_until, lane.blocked_by = _now() + state.blocked_seconds, state.blocked_by
            delay = timedelta(seconds=state.blocked_seconds)
            while lane.waiting:
                _fail(lane.waiting.popleft(), WaitRequested(f"the platform asked to wait: {state.blocked_by}", delay))
        while lane.waiting:
            _fail(lane.waiting.popleft(), self._put_off(lane, max(state.wait_seconds, lane.interval)))

    async def _reserve(self, asks: Sequence[Ask]) -> Sequence[float | PaceState | Exception]:
        async with self._pool.acquire() as connection:
            granted = await paces.reserve(connection, asks, AHEAD)
            known = await paces.read(connection, [*{one.key for one in asks} | self._apps], AHEAD)
        for app in self._apps:
            state = known.get(app, PaceState())
            whole = self._lane(app)
            whole.usage, whole.blocked_by = state.usage_percent, state.blocked_by
            whole.blocked_until = max(whole.blocked_until, _now() + state.blocked_seconds)
        for one in asks:
            self._lane(one.key).usage = known.get(one.key, PaceState()).usage_percent
        return [granted.get(one.key, known.get(one.key, PaceState())) for one in asks]

    async def _keep_usage(self, key: str, percent: int, regain: timedelta | None) -> None:
        async with self._pool.acquire() as connection:
            await paces.use(connection, key, percent)
        if percent >= STOP_FROM_PERCENT:
            await self.block(key, max(regain or STOP_FOR, STOP_FOR), f"{percent} % of the calls allowed are used")


def slowdown(percent: int | None) -> float:
    """Say what is left of a pace when so much of the budget is used: all below 80 percent, a twentieth at 95."""
    if percent is None or percent < SLOW_FROM_PERCENT:
        return 1.0
    return max(0.05, (STOP_FROM_PERCENT - percent) / (STOP_FROM_PERCENT - SLOW_FROM_PERCENT + 1))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _fail(place: "asyncio.Future[float]", error: Exception) -> None:
    if not place.done():
        place.set_exception(error)
