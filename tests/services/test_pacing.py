"""Pace: slots that all workers share, near enough to wait for, and what the platform asks for."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import asyncpg
import pytest

from hookline.domain.errors import WaitRequested
from hookline.domain.sending import Usage
from hookline.services.pacing import AHEAD, HEADROOM, LATENESS_SECONDS, Pacer, slowdown
from hookline.store import paces
from hookline.store.paces import Ask

APP = "app:tests"


async def slots(pacer: Pacer, count: int, per_second: float, key: str = "account:1") -> list[float | timedelta]:
    """Ask for slots at once: when each is, or for how long its job is put off."""
    found = await asyncio.gather(*(pacer.slot(key, per_second, APP) for _ in range(count)), return_exceptions=True)
    assert all(isinstance(one, float | WaitRequested) for one in found)
    return [one.delay if isinstance(one, WaitRequested) else one for one in found]  # type: ignore[misc]


async def test_slots_are_evenly_apart(pool: asyncpg.Pool) -> None:
    """A little further than the platform's limit asks for, in the order of asking."""
    found = await slots(Pacer(pool), 10, 100)
    times = [one for one in found if isinstance(one, float)]
    assert len(times) == 10
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) == pytest.approx(0.01 / HEADROOM, rel=0.2)


async def test_what_is_too_far_off_is_put_off(pool: asyncpg.Pool) -> None:
    """Some are near; the others go back to the queue, each for a little longer, none forgotten."""
    found = await slots(Pacer(pool), 100, 20)
    near = [one for one in found if isinstance(one, float)]
    later = sorted(one for one in found if isinstance(one, timedelta))
    assert 5 <= len(near) <= 20
    assert len(near) + len(later) == 100
    interval = timedelta(seconds=1 / 20 / HEADROOM)
    gaps = [second - first for first, second in pairwise(later)]
    assert sum(gaps, timedelta(0)) / len(gaps) == pytest.approx(interval, rel=0.1)


async def test_two_workers_share_one_limit(pool: asyncpg.Pool) -> None:
    """Together they get no more than one alone would."""
    pacers = [Pacer(pool), Pacer(pool)]
    began = asyncio.get_running_loop().time()
    taken: list[float] = []

    async def work(pacer: Pacer) -> None:
        while asyncio.get_running_loop().time() - began < 1.5:
            try:
                at = await pacer.slot("account:1", 50, APP)
            except WaitRequested as wait:
                await asyncio.sleep(min(wait.delay.total_seconds(), 0.05))
                continue
            if await pacer.wait_for(at):
                taken.append(asyncio.get_running_loop().time())

    await asyncio.gather(*(work(pacer) for pacer in pacers for _ in range(8)))
    passed = asyncio.get_running_loop().time() - began
    assert 0.6 * 50 * passed < len(taken) <= 50 * (passed + AHEAD.total_seconds())


async def test_lanes_do_not_wait_for_each_other(pool: asyncpg.Pool) -> None:
    """A slow account's backlog leaves another's slots where they are."""
    pacer = Pacer(pool)
    slow, quick = await asyncio.gather(slots(pacer, 50, 2, "account:1"), slots(pacer, 5, 1000, "account:2"))
    assert any(isinstance(one, timedelta) for one in slow)
    now = asyncio.get_running_loop().time()
    assert all(isinstance(one, float) and one < now + 0.2 for one in quick)


async def test_a_missed_slot_is_given_up(pool: asyncpg.Pool) -> None:
    """Late ones must not leave together with those of others."""
    pacer = Pacer(pool)
    now = asyncio.get_running_loop().time()
    assert await pacer.wait_for(now - LATENESS_SECONDS / 2)
    assert not await pacer.wait_for(now - 2 * LATENESS_SECONDS)


async def test_a_block_counts_for_everybody_and_ends(pool: asyncpg.Pool) -> None:
    """Who is told first does not matter; the longer of two blocks stands; it is news once."""
    mine, other = Pacer(pool), Pacer(pool)
    assert await mine.block("account:1", timedelta(seconds=60), "130429")
    assert not await mine.block("account:1", timedelta(seconds=1), "130429")
    for pacer in (mine, other):
        (found,) = await slots(pacer, 1, 100)
        assert isinstance(found, timedelta)
        assert 55 < found.total_seconds() <= 60
    await pool.execute("UPDATE send_paces SET blocked_until = now()")
    (found,) = await slots(Pacer(pool), 1, 100)
    assert isinstance(found, float)


