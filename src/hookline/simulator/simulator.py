"""One simulator: the parts that every handler works with."""

import aiohttp

from hookline.simulator.counters import Counters
from hookline.simulator.default import default_records
from hookline.simulator.faults import Faults
from hookline.simulator.options import Options
from hookline.simulator.records import Records
from hookline.simulator.webhooks import Manner, Outbox
from hookline.simulator.world import World


class Simulator:
    """The parts: `world` (what there is), `outbox` (webhooks), `faults`, `counters`, `session` (HTTP to the apps).

    `url` is known once it listens.
    """

    def __init__(self, options: Options, session: aiohttp.ClientSession, records: Records | None = None) -> None:
        self.options = options
        self.session = session
        self.world = World(records if records is not None else default_records(options))
        self.outbox = Outbox(self.world, Manner(retry_factor=options.retry_factor), session)
        self.faults = Faults()
        self.counters = Counters()
        self.url = f"http://{options.host}:{options.port}"
