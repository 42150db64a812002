"""Senders that post webhooks without a pause, as the platforms do, and the count of what became of them."""

import asyncio
import time

import aiohttp
import asyncpg
from tests.services import bodies

from hookline.providers.meta.signature import sign

SENDERS = 6
PAUSE_SECONDS = 0.02  # about 300 webhooks a second together


class Load:
    """Senders that post messages with distinct ids, and remember which were answered 200.

    urls: each sender goes from one to the next. secret: what the webhooks are signed with. redelivers: a webhook that
    is not answered 200 is posted again until it is, as the platforms do.
    """

    def __init__(self, *urls: str, phone: str, seed: int, secret: str | None = None, redelivers: bool = False) -> None:
        self._urls, self._phone, self._seed = urls, phone, seed
        self._secret, self._redelivers = secret, redelivers
        self.acknowledged: list[str] = []
        self.refused = 0
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Post until told to stop."""
        timeout = aiohttp.ClientTimeout(total=8)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(self._send(session, sender) for sender in range(SENDERS)))

    def stop(self) -> None:
        """Post no more."""
        self._stop.set()

    async def _send(self, session: aiohttp.ClientSession, sender: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            external_id = f"{self._seed}-{sender}-{number}"
            said = bodies.text_message(external_id, sender=f"{sender}-{number % 5}", seconds=number)
            body = bodies.messages(said, phone=self._phone)
            while not await self._post(session, self._urls[(sender + number) % len(self._urls)], body):
                self.refused += 1
                if not self._redelivers:
                    break
            else:
                self.acknowledged.append(external_id)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _post(self, session: aiohttp.ClientSession, url: str, body: bytes) -> bool:
        headers = {} if self._secret is None else {"X-Hub-Signature-256": sign(body, self._secret)}
        try:
            async with session.post(url, data=body, headers=headers) as answer:
                assert answer.status in (200, 503)
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, ConnectionError):  # the sender does not know; it delivers again
            await asyncio.sleep(0.05)
            return False

    async def goes_on(self, more: int = 20) -> None:
        """Wait until webhooks are taken again."""
        deadline = time.monotonic() + 30
        known = len(self.acknowledged)
        while len(self.acknowledged) < known + more:
            assert time.monotonic() < deadline, "no webhook is taken any more"
            await asyncio.sleep(0.05)


async def wait_until_processed(pool: asyncpg.Pool) -> None:
    """Wait until no webhook waits."""
    deadline = time.monotonic() + 40
    while await pool.fetchval("SELECT count(*) FROM integration_jobs WHERE status <> 'DONE'"):
        assert time.monotonic() < deadline, await pool.fetch(
            "SELECT status, attempts, last_error, count(*) FROM integration_jobs GROUP BY 1, 2, 3"
        )
        await asyncio.sleep(0.1)


async def compare(pool: asyncpg.Pool, load: Load, phone: str) -> None:
    """All that was acknowledged is in the log and in the feed once, and each contact's in order."""
    account = await pool.fetchval("SELECT id FROM connected_accounts WHERE external_account_id = $1", phone)
    rows = await pool.fetch(
        "SELECT external_id, contact FROM messages WHERE connected_account_id = $1 ORDER BY id", account
    )
    logged = [row["external_id"] for row in rows]
    assert len(logged) == len(set(logged))
    assert len(load.acknowledged) > 100
    assert set(load.acknowledged) - set(logged) == set()
    facts = await pool.fetch(
        "SELECT data::jsonb #>> '{message,externalId}' AS external_id, data::jsonb #>> '{message,contact}' AS contact "
        "FROM outbox WHERE connected_account_id = $1 AND type = 'message.received' ORDER BY tx_id, seq",
        account,
    )
    told = [row["external_id"] for row in facts]
    assert sorted(told) == sorted(logged)
    last: dict[str, int] = {}
    acknowledged = set(load.acknowledged)
    for row in facts:  # each sender waits for its answer, so that its messages have an order
        number = int(row["external_id"].rpartition("-")[2])
        if row["external_id"] in acknowledged:
            assert number > last.get(row["contact"], 0)
            last[row["contact"]] = number
    assert await pool.fetchval("SELECT count(*) FROM webhook_events WHERE status <> 'PROCESSED'") == 0
