"""Pause and resume: nothing of the paused runs, everything comes back, and the order of every key holds throughout."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from tests.services import bodies
from tests.services.desk import Desk
from tests.store.queue import Queue, look_early

from hookline.domain.ids import new_id
from hookline.services import upkeep
from hookline.services.jobs import IntegrationJobs
from hookline.services.pause import pause, paused, resume
from hookline.store import claims, pauses
from hookline.store.lanes import OTHER_LANES, Lanes, Locked
from hookline.store.pauses import Pause
from hookline.store.pool import API_ROLE, Connection, open_pool


async def bring_back(desk: Desk) -> None:
    """Let upkeep do what it has to."""
    while await desk.keep_up():
        pass


async def run_everything(queue: Queue) -> list[tuple[str | None, int]]:
    """Claim and end until nothing is left to claim; keys and numbers in order."""
    ran = []
    while jobs := await queue.jobs(limit=50):
        ran += [(job.ordering_key, job.payload) for job in jobs]
        await queue.finish(jobs)
    return ran


async def test_nothing_of_a_paused_organization_runs(queue: Queue, desk: Desk) -> None:
    """Its jobs wait, also those that come later, and nobody else's do; resumed, all of them run, in order by key."""
    await queue.add(5, key="a")
    await queue.add(3)
    await queue.add(4, organization="org-2")
    assert await pause(queue.pool, "org-1") == 0
    assert len(await run_everything(queue)) == 4
    await queue.add(2, key="a")
    assert await run_everything(queue) == []
    assert await queue.lane_counts() == {"paused": 10}
    assert await pause(queue.pool, "org-1") == 10
    assert [(one.organization_id, one.connected_account_id) for one in await paused(queue.pool, "org-1")] == [
        ("org-1", None)
    ]
    assert await resume(queue.pool, "org-1") == 10
    await bring_back(desk)
    ran = await run_everything(queue)
    assert [number for key, number in ran if key == "a"] == [1, 2, 3, 4, 5, 1, 2]
    assert len(ran) == 10
    assert await paused(queue.pool, "org-1") == []


async def test_one_account_is_paused_alone(queue: Queue, desk: Desk) -> None:
    """The organization's other accounts go on; its own pause and the account's end each alone."""
    account, other = new_id(), new_id()
    await queue.add(2, account=account)
    await queue.add(3, account=other)
    await pause(queue.pool, "org-1", account)
    assert len(await run_everything(queue)) == 3
    await pause(queue.pool, "org-1")
    await queue.add(1, account=other)
    assert await run_everything(queue) == []
    await resume(queue.pool, "org-1", account)
    await bring_back(desk)
    assert await run_everything(queue) == [], "the organization is paused still"
    await resume(queue.pool, "org-1")
    await bring_back(desk)
    assert len(await run_everything(queue)) == 3


async def test_both_may_be_said_again_and_again(queue: Queue, desk: Desk) -> None:
    """A second pause or resume changes nothing; what is not paused can be resumed; a pause stops a resuming one."""
    assert await resume(queue.pool, "org-1") == 0
    for _ in range(2):
        await pause(queue.pool, "org-1")
    await queue.add(3)
    await run_everything(queue)
    for _ in range(2):
        assert await resume(queue.pool, "org-1") == 3
    assert await pause(queue.pool, "org-1") == 3
    await bring_back(desk)
    assert await run_everything(queue) == []
    await resume(queue.pool, "org-1")
    await bring_back(desk)
    assert len(await run_everything(queue)) == 3
    assert await queue.pool.fetchval("SELECT count(*) FROM job_pauses") == 0


