"""Where sending is measured: numbers at the simulator and connected here, messages that wait, and who counts them."""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec

from bench.machine import Others, tree_seconds
from bench.processes import BenchmarkError, Server
from bench.samples import ORGANIZATION
from bench.senders import SAYS, Client, Order, number_for
from bench.stage import Stage
from hookline.domain.outbound import read_message
from hookline.providers import PROVIDERS
from hookline.services.send import accept
from hookline.simulator.client import SimulatorClient
from hookline.store.pool import open_pool

NUMBERS = 10
PEOPLE = 2_000
# Longer than any client's own patience; for one that hangs.
HANGING_SECONDS = 600

_MODEL = "16505550000"  # whom the messages are written to of which the many are made
_EMPTY = "TRUNCATE send_attempts, send_paces, pair_paces, conversations"
_OPEN_WINDOWS = """
INSERT INTO conversations (id, organization_id, connected_account_id, provider, contact, window_until)
SELECT gen_random_uuid(), $1, account, 'WHATSAPP', contact, now() + interval '1 day'
FROM unnest($2::uuid[], $3::text[]) AS p(account, contact)
"""
# Many more of what was accepted, each to its own person, with a number in its text. `at` is its place in line.
_MORE = """
CREATE TEMPORARY TABLE more ON COMMIT DROP AS
SELECT uuidv7() AS id, m.id AS model, m.organization_id, p.contact, p.at
FROM unnest($1::uuid[], $2::text[], $3::integer[]) AS p(account, contact, at)
JOIN messages m ON m.connected_account_id = p.account
"""
_MESSAGES = """
INSERT INTO messages (id, organization_id, connected_account_id, provider, direction, type, origin, contact, sender,
                      recipient, text, status, meta_json)
SELECT o.id, m.organization_id, m.connected_account_id, m.provider, m.direction, m.type, m.origin, o.contact, m.sender,
       o.contact, replace(m.text, 'model', o.at::text), m.status,
       replace(replace(m.meta_json::text, 'number model', 'number ' || o.at), m.contact, o.contact)::json
FROM more o JOIN messages m ON m.organization_id = o.organization_id AND m.id = o.model
"""
_JOBS = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, connected_account_id,
                              ordering_key, lane)
SELECT uuidv7(), j.organization_id, j.provider, j.job_type, replace(j.payload_json::text, m.id::text, o.id::text)::json,
       j.connected_account_id, 'out:' || m.connected_account_id || ':' || o.contact,
       job_lane(j.job_type, j.organization_id, 'out:' || m.connected_account_id || ':' || o.contact)
FROM more o JOIN messages m ON m.organization_id = o.organization_id AND m.id = o.model
JOIN integration_jobs j ON j.payload_json ->> 'messageId' = m.id::text
ORDER BY o.at
"""
_DROP_MODELS = """
WITH models AS (DELETE FROM messages WHERE text = $1 RETURNING id)
DELETE FROM integration_jobs j USING models WHERE j.payload_json ->> 'messageId' = models.id::text
"""
_ENDED = """
SELECT count(*) FILTER (WHERE m.status = ANY ($1::text[])) AS ended, count(*) AS all,
       count(*) FILTER (WHERE m.status IN ('FAILED', 'UNKNOWN')) AS lost,
       extract(epoch FROM max(m.updated_at))::float8 AS last
FROM messages m
"""
_BEGAN = "SELECT extract(epoch FROM min(started_at))::float8 FROM send_attempts"
_UNFINISHED = "SELECT count(*) FROM integration_jobs WHERE status <> 'DONE'"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one series. Processor time is in seconds; `rest_cpu` is the database's, and the API's."""

    count: int
    seconds: float
    sender_cpu: float
    simulator_cpu: float
    rest_cpu: float
    others: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.count / self.seconds

    @property
    def costs(self) -> str:
        """What a message cost each side."""
        each = (cpu / self.count * 1e3 for cpu in (self.sender_cpu, self.rest_cpu, self.simulator_cpu))
        return "sender {:.2f} ms, database (and API) {:.2f} ms, simulator {:.2f} ms".format(*each)


class Meter:
    """Processor time from now on, of whom."""

    def __init__(self, simulator: Server) -> None:
        self._simulator = simulator
        self._others = Others()
        self._before = self._used()

    def _used(self) -> tuple[float, float, float]:
        return tree_seconds(), time.process_time(), self._simulator.cpu_seconds

    def sent(self, count: int, seconds: float, sender_cpu: float) -> Sent:
        """What came of a series, of which the sender has told or shown its own."""
        tree, mine, simulator = (now - then for now, then in zip(self._used(), self._before, strict=True))
        return Sent(
            count=count,
            seconds=seconds,
            sender_cpu=sender_cpu,
            simulator_cpu=simulator,
            rest_cpu=max(0.0, tree - mine - simulator - sender_cpu),
            others=self._others.cores(),
        )


