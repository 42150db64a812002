"""Lanes: nobody is buried in another's backlog, and what lies in the table costs a claim nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.store.queue import Queue

from hookline.domain.ids import new_id
from hookline.store import claims, endings, lane_marks, lanes, takes
from hookline.store.lanes import OTHER_LANES, WEBHOOK_LANES, Lanes
from hookline.store.pool import Connection, open_pool
from hookline.store.seen import share_of

# After so many claims every lane has had its turn.
CLAIMS = len(OTHER_LANES) // lanes.FEW_LANES
LIMIT = 256
HOUR = timedelta(hours=1)

_BACKLOG = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, lane, run_at)
SELECT id, 'noisy-' || n % $5, 'WHATSAPP', $4, 'null', job_lane($4, 'noisy-' || n % $5, id::text),
       now() - $2::interval + n * ($2::interval - $3::interval) / $1
FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, $1::integer) AS n) AS made
"""


@pytest.fixture
async def queue(database_url: str) -> AsyncIterator[Queue]:
    """The queue through connections that are set up as a worker's, and a worker that is known."""
    async with await open_pool(database_url, size=4, application_name="tests", batches=True) as pool:
        opened = Queue(pool)
        await opened.register()
        yield opened


async def backlog(queue: Queue, jobs: int, *, since: timedelta, until: timedelta, noisy: int, kind: str) -> None:
    """Let organizations have jobs waiting that were added evenly over a time."""
    await queue.pool.execute(_BACKLOG, jobs, since, until, kind, noisy)


async def organizations_met(queue: Queue, kind: str, seen: Lanes) -> list[str]:
    """Whose jobs a claimant gets next."""
    async with queue.pool.acquire() as connection, connection.transaction():
        if kind == "PROCESS_WEBHOOK":
            return [job.organization_id for job in await takes.take(connection, limit=LIMIT, lanes=seen)]
        claimed = await claims.claim(connection, queue.hold(), limit=LIMIT, lanes=seen)
        return [job.organization_id for run in claimed.runs for job in run.jobs]


SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
BACKLOGS: dict[str, dict[str, Any]] = {
    "all at once": {"since": MINUTE, "until": MINUTE, "noisy": 1},
    "over an hour until now": {"since": HOUR, "until": timedelta(0), "noisy": 1},
    "over an hour until a while ago": {"since": HOUR, "until": MINUTE, "noisy": 1},
    "of many": {"since": MINUTE, "until": timedelta(0), "noisy": 300},
}


@pytest.mark.parametrize("kind", ["TEST", "PROCESS_WEBHOOK"])
@pytest.mark.parametrize("name", BACKLOGS)
async def test_a_quiet_organization_is_met_at_once(queue: Queue, name: str, kind: str) -> None:
    """However much others have waiting, and since when: an organization's only job is in one of the next claims."""
    await backlog(queue, 20_000, kind=kind, **BACKLOGS[name])
    await queue.add(1, organization="quiet", job_type=kind, delay=timedelta(0))
    seen = Lanes(WEBHOOK_LANES if kind == "PROCESS_WEBHOOK" else OTHER_LANES)
    met = [await organizations_met(queue, kind, seen) for _ in range(CLAIMS)]
    assert any("quiet" in one for one in met)
    assert sum(map(len, met)) >= CLAIMS * LIMIT / 4, "the others go on meanwhile"


@pytest.mark.parametrize("keyed", [False, True])
async def test_small_claims_are_shared_out_too(queue: Queue, *, keyed: bool) -> None:
    """Where only a few jobs are taken on at a time, the quiet organization's is among the first ones."""
    await backlog(queue, 5_000, since=MINUTE, until=SECOND, noisy=1, kind="TEST")
    if keyed:
        await queue.pool.execute("UPDATE integration_jobs SET ordering_key = id::text")
    await queue.add(1, organization="quiet", key="quiet" if keyed else None)
    seen = Lanes(OTHER_LANES)
    met = []
    for _ in range(CLAIMS):
        met += [job.organization_id for job in await queue.jobs(limit=2, lanes=seen)]
    assert "quiet" in met