async def test_the_api_s_role_can_pause_its_own_organization_only(queue: Queue, database_url: str) -> None:
    """Row-level security binds it: what it names is its own, and it sees nobody else's pauses."""
    await pause(queue.pool, "org-2")
    async with await open_pool(database_url, role=API_ROLE, size=2, application_name="tests") as api:
        await pause(api, "org-1")
        await queue.add(2)
        await run_everything(queue)
        assert await resume(api, "org-1") == 2
        async with api.acquire() as connection, connection.transaction():
            await connection.execute("SELECT set_config('hookline.organization_id', 'org-1', true)")
            assert await connection.fetchval("SELECT array_agg(organization_id) FROM job_pauses") == ["org-1"]
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pauses.pause(connection, Pause("org-2", None))


async def test_paused_jobs_are_not_for_integration_jobs_either(queue: Queue) -> None:
    """`fetch_next` does not list them and `mark_processing` refuses them, before and after a claim has met them."""
    (job_id,) = await queue.add()
    await pause(queue.pool, "org-1")
    async with IntegrationJobs(queue.pool) as jobs:
        for _ in range(2):
            assert await jobs.fetch_next() == []
            assert not await jobs.mark_processing(job_id)
            await run_everything(queue)
        assert await queue.lane_counts() == {"paused": 1}


async def test_a_follower_of_a_paused_job_waits_for_it(queue: Queue, desk: Desk) -> None:
    """Where a key's first job is of a paused account, those of other accounts behind it keep the order."""
    await queue.add(1, key="a", account=(account := new_id()))
    await queue.add(1, key="a", account=new_id())
    await pause(queue.pool, "org-1", account)
    assert await run_everything(queue) == []
    await resume(queue.pool, "org-1", account)
    await bring_back(desk)
    first, second = await queue.pool.fetch("SELECT id FROM integration_jobs ORDER BY seq")
    assert [job.id for job in await queue.jobs()] == [first["id"], second["id"]]


def texts(desk_rows: list[dict[str, object]]) -> dict[str, list[int]]:
    """The numbers that each contact has written, in the order in which they were recorded."""
    said = defaultdict(list)
    for row in desk_rows:
        said[str(row["contact"])].append(int(str(row["text"])))
    return dict(said)


async def post(desk: Desk, numbers: range) -> None:
    """Take messages in, by turns from three people."""
    for number in numbers:
        message = bodies.text_message(f"wamid.{number}", str(number), sender=f"1555000{number % 3}")
        await desk.post(bodies.messages(message))


