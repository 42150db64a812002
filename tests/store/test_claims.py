"""Claims: runs in order, one of a key at a time, and what waits behind a job that is held up."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.store.queue import Queue, look_early

from hookline.domain.errors import PermanentFailure
from hookline.domain.ids import new_id
from hookline.services import control
from hookline.services.failure import DEFAULT_POLICY, record_failure
from hookline.services.upkeep import keep_up
from hookline.store import claims, endings, lanes, pauses
from hookline.store.claims import Claim, Hold

HOUR = timedelta(hours=1)


async def fail(queue: Queue, job: Claim, error: Exception) -> None:
    """Record a failed attempt."""
    async with queue.pool.acquire() as connection, connection.transaction():
        await record_failure(connection, job, error, DEFAULT_POLICY)


async def look_long_ago(queue: Queue) -> None:
    """Let what runs have been running for a while."""
    await queue.pool.execute("UPDATE integration_jobs SET updated_at = now() - interval '1 minute'")


async def test_a_claim_takes_runs_of_keys_in_order(queue: Queue) -> None:
    """Of every key the jobs come as one run, in the order of adding; keyless jobs each alone."""
    for _ in range(5):
        for key in ("a", "b", None):
            await queue.add(key=key)
    got = []
    while (claimed := await queue.claim()).runs:
        got += claimed.runs
    by_key = {run.jobs[0].ordering_key: [job.seq for job in run.jobs] for run in got if run.jobs[0].ordering_key}
    assert sorted(by_key) == ["a", "b"]
    assert all(len(seqs) == 5 and seqs == sorted(seqs) for seqs in by_key.values())
    assert [len(run.jobs) for run in got if run.jobs[0].ordering_key is None] == [1] * 5


async def test_a_limit_leaves_whole_beginnings_of_keys(queue: Queue) -> None:
    """However few jobs a claim takes, none is taken before an earlier one of its key."""
    for number in range(40):
        await queue.add(key=f"key-{number % 8}")
    while jobs := await queue.jobs(limit=5):
        assert len(jobs) <= 5
        for job in jobs:
            earlier = await queue.pool.fetchval(
                "SELECT count(*) FROM integration_jobs WHERE ordering_key = $1 AND seq < $2 AND status = 'PENDING'",
                job.ordering_key,
                job.seq,
            )
            assert earlier == 0
        await queue.finish(jobs)
    assert await queue.statuses() == {"DONE": 40}


async def test_nothing_of_a_key_is_claimed_while_one_of_it_runs(queue: Queue) -> None:
    """Two of a key never run at once, not even if the earlier one was committed, or run again, only afterwards."""
    (first,) = await queue.add(key="a")
    (job,) = await queue.jobs()
    assert job.id == first
    await queue.add(3, key="a")
    assert await queue.jobs() == []
    # As if its transaction had been slower than those of the later ones.
    await queue.pool.execute("UPDATE integration_jobs SET seq = DEFAULT WHERE id = $1", first)
    assert await queue.jobs() == []
    await queue.finish([job])
    assert [one.payload for one in await queue.jobs()] == [1, 2, 3]


async def test_followers_of_a_waiting_job_are_put_aside_and_cost_nothing(queue: Queue) -> None:
    """While the first one of a key waits for its retry, its followers are met once and then by no claim any more."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await queue.add(300, key="a")
    await fail(queue, head, RuntimeError("not now"))
    assert await queue.jobs() == []
    assert await queue.lane_counts() == {"blocked": 300, "lanes": 1}
    async with queue.pool.acquire() as connection, connection.transaction():
        assert not (await lanes.Lanes(lanes.OTHER_LANES).lock(connection)).busy
    await queue.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE id = $1", head.id)
    got = []
    while jobs := await queue.jobs(limit=50):
        got += jobs
        await queue.finish(jobs)
    assert [job.seq for job in got] == sorted(job.seq for job in got)
    assert len(got) == 301