async def test_the_oldest_come_first_of_one_organization(queue: Queue) -> None:
    """Within an organization jobs are claimed in the order in which they became due, to about a quarter of a second."""
    await backlog(queue, 3_000, since=HOUR, until=timedelta(0), noisy=1, kind="TEST")
    first = await queue.jobs(limit=500)
    left = await queue.pool.fetchval("SELECT min(run_at) FROM integration_jobs WHERE status = 'PENDING'")
    oldest = sorted(job.run_at for job in first)
    assert oldest[len(oldest) // 4] - left < timedelta(minutes=20)


async def test_what_runs_later_is_not_looked_at(queue: Queue) -> None:
    """A claim reads as little with 20,000 scheduled jobs as with none."""
    empty = await blocks_of_a_look(queue)
    await queue.add(20_000, delay=HOUR)
    await queue.pool.execute("ANALYZE integration_jobs")
    assert await blocks_of_a_look(queue) <= empty + 3 * len(OTHER_LANES)


async def blocks_of_a_look(queue: Queue, marks: dict[int, lanes.Place] | None = None) -> int:
    """How many blocks the look for busy lanes reads."""
    marks = marks or dict.fromkeys(OTHER_LANES, lanes._BEGINNING)
    slices, tenants, seqs = zip(*marks.values(), strict=True)
    return await blocks(queue, lanes._LOCK, list(marks), slices, tenants, seqs, lanes.LANE_LOCKS)


async def blocks(queue: Queue, statement: str, *arguments: Any) -> int:
    """How many blocks a statement reads; what it does stays undone."""
    async with queue.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
        await transaction.rollback()
    top = json.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


@asynccontextmanager
async def worn_out(queue: Queue, database_url: str) -> AsyncIterator[None]:
    """A queue of which much has ended, while a snapshot that is held keeps that from being cleared."""
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await holder.execute("SELECT 1 FROM integration_jobs")
        await backlog(queue, 20_000, since=HOUR, until=MINUTE, noisy=3, kind="TEST")
        await queue.pool.execute("UPDATE integration_jobs SET status = 'DONE'")
        yield
    finally:
        await holder.close()


async def test_marks_lead_past_what_has_ended(queue: Queue, database_url: str) -> None:
    """With a snapshot held open, entries of ended jobs stay in the index; a look from the marks does not read them."""
    async with worn_out(queue, database_url):
        seen = Lanes(OTHER_LANES)
        async with queue.pool.acquire() as connection, connection.transaction():
            assert not (await seen.lock(connection)).busy
        await queue.add(1)
        worn = await blocks_of_a_look(queue)
        from_marks = await blocks_of_a_look(queue, seen.marks)
    assert worn > 2_000
    assert from_marks < 500


async def look(queue: Queue, seen: Lanes) -> lanes.Locked:
    """Lock some lanes for a moment."""
    async with queue.pool.acquire() as connection, connection.transaction():
        return await seen.lock(connection)


async def sweep(queue: Queue, seen: Lanes, count: int) -> bool:
    """Sweep so many lanes."""
    async with queue.pool.acquire() as connection:
        return await seen.sweep(connection, count)


async def test_a_sweep_finds_what_the_marks_have_passed(queue: Queue) -> None:
    """A job that is due since before the mark, because it was committed late, is found; and nothing else is."""
    seen = Lanes(OTHER_LANES)
    assert not (await look(queue, seen)).busy
    assert not await sweep(queue, seen, 64)
    await queue.add(1, delay=-HOUR)
    assert not (await look(queue, seen)).busy
    assert await sweep(queue, seen, 64)
    assert (await look(queue, seen)).busy
    assert not await sweep(queue, seen, 64), "what is where the marks are is no find"


async def test_sweeps_come_to_every_lane_in_turn(queue: Queue) -> None:
    """However few lanes are swept at a time, none is left out."""
    seen = Lanes(OTHER_LANES)
    await look(queue, seen)
    await queue.add(300, delay=-HOUR)
    lanes_of_jobs = {row["lane"] for row in await queue.pool.fetch("SELECT DISTINCT lane FROM integration_jobs")}
    begun = dict(seen.marks)
    found = [await sweep(queue, seen, 1) for _ in OTHER_LANES]
    assert found.count(True) == len(lanes_of_jobs)
    assert {lane for lane in OTHER_LANES if seen.marks[lane] < begun[lane]} == lanes_of_jobs


async def test_a_new_claimant_is_not_held_up_by_what_has_ended(queue: Queue, database_url: str) -> None:
    """It begins where another has come to, and what lies before that is swept."""
    async with worn_out(queue, database_url):
        async with queue.pool.acquire() as connection, connection.transaction():
            assert await lane_marks.read(connection, OTHER_LANES) is None
            former = Lanes(OTHER_LANES)
            assert not (await former.lock(connection)).busy
            await lane_marks.write(connection, former.marks)
        await queue.add(1, delay=-HOUR)
        async with queue.pool.acquire() as connection:
            seen = Lanes(OTHER_LANES, await lane_marks.read(connection, OTHER_LANES))
        assert seen.marks == former.marks
        assert await blocks_of_a_look(queue, seen.marks) < 500
        assert await sweep(queue, seen, 64)
        (job,) = await queue.jobs(lanes=seen)
    assert job.payload == 1


async def test_a_new_claimant_finds_what_has_come_since(queue: Queue) -> None:
    """What came when nobody looked is in its first look, whichever lane it is in."""
    former = Lanes(OTHER_LANES)
    await look(queue, former)
    await queue.add(300, delay=timedelta(0))
    assert len((await look(queue, Lanes(OTHER_LANES, former.marks))).lanes) == lanes.FEW_LANES


class Late:
    """A connection whose answers come late."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def fetch(self, *arguments: Any) -> list[Any]:
        """Ask at once, and answer when that is allowed."""
        records: list[Any] = await self._connection.fetch(*arguments)
        self.asked.set()
        await self.may_answer.wait()
        return records


@pytest.mark.parametrize("late", ["look", "sweep", "the first of two looks"])
async def test_what_a_sweep_finds_is_not_passed_over_by_a_look_beside_it(queue: Queue, late: str) -> None:
    """Whichever of them ends later: the mark is where the sweep has put it."""
    seen = Lanes(OTHER_LANES)
    if late != "the first of two looks":
        await look(queue, seen)
        await asyncio.sleep(0.02)
        await queue.add(1, delay=-HOUR)
    begun = dict(seen.marks)
    async with queue.pool.acquire() as connection, connection.transaction():
        slow: Any = Late(connection)
        beside = asyncio.create_task(seen.sweep(slow, 64) if late == "sweep" else seen.lock(slow))
        await slow.asked.wait()
        if late != "look":
            assert not (await look(queue, seen)).busy
        if late == "the first of two looks":
            begun = dict(seen.marks)
            await queue.add(1, delay=-HOUR)
        if late != "sweep":
            assert await sweep(queue, seen, 64)
        slow.may_answer.set()
        await beside
    lowered = [lane for lane in OTHER_LANES if seen.marks[lane] < begun[lane]]
    assert lowered == [await queue.pool.fetchval("SELECT lane FROM integration_jobs")]


async def test_a_sweep_that_fails_keeps_no_lane_from_being_swept(queue: Queue, database_url: str) -> None:
    """Lanes of which there was no answer come round again after the others."""
    seen = Lanes(OTHER_LANES)
    await look(queue, seen)
    await queue.add(300, delay=-HOUR)
    begun = dict(seen.marks)
    gone = await asyncpg.connect(database_url)
    await gone.close()
    with pytest.raises(asyncpg.InterfaceError):
        await seen.sweep(gone, 32)
    lowered = []
    for _ in range(2):
        assert await sweep(queue, seen, 32)
        lowered.append({lane for lane in OTHER_LANES if seen.marks[lane] < begun[lane]})
    taken = {row["lane"] for row in await queue.pool.fetch("SELECT DISTINCT lane FROM integration_jobs")}
    assert lowered == [{lane for lane in taken if lane >= 96}, taken]


async def test_lanes_take_turns(queue: Queue) -> None:
    """However much is due, no lane is passed over for long: a claimant comes to each before it returns to any."""
    await queue.add(1000)
    seen = Lanes(OTHER_LANES)
    visits: list[int] = []
    for _ in range(12):
        async with queue.pool.acquire() as connection, connection.transaction():
            visits += (await seen.lock(connection)).lanes
    rounds = [visits[start : start + 64] for start in range(0, len(visits), 64)]
    assert len(rounds) == 3
    assert all(sorted(one) == list(OTHER_LANES) for one in rounds)


async def test_a_lane_that_is_locked_is_passed_over(queue: Queue) -> None:
    """Two claims at once get different lanes; when one transaction ends its lanes are anybody's."""
    await queue.add(500)
    async with queue.pool.acquire() as one, queue.pool.acquire() as two:
        async with one.transaction():
            first = await Lanes(OTHER_LANES).lock(one)
            async with two.transaction():
                second = await Lanes(OTHER_LANES).lock(two)
        assert first.lanes
        assert second.lanes
        assert not set(first.lanes) & set(second.lanes)
        async with two.transaction():
            await lanes.lock_all(two)
            async with one.transaction():
                third = await Lanes(OTHER_LANES).lock(one)
                assert (third.lanes, third.busy) == ([], True)


STATES = ("never analyzed", "analyzed while empty", "analyzed", "analyzed when all was done")


@pytest.mark.parametrize("state", STATES)
async def test_no_statement_reads_the_table_whatever_the_statistics_say(queue: Queue, state: str) -> None:
    """Claims, ends and releases cost a few blocks a job, with any statistics: none is planned through a whole index."""
    if state == "analyzed while empty":
        await queue.pool.execute("ANALYZE integration_jobs")
    await backlog(queue, 10_000, since=MINUTE, until=SECOND, noisy=3, kind="TEST")
    for number in range(200):
        await queue.add(5, key=f"key-{number}")
    if state == "analyzed when all was done":
        await queue.pool.execute("UPDATE integration_jobs SET status = 'DONE'")
        await queue.pool.execute("VACUUM ANALYZE integration_jobs")
        await queue.pool.execute("UPDATE integration_jobs SET status = 'PENDING'")
    if state == "analyzed":
        await queue.pool.execute("VACUUM ANALYZE integration_jobs")
    async with queue.pool.acquire() as connection, connection.transaction():
        locked = await Lanes(OTHER_LANES).lock(connection)
    share = share_of(256, locked)
    arguments = (*locked.columns, share, 256, queue.worker_id, 256, new_id(), [])
    assert await blocks(queue, claims._CLAIM, *arguments) < 256 * 40
    jobs = await queue.jobs(limit=256)
    owners, ids, leases = zip(*((job.organization_id, job.id, job.lease) for job in jobs), strict=True)
    keyed = [(job.organization_id, job.ordering_key) for job in jobs if job.ordering_key]
    for statement, given in (
        (endings._FINISH, (owners, ids, leases)),
        (endings._RELEASE, (owners, ids, leases, False)),
        (endings._LET_FOLLOW, ([owner for owner, _ in keyed], [key for _, key in keyed])),
        (endings._GIVE_UP_DEAD, (HOUR,)),
        (endings._WAIT_AGAIN, (queue.worker_id, owners, ids)),
    ):
        assert await blocks(queue, statement, *given) < 256 * 30, statement
    await queue.pool.execute("UPDATE integration_jobs SET lane = lane - 64 WHERE lane >= 64 AND status = 'PENDING'")
    async with queue.pool.acquire() as connection, connection.transaction():
        locked = await Lanes(WEBHOOK_LANES).lock(connection)
    assert await blocks(queue, takes._TAKE, *locked.columns, share) < 256 * 40
