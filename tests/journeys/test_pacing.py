"""The proof of sending, by whole programs: in order, within every limit, nothing twice, whatever befalls the workers.

The fake platforms count. PACING=long does it at length and to the end: all sixty of a person's messages, half a minute
of ten numbers at their full pace with a death every few seconds, and what that left unknown given up to people.
"""

import asyncio
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from tests.journeys.processes import Program, program, run

from hookline.simulator import default
from hookline.simulator.client import SimulatorClient

LONG = os.environ.get("PACING") == "long"


class Plan(msgspec.Struct, frozen=True):
    """Of ten numbers' messages: to how many people each, how many rounds, and how many blows in the middle of it.

    sixty: how many of the sixty messages to one person are waited for.
    """

    people: int
    rounds: int
    kills: int
    sixty: int
    patience_seconds: float


PLAN = Plan(60, 40, 7, 60, 600) if LONG else Plan(20, 5, 2, 46, 90)
_NUMBERS = 10
_TAKEN = ("SENT", "DELIVERED", "READ")
# A job that has not ended, though nobody of its conversation waits for a report.
_LEFT = """
SELECT count(*) FROM integration_jobs j
WHERE j.status IN ('PENDING', 'PROCESSING')
  AND ($1 OR j.job_type <> 'SEND_MESSAGE' OR NOT EXISTS (
    SELECT FROM messages m WHERE m.status = 'UNKNOWN'
      AND j.ordering_key = 'out:' || m.connected_account_id || ':' || m.contact))
"""
_OPEN_WINDOWS = """
INSERT INTO conversations (id, organization_id, connected_account_id, provider, contact, window_until)
SELECT gen_random_uuid(), a.organization_id, a.id, a.provider, p.contact, now() + interval '1 day'
FROM connected_accounts a CROSS JOIN unnest($1::text[]) AS p(contact)
"""


class Shop:
    """A database, the fake platforms, the API, and worker processes: each a program of its own."""

    def __init__(self, pool: asyncpg.Pool, folder: Path, settings: dict[str, str], stack: ExitStack) -> None:
        self.pool = pool
        self.settings = settings
        self._folder, self._stack = folder, stack
        self.workers: list[Program] = []
        simulator = self._start("simulator", "--port", "0", "--seed", "5")
        self.simulator = SimulatorClient(simulator.ready())
        settings["SIMULATOR_PORT"] = self.simulator.url.rpartition(":")[2]
        self._api = f"http://127.0.0.1:{self._start('api', '--port', '0').ready()}"
        self.simulator.subscribe(f"{self._api}/api/webhooks")
        # Nobody has to have written first, and webhooks come as the platform sends them when there are many.
        self.simulator.switch("conduct", windows=False, reads="never")
        self.simulator.switch("webhooks", batch=100)
        token = run(["token", "--org", "org-1"], folder, settings).stdout.strip()
        self._caller = {"Authorization": f"Bearer {token}", "X-Organization-Id": "org-1"}

    def _start(self, *arguments: str) -> Program:
        started = program(
            arguments, self._folder / f"{arguments[0]}-{time.monotonic_ns()}", self.settings, ready_fd=True
        )
        return self._stack.enter_context(started)

    def employ(self, workers: int) -> None:
        """Start so many workers."""
        new = [self._start("worker") for _ in range(workers)]
        for worker in new:
            worker.ready()
        self.workers += new

    def kill_one(self) -> None:
        """A worker is gone without a word, and another comes."""
        self.workers.pop(random.randrange(len(self.workers))).kill()
        self.employ(1)

    async def number(self, external_id: str) -> str:
        """Open a number at the platform and connect it by its token; the account."""
        digits = f"1555{external_id[-7:]}"
        self.simulator.add("phone-numbers", id=external_id, digits=digits, waba_id=default.WABA)
        token = self.simulator.connect(external_id)["accessToken"]
        body = {"externalAccountId": external_id, "accessToken": token}
        return str((await self.post("/api/integrations/whatsapp/connect", body))["id"])

    async def post(self, path: str, body: Any) -> Any:
        """Ask the API for something that it must not refuse."""
        async with aiohttp.ClientSession(self._api, headers=self._caller) as session:
            return await _post(session, path, body)

    async def say(self, conversations: Sequence[tuple[str, str]], texts: Sequence[str]) -> None:
        """Send texts to people (account, person): in order to each, all conversations side by side."""
        await self.pool.execute(_OPEN_WINDOWS, sorted({person for _, person in conversations}))
        waiting = iter(conversations)

        async def some(session: aiohttp.ClientSession) -> None:
            for account, person in waiting:
                for text in texts:
                    said = {"accountId": account, "to": person, "type": "text", "text": text}
                    await _post(session, "/api/messages", said)

        async with aiohttp.ClientSession(self._api, headers=self._caller) as session:
            await asyncio.gather(*(some(session) for _ in range(8)))

    async def statuses(self) -> Counter[str]:
        """How many messages are in which status."""
        return Counter(dict(await self.pool.fetch("SELECT status, count(*) FROM messages GROUP BY 1")))

    async def settled(self) -> bool:
        """Whether all is done: every job has ended, but (in the short form) of whom a report is waited for."""
        return not await self.pool.fetchval(_LEFT, LONG)

    async def until_taken(self, count: int) -> None:
        """Wait until the platform has taken so many messages."""
        deadline = time.monotonic() + PLAN.patience_seconds
        while self.simulator.counters()["sends"] < count:
            assert time.monotonic() < deadline, await self.statuses()
            await asyncio.sleep(0.02)

    def taken(self, number: str) -> list[Any]:
        """What the platform has taken from a number, in the order in which it did."""
        return self.simulator.messages(account=number, limit=10_000)