async def test_what_fails_for_good_lets_the_rest_go_on(queue: Queue) -> None:
    """A first one that ends FAILED is followed by the next, also if that was put aside."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await look_long_ago(queue)
    await queue.add(2, key="a")
    assert await queue.jobs() == []
    assert await queue.lane_counts() == {"blocked": 2}
    await fail(queue, head, PermanentFailure("never"))
    assert [job.payload for job in await queue.jobs()] == [1, 2]


async def test_followers_of_what_runs_for_a_short_while_stay_in_their_lane(queue: Queue) -> None:
    """Nothing is written for a wait of milliseconds; behind what runs for long the followers are put aside."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await queue.add(3, key="a")
    assert await queue.jobs() == []
    assert await queue.lane_counts() == {"lanes": 3}
    await look_long_ago(queue)
    assert await queue.jobs() == []
    assert await queue.lane_counts() == {"blocked": 3}
    await queue.finish([head])
    assert await queue.lane_counts() == {"blocked": 2, "lanes": 1}
    assert [job.payload for job in await queue.jobs()] == [1, 2, 3]


async def test_jobs_behind_a_blocked_key_are_reached(queue: Queue) -> None:
    """However many followers of a held-up key stand first in a lane, what comes after them is claimed."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await look_long_ago(queue)
    await queue.add(500, key="a")
    (later,) = await queue.add(key="a behind")
    await queue.pool.execute(
        "UPDATE integration_jobs SET lane = (SELECT lane FROM integration_jobs WHERE id = $1) WHERE id = $2",
        head.id,
        later,
    )
    for _ in range(30):
        if jobs := await queue.jobs(limit=20):
            break
    assert [job.id for job in jobs] == [later]


async def test_an_end_waits_for_a_claim_that_puts_its_followers_aside(queue: Queue) -> None:
    """Whatever the moment at which a job ends, the next one of its key is back in its lane afterwards."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await look_long_ago(queue)
    await queue.add(2, key="a")
    async with queue.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        claimed = await claims.claim(connection, queue.hold(), limit=10)
        while (await connection.fetchval("SELECT count(*) FROM integration_jobs WHERE lane = -2")) == 0:
            claimed = await claims.claim(connection, queue.hold(), limit=10)
        assert claimed.runs == []
        ending = asyncio.create_task(queue.finish([head]))
        await asyncio.sleep(0.2)
        assert not ending.done(), "it waits for the claim that holds the job it would end"
        await transaction.commit()
    assert await asyncio.wait_for(ending, 10) == {head.id}
    assert [job.payload for job in await queue.jobs()] == [1, 2]


@pytest.mark.parametrize("by", ["worker", "owner", "api"])
async def test_the_next_one_follows_when_the_first_follower_is_cancelled_just_then(queue: Queue, by: str) -> None:
    """A job and its first follower end at once, and neither sees the other's end: the next one follows all the same."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await look_long_ago(queue)
    followers = await queue.add(3, key="a")
    assert await queue.jobs() == []
    assert await queue.lane_counts() == {"blocked": 3}
    async with queue.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await control.cancel_job(connection, "org-1", followers[0], "ann")
        ending = asyncio.create_task(queue.finish([head]) if by == "worker" else cancel(queue, head, by))
        await queue.until_they_wait(ending)
        await transaction.commit()
    await asyncio.wait_for(ending, 10)
    assert [job.id for job in await queue.jobs()] == followers[1:]


async def cancel(queue: Queue, job: Claim, by: str) -> None:
    """Cancel a job as the database's owner, or as the API's role."""
    async with queue.pool.acquire() as connection, connection.transaction():
        if by == "api":
            await connection.execute("SET LOCAL ROLE hookline_api")
            await connection.execute("SET LOCAL hookline.organization_id = 'org-1'")
        await control.cancel_job(connection, "org-1", job.id, "ann")


async def test_a_claim_leaves_alone_what_is_just_ending(queue: Queue) -> None:
    """A first one whose end is on its way is not waited for, and its followers are not put aside behind it."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await look_long_ago(queue)
    await queue.add(2, key="a")
    async with queue.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await claims.finish(connection, [head])
        assert await asyncio.wait_for(queue.jobs(), 10) == []
        assert await queue.lane_counts() == {"lanes": 2}
        await transaction.commit()
    assert [job.payload for job in await queue.jobs()] == [1, 2]


