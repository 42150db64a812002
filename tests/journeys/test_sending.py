"""Sending through real processes to the fake platforms: in order, within every limit, and nothing twice."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookline.domain.outbound import read_message
from hookline.providers import PROVIDERS
from hookline.services.connect import connect
from hookline.services.send import accept
from hookline.simulator.background import BackgroundSimulator

ORGANIZATION = "org-1"


class Senders:
    """Worker processes, and the accounts that they send from."""

    def __init__(self, pool: asyncpg.Pool, database_url: str, simulator: BackgroundSimulator) -> None:
        self.pool, self.database_url, self.simulator = pool, database_url, simulator
        self.tokens: dict[str, str] = {}
        self.numbers: list[str] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    async def number(self, external_id: str, **fields: Any) -> UUID:
        """Add a number to the fake WhatsApp and connect it."""
        waba = self.simulator.world()["wabas"][0]["id"]
        digits = f"1555{int(external_id) % 10_000_000:07}"
        self.simulator.add(
            "phone-numbers",
            id=external_id,
            waba_id=waba,
            digits=digits,
            display=f"+{digits}",
            verified_name="Shop",
            registered=True,
            status="CONNECTED",
            **fields,
        )
        self.numbers.append(external_id)
        account, _ = await connect(self.pool, PROVIDERS["WHATSAPP"], ORGANIZATION, external_id)  # type: ignore[index]
        self.tokens[str(account.id)] = self.simulator.connect(external_id)["accessToken"]
        return account.id

    async def say(self, account: UUID, to: str, text: str) -> UUID:
        """Accept a message to somebody who wrote just now."""
        await self.pool.execute(
            "INSERT INTO conversations (id, organization_id, connected_account_id, provider, contact, window_until)"
            " VALUES (gen_random_uuid(), $1, $2, 'WHATSAPP', $3, now() + interval '1 day') ON CONFLICT DO NOTHING",
            ORGANIZATION,
            account,
            to,
        )
        body = {"accountId": str(account), "to": to, "type": "text", "text": text}
        return (await accept(self.pool, PROVIDERS, ORGANIZATION, read_message(body))).id

    def start(self) -> "subprocess.Popen[bytes]":
        """Start a worker process."""
        program = Path(__file__).with_name("sender.py")
        process = subprocess.Popen(
            [sys.executable, str(program), self.database_url, self.simulator.url, json.dumps(self.tokens)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Wait for something; whether it came."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if await condition():
                return True
            await asyncio.sleep(0.2)
        return False

    async def settled(self) -> bool:
        """Whether every job has ended."""
        left = await self.pool.fetchval(
            "SELECT count(*) FROM integration_jobs WHERE status IN ('PENDING', 'PROCESSING')"
        )
        return bool(left == 0)

    async def statuses(self) -> Counter[str]:
        """How many messages are in which status."""
        return Counter(dict(await self.pool.fetch("SELECT status, count(*) FROM messages GROUP BY 1")))

    def said(self) -> dict[tuple[str, str], list[str]]:
        """What each person was sent by each number, in the order in which it arrived."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for account in self.numbers:
            for message in self.simulator.messages(account=account, limit=1000):
                found[account, message["contactId"]].append(message["content"]["text"]["body"])
        return found


@pytest.fixture
async def senders(pool: asyncpg.Pool, database_url: str, simulator: BackgroundSimulator) -> AsyncIterator[Senders]:
    """Numbers and processes; every process is ended."""
    simulator.switch("conduct", statuses=False, windows=False)
    senders = Senders(pool, database_url, simulator)
    yield senders
    for process in senders.processes:
        process.kill()
        process.wait()


async def test_sixty_to_one_person_keep_order_and_pace(senders: Senders) -> None:
    """45 at once, then one in six seconds; in order; the platform refuses not one."""
    account = await senders.number("700000001")
    for number in range(60):
        await senders.say(account, "16505550001", str(number))
    for _ in range(2):
        senders.start()
    started = time.monotonic()

    async def sent(count: int) -> bool:
        return int((await senders.statuses())["SENT"]) >= count

    assert await senders.until(lambda: sent(45), 15)
    assert time.monotonic() - started < 15
    await asyncio.sleep(13)
    counters = senders.simulator.counters()
    assert counters["overLimit"] == {}
    assert 46 <= counters["sends"] <= 49
    (said,) = senders.said().values()
    assert said == [str(number) for number in range(len(said))]
    assert counters["sentMoreThanOnce"] == {}


async def test_ten_numbers_run_side_by_side_while_workers_are_killed(senders: Senders) -> None:
    """Not one call over a limit, not one message twice, every conversation in order; none waits for another number."""
    accounts = [await senders.number(f"70000001{number}") for number in range(10)]
    people = [f"1650555{number:04}" for number in range(20)]
    expected = 0
    for round_ in range(6):
        for account in accounts:
            for person in people:
                await senders.say(account, person, str(round_))
                expected += 1
    for _ in range(2):
        senders.start()
    ended = time.monotonic() + 9
    while time.monotonic() < ended:
        await asyncio.sleep(random.uniform(1.5, 2.5))
        victim = random.choice([process for process in senders.processes if process.poll() is None])
        victim.kill()
        victim.wait()
        senders.start()
    assert await senders.until(senders.settled, 90), await senders.statuses()
    counters = senders.simulator.counters()
    statuses = await senders.statuses()
    assert counters["overLimit"] == {}
    assert counters["refusals"] == {}
    assert counters["sentMoreThanOnce"] == {}
    # What a killed worker was in the middle of may have been sent: it is left to people, never sent again.
    assert set(statuses) <= {"SENT", "UNKNOWN"}
    assert statuses["SENT"] + statuses["UNKNOWN"] == expected
    assert statuses["SENT"] <= counters["sends"] <= expected
    for said in senders.said().values():
        assert said == sorted(said)
    open_attempts = await senders.pool.fetchval("SELECT count(*) FROM send_attempts WHERE outcome IS NULL")
    assert open_attempts == statuses["UNKNOWN"]


async def test_a_slow_number_holds_no_other(senders: Senders) -> None:
    """A number with a long backlog, 20 a second: the others' messages go out at once."""
    slow = await senders.number("700000200", on_business_app=True)
    await senders.pool.execute("UPDATE connected_accounts SET metadata = '{\"coexistence\": true}'")
    quick = await senders.number("700000201")
    for number in range(1500):
        await senders.say(slow, f"1650{number:07}", "slow")
    senders.start()
    await asyncio.sleep(4)
    late = [await senders.say(quick, f"1651{number:07}", "quick") for number in range(20)]
    started = time.monotonic()

    async def all_sent() -> bool:
        sent = await senders.pool.fetchval(
            "SELECT count(*) FROM messages WHERE id = ANY ($1::uuid[]) AND status = 'SENT'", late
        )
        return bool(sent == len(late))

    assert await senders.until(all_sent, 10)
    assert time.monotonic() - started < 5
    counters = senders.simulator.counters()
    assert counters["overLimit"] == {}
    assert counters["sends"] < 700
