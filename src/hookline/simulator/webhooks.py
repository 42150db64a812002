"""The outbox: webhooks to the apps, signed, batched, retried as the platforms do it, and misdelivered on request.

Source: reference 0.1 (version header), 1.2 (signature), 1.3 (batches), 1.4 (retries, order, disabled webhooks).
"""

import asyncio
import heapq
import random
import time
from collections import deque

import aiohttp
import structlog

from hookline.simulator.deliveries import BODY_KEPT_BYTES, Attempt, Delivery, Manner, envelope
from hookline.simulator.signing import signatures, write_body
from hookline.simulator.subscriptions import PAGE, WHATSAPP, Destination, Notice, destinations
from hookline.simulator.world import World

# Seconds after the first attempt. The reference knows the ends (7 days; 36 hours) and "decreasing frequency" only.
_HOUR = 3600
_WHATSAPP_RETRIES = (0, 15, 60, 300, 900, _HOUR, 3 * _HOUR, 8 * _HOUR, *(day * 24 * _HOUR for day in range(1, 8)))
_OTHER_RETRIES = (0, 15, 60, 300, 900, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, 24 * _HOUR, 36 * _HOUR)
UNSUBSCRIBED_AFTER_SECONDS = _HOUR
MAX_BATCH = 1000
LOG_KEPT = 10_000
PAYLOAD_VERSION = "v25.0"
_CONCURRENT = 32

log = structlog.get_logger(__name__)


