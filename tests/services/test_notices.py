"""Notices about accounts and people are told once, however often the platform delivers them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.services import bodies
from tests.services.desk import Desk, result_of

from hookline.providers import PROVIDERS
from hookline.services.failure import RetryPolicy
from hookline.services.process import process_due
from hookline.services.replay import replay_event

SECONDS = int(bodies.at(0).timestamp())


def quality(limit: str, seconds: int | None = 0) -> bytes:
    """The platform states the limit of a number; `seconds` after noon, if it says when."""
    value = {"display_phone_number": "15550783881", "event": "ONBOARDING", "current_limit": limit}
    entry: dict[str, Any] = {"id": "waba-1", "changes": [{"field": "phone_number_quality_update", "value": value}]}
    if seconds is not None:
        entry["time"] = SECONDS + seconds
    return bodies.dump({"object": "whatsapp_business_account", "entry": [entry]})


def opt_in(seconds: int = 0, person: str = "person-1") -> bytes:
    """A person opts in."""
    return bodies.messaging(bodies.item(person, seconds=seconds, optin={"ref": "door"}))


async def told(desk: Desk) -> list[str]:
    """The notices in the feed."""
    return [name for name, _ in await desk.facts() if name.endswith(".notice")]


async def outcomes(desk: Desk) -> list[Sequence[str]]:
    """What became of the items of each event."""
    return [[one["outcome"] for one in result_of(event)] for event in await desk.events()]


async def limit_of(desk: Desk) -> Any:
    """The limit that the account's metadata state."""
    (row,) = await desk.rows("SELECT metadata FROM connected_accounts")
    return [value for value in json.loads(row["metadata"]).values() if str(value).startswith("TIER")]


@pytest.fixture
async def account(desk: Desk) -> None:
    """One WhatsApp number."""
    await desk.connect("phone-1", wabaId="waba-1", displayPhoneNumber="15550783881")


@pytest.mark.usefixtures("account")
async def test_a_notice_that_is_delivered_again_is_a_duplicate(desk: Desk) -> None:
    """It is told once, and does not bring back what has changed since."""
    await desk.take_in(quality("TIER_1K"))
    await desk.take_in(quality("TIER_10K", seconds=60))
    await desk.take_in(quality("TIER_1K"))
    assert await outcomes(desk) == [["applied"], ["applied"], ["duplicate"]]
    assert await told(desk) == ["account.notice"] * 2
    assert await limit_of(desk) == ["TIER_10K"]


@pytest.mark.usefixtures("account")
async def test_the_same_words_at_another_time_are_another_notice(desk: Desk) -> None:
    """A limit that goes up, down and up again is told three times."""
    for seconds, limit in enumerate(("TIER_1K", "TIER_250", "TIER_1K")):
        await desk.take_in(quality(limit, seconds))
    assert await told(desk) == ["account.notice"] * 3
    assert await limit_of(desk) == ["TIER_1K"]


@pytest.mark.usefixtures("account")
async def test_a_notice_without_a_time_is_told_each_time(desk: Desk) -> None:
    """Nothing tells whether it is the same one: rather twice than not at all."""
    await desk.take_in(quality("TIER_1K", seconds=None))
    await desk.take_in(quality("TIER_1K", seconds=None))
    assert await told(desk) == ["account.notice"] * 2


async def test_people_s_notices_too(desk: Desk) -> None:
    """What people do besides writing is told once, of each of them."""
    await desk.connect("page-1", provider="FACEBOOK")
    for body in (opt_in(), opt_in(person="person-2"), opt_in(), opt_in(seconds=5)):
        await desk.take_in(body, "FACEBOOK")
    assert await told(desk) == ["contact.notice"] * 3
    assert [one for (one,) in await outcomes(desk)] == ["applied", "applied", "duplicate", "applied"]


async def test_accounts_do_not_share_what_was_told(desk: Desk) -> None:
    """Each account of a group is told, whichever organization it is of."""
    for number, organization in enumerate(("org-1", "org-2")):
        await desk.connect(f"phone-{number}", organization=organization, wabaId="waba-1")
    await desk.take_in(quality("TIER_1K"))
    await desk.take_in(quality("TIER_1K"))
    for organization in ("org-1", "org-2"):
        names = [name for name, _ in await desk.facts(organization)]
        assert names.count("account.notice") == 1


@pytest.mark.usefixtures("account")
async def test_twice_in_one_batch_is_told_once(desk: Desk) -> None:
    """Also when both deliveries are processed together, or by two workers at once."""
    for _ in range(20):
        await desk.post(quality("TIER_1K"))
    works = [process_due(desk.pool, PROVIDERS, RetryPolicy(), limit=5) for _ in range(4)]
    await asyncio.gather(*works)
    await desk.process()
    assert sorted(one for (one,) in await outcomes(desk)) == ["applied"] + ["duplicate"] * 19
    assert await told(desk) == ["account.notice"]


@pytest.mark.usefixtures("account")
async def test_a_replay_tells_nothing_again(desk: Desk) -> None:
    """A replayed event finds its notices told, whether they are still remembered or not."""
    await desk.take_in(quality("TIER_1K"))
    for forget in (False, True):
        if forget:
            await desk.pool.execute("DELETE FROM told_notices")
        event = await desk.event()
        async with desk.pool.acquire() as connection, connection.transaction():
            await replay_event(connection, "org-1", event["id"])
        await desk.process()
        assert await outcomes(desk) == [["duplicate"]]
    assert await told(desk) == ["account.notice"]


@pytest.mark.usefixtures("account")
async def test_what_was_told_is_forgotten_in_time(desk: Desk) -> None:
    """After eight days no platform delivers a webhook again, and nothing need be remembered of it."""
    await desk.take_in(quality("TIER_1K"))
    await desk.take_in(quality("TIER_10K", seconds=1))
    await desk.pool.execute(
        "UPDATE told_notices SET told_at = told_at - interval '9 days'"
        " WHERE fingerprint = (SELECT fingerprint FROM told_notices LIMIT 1)"
    )
    await desk.keep_up()
    assert len(await desk.rows("SELECT FROM told_notices")) == 1
