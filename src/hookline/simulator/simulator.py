"""One simulator: the parts that every handler works with."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import aiohttp
import msgspec

from hookline.simulator.behaviour import Behaviour
from hookline.simulator.conduct import Conduct
from hookline.simulator.counters import Counters
from hookline.simulator.default import default_records
from hookline.simulator.deliveries import Manner
from hookline.simulator.faults import Faults
from hookline.simulator.files import Files
from hookline.simulator.later import Later
from hookline.simulator.limits import Limits
from hookline.simulator.options import Options
from hookline.simulator.records import Records
from hookline.simulator.threads import Threads
from hookline.simulator.usage import Usage
from hookline.simulator.webhooks import Outbox
from hookline.simulator.world import World


class Simulator:
    """The parts: `world` (what there is), `outbox` (webhooks), `behaviour`, `faults`, `counters`, `session` (HTTP).

    And for what is said: `threads` (conversations), `conduct` (how people and platforms behave), `limits` and `usage`
    (how much of it), `files` (media), `later` (what is still to happen). `url` is known once it listens.
    """

    def __init__(self, options: Options, session: aiohttp.ClientSession, records: Records | None = None) -> None:
        self.options = options
        self.session = session
        self.url = f"http://{options.host}:{options.port}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._begin(records if records is not None else default_records(options))

    def _begin(self, records: Records) -> None:
        self.world = World(records)
        self.outbox = Outbox(self.world, Manner(retry_factor=self.options.retry_factor), self.session)
        self.behaviour = Behaviour()
        self.faults = Faults()
        self.counters = Counters()
        self.conduct = Conduct()
        self.later = Later()
        self.threads = Threads(self.world)
        self.limits = Limits(self.world.clock, self.counters)
        self.usage = Usage(self.world.clock, self.counters)
        state_path = self.options.state_path
        self.files = Files(state_path.with_suffix(".files") if state_path is not None else None)
        self.subscribed: set[str] = set()  # the objects to which it has subscribed the app by itself

    async def reset(self, seed: int) -> None:
        """Begin anew with the default world, and all switches as they were."""
        await self.close()
        self._begin(default_records(msgspec.structs.replace(self.options, seed=seed)))

    async def settle(self, seconds: float = 10.0) -> bool:
        """Let everything happen that is still to happen, and wait until its webhooks are sent; whether they were."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        self.later.run_all()
        return await self.outbox.settle(seconds)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done beside the calls."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop what happens by itself."""
        self.later.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.outbox.close()
