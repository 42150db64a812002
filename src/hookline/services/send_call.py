"""One message's calls to its platform: in slots of its pace, with quick retries where certainly nothing was done."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import WaitRequested
from hookline.domain.outbound import OutboundMessage
from hookline.domain.provider_error import NotReached, OutcomeUnknown, ProviderError
from hookline.domain.sending import Call, Pace, Reply
from hookline.providers.base import Provider
from hookline.providers.http import HttpClient
from hookline.providers.meta.graph import Graph
from hookline.providers.sender import Sender
from hookline.services import consequence
from hookline.services.pacing import LATENESS_SECONDS, Pacer
from hookline.services.sending_accounts import Ready
from hookline.store.paces import account_key

CALL_SECONDS: Final = 20.0
_QUICK_PAUSE_SECONDS: Final = 0.3
# A message that is begun with waits here for another slot; for one that is further off it goes back to the queue.
_LONGEST_WAIT_SECONDS: Final = 2.0


class Called(msgspec.Struct):
    """What came of calling: a reply, or the last refusal, or a wait before anything was called; and how many calls.

    at: when the last call was made.
    """

    at: datetime
    calls: int = 0
    reply: Reply | None = None
    error: ProviderError | NotReached | OutcomeUnknown | WaitRequested | None = None


class Caller:
    """Calls the platforms for one worker process."""

    def __init__(
        self,
        providers: Mapping[IntegrationProvider, Provider],
        http: HttpClient,
        platforms: Mapping[str, str],
        pacer: Pacer,
    ) -> None:
        self._providers = providers
        self._http = http
        self._platforms = platforms
        self._pacer = pacer
        self._graphs: dict[str, Graph] = {}

    def sender(self, ready: Ready) -> Sender:
        """The platform of an account."""
        return self._providers[ready.account.provider].sender

    async def slot(self, ready: Ready, pace: Pace) -> float:
        """Reserve the time of one call. Raises: WaitRequested, if there is none near."""
        key = account_key(ready.account.id, pace.lane)
        return await self._pacer.slot(key, pace.per_second, self.sender(ready).app(ready.account))

    async def call(
        self, ready: Ready, said: OutboundMessage, message_id: UUID | None, pace: Pace, slot: float
    ) -> Called:
        """Call in this slot, and again in others after refusals that say that nothing was done and to try again."""
        called = Called(datetime.now(UTC))
        call = self.sender(ready).build(said, ready.account, message_id)
        next_slot: float | None = slot
        while True:
            try:
                await self._wait_for(ready, pace, next_slot)
            except WaitRequested as wait:
                called.error = called.error or wait
                return called
            await self._once(ready, call, called)
            if called.error is None or called.calls > _quick_retries(called.error):
                return called
            await asyncio.sleep(_QUICK_PAUSE_SECONDS * called.calls * random.uniform(0.8, 1.2))  # noqa: S311
            next_slot = None

    async def _wait_for(self, ready: Ready, pace: Pace, slot: float | None) -> None:
        """Sleep until a slot. A missed one is given up for another, ever less strictly: a slow process sends too.

        Raises: WaitRequested, if the next one is too far off.
        """
        lateness = LATENESS_SECONDS
        while slot is None or not await self._pacer.wait_for(slot, lateness):
            try:
                slot = await self.slot(ready, pace)
            except WaitRequested as wait:
                if wait.delay.total_seconds() > _LONGEST_WAIT_SECONDS:
                    raise
                await asyncio.sleep(wait.delay.total_seconds())
                slot = None
            lateness *= 2

    async def _once(self, ready: Ready, call: Call, called: Called) -> None:
        called.calls += 1
        called.at = datetime.now(UTC)
        try:
            answer = await self._graph(ready).call(
                "POST",
                call.path,
                token=ready.token,
                json=call.body,
                timeout_seconds=CALL_SECONDS,
                on_headers=self._usage_reader(ready),
            )
            called.reply, called.error = self.sender(ready).read_reply(answer), None
        except (ProviderError, NotReached, OutcomeUnknown) as error:
            called.error = error

    def _usage_reader(self, ready: Ready) -> Callable[[Mapping[str, str]], None]:
        sender = self.sender(ready)

        def read(headers: Mapping[str, str]) -> None:
            usage = sender.read_usage(headers, ready.account)
            self._pacer.note_usage(account_key(ready.account.id), sender.app(ready.account), usage)

        return read

    def _graph(self, ready: Ready) -> Graph:
        sender = self.sender(ready)
        app = sender.app(ready.account)
        if app not in self._graphs:
            self._graphs[app] = sender.graph(ready.account, self._http, self._platforms)
        return self._graphs[app]


def _quick_retries(error: Exception) -> int:
    if isinstance(error, ProviderError):
        return consequence.quick_retries(error)
    return consequence.QUICK_RETRIES if isinstance(error, NotReached) else 0