class Outgoing:
    """Numbers that may send 1,000 a second each, and a simulator that holds everybody to the platform's limits."""

    def __init__(self, stage: Stage, simulator: Server) -> None:
        self._stage = stage
        self._process = simulator
        self.url = f"http://127.0.0.1:{simulator.port}"
        self.settings = {"SIMULATOR": "true", "SIMULATOR_PORT": str(simulator.port)}
        self.simulator = SimulatorClient(self.url)
        self.people = [f"4670{number:08d}" for number in range(PEOPLE)]
        self.tokens: dict[str, str] = {}
        self._accounts: dict[str, UUID] = {}

    async def begin(self, api: Server) -> None:
        """Add the numbers, and connect them over HTTP as a user would."""
        for place in range(NUMBERS):
            number = f"{800000000 + place}"
            fields = {"id": number, "digits": f"1555{number[-7:]}", "throughput": "HIGH"}
            await self._control("add", "phone-numbers", **fields)
            self.tokens[number] = (await self._control("connect", number))["accessToken"]
            body = {"externalAccountId": number, "accessToken": self.tokens[number]}
            account = await self._stage.post(api, "/api/integrations/whatsapp/connect", body)
            self._accounts[number] = UUID(account["id"])

    async def subscribe(self, api: Server) -> None:
        """Have the simulator tell the API what it does."""
        await self._control("subscribe", f"http://127.0.0.1:{api.port}/api/webhooks")

    async def afresh(self, *, statuses: bool = False) -> None:
        """Forget everything that was sent, here and there; whether statuses are told from now on."""
        await self._stage.empty()
        await self._stage.database.execute(_EMPTY)
        await self._control("reset_counters")
        # Nobody has written: the window is not what is measured.
        await self._control("switch", "conduct", statuses=statuses, reads="always", windows=False)
        # Whoever compares themselves begins with nothing used up.
        await self._control("move_clock", 24 * 3600)

    async def queue(self, count: int) -> None:
        """Have so many messages wait, to people by turns: one a number is accepted, and many more are made like it."""
        numbers = list(self.tokens)
        accounts = [self._accounts[number_for(numbers, person)] for person in range(PEOPLE)]
        places = [place % PEOPLE for place in range(count)]
        model = SAYS.format("model")
        firsts = list(self._accounts.values())
        database = self._stage.database
        await database.execute(_OPEN_WINDOWS, ORGANIZATION, firsts, [_MODEL] * len(firsts))
        async with await open_pool(self._stage.url, size=2, application_name="bench") as pool:
            for account in firsts:
                said = {"accountId": str(account), "to": _MODEL, "type": "text", "text": model}
                await accept(pool, PROVIDERS, ORGANIZATION, read_message(said), links_inside=True)
        async with database.transaction():
            await database.execute(
                _MORE, [accounts[place] for place in places], [self.people[place] for place in places], [*range(count)]
            )
            await database.execute(_MESSAGES)
            await database.execute(_JOBS)
            await database.execute(_DROP_MODELS, model)
        await database.execute("VACUUM ANALYZE messages, integration_jobs")
        await database.execute("CHECKPOINT")

    async def worked(self, count: int, worker: Server, ends: Sequence[str]) -> Sent:
        """Wait until a worker that was just started has brought all that waits to one of these ends."""
        meter = Meter(self._process)
        used = worker.cpu_seconds
        while True:
            row = await self._stage.database.fetchrow(_ENDED, list(ends))
            if row["all"] != count or row["lost"]:
                raise BenchmarkError(f"{row['all']} messages instead of {count}, and {row['lost']} that were not sent")
            if row["ended"] == count:
                break
            if worker.process.returncode is not None:
                raise BenchmarkError("the worker has ended")
            await asyncio.sleep(0.2)
        began = await self._stage.database.fetchval(_BEGAN)
        return meter.sent(count, row["last"] - began, worker.cpu_seconds - used)

    async def sent_by(self, client: Client, count: int, at_once: int) -> Sent:
        """Have another client send as many to the same people."""
        order = Order(
            client=client,
            url=self.url,
            tokens=self.tokens,
            people=self.people,
            count=count,
            at_once=at_once,
        )
        async with self._stage.child([sys.executable, "-m", "bench.senders"], order) as child:
            meter = Meter(self._process)
            await child.tell(b"go")
            seconds, cpu = map(float, (await child.hear("done", HANGING_SECONDS)).split())
            return meter.sent(count, seconds, cpu)

    async def require_clean(self, count: int) -> None:
        """The simulator has taken each message once, and has refused nothing.

        Raises: BenchmarkError.
        """
        counters = await self._control("counters")
        wrong = {name: counters[name] for name in ("refusals", "overLimit", "sentMoreThanOnce") if counters[name]}
        if wrong or counters["sends"] != count:
            raise BenchmarkError(f"the simulator has taken {counters['sends']} of {count} messages: {wrong}")

    async def require_order(self, count: int) -> None:
        """Everybody was sent their messages in order, and every job is done.

        Raises: BenchmarkError.
        """
        latest = defaultdict[str, int](lambda: -1)
        for number in self.tokens:
            for message in await self._control("messages", account=number, limit=count // NUMBERS):
                place = int(message["content"]["text"]["body"].rpartition(" ")[2])
                if place <= latest[message["contactId"]]:
                    raise BenchmarkError(f"number {place} was sent after {latest[message['contactId']]}")
                latest[message["contactId"]] = place
        if await self._stage.database.fetchval(_UNFINISHED):
            raise BenchmarkError("there are jobs that are not done")

    async def _control(self, name: str, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(getattr(self.simulator, name), *arguments, **named)


@asynccontextmanager
async def outgoing(stage: Stage) -> AsyncIterator[tuple[Outgoing, Server]]:
    """A simulator with numbers that are connected, and the API."""
    async with stage.simulator() as simulator:
        made = Outgoing(stage, simulator)
        async with stage.api(made.settings) as api:
            await made.begin(api)
            yield made, api
