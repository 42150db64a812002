"""What waits again is looked at from its beginning in every claim, however far claims have come since it was added."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from tests.store.queue import Queue

from hookline.domain.errors import PermanentFailure
from hookline.services import control
from hookline.services.failure import DEFAULT_POLICY, record_failure
from hookline.services.jobs import IntegrationJobs
from hookline.services.upkeep import keep_up
from hookline.store import claims, lanes, takes
from hookline.store.claims import Claim
from hookline.store.lanes import OTHER_LANES, RETURN_LANES, WEBHOOK_LANES, Lanes

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _looks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine: one that takes its time begins elsewhere for a while."""
    monkeypatch.setattr(lanes, "SLOW_SECONDS", 10.0)


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


@pytest.mark.parametrize("locked_for", ["what came", "what returned"])
async def test_a_lane_and_the_one_where_its_jobs_return_are_locked_together(queue: Queue, locked_for: str) -> None:
    """Whoever has locked one of the two for a claim has both: what is in the other may be of the same key."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    first, second = Lanes(OTHER_LANES), Lanes(OTHER_LANES)
    async with queue.pool.acquire() as one, queue.pool.acquire() as two, one.transaction(), two.transaction():
        if locked_for == "what came":
            await queue.add(key="a")
        else:
            await release(queue, head)
        (locked,) = (await first.lock(one)).lanes
        assert locked in (OTHER_LANES if locked_for == "what came" else RETURN_LANES)
        if locked_for == "what came":
            await release(queue, head)
        else:
            await queue.add(key="a")
        seen = await second.lock(two)
        assert (seen.lanes, seen.busy) == ([], True)
    assert [job.id for job in await queue.jobs(limit=1)] == [head.id]


async def test_what_returns_takes_no_share_from_what_came(queue: Queue) -> None:
    """A claim is as large as it may be, also where a job has returned to every lane."""
    await queue.add(6_400)
    claimed = [job for _ in range(4) for job in await queue.jobs(limit=16, lanes=Lanes(OTHER_LANES))]
    async with queue.pool.acquire() as connection:
        await claims.release(connection, claimed)
    assert len(await queue.jobs(limit=320)) == 320


async def test_where_much_has_returned_not_every_look_steps_over_it(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a look at return lanes that took long, claims begin where it ended, for as long as that is fair."""
    monkeypatch.setattr(lanes, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(lanes, "SLOW_REST", 10**9)
    monkeypatch.setattr(lanes, "LONGEST_REST_SECONDS", 0.5)
    (added,) = await queue.add(delay=-HOUR)
    (head,) = await queue.jobs()
    seen = await late_view(queue)
    await release(queue, head)
    again = [await queue.jobs(lanes=seen)]
    async with asyncio.timeout(20):
        while not again[-1]:
            again.append(await queue.jobs(lanes=seen))
    assert len(again) > 1
    assert [job.id for job in again[-1]] == [added]


class TooMuch:
    """A connection whose statements are broken off after a while."""

    async def fetch(self, *_: object) -> None:
        """Take time for nothing."""
        await asyncio.sleep(2 * lanes.SLOW_SECONDS)
        raise asyncpg.QueryCanceledError


async def test_a_look_that_is_too_much_is_not_made_again_at_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in no return lane is claimed meanwhile, and what does soon after that."""
    (added,) = await queue.add(delay=-HOUR)
    (head,) = await queue.jobs()
    seen = await late_view(queue)
    await release(queue, head)
    monkeypatch.setattr(lanes, "SLOW_SECONDS", 0.1)
    broken: Any = TooMuch()
    with pytest.raises(asyncpg.QueryCanceledError):
        await seen.lock(broken)
    (other,) = await queue.add(delay=timedelta(0))
    assert [job.id for job in await queue.jobs(lanes=seen)] == [other]
    await asyncio.sleep(lanes.LONGEST_REST_SECONDS)
    assert [job.id for job in await queue.jobs(lanes=seen)] == [added]


LONG_AGO = {
    "an hour ago": datetime.now(UTC) - HOUR,
    "the beginning of computers": datetime(1970, 1, 1, tzinfo=UTC),
    "the first hours of the calendar": datetime(1, 1, 1, 2, tzinfo=UTC),
}


@pytest.mark.parametrize("since", LONG_AGO)
async def test_a_job_that_is_added_for_a_time_that_has_passed_is_in_the_next_claim(queue: Queue, since: str) -> None:
    """However far claims have come: who names a time in the past means now."""
    seen = await late_view(queue)
    async with IntegrationJobs(queue.pool) as opened:
        late = await opened.enqueue("TEST", "WHATSAPP", None, organization_id="org-1", run_at=LONG_AGO[since])
    assert [job.id for job in await queue.jobs(lanes=seen)] == [late.id]


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