async def test_the_end_of_a_job_records_those_before_it_in_its_run(queue: Queue) -> None:
    """Whoever ends or fails a job of a run records first what ended before it, and nothing that comes after it."""
    await queue.add(4, key="a")
    (run,) = (await queue.claim()).runs
    first, second, third, fourth = run.jobs
    run.unrecorded.append(first)
    assert await queue.finish([second]) == {second.id}
    assert await queue.statuses() == {"DONE": 2, "PROCESSING": 2}
    run.unrecorded[:] = [third]
    await fail(queue, fourth, PermanentFailure("never"))
    assert await queue.statuses() == {"DONE": 3, "FAILED": 1}


async def test_an_end_of_one_job_records_nothing_that_comes_after_it(queue: Queue) -> None:
    """`unrecorded` is the run's: for an earlier job of it, what ended after that is not its to record."""
    await queue.add(2, key="a")
    (run,) = (await queue.claim()).runs
    first, second = run.jobs
    run.unrecorded.append(second)
    assert await queue.finish([first]) == {first.id}
    assert await queue.statuses() == {"DONE": 1, "PROCESSING": 1}


async def test_ends_are_recorded_in_place(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the rows are where the claim left them, nobody looks for their names."""
    monkeypatch.setattr(endings, "_END", "is not to be run")
    await queue.add(3, key="a")
    await record_ends(queue, await queue.jobs())
    assert await queue.statuses() == {"DONE": 3}


@pytest.mark.parametrize("moved", [1, 3])
async def test_ends_are_recorded_wherever_the_rows_are(queue: Queue, moved: int) -> None:
    """Rows that somebody rewrote after they were claimed are ended like those that are where the claim left them."""
    await queue.add(3, key="a")
    jobs = await queue.jobs()
    await queue.pool.execute(
        "UPDATE integration_jobs SET last_error = 'seen' WHERE id = ANY ($1)", [job.id for job in jobs[:moved]]
    )
    await record_ends(queue, jobs)
    assert await queue.statuses() == {"DONE": 3}


async def test_a_late_end_changes_nothing(queue: Queue) -> None:
    """Who was taken over ends nothing: not by the row's place, nor by its name; and the new claim stands."""
    await queue.add(2)
    late = await queue.jobs()
    async with queue.pool.acquire() as connection:
        await claims.release(connection, late[:1])
    (again,) = await queue.jobs()
    await record_ends(queue, late)
    assert await queue.statuses() == {"DONE": 1, "PROCESSING": 1}
    await record_ends(queue, [msgspec.structs.replace(late[0], place=again.place)])
    assert await queue.statuses() == {"DONE": 1, "PROCESSING": 1}
    await record_ends(queue, [again])
    assert await queue.statuses() == {"DONE": 2}


async def test_a_row_that_came_to_a_place_is_not_ended_for_the_one_that_was_there(queue: Queue) -> None:
    """A place names a row only for as long as that is there: whoever came to it since has another seq."""
    await queue.add(2)
    first, second = await queue.jobs()
    await queue.pool.execute("DELETE FROM integration_jobs WHERE id = $1", first.id)
    await record_ends(queue, [msgspec.structs.replace(first, place=second.place)])
    assert await queue.statuses() == {"PROCESSING": 1}


async def record_ends(queue: Queue, jobs: list[Claim]) -> None:
    """Record ends as a worker does, many at once."""
    async with queue.pool.acquire() as connection, connection.transaction():
        await claims.record_ends(connection, jobs)


async def test_released_behind_a_failure_they_come_back_with_it(queue: Queue) -> None:
    """The rest of a failed job's run is put aside at once, and follows when that job has ended."""
    await queue.add(5, key="a")
    (run,) = (await queue.claim()).runs
    async with queue.pool.acquire() as connection, connection.transaction():
        await record_failure(connection, run.jobs[0], RuntimeError("not now"), DEFAULT_POLICY)
        await claims.release(connection, run.jobs[1:], behind=True)
    assert await queue.lane_counts() == {"blocked": 4, "lanes": 1}
    await queue.pool.execute("UPDATE integration_jobs SET run_at = now() WHERE attempts = 1")
    assert [job.payload for job in await queue.jobs()] == [1, 2, 3, 4, 5]


async def test_a_claim_that_is_committed_after_the_take_over_is_found(queue: Queue) -> None:
    """A worker is given up while its claim is under way: that commits later, and its jobs are rescued all the same."""
    await queue.add(3)
    async with queue.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        jobs = []
        while len(jobs) < 3:
            claimed = await claims.claim(connection, queue.hold(), limit=10)
            jobs += [job for run in claimed.runs for job in run.jobs]
        await queue.pool.execute("UPDATE job_workers SET heartbeat_at = now() - interval '1 minute'")
        await keep_up(queue.pool, unowned_for=HOUR)
        await transaction.commit()
    assert await queue.statuses() == {"PROCESSING": 3}
    await keep_up(queue.pool, unowned_for=HOUR)
    assert await queue.statuses() == {"PENDING": 3}
    assert await queue.finish(jobs) == set(), "what was taken over cannot be ended by the late one"


async def test_orphans_are_rescued_too(queue: Queue) -> None:
    """Jobs whose worker nobody remembers return as well."""
    await queue.add()
    await queue.jobs()
    await queue.pool.execute("DELETE FROM job_workers")
    async with queue.pool.acquire() as connection:
        assert await claims.rescue(connection, HOUR) == 1
        assert await claims.rescue(connection, HOUR) == 0
    assert await queue.statuses() == {"PENDING": 1}


async def test_claims_of_which_nothing_is_left_are_forgotten(queue: Queue) -> None:
    """A claim is written down until the next one that gets something; a rescue passes over what has ended."""
    await queue.add(3)
    first = await queue.jobs()
    await queue.finish(first)
    await queue.add(2)
    second = await queue.jobs(ended=[first[0].hold.id])
    written = await queue.pool.fetch("SELECT id, jobs FROM job_claims")
    assert {record["id"]: set(record["jobs"]) for record in written} == {
        second[0].hold.id: {job.id for job in second},
    }
    await queue.finish(second[:1])
    await queue.pool.execute("UPDATE job_workers SET heartbeat_at = now() - interval '1 day'")
    async with queue.pool.acquire() as connection:
        assert await claims.rescue(connection, HOUR) == 1
    assert await queue.statuses() == {"DONE": 4, "PENDING": 1}
    assert await queue.pool.fetchval("SELECT count(*) FROM job_claims") == 0


async def test_a_claim_touches_no_index(queue: Queue) -> None:
    """A claim changes no indexed column, but of the last one of a key's run: rows stay in their pages (HOT)."""
    await queue.add(10)
    await queue.add(4, key="a")
    async with queue.pool.acquire() as connection, connection.transaction():
        runs = (await claims.claim(connection, queue.hold(), limit=100)).runs
        hot, updated = await connection.fetchrow(
            "SELECT pg_stat_get_xact_tuples_hot_updated(c), pg_stat_get_xact_tuples_updated(c)"
            " FROM (SELECT 'integration_jobs'::regclass AS c)"
        )
    keyed = [run for run in runs if run.jobs[0].ordering_key is not None]
    assert (updated, updated - hot) == (sum(len(run.jobs) for run in runs), len(keyed))


@pytest.mark.parametrize("by", ["owner", "api"])
async def test_a_key_is_held_while_one_of_it_runs_whichever_is_cancelled(queue: Queue, by: str) -> None:
    """An earlier job comes back while a run goes on, and that run's last one is cancelled: it waits nevertheless."""
    (early,) = await queue.add(key="a")
    (job,) = await queue.jobs()
    await fail(queue, job, PermanentFailure("no"))
    await queue.add(4, key="a")
    run = await queue.jobs()
    async with queue.pool.acquire() as connection, connection.transaction():
        await control.retry_job(connection, "org-1", early)
    assert len(run) == 4
    for last in (run[3], run[2]):
        assert await queue.jobs() == []
        await cancel(queue, last, by)
    assert await queue.jobs() == []
    await queue.finish(run[:1])
    assert await queue.jobs() == []
    await queue.finish(run[1:2])
    assert [job.id for job in await queue.jobs()] == [early]


async def test_a_run_that_lost_its_mark_holds_its_key(queue: Queue) -> None:
    """The last of a run is cancelled while somebody has the other one locked, which then stays without the mark."""
    (early,) = await queue.add(key="a")
    (job,) = await queue.jobs()
    await fail(queue, job, PermanentFailure("no"))
    await queue.add(2, key="a")
    run = await queue.jobs(limit=2)
    async with queue.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM integration_jobs WHERE id = $1 FOR UPDATE", run[0].id)
        async with queue.pool.acquire() as connection, connection.transaction():
            await control.cancel_job(connection, "org-1", run[1].id, "ann")
    assert await queue.pool.fetchval("SELECT count(*) FROM integration_jobs WHERE key_rank = 0") == 0
    async with queue.pool.acquire() as connection, connection.transaction():
        await control.retry_job(connection, "org-1", early)
    for limit in (1, 10):
        assert await queue.jobs(limit=limit) == []
    await queue.finish(run[:1])
    assert [job.id for job in await queue.jobs()] == [early]


async def test_whoever_ends_late_forgets_only_its_own_claim(queue: Queue) -> None:
    """A job is claimed by id, cancelled, retried and claimed again: the second claim is found by the rescue."""
    (job_id,) = await queue.add()
    first, second = queue.hold(), queue.hold()
    for hold in (first, second):
        async with queue.pool.acquire() as connection, connection.transaction():
            assert await claims.claim_one(connection, "org-1", job_id, hold) is not None
            if hold is first:
                await control.cancel_job(connection, "org-1", job_id, "ann")
                await control.retry_job(connection, "org-1", job_id)
    async with queue.pool.acquire() as connection, connection.transaction():
        await claims.forget(connection, first)
        await claims.give_back(connection, queue.worker_id)
    assert await queue.statuses() == {"PENDING": 1}


async def test_a_doubtful_claim_is_given_up(queue: Queue) -> None:
    """Whether it was committed before, is being committed, or will be: its jobs wait again, and it does not stand."""
    await queue.add(6)
    before, meanwhile, after = (queue.hold() for _ in range(3))
    assert len(await queue.jobs(limit=2, hold=before)) == 2

    async def give_up(hold: Hold) -> None:
        async with queue.pool.acquire() as connection, connection.transaction():
            await claims.give_up(connection, hold)

    async with queue.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert (await claims.claim(connection, meanwhile, limit=2)).runs
        giving_up = asyncio.create_task(give_up(meanwhile))
        await queue.until_they_wait(giving_up)
        await transaction.commit()
        await giving_up
    await give_up(before)
    assert await queue.statuses() == {"PENDING": 6}
    await give_up(after)
    with pytest.raises(asyncpg.UniqueViolationError):
        await queue.jobs(hold=after)
    assert await queue.statuses() == {"PENDING": 6}
    assert len(await queue.jobs()) == 6
    for hold in (before, meanwhile, after):
        await give_up(hold)
    assert await queue.statuses() == {"PROCESSING": 6}, "what was claimed anew is not given up with it"


@pytest.mark.parametrize("changed", [0, 2])
async def test_a_claim_waits_for_nobody(queue: Queue, changed: int) -> None:
    """What somebody has locked is left to the next claim, with what follows it; the others are claimed meanwhile.

    A claim that waited would hold what that one may be waiting for: its lanes, and other jobs of the key.
    """
    ids = await queue.add(3, key="a")
    (alone,) = await queue.add(1)
    (locked,) = await queue.add(1)
    async with queue.pool.acquire() as other, other.transaction():
        await control.retry_job(other, "org-1", ids[changed])
        await other.execute("SELECT FROM integration_jobs WHERE id = $1 FOR UPDATE", locked)
        first = [job for run in (await asyncio.wait_for(queue.claim(), 5)).runs for job in run.jobs]
    assert {job.id for job in first} == {alone, *ids[:changed]}
    await queue.finish(first)
    rest = await queue.jobs()
    assert {job.id for job in rest} == {locked, *ids[changed:]}
    assert [job.id for job in rest if job.ordering_key] == ids[changed:]


async def test_what_was_locked_once_is_claimed(queue: Queue) -> None:
    """A lock that is given back leaves a trace in the row, which keeps nobody from it."""
    ids = await queue.add(2, key="a")
    async with queue.pool.acquire() as other:
        for _ in range(2):
            await other.execute("SELECT FROM integration_jobs FOR UPDATE")
    assert await queue.pool.fetchval("SELECT count(*) FROM integration_jobs WHERE xmax <> '0'") == 2
    assert [job.id for job in await queue.jobs()] == ids


@pytest.mark.parametrize("changed", [0, 2])
async def test_a_run_that_changes_while_it_is_claimed_is_claimed_whole_or_later(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, changed: int
) -> None:
    """Somebody runs the first one at once, or cancels the last one, after the claim has picked the run."""
    look_early(monkeypatch)
    ids = await queue.add(3, key="a")
    await queue.add(1)
    async with queue.pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        if changed == 0:
            await control.retry_job(other, "org-1", ids[0])
        else:
            await control.cancel_job(other, "org-1", ids[2], "ann")
        claiming = asyncio.create_task(queue.claim())
        await queue.until_they_wait(claiming)
        await transaction.commit()
        claimed = await claiming
    jobs = [job for run in claimed.runs for job in run.jobs if job.ordering_key is not None]
    jobs += [job for job in await queue.jobs() if job.ordering_key is not None]
    assert [job.id for job in jobs] == (ids if changed == 0 else ids[:2])
    assert await queue.pool.fetchval("SELECT array_agg(seq) FROM integration_jobs WHERE key_rank = 0") == [jobs[-1].seq]
    assert await queue.pool.fetchval("SELECT count(*) FROM job_claims WHERE jobs = '{}'") == 0


async def test_strays_return(queue: Queue) -> None:
    """What was put aside, and nothing keeps any more because somebody changed rows by hand, returns to its lane."""
    await queue.add(key="a")
    (head,) = await queue.jobs()
    await look_long_ago(queue)
    await queue.add(2, key="a")
    await queue.jobs()
    await queue.add(key="b")
    await queue.pool.execute("UPDATE integration_jobs SET lane = -3 WHERE ordering_key = 'b'")
    await keep_up(queue.pool, unowned_for=HOUR)
    assert await queue.lane_counts() == {"blocked": 2, "lanes": 1}
    await queue.pool.execute("DELETE FROM integration_jobs WHERE id = $1", head.id)
    await keep_up(queue.pool, unowned_for=HOUR)
    assert await queue.lane_counts() == {"blocked": 1, "lanes": 2}


@pytest.mark.parametrize("lane", [lanes.BLOCKED, lanes.PAUSED])
@pytest.mark.parametrize("place", ["behind all of its moment", "before all others"])
async def test_a_stray_returns_wherever_it_is(queue: Queue, place: str, lane: int) -> None:
    """However many are put aside rightly, and wherever among them one is that nothing keeps: some round comes to it."""
    await queue.add(key="a")
    await queue.jobs()
    account = new_id()
    await queue.pool.execute("INSERT INTO job_pauses VALUES ('org-1', $1)", account)
    if place == "before all others":
        (stray,) = await queue.add(key="b")
    await queue.add(60, key="a", account=account)
    if place == "behind all of its moment":
        (stray,) = await queue.add(key="b")
    await queue.pool.execute(
        "UPDATE integration_jobs SET lane = $1, run_at = timestamptz '2026-01-01' + seq * $2::interval"
        " WHERE status = 'PENDING'",
        lane,
        timedelta(seconds=0.25 if place == "before all others" else 0),
    )
    async with queue.pool.acquire() as connection:
        for _ in range(2_000):
            if await pauses.return_strays(connection, 10):
                break
    assert await queue.lane_counts() == {"blocked" if lane == lanes.BLOCKED else "paused": 60, "lanes": 1}
    assert [job.id for job in await queue.jobs()] == [stray]


ODD: dict[str, Any] = {"quotes": "o'; DROP TABLE messages; --", "names": "名前😀", "long": "ö" * 512}


@pytest.mark.parametrize("name", ODD)
async def test_any_text_is_an_organization_and_a_key(queue: Queue, name: str) -> None:
    """Whatever characters an organization's id and a key hold, jobs are claimed, put aside and let follow."""
    odd = ODD[name]
    await queue.add(organization=odd, key=odd)
    (head,) = await queue.jobs()
    await look_long_ago(queue)
    await queue.add(organization=odd, key=odd)
    assert await queue.jobs() == []
    assert await queue.lane_counts() == {"blocked": 1}
    await queue.finish([head])
    (follower,) = await queue.jobs()
    assert (follower.organization_id, follower.ordering_key) == (odd, odd)


async def test_the_same_key_of_two_organizations_is_two_keys(queue: Queue) -> None:
    """No organization's job waits for another's, whatever names they use."""
    for organization in ("org-1", "org-2"):
        await queue.add(2, organization=organization, key="customer-1")
    got = []
    while claimed := (await queue.claim()).runs:
        got += claimed
    assert sorted((run.jobs[0].organization_id, len(run.jobs)) for run in got) == [("org-1", 2), ("org-2", 2)]


async def test_a_cancelled_job_is_not_claimed_however_the_moments_fall(queue: Queue) -> None:
    """A job that is being ended while a claim looks is not claimed, neither before nor after that is committed."""
    (job_id,) = await queue.add()
    async with queue.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE integration_jobs SET status = 'FAILED' WHERE id = $1", job_id)
        assert await asyncio.wait_for(queue.jobs(), 10) == []
        await transaction.commit()
    assert await queue.jobs() == []
    assert await queue.statuses() == {"FAILED": 1}


async def test_claimants_of_all_kinds_keep_out_of_each_other_s_way(queue: Queue) -> None:
    """Claims that run at once never get the same job, nor one of a key that another one has."""
    for number in range(200):
        await queue.add(key=f"key-{number % 20}")
    others = [Queue(queue.pool) for _ in range(3)]
    for other in others:
        other.worker_id = new_id()
        await other.register()
    running: set[str] = set()
    done = 0

    async def work(one: Queue) -> None:
        nonlocal done
        while done < 200:
            jobs = await one.jobs(limit=7)
            keys = {str(job.ordering_key) for job in jobs}
            assert not keys & running
            running.update(keys)
            await asyncio.sleep(0)
            ended = await one.finish(jobs)
            done += len(ended)
            running.difference_update(keys)

    await asyncio.wait_for(asyncio.gather(*map(work, [queue, *others])), 60)
    assert await queue.statuses() == {"DONE": 200}