class Outbox:
    """Takes notices and sees to their delivery. `put` never waits."""

    def __init__(self, world: World, manner: Manner, session: aiohttp.ClientSession) -> None:
        self.manner = manner
        self.log: deque[Delivery] = deque(maxlen=LOG_KEPT)
        self._world = world
        self._session = session
        self._random = random.Random(world.records.seed)  # noqa: S311 - it shuffles, and must be repeatable
        self._gathered: dict[tuple[Destination, str], list[Notice]] = {}
        self._gathering: dict[tuple[Destination, str], asyncio.TimerHandle] = {}
        self._lanes: dict[str, deque[Delivery]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._retries: list[tuple[float, int, Delivery]] = []
        self._retry_timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._numbers = 0
        world.clock.watch(self._plan_retries)

    # -- taking

    def put(self, *notices: Notice) -> int:
        """Tell everybody who is subscribed; how many POSTs' worth of places that is. 0: nobody is."""
        told = 0
        for notice in notices:
            found = destinations(self._world, notice)
            if not found:
                self._note_unsubscribed(notice)
            for destination in found:
                self._gather(destination, notice)
            told += len(found)
        return told

    def put_raw(self, destination: Destination, body: bytes, *, kind: str = "raw") -> Delivery:
        """Send a body as it is: unknown shapes, broken JSON, huge ones."""
        delivery = self._delivery(destination, kind, [], [], body, lane=f"{destination.url} raw")
        self._send(delivery)
        return delivery

    def release(self) -> None:
        """Go on, if `held` was lifted."""
        for key in list(self._gathered):
            self._flush(key)
        self._plan_retries()

    async def settle(self, seconds: float = 10.0) -> bool:
        """Wait until nothing is left to send but retries that are not due yet; whether that came to pass."""
        for key in list(self._gathered):
            self._flush(key)
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop; what was not delivered is lost, as everything in memory is."""
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        for handle in self._gathering.values():
            handle.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- gathering

    def _gather(self, destination: Destination, notice: Notice) -> None:
        key = (destination, notice.object)
        self._gathered.setdefault(key, []).append(notice)
        if self.manner.held:
            return
        if len(self._gathered[key]) >= min(self.manner.batch, MAX_BATCH):
            self._flush(key)
        elif key not in self._gathering:
            loop = asyncio.get_running_loop()
            self._gathering[key] = loop.call_later(self.manner.batch_seconds, self._flush, key)
            self._idle.clear()

    def _flush(self, key: tuple[Destination, str]) -> None:
        handle = self._gathering.pop(key, None)
        if handle is not None:
            handle.cancel()
        if self.manner.held:
            return
        gathered = self._gathered.pop(key, [])
        if self.manner.shuffle:
            self._random.shuffle(gathered)
        destination, object_name = key
        size = max(1, min(self.manner.batch, MAX_BATCH))
        for start in range(0, len(gathered), size):
            notices = gathered[start : start + size]
            body = write_body(envelope(object_name, notices), self.manner.escaping)
            lane = notices[0].lane if len(notices) == 1 else destination.url
            delivery = self._delivery(
                destination,
                object_name,
                [notice.entry_id for notice in notices],
                [notice.field for notice in notices],
                body,
                lane=lane or destination.url,
            )
            for _ in range(max(1, self.manner.copies)):
                self._send(delivery)
        self._look_idle()

    def _delivery(
        self, destination: Destination, kind: str, entry_ids: list[str], fields: list[str], body: bytes, *, lane: str
    ) -> Delivery:
        self._numbers += 1
        delivery = Delivery(
            id=self._numbers,
            app_id=destination.app_id,
            object=kind,
            entry_ids=entry_ids,
            fields=fields,
            url=destination.url,
            secret=destination.secret,
            body=body,
            size=len(body),
            lane=lane,
            made_at=self._world.clock.now(),
        )
        self.log.append(delivery)
        return delivery

    def _note_unsubscribed(self, notice: Notice) -> None:
        """Keep in the log that an event found nobody: the likeliest reason for a silent connection."""
        nowhere = Destination("", "", "")
        delivery = self._delivery(nowhere, notice.object, [notice.entry_id], [notice.field], b"", lane="")
        delivery.state = "unsubscribed"

    # -- delivering

    def _send(self, delivery: Delivery) -> None:
        self._lanes.setdefault(delivery.lane, deque()).append(delivery)
        if len(self._lanes[delivery.lane]) == 1:
            self._run(delivery.lane)

    def _run(self, lane: str) -> None:
        self._idle.clear()
        task = asyncio.get_running_loop().create_task(self._run_lane(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, name: str) -> None:
        """Send what waits in a lane, one after another. A failure does not stop the lane: it comes again later."""
        lane = self._lanes[name]
        while lane:
            if self.manner.delay_seconds:
                await asyncio.sleep(self.manner.delay_seconds)
            async with self._slots:
                await self._attempt(lane[0])
            lane.popleft()
        del self._lanes[name]
        self._look_idle()

    async def _attempt(self, delivery: Delivery) -> None:
        started = time.monotonic()
        secret = "not the secret" if self.manner.wrong_signature else delivery.secret
        headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua"}
        headers |= signatures(delivery.body, secret)
        if delivery.object == PAGE:
            headers["Facebook-API-Version"] = PAYLOAD_VERSION
        status, error = 0, ""
        try:
            async with self._session.post(
                delivery.url,
                data=delivery.body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self.manner.timeout_seconds),
            ) as answer:
                await answer.read()
                status = answer.status
        except TimeoutError:
            error = "no answer in time"
        except (aiohttp.ClientError, ValueError) as failure:
            error = type(failure).__name__
        attempt = Attempt(self._world.clock.now(), status, round(time.monotonic() - started, 4), error)
        delivery.attempts.append(attempt)
        self._judge(delivery, attempt)

    def _judge(self, delivery: Delivery, attempt: Attempt) -> None:
        """200 is success and nothing else is (reference 1.4)."""
        if attempt.status == 200:
            delivery.state = "delivered"
            if delivery.size > BODY_KEPT_BYTES and len(delivery.attempts) >= self.manner.copies:
                delivery.body = b""
            self._note_health(delivery, failed=False)
            return
        self._note_health(delivery, failed=True)
        schedule = _WHATSAPP_RETRIES if delivery.object == WHATSAPP else _OTHER_RETRIES
        made = len(delivery.attempts) - 1
        if delivery.state == "delivered":
            return  # a copy of it has arrived
        if made >= len(schedule):
            delivery.state = "dropped"
            log.warning("a webhook was dropped", url=delivery.url, attempts=len(delivery.attempts))
            return
        due = delivery.made_at + schedule[made] / self.manner.retry_factor
        heapq.heappush(self._retries, (max(due, self._world.clock.now()), delivery.id, delivery))
        self._plan_retries()

    def _note_health(self, delivery: Delivery, *, failed: bool) -> None:
        """Unsubscribe an app from a page after an hour of nothing but failures (reference 1.4)."""
        now = self._world.clock.now()
        for entry_id in delivery.entry_ids if delivery.object == PAGE else ():
            page = self._world.records.pages.get(entry_id)
            if page is None:
                continue
            page.failing_since = (page.failing_since or now) if failed else 0.0
            if failed and now - page.failing_since >= UNSUBSCRIBED_AFTER_SECONDS / self.manner.retry_factor:
                page.subscribed.pop(delivery.app_id, None)
                page.failing_since = 0.0
                log.warning("webhooks disabled: the app is unsubscribed from the page", page=page.id)

    # -- retrying

    def _plan_retries(self) -> None:
        if self._retry_timer is not None:
            self._retry_timer.cancel()
            self._retry_timer = None
        if self._retries and not self.manner.held:
            wait = max(0.0, self._retries[0][0] - self._world.clock.now())
            self._retry_timer = asyncio.get_running_loop().call_later(wait, self._retry_due)

    def _retry_due(self) -> None:
        now = self._world.clock.now()
        while self._retries and self._retries[0][0] <= now:
            self._send(heapq.heappop(self._retries)[2])
        self._plan_retries()

    def _look_idle(self) -> None:
        due = bool(self._retries) and self._retries[0][0] <= self._world.clock.now()
        if not self._lanes and not self._gathering and not due:
            self._idle.set()