async def test_a_block_of_the_app_stops_every_account(pool: asyncpg.Pool) -> None:
    """Also in a process that has never heard of it."""
    await Pacer(pool).block(APP, timedelta(seconds=60), "4")
    (found,) = await slots(Pacer(pool), 1, 100, "account:7")
    assert isinstance(found, timedelta)


async def test_usage_slows_and_stops(pool: asyncpg.Pool) -> None:
    """From 80 percent on less and less; at 95 nothing, for as long as the platform says."""
    pacer = Pacer(pool)
    pacer.note_usage("account:1", APP, Usage(account_percent=87))
    await pacer.close()
    times = [one for one in await slots(Pacer(pool), 6, 100) if isinstance(one, float)]
    assert times[1] - times[0] == pytest.approx(0.01 / HEADROOM, rel=0.2)  # not known yet in that process
    other = Pacer(pool)
    await slots(other, 1, 100, "account:1")
    slow = [one for one in await slots(other, 6, 100, "account:1") if isinstance(one, float)]
    assert slow[1] - slow[0] == pytest.approx(0.01 / HEADROOM / slowdown(87), rel=0.2)
    pacer.note_usage("account:1", APP, Usage(account_percent=97, regain=timedelta(minutes=7)))
    await pacer.close()
    (found,) = await slots(Pacer(pool), 1, 100)
    assert isinstance(found, timedelta)
    assert found.total_seconds() > 295


async def test_usage_that_is_not_told_changes_nothing(pool: asyncpg.Pool) -> None:
    """Headers are absent on low usage, and on calls that draw on no budget."""
    pacer = Pacer(pool)
    pacer.note_usage("account:1", APP, Usage())
    pacer.note_usage("account:1", APP, Usage(app_percent=10, account_percent=79))
    await pacer.close()
    assert await pool.fetchval("SELECT count(*) FROM send_paces") == 0


@pytest.mark.parametrize(
    ("percent", "expected"), [(None, 1), (0, 1), (79, 1), (80, 15 / 16), (94, 1 / 16), (100, 0.05)]
)
def test_what_is_left_of_a_pace(percent: int | None, expected: float) -> None:
    """All of it below 80 percent, next to nothing at 95."""
    assert slowdown(percent) == pytest.approx(expected)


async def test_a_database_that_is_away_is_told_to_whoever_waits(pool: asyncpg.Pool) -> None:
    """And the next one asks anew."""
    pacer = Pacer(pool)
    await pool.execute("ALTER TABLE send_paces RENAME TO hidden")
    with pytest.raises(asyncpg.PostgresError):
        await pacer.slot("account:1", 100, APP)
    await pool.execute("ALTER TABLE hidden RENAME TO send_paces")
    assert isinstance(await pacer.slot("account:1", 100, APP), float)


async def test_a_reservation_begins_where_the_last_one_ended(pool: asyncpg.Pool) -> None:
    """Blocks of several accounts in one statement; after a pause, from now."""
    ahead = timedelta(seconds=10)
    async with pool.acquire() as connection:
        first = await paces.reserve(connection, [Ask("a", 2.0), Ask("b", 1.0)], ahead)
        second = await paces.reserve(connection, [Ask("b", 1.0), Ask("a", 2.0)], ahead)
        assert (first["a"], first["b"]) == (pytest.approx(0, abs=0.01), pytest.approx(0, abs=0.01))
        assert (second["a"], second["b"]) == (pytest.approx(2, abs=0.2), pytest.approx(1, abs=0.2))
        await connection.execute("UPDATE send_paces SET due_at = now() - interval '1 hour'")
        third = await paces.reserve(connection, [Ask("a", 2.0)], ahead)
        assert third["a"] == pytest.approx(0, abs=0.01)
        assert await paces.reserve(connection, [Ask("a", 1.0)], timedelta(seconds=1)) == {}


async def test_idle_pairs_are_forgotten(pool: asyncpg.Pool) -> None:
    """Those that were written to an hour ago are as good as new; the others stay."""
    await pool.execute(
        "INSERT INTO pair_paces (connected_account_id, contact, organization_id, due_at, blocked_until) VALUES"
        " (gen_random_uuid(), 'old', 'org-1', now() - interval '2 hours', NULL),"
        " (gen_random_uuid(), 'blocked', 'org-1', now() - interval '2 hours', now() + interval '1 hour'),"
        " (gen_random_uuid(), 'new', 'org-1', now(), NULL)"
    )
    async with pool.acquire() as connection:
        await paces.forget_pairs(connection, 100)
    left = await pool.fetch("SELECT contact FROM pair_paces ORDER BY contact")
    assert [row["contact"] for row in left] == ["blocked", "new"]