async def _post(session: aiohttp.ClientSession, path: str, body: Any) -> Any:
    async with session.post(path, json=body) as answer:
        assert answer.status in (200, 201, 202), await answer.text()
        return await answer.json()


async def until(holds: Callable[[], Awaitable[object]], seconds: float) -> bool:
    """Wait for something; whether it came."""
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


def require_within_limits(shop: Shop) -> int:
    """The platform has refused nothing, found nobody over a limit, and took nothing twice; how much it took."""
    counters = shop.simulator.counters()
    assert counters["overLimit"] == {}
    assert counters["refusals"] == {}
    assert counters["sentMoreThanOnce"] == {}
    return int(counters["sends"])


def require_order(taken: Sequence[Any]) -> None:
    """Everybody was told things in the order in which they were said."""
    said = defaultdict(list)
    for message in taken:
        said[message["contactId"]].append(int(message["content"]["text"]["body"]))
    for texts in said.values():
        assert texts == sorted(texts)


@pytest.fixture
async def shop(pool: asyncpg.Pool, database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """Everything but workers; whatever happens, no process is left."""
    settings = {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path / "data"), "SEND_UNKNOWN_MINUTES": "1"}
    with ExitStack() as stack:
        yield await asyncio.to_thread(Shop, pool, tmp_path, settings, stack)


@pytest.mark.xdist_group("pacing")
async def test_sixty_to_one_person_keep_order_and_pace(shop: Shop) -> None:
    """45 at once, then one in six seconds, in order; the platform refuses not one."""
    account = await shop.number("700000001")
    await shop.say([(account, "16505550001")], [str(number) for number in range(60)])
    shop.employ(2)
    await shop.until_taken(PLAN.sixty)
    require_within_limits(shop)
    messages = shop.taken("700000001")
    assert [message["content"]["text"]["body"] for message in messages] == [str(n) for n in range(len(messages))]
    at = [message["sentAt"] for message in messages]
    assert at[44] - at[0] < 15, "the first 45 go out at once"
    later = [one - before for before, one in pairwise(at[44:])]
    assert all(wait < 12 for wait in later), later
    assert at[PLAN.sixty - 1] - at[0] >= 6 * (PLAN.sixty - 45) - 1


@pytest.mark.xdist_group("pacing")
async def test_ten_numbers_side_by_side_while_workers_are_killed(shop: Shop) -> None:
    """No call over a limit, no message twice, every conversation in order, no number behind another.

    What a killed worker left in the middle is found again by the platform's reports if it was sent; if not, it is shown
    as unknown, and is never sent by itself.
    """
    numbers = [f"70000001{place}" for place in range(_NUMBERS)]
    accounts = [await shop.number(number) for number in numbers]
    people = [f"1650555{number:04}" for number in range(PLAN.people)]
    conversations = [(account, person) for person in people for account in accounts]
    await shop.say(conversations, [str(round_) for round_ in range(PLAN.rounds)])
    shop.employ(2)
    for blow in range(PLAN.kills):
        await shop.until_taken(len(conversations) * PLAN.rounds * (blow + 1) // (PLAN.kills + 2))
        await asyncio.to_thread(shop.kill_one)
    assert await until(shop.settled, PLAN.patience_seconds), await shop.statuses()
    assert await asyncio.to_thread(shop.simulator.settle, 30)
    assert await until(shop.settled, 30)
    await _require_told_truly(shop, len(conversations) * PLAN.rounds)
    taken = [shop.taken(number) for number in numbers]
    for of_number in taken:
        require_order(of_number)
    half = sorted(message["sentAt"] for messages in taken for message in messages)[sum(map(len, taken)) // 2]
    by_then = [sum(message["sentAt"] <= half for message in messages) / len(messages) for messages in taken]
    assert all(0.2 < share < 0.8 for share in by_then), by_then


async def _require_told_truly(shop: Shop, said: int) -> None:
    """What the platform took is known to be sent, and nothing else is."""
    sends = require_within_limits(shop)
    statuses = await shop.statuses()
    assert statuses.total() == said
    assert sum(statuses[status] for status in _TAKEN) == sends, statuses
    waiting = await shop.pool.fetchval(
        "SELECT count(*) FROM messages m WHERE status = 'QUEUED' AND NOT EXISTS (SELECT FROM messages u"
        " WHERE u.status = 'UNKNOWN' AND u.connected_account_id = m.connected_account_id AND u.contact = m.contact)"
    )
    assert waiting == 0
    assert sends + statuses["UNKNOWN"] + statuses["QUEUED"] == said
    assert not (LONG and statuses["QUEUED"])
    print(f"{sends} sent, {statuses['UNKNOWN']} of unknown fate, of {said}")


@pytest.mark.xdist_group("pacing")
async def test_a_slow_number_holds_no_other(shop: Shop) -> None:
    """A number beside the phone's app, 20 a second, has a long backlog: another's messages go out at once."""
    shop.simulator.add(
        "phone-numbers", id="700000200", digits="15550000200", waba_id=default.WABA, on_business_app=True
    )
    token = shop.simulator.connect("700000200")["accessToken"]
    connected = {"externalAccountId": "700000200", "accessToken": token}
    slow = (await shop.post("/api/integrations/whatsapp/connect", connected))["id"]
    quick = await shop.number("700000201")
    await shop.say([(slow, f"1650{number:07}") for number in range(250)], ["1"])
    shop.employ(1)
    await asyncio.sleep(2)
    await shop.say([(quick, f"1651{number:07}") for number in range(20)], ["2"])

    async def all_taken() -> bool:
        return len(shop.taken("700000201")) == 20

    assert await until(all_taken, 10)
    assert len(shop.taken("700000200")) < 200
    require_within_limits(shop)