async def test_webhooks_keep_their_order_over_a_pause(
    desk: Desk, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhooks wait and come back in batches; none that comes meanwhile, or was never met, overtakes its elders."""
    monkeypatch.setattr(upkeep, "RETURN_BATCH", 7)
    await desk.connect()
    await post(desk, range(10))
    await pause(desk.pool, "org-1")
    assert await desk.process() == 0
    await post(desk, range(10, 40))
    assert await desk.process() == 0
    assert await desk.messages() == []
    await post(desk, range(40, 60))  # not met by any look while paused
    await resume(desk.pool, "org-1")
    for number in range(60, 90):
        await post(desk, range(number, number + 1))
        await desk.process(limit=8)
        if number % 3 == 0:
            await desk.keep_up()
    await bring_back(desk)
    await desk.process()
    assert await desk.rows("SELECT * FROM job_pauses") == []
    said = texts(await desk.rows("SELECT * FROM messages ORDER BY created_at, id"))
    order = texts(
        await desk.rows(
            "SELECT m.* FROM outbox o JOIN messages m ON m.id = o.message_id"
            " WHERE o.type = 'message.received' ORDER BY o.tx_id, o.seq"
        )
    )
    assert {contact: sorted(numbers) for contact, numbers in said.items()} == order
    assert sum(map(len, said.values())) == 90


async def test_the_end_of_a_pause_waits_for_claims_under_way(queue: Queue, desk: Desk) -> None:
    """A claim that still sees the pause puts jobs aside while it ends: they are brought back all the same."""
    await pause(queue.pool, "org-1")
    await queue.add(2)
    async with queue.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        while await connection.fetchval("SELECT count(*) FROM integration_jobs WHERE lane = -3") < 2:
            await pauses_claim(queue, connection)
        await resume(queue.pool, "org-1")
        ending = asyncio.create_task(desk.keep_up())
        await asyncio.sleep(0.3)
        assert not ending.done()
        await transaction.commit()
    await asyncio.wait_for(ending, 10)
    await bring_back(desk)
    assert await queue.lane_counts() == {"lanes": 2}
    assert len(await run_everything(queue)) == 2


class Slow(Lanes):
    """A claimant that stops for a while once it has locked its lanes."""

    def __init__(self) -> None:
        super().__init__(OTHER_LANES)
        self.locked, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def lock(self, connection: Connection) -> Locked:
        """Lock some lanes, and stop."""
        locked = await super().lock(connection)
        self.locked.set()
        await self.may_go_on.wait()
        return locked


async def test_the_last_ones_come_back_while_a_claim_takes_them(queue: Queue) -> None:
    """A key's first job is back and a claim takes the run, with what comes back just then: both get what they want."""
    ids = await paused_run(queue, 3)
    slow = Slow()
    claiming = asyncio.create_task(queue.jobs(lanes=slow))
    await slow.locked.wait()
    returning = asyncio.create_task(return_some(queue, 100))
    await queue.until_they_wait(returning)
    slow.may_go_on.set()
    assert [job.id for job in await claiming] == ids
    assert await returning == 0
    assert await queue.pool.fetchval("SELECT count(*) FROM job_pauses") == 0


async def test_a_batch_comes_back_while_a_claim_takes_it(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order in which its rows lie, and whoever has one locked: a claim and a batch take none crosswise."""
    look_early(monkeypatch)
    ids = await paused_run(queue, 4)
    for job_id in reversed(ids):
        await queue.pool.execute("UPDATE integration_jobs SET updated_at = now() WHERE id = $1", job_id)
    assert [one["id"] for one in await queue.pool.fetch("SELECT id FROM integration_jobs ORDER BY ctid")] == ids[::-1]
    async with queue.pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT FROM integration_jobs WHERE id = $1 FOR UPDATE", ids[2])
        claiming = asyncio.create_task(queue.jobs())
        await queue.until_they_wait(claiming)
        returning = asyncio.create_task(return_some(queue, 3))
        await queue.until_they_wait(claiming, returning)
        await transaction.commit()
    assert [job.id for job in await claiming] == ids
    assert await returning == 0


async def paused_run(queue: Queue, count: int) -> list[UUID]:
    """Let jobs of one key come back from a pause, of which the first one is back already."""
    ids = await queue.add(count, key="a")
    await pause(queue.pool, "org-1")
    assert await run_everything(queue) == []
    await resume(queue.pool, "org-1")
    assert await return_some(queue, 1) == 1
    assert await queue.lane_counts() == {"lanes": 1, "paused": count - 1}
    return ids


async def return_some(queue: Queue, limit: int) -> int:
    """Bring a batch back."""
    async with queue.pool.acquire() as connection, connection.transaction():
        return await pauses.bring_back(connection, Pause("org-1", None), limit)


async def pauses_claim(queue: Queue, connection: asyncpg.Connection) -> None:
    """One claim in a transaction of the test's own."""
    assert (await claims.claim(connection, queue.hold(), limit=10)).runs == []


async def test_a_job_that_runs_later_is_paused_when_its_time_comes(queue: Queue, desk: Desk) -> None:
    """Scheduled jobs of a paused owner stay where they are until they are due."""
    await queue.add(1, delay=timedelta(hours=1))
    await pause(queue.pool, "org-1")
    assert await run_everything(queue) == []
    assert await queue.lane_counts() == {"lanes": 1}
    await queue.pool.execute("UPDATE integration_jobs SET run_at = now()")
    assert await run_everything(queue) == []
    assert await queue.lane_counts() == {"paused": 1}
    await resume(queue.pool, "org-1")
    await bring_back(desk)
    assert len(await run_everything(queue)) == 1
