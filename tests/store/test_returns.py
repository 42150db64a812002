"""What waits again is looked at from its beginning in every claim, however far claims have come since it was added."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.store.queue import Queue

from hookline.domain.errors import PermanentFailure
from hookline.services import control
from hookline.services.failure import DEFAULT_POLICY, record_failure
from hookline.services.upkeep import keep_up
from hookline.store import claims, takes
from hookline.store.claims import Claim
from hookline.store.lanes import OTHER_LANES, RETURN_LANES, WEBHOOK_LANES, Lanes

HOUR = timedelta(hours=1)


@pytest.fixture
async def queue(pool: asyncpg.Pool) -> Queue:
    """The queue, and a worker that is known."""
    opened = Queue(pool)
    await opened.register()
    return opened


async def release(queue: Queue, head: Claim) -> None:
    """A worker that stops gives it back unbegun."""
    async with queue.pool.acquire() as connection:
        await claims.release(connection, [head])


async def give_back(queue: Queue, _: Claim) -> None:
    """A worker that stops gives back whatever it holds."""
    async with queue.pool.acquire() as connection, connection.transaction():
        await claims.give_back(connection, queue.worker_id)


async def give_up(queue: Queue, head: Claim) -> None:
    """It is not known whether the claim was committed."""
    async with queue.pool.acquire() as connection, connection.transaction():
        await claims.give_up(connection, head.hold)


async def rescue(queue: Queue, _: Claim) -> None:
    """Its worker is gone."""
    await queue.pool.execute("UPDATE job_workers SET heartbeat_at = now() - interval '1 hour'")
    await keep_up(queue.pool, unowned_for=HOUR)


async def finish(queue: Queue, head: Claim) -> None:
    """What it waited for has ended."""
    await queue.finish([head])


async def fail_for_good(queue: Queue, head: Claim) -> None:
    """What it waited for has failed."""
    async with queue.pool.acquire() as connection, connection.transaction():
        await record_failure(connection, head, PermanentFailure("never"), DEFAULT_POLICY)


async def cancel(queue: Queue, head: Claim) -> None:
    """What it waited for is cancelled."""
    async with queue.pool.acquire() as connection, connection.transaction():
        await control.cancel_job(connection, head.organization_id, head.id, "somebody")


async def delete(queue: Queue, head: Claim) -> None:
    """Somebody deletes by hand what it waited for."""
    await queue.pool.execute("DELETE FROM integration_jobs WHERE id = $1", head.id)
    await keep_up(queue.pool, unowned_for=HOUR)


Act = Callable[[Queue, Claim], Awaitable[Any]]


async def late_view(queue: Queue) -> Lanes:
    """A claimant's view whose marks are past all that was added an hour ago."""
    seen = Lanes(OTHER_LANES)
    async with queue.pool.acquire() as connection, connection.transaction():
        assert not (await seen.lock(connection)).busy
    return seen


@pytest.mark.parametrize("act", [release, give_back, give_up, rescue])
@pytest.mark.parametrize("key", ["a", None])
async def test_a_claimed_job_that_waits_again_is_in_the_next_claim(queue: Queue, act: Act, key: str | None) -> None:
    """Whoever returns it, and though it is due since before all marks: no sweep is needed."""
    (added,) = await queue.add(key=key, delay=-HOUR)
    (head,) = await queue.jobs()
    seen = await late_view(queue)
    await act(queue, head)
    assert [job.id for job in await queue.jobs(lanes=seen)] == [added]
    assert await queue.jobs(lanes=seen) == []


@pytest.mark.parametrize("act", [finish, fail_for_good, cancel, delete])
async def test_what_was_put_aside_and_may_follow_is_in_the_next_claim(queue: Queue, act: Act) -> None:
    """Whatever ends the job that it waited for: it is found at once, and the rest of the key with it."""
    await queue.add(key="a", delay=-HOUR)
    (head,) = await queue.jobs()
    await queue.pool.execute("UPDATE integration_jobs SET updated_at = now() - interval '1 minute'")
    await queue.add(3, key="a", delay=-HOUR)
    assert await queue.jobs() == []
    assert await queue.lane_counts() == {"blocked": 3}
    seen = await late_view(queue)
    await act(queue, head)
    assert [job.payload for job in await queue.jobs(lanes=seen)] == [1, 2, 3]


async def test_a_lane_and_the_one_where_its_jobs_return_are_locked_together(queue: Queue) -> None:
    """While a claim has locked a lane, nobody claims what returned from it: it may be of the same key."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await release(queue, head)
    await queue.add(key="a")
    first, second = Lanes(OTHER_LANES), Lanes(OTHER_LANES)
    async with queue.pool.acquire() as one, queue.pool.acquire() as two, one.transaction(), two.transaction():
        locked = await first.lock(one)
        home, returned = sorted(locked.lanes)
        assert returned - home == RETURN_LANES.start - OTHER_LANES.start
        assert (await second.lock(two)).lanes == []
    assert [job.id for job in await queue.jobs(limit=1)] == [head.id]


async def test_lanes_take_turns_whether_jobs_return_to_them_or_not(queue: Queue) -> None:
    """A lane and the one beside it have their turn together, and no other lane waits longer for that."""
    await queue.add(1000)
    claimed = await queue.claim(limit=64)
    async with queue.pool.acquire() as connection:
        await claims.release(connection, [job for run in claimed.runs for job in run.jobs])
    seen = Lanes(OTHER_LANES)
    visits: list[int] = []
    for _ in range(4):
        async with queue.pool.acquire() as connection, connection.transaction():
            visits += (await seen.lock(connection)).lanes
    homes = {lane for lane in visits if lane in OTHER_LANES}
    assert homes == set(OTHER_LANES)
    returned = await queue.pool.fetch("SELECT DISTINCT lane FROM integration_jobs WHERE lane >= $1", RETURN_LANES.start)
    assert returned
    assert sorted(lane for lane in visits if lane in RETURN_LANES) == sorted(row["lane"] for row in returned)


async def test_a_job_that_fails_after_it_returned_waits_in_its_own_lane(queue: Queue) -> None:
    """Its next attempt is at a time to come, where claims have not been: it needs no other lane."""
    await queue.add()
    (head,) = await queue.jobs()
    (own,) = await queue.pool.fetch("SELECT lane FROM integration_jobs")
    await release(queue, head)
    (again,) = await queue.jobs()
    async with queue.pool.acquire() as connection, connection.transaction():
        await record_failure(connection, again, RuntimeError("not now"), DEFAULT_POLICY)
    assert await queue.pool.fetch("SELECT lane FROM integration_jobs") == [own]


async def test_a_webhook_that_was_claimed_by_its_id_returns_to_where_webhooks_are(queue: Queue) -> None:
    """They have no lane to return to but their own."""
    (added,) = await queue.add(job_type="PROCESS_WEBHOOK", delay=-HOUR)
    hold = queue.hold()
    async with queue.pool.acquire() as connection, connection.transaction():
        assert await claims.claim_one(connection, "org-1", added, hold)
        await claims.give_up(connection, hold)
    assert await queue.pool.fetchval("SELECT lane FROM integration_jobs") in WEBHOOK_LANES
    async with queue.pool.acquire() as connection, connection.transaction():
        assert [job.id for job in await takes.take(connection, limit=10)] == [added]
