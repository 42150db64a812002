"""The outbox: order, batches, retries, and every way in which delivery can go wrong on request."""

import asyncio
from typing import Any

import pytest
from tests.simulator.stage import Stage

from hookline.simulator import default
from hookline.simulator.control.perform import perform
from hookline.simulator.deliveries import envelope
from hookline.simulator.options import DEFAULT_APP_ID
from hookline.simulator.subscriptions import PAGE, Notice

HOUR = 3600


def say(stage: Stage, *texts: str, account: str = default.PHONE_NUMBER, contact: str = "ann") -> None:
    """Have somebody write texts."""
    for text in texts:
        perform(stage.sim, account, contact, "text", {"text": text})


def texts(stage: Stage) -> list[str]:
    """The WhatsApp texts that were told, in order."""
    values = [change["value"] for post in stage.posts for entry in post["entry"] for change in entry["changes"]]
    return [message["text"]["body"] for value in values for message in value["messages"]]


async def until(stage: Stage, attempts: int) -> None:
    """Wait until the last delivery has had so many attempts."""
    for _ in range(200):
        await stage.sim.settle()
        if len(stage.sim.outbox.log[-1].attempts) >= attempts:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(stage.sim.outbox.log[-1].report())


async def test_a_conversation_is_told_in_order(stage: Stage) -> None:
    """One after another, one in a POST, signed."""
    said = [f"line {number}" for number in range(20)]
    say(stage, *said)
    assert await stage.sim.settle()
    assert texts(stage) == said
    assert (len(stage.posts), stage.unsigned) == (20, 0)


async def test_updates_can_come_in_batches(stage: Stage) -> None:
    """So many in a POST, entries of one account joined; what is left over follows."""
    stage.sim.outbox.manner.batch = 8
    say(stage, *(f"line {number}" for number in range(20)))
    assert await stage.sim.settle()
    assert [len(post["entry"][0]["changes"]) for post in stage.posts] == [8, 8, 4]


async def test_a_thousand_updates_fit_one_post(stage: Stage) -> None:
    """The platform's largest batch; what is beyond it is another POST."""
    stage.sim.outbox.manner.batch = 5000
    say(stage, *(["line"] * 1100))
    assert await stage.sim.settle()
    assert sorted(len(post["entry"][0]["changes"]) for post in stage.posts) == [100, 1000]


async def test_accounts_of_one_batch_keep_their_own_entries(stage: Stage) -> None:
    """Two pages' events in one POST stand in two entries."""
    stage.sim.outbox.manner.batch = 10
    say(stage, "to the shop", account=default.PAGE)
    say(stage, "to the outlet", account=default.BUSINESS_PAGE)
    assert await stage.sim.settle()
    (post,) = stage.posts
    assert [entry["id"] for entry in post["entry"]] == [default.PAGE, default.BUSINESS_PAGE]


async def test_order_can_be_lost(stage: Stage) -> None:
    """Shuffled, everything still comes, the same way for the same seed."""
    stage.sim.outbox.manner.shuffle = True
    stage.sim.outbox.manner.batch = 50
    said = [f"line {number}" for number in range(20)]
    say(stage, *said)
    assert await stage.sim.settle()
    assert texts(stage) != said
    assert sorted(texts(stage)) == sorted(said)


async def test_duplicates_on_request(stage: Stage) -> None:
    """Each POST so many times, byte for byte."""
    stage.sim.outbox.manner.copies = 3
    say(stage, "thrice")
    assert await stage.sim.settle()
    assert texts(stage) == ["thrice"] * 3


async def test_webhooks_can_be_held_back(stage: Stage) -> None:
    """Nothing leaves while they are held; then everything, in order."""
    await stage.call("PATCH", "control/switches/webhooks", json={"held": True})
    say(stage, "one", "two")
    assert await stage.sim.settle()
    assert stage.posts == []
    await stage.call("PATCH", "control/switches/webhooks", json={"held": False})
    assert await stage.sim.settle()
    assert texts(stage) == ["one", "two"]


async def test_a_delay_is_a_delay(stage: Stage) -> None:
    """Each POST comes so much later."""
    stage.sim.outbox.manner.delay_seconds = 0.2
    say(stage, "late")
    await asyncio.sleep(0.05)
    assert stage.posts == []
    assert await stage.sim.settle()
    assert texts(stage) == ["late"]


async def test_a_wrong_signature_on_request(stage: Stage) -> None:
    """It is refused by whoever checks."""
    stage.sim.outbox.manner.wrong_signature = True
    say(stage, "forged")
    await stage.sim.settle()
    assert (stage.posts, stage.unsigned > 0) == ([], True)


async def test_a_failed_webhook_comes_again_on_the_platforms_schedule(stage: Stage) -> None:
    """At once, after 15 seconds, a minute, …: the world's time decides; the next message does not wait for it."""
    stage.sim.outbox.manner.wrong_signature = True
    say(stage, "refused")
    await until(stage, attempts=2)
    stage.sim.outbox.manner.wrong_signature = False
    say(stage, "taken")
    assert await stage.sim.settle()
    assert texts(stage) == ["taken"]
    stage.sim.world.clock.advance(15)
    await until_texts(stage, ["taken", "refused"])
    first = next(iter(stage.sim.outbox.log))
    assert [attempt.status for attempt in first.attempts] == [401, 401, 200]
    assert first.state == "delivered"


async def until_texts(stage: Stage, expected: list[str]) -> None:
    """Wait for texts."""
    for _ in range(300):
        if texts(stage) == expected:
            return
        await asyncio.sleep(0.01)
    assert texts(stage) == expected


async def test_whatsapp_gives_up_after_a_week_and_messenger_after_a_day_and_a_half(stage: Stage) -> None:
    """As long as the reference says, and not longer."""
    stage.sim.outbox.manner.wrong_signature = True
    say(stage, "lost")
    say(stage, "lost", account=default.PAGE)
    ages = {}
    for _ in range(60):
        await stage.sim.settle()
        await asyncio.sleep(0.01)
        for delivery in stage.sim.outbox.log:
            if delivery.state == "dropped":
                ages.setdefault(delivery.object, delivery.attempts[-1].at - delivery.made_at)
        stage.sim.world.clock.advance(4 * HOUR)
    assert 36 * HOUR <= ages["page"] < 41 * HOUR
    assert 7 * 24 * HOUR <= ages["whatsapp_business_account"] < 7 * 24 * HOUR + 5 * HOUR


async def test_retries_can_be_compressed(stage: Stage) -> None:
    """A thousand times faster, a week is ten minutes, and the first retries take milliseconds."""
    stage.sim.outbox.manner.retry_factor = 1000
    stage.sim.outbox.manner.wrong_signature = True
    say(stage, "refused")
    await until(stage, attempts=4)
    stage.sim.outbox.manner.wrong_signature = False
    await until_texts(stage, ["refused"])


async def test_a_page_is_unsubscribed_after_an_hour_of_failures(stage: Stage) -> None:
    """Silently, as the platform does it; a success in between begins the hour anew."""
    stage.sim.outbox.manner.wrong_signature = True
    say(stage, "refused", account=default.PAGE)
    await until(stage, attempts=2)
    stage.sim.outbox.manner.wrong_signature = False
    say(stage, "taken", account=default.PAGE)
    await stage.sim.settle()
    stage.sim.outbox.manner.wrong_signature = True
    stage.sim.world.clock.advance(HOUR + 1)
    say(stage, "refused", account=default.PAGE)
    await until(stage, attempts=1)
    assert DEFAULT_APP_ID in stage.page.subscribed
    stage.sim.world.clock.advance(HOUR + 1)
    say(stage, "refused", account=default.PAGE)
    await until(stage, attempts=1)
    assert DEFAULT_APP_ID not in stage.page.subscribed


async def test_nobody_listening_is_a_failure_like_any_other(stage: Stage) -> None:
    """A refused connection is an attempt without a status, and says why."""
    app = stage.sim.world.records.apps[DEFAULT_APP_ID]
    app.subscriptions["whatsapp_business_account"].callback_url = "http://127.0.0.1:1/nobody"
    say(stage, "hello?")
    await until(stage, attempts=1)
    attempt = stage.sim.outbox.log[-1].attempts[0]
    assert (attempt.status, attempt.error) == (0, "ClientConnectorError")


@pytest.mark.parametrize("size", [1000, 3 * 1024 * 1024])
async def test_a_body_of_any_size(stage: Stage, size: int) -> None:
    """Valid, signed, and exactly so large."""
    sent = await stage.call("POST", "control/raw-webhook", json={"bytes": size})
    assert await stage.sim.settle()
    assert (sent.json["bytes"], len(stage.posts), stage.unsigned) == (size, 1, 0)


async def test_messenger_says_which_version_it_speaks(stage: Stage) -> None:
    """Messenger's webhooks bear the payload's version in a header, the others do not."""
    say(stage, "to the page", account=default.PAGE)
    assert await stage.sim.settle()
    say(stage, "to the number")
    assert await stage.sim.settle()
    assert [headers.get("Facebook-API-Version") for headers in stage.headers] == ["v25.0", None]


async def test_a_body_of_any_kind(stage: Stage) -> None:
    """Broken JSON is sent as it is, and signed; here it is refused, and so not delivered."""
    await stage.call("POST", "control/raw-webhook", json={"text": '{"object": "whatsapp_business_account", '})
    await until(stage, attempts=1)
    assert stage.sim.outbox.log[-1].report()["body"].startswith('{"object"')


def notice(**changed: Any) -> Notice:
    """A notice of a page."""
    given = {"object": PAGE, "entry_id": "1", "field": "messages", "content": {"a": 1}, "slot": "messaging", "time": 5}
    return Notice(**{**given, **changed})


def test_an_envelope_is_of_the_documented_outline() -> None:
    """Messaging items and changes stand in their own lists; a spread entry stands alone."""
    notices = [
        notice(),
        notice(content={"a": 2}),
        notice(slot="changes", field="feed", content={"b": 1}),
        notice(slot="entry", field="comments", content={"c": 1}, time=None),
    ]
    assert envelope(PAGE, notices) == {
        "object": "page",
        "entry": [
            {"id": "1", "time": 5, "messaging": [{"a": 1}, {"a": 2}]},
            {"id": "1", "time": 5, "changes": [{"value": {"b": 1}, "field": "feed"}]},
            {"id": "1", "field": "comments", "value": {"c": 1}},
        ],
    }
