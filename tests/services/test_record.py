"""What events make of messages: statuses, edits, unsends, reactions, watermarks, and what comes before its message."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from tests.services import bodies
from tests.services.bodies import at
from tests.services.desk import Desk, result_of

from hookline.providers import PROVIDERS
from hookline.services.failure import DEFAULT_POLICY
from hookline.services.process import process, process_due
from hookline.store import takes

RANKS = {"sent": 3, "failed": 4, "delivered": 5, "read": 6, "played": 7}
TIMES = {"sent": "sent_at", "delivered": "delivered_at", "read": "read_at", "played": "read_at", "failed": "failed_at"}


async def sent(desk: Desk, *external_ids: str) -> None:
    """Let the business have written messages, from its phone."""
    await desk.take_in(bodies.echoes(*(bodies.echo(external_id) for external_id in external_ids)))


async def told(desk: Desk, kind: str) -> list[Any]:
    """The data of the facts of one type."""
    return [data for name, data in await desk.facts() if name == kind]


def outcomes(results: Sequence[Any]) -> list[str]:
    return [result["outcome"] for result in results]


PAIRS = list(itertools.product(RANKS, repeat=2))


@pytest.mark.parametrize("together", [False, True], ids=["one after another", "in one webhook"])
async def test_a_status_only_moves_forward(desk: Desk, together: bool) -> None:
    """Of every two statuses, in either order, the one further on stays; failed yields to delivery and beyond."""
    await desk.connect()
    await sent(desk, *(f"{first}-{second}" for first, second in PAIRS))
    for first, second in PAIRS:
        external_id = f"{first}-{second}"
        two = [bodies.status(external_id, first, seconds=10), bodies.status(external_id, second, seconds=20)]
        for body in [bodies.statuses(*two)] if together else [bodies.statuses(one) for one in two]:
            await desk.post(body)
    await desk.process()
    for first, second in PAIRS:
        row = await desk.message(f"{first}-{second}")
        expected = second if RANKS[second] > RANKS[first] else first
        assert row["status"] == expected.upper(), (first, second)
        assert bool(row["error_code"]) == (expected == "failed"), (first, second)


async def test_failed_then_delivered_and_delivered_then_failed(desk: Desk) -> None:
    """A delivery corrects a failure; a failure after the delivery is ignored, and says why."""
    await desk.connect()
    await sent(desk, "a", "b")
    await desk.take_in(bodies.statuses(bodies.status("a", "failed", seconds=1)))
    row = await desk.message("a")
    assert (row["status"], row["error_code"], row["failed_at"]) == ("FAILED", "131026", at(1))
    await desk.take_in(bodies.statuses(bodies.status("a", "delivered", seconds=2)))
    row = await desk.message("a")
    assert (row["status"], row["error_code"], row["delivered_at"]) == ("DELIVERED", None, at(2))
    await desk.take_in(bodies.statuses(bodies.status("b", "delivered", seconds=1)))
    await desk.take_in(bodies.statuses(bodies.status("b", "failed", seconds=2)))
    row = await desk.message("b")
    assert (row["status"], row["error_code"], row["failed_at"]) == ("DELIVERED", None, None)
    (result,) = await desk.results()
    assert (result["outcome"], result["reason"]) == ("ignored", "failed after delivered")


async def test_late_statuses_fill_in_their_times(desk: Desk) -> None:
    """Read, delivered, sent in the wrong order: READ stays, every time is known, and only moves are told."""
    await desk.connect()
    await sent(desk, "a")
    for seconds, name in ((30, "read"), (20, "delivered"), (20, "delivered")):
        await desk.take_in(bodies.statuses(bodies.status("a", name, seconds=seconds)))
    row = await desk.message("a")
    assert (row["status"], row["delivered_at"], row["read_at"]) == ("READ", at(20), at(30))
    assert outcomes(await desk.results()) == ["duplicate"]
    assert [fact["status"] for fact in await told(desk, "message.status")] == ["READ"]


async def test_a_late_status_does_not_replace_what_a_later_one_said(desk: Desk) -> None:
    """What the platform says beside a status is kept of the furthest one, and completed by earlier ones."""
    await desk.connect()
    await sent(desk, "a")
    read = bodies.status("a", "read", seconds=2) | {"pricing": {"billable": True}}
    delivered = bodies.status("a", "delivered", seconds=1) | {"pricing": {"billable": False}, "conversation": {"id": 1}}
    await desk.take_in(bodies.statuses(read, delivered))
    meta = json.loads((await desk.message("a"))["meta_json"])
    assert (meta["pricing"], meta["conversation"]) == ({"billable": True}, {"id": 1})


async def test_a_status_of_an_inbound_message_is_ignored(desk: Desk) -> None:
    """Only what the business wrote has a delivery."""
    await desk.connect()
    await desk.take_in(bodies.messages(bodies.text_message("a")))
    await desk.take_in(bodies.statuses(bodies.status("a", "read")))
    assert (await desk.message("a"))["status"] == "RECEIVED"
    assert outcomes(await desk.results()) == ["ignored"]


HELD_THEN_MESSAGE = bodies.whatsapp(
    bodies.change(statuses=[bodies.status("a", "delivered", seconds=5)]),
    bodies.change("phone-1", "smb_message_echoes", message_echoes=[bodies.echo("a")]),
)


@pytest.mark.parametrize("how", ["in one batch", "later", "several"])
async def test_a_status_before_its_message_is_held_and_applied(desk: Desk, how: str) -> None:
    """A status that overtook its message waits, says so, and is applied as soon as the message is there."""
    await desk.connect()
    if how == "in one batch":
        await desk.take_in(HELD_THEN_MESSAGE)
    else:
        names = ["delivered"] if how == "later" else ["read", "sent", "delivered"]
        for name in names:
            await desk.take_in(bodies.statuses(bodies.status("a", name, seconds=5)))
            assert outcomes(await desk.results()) == ["held"]
        await desk.take_in(bodies.echoes(bodies.echo("a")))
    row = await desk.message("a")
    assert (row["status"], row["delivered_at"]) == ("READ" if how == "several" else "DELIVERED", at(5))
    assert await desk.rows("SELECT * FROM held_changes") == []
    moves = [fact["status"] for fact in await told(desk, "message.status")]
    assert moves == (["READ"] if how == "several" else ["DELIVERED"])
    kinds = [name for name, _ in await desk.facts()]
    assert kinds.index("message.echoed") < kinds.index("message.status")


async def test_message_and_status_committed_at_the_same_moment_find_each_other(desk: Desk) -> None:
    """Two workers, neither of which sees the other's row: upkeep matches them afterwards, and tells it."""
    await desk.connect()
    await desk.take_in(bodies.messages(bodies.text_message("earlier")))  # the account was heard of just now
    async with desk.pool.acquire() as one, desk.pool.acquire() as two:
        first, second = one.transaction(), two.transaction()
        await desk.post(bodies.echoes(bodies.echo("a", to="1")))
        await first.start()
        taken = await takes.take(one, limit=10)
        await desk.post(bodies.statuses(bodies.status("a", "read", recipient="2", seconds=5)))
        # Workers never share a lane: this one must not lie in the first one's.
        await desk.pool.execute(
            "UPDATE integration_jobs SET lane = (lane + 1) % 64 WHERE id <> $1 AND status = 'PENDING'", taken[0].id
        )
        await second.start()
        others = await takes.take(two, limit=10)
        assert (len(taken), len(others)) == (1, 1)
        await process(one, PROVIDERS, DEFAULT_POLICY, taken)
        await process(two, PROVIDERS, DEFAULT_POLICY, others)
        await first.commit()
        await second.commit()
    assert (await desk.message("a"))["status"] == "SENT"
    assert len(await desk.rows("SELECT * FROM held_changes")) == 1
    await desk.keep_up()
    assert (await desk.message("a"))["status"] == "READ"
    assert await desk.rows("SELECT * FROM held_changes") == []
    assert [fact["status"] for fact in await told(desk, "message.status")] == ["READ"]


async def test_what_is_held_in_one_account_is_never_another_s(desk: Desk) -> None:
    """The same id in another account's message does not take what was held."""
    await desk.connect("phone-1", "org-1")
    await desk.connect("phone-2", "org-2")
    await desk.take_in(bodies.statuses(bodies.status("a", "read")))
    await desk.take_in(bodies.echoes(bodies.echo("a"), phone="phone-2"))
    await desk.keep_up()
    assert (await desk.message("a"))["status"] == "SENT"
    assert len(await desk.rows("SELECT * FROM held_changes")) == 1


async def test_held_changes_expire(desk: Desk) -> None:
    """What waits for a message that never comes is let go."""
    await desk.connect()
    await desk.take_in(bodies.statuses(bodies.status("a", "read")))
    await desk.pool.execute("UPDATE held_changes SET created_at = created_at - interval '8 days'")
    await desk.keep_up()
    assert await desk.rows("SELECT * FROM held_changes") == []


async def test_the_newest_edit_wins_in_whatever_order(desk: Desk) -> None:
    """Of edits by the platform's clock the newest stays; older ones and repetitions are duplicates."""
    await desk.connect()
    for order in itertools.permutations(range(3)):
        name = f"message-{order}"
        await desk.take_in(bodies.messages(bodies.text_message(name, "first")))
        for place in order:
            edit = bodies.edit(f"e-{place}", name, f"edit {place}", seconds=10 + place)
            await desk.take_in(bodies.messages(edit))
        row = await desk.message(name)
        assert (row["text"], row["edited_at"]) == ("edit 2", at(12))
        texts = [fact["text"] for fact in await told(desk, "message.edited") if fact["externalId"] == name]
        assert texts == [f"edit {n}" for place, n in enumerate(order) if n > max(order[:place], default=-1)]
    assert len(await desk.messages()) == 6


async def test_edits_with_a_count_are_ordered_by_it(desk: Desk) -> None:
    """Instagram counts edits: a higher count wins, whatever the clock says."""
    await desk.connect("ig-1", provider="INSTAGRAM")

    async def post(*items: Any) -> None:
        await desk.take_in(bodies.messaging(*items, account="ig-1", name="instagram"), "INSTAGRAM")

    await post(bodies.item(account="ig-1", message={"mid": "m", "text": "first"}))
    for count, seconds in ((2, 20), (1, 30), (3, 10)):
        said = {"mid": "m", "text": f"edit {count}", "num_edit": count}
        await post(bodies.item(account="ig-1", seconds=seconds, message_edit=said))
    row = await desk.message("m")
    assert (row["text"], row["edit_version"]) == ("edit 3", 3)


async def test_an_unsent_message_stays_marked(desk: Desk) -> None:
    """Taken back is taken back once; before its message it waits."""
    await desk.connect()
    await desk.take_in(bodies.messages(bodies.text_message("a")))
    for _ in range(2):
        await desk.take_in(bodies.messages(bodies.revoke("r", "a", seconds=9)))
    assert (await desk.message("a"))["unsent_at"] == at(9)
    assert outcomes(await desk.results()) == ["duplicate"]
    await desk.take_in(bodies.messages(bodies.revoke("r2", "b", seconds=9)))
    await desk.take_in(bodies.messages(bodies.text_message("b")))
    assert (await desk.message("b"))["unsent_at"] == at(9)
    assert [fact["externalId"] for fact in await told(desk, "message.unsent")] == ["a", "b"]


def emoji(row: Any) -> dict[str, str]:
    """Who reacts how."""
    return {one["from"]: one["emoji"] for one in json.loads(row["reactions"] or "[]") if one["emoji"]}


async def test_reactions_are_added_replaced_and_removed(desk: Desk) -> None:
    """A message shows each person's latest reaction, and none that was taken back."""
    await desk.connect()
    await desk.take_in(bodies.messages(bodies.text_message("a")))
    steps = [
        (bodies.reaction("r1", "a", "👍", sender="1", seconds=1), {"1": "👍"}),
        (bodies.reaction("r2", "a", "❤️", sender="2", seconds=2), {"1": "👍", "2": "❤️"}),
        (bodies.reaction("r3", "a", "😂", sender="1", seconds=3), {"1": "😂", "2": "❤️"}),
        (bodies.reaction("r1", "a", "👍", sender="1", seconds=1), {"1": "😂", "2": "❤️"}),  # again
        (bodies.reaction("r4", "a", "", sender="1", seconds=5), {"2": "❤️"}),
        (bodies.reaction("r5", "a", "👎", sender="1", seconds=4), {"2": "❤️"}),  # older than the removal
    ]
    for said, expected in steps:
        await desk.take_in(bodies.messages(said))
        assert emoji(await desk.message("a")) == expected
    assert len(await desk.messages()) == 6  # each is in the log itself, once


async def test_a_reaction_before_its_message_waits(desk: Desk) -> None:
    """The reaction is in the log at once, and on its message when that comes."""
    await desk.connect()
    await desk.take_in(bodies.messages(bodies.reaction("r1", "a", "👍", sender="1")))
    assert outcomes(await desk.results()) == ["applied"]
    assert bodies.ids(await desk.messages()) == ["r1"]
    await desk.take_in(bodies.messages(bodies.text_message("a")))
    assert emoji(await desk.message("a")) == {"1": "👍"}


async def test_messenger_reactions_taken_back(desk: Desk) -> None:
    """A page's messages lose a reaction by `unreact`."""
    await desk.connect("page-1", provider="FACEBOOK")
    await desk.take_in(bodies.messaging(bodies.page_echo("m")), "FACEBOOK")
    for seconds, action in ((1, "react"), (2, "unreact")):
        said = {"mid": "m", "action": action, "reaction": "love", "emoji": "❤"}
        await desk.take_in(bodies.messaging(bodies.item(seconds=seconds, reaction=said)), "FACEBOOK")
        assert bool(emoji(await desk.message("m"))) == (action == "react")


async def page(desk: Desk, *items: Any) -> None:
    """Take a page's webhook in."""
    await desk.take_in(bodies.messaging(*items), "FACEBOOK")


def watermark(name: str, seconds: float, person: str = "person-1") -> dict[str, Any]:
    """Everything up to a moment was delivered, or read."""
    return bodies.item(person, **{name: {"watermark": int(at(seconds).timestamp() * 1000)}})


async def test_watermarks_move_everything_sent_before(desk: Desk) -> None:
    """What was sent to that person up to the moment is delivered or read; later messages and other people's are not."""
    await desk.connect("page-1", provider="FACEBOOK")
    await page(
        desk,
        *(bodies.page_echo(f"m{n}", seconds=n) for n in (1, 2, 3)),
        bodies.page_echo("other", person="person-2", seconds=1),
        bodies.item(seconds=1, message={"mid": "in", "text": "Hello"}),
    )
    await page(desk, watermark("delivery", 3))
    await page(desk, watermark("read", 2))
    found = {row["external_id"]: row["status"] for row in await desk.messages()}
    assert found == {"m1": "READ", "m2": "READ", "m3": "DELIVERED", "other": "SENT", "in": "RECEIVED"}
    row = await desk.message("m1")
    assert (row["delivered_at"], row["read_at"]) == (at(3), at(2))
    await page(desk, watermark("read", 2))
    assert outcomes(await desk.results()) == ["duplicate"]
    assert len(await told(desk, "message.status")) == 5


async def test_watermarks_reach_messages_that_we_learn_of_later(desk: Desk) -> None:
    """An echo that comes after the watermark that covers it is delivered or read at once; a later one is not."""
    await desk.connect("page-1", provider="FACEBOOK")
    await page(desk, watermark("read", 10), watermark("delivery", 20))
    assert outcomes(await desk.results()) == ["held", "held"]
    await page(desk, *(bodies.page_echo(f"m{n}", seconds=n) for n in (5, 15, 25)))
    found = {row["external_id"]: (row["status"], row["read_at"], row["delivered_at"]) for row in await desk.messages()}
    assert found == {
        "m5": ("READ", at(10), at(20)),
        "m15": ("DELIVERED", None, at(20)),
        "m25": ("SENT", None, None),
    }


async def test_a_watermark_and_its_messages_in_one_batch(desk: Desk) -> None:
    """Messages and the watermark over them may come together."""
    await desk.connect("page-1", provider="FACEBOOK")
    await page(desk, bodies.page_echo("m1", seconds=1), watermark("read", 5))
    assert (await desk.message("m1"))["status"] == "READ"


async def test_an_older_watermark_changes_nothing(desk: Desk) -> None:
    """A watermark that comes late, behind a newer one, is a duplicate."""
    await desk.connect("page-1", provider="FACEBOOK")
    await page(desk, watermark("read", 10))
    await page(desk, watermark("read", 5))
    assert outcomes(await desk.results()) == ["duplicate"]


HISTORY = bodies.change(
    "phone-1",
    "history",
    history=[
        {
            "metadata": {"phase": 0, "chunk_order": 1, "progress": 55},
            "threads": [
                {
                    "id": bodies.ANN,
                    "messages": [
                        bodies.text_message("old-1", "long ago", seconds=-9000),
                        bodies.echo("old-2", "long ago too", seconds=-8000) | {"history_context": {"status": "READ"}},
                    ],
                }
            ],
        }
    ],
)


async def test_history_is_imported_and_never_received(desk: Desk) -> None:
    """Old messages enter the log as imported: nobody is told that somebody wrote just now."""
    await desk.connect()
    await desk.take_in(bodies.whatsapp(HISTORY))
    rows = {row["external_id"]: row for row in await desk.messages()}
    assert {name: row["origin"] for name, row in rows.items()} == {"old-1": "history", "old-2": "history"}
    assert (rows["old-1"]["direction"], rows["old-2"]["direction"]) == ("INBOUND", "OUTBOUND")
    kinds = [kind for kind, _ in await desk.facts()]
    assert kinds.count("message.imported") == 2
    assert "message.received" not in kinds


async def test_echoes_and_standby_are_told_as_what_they_are(desk: Desk) -> None:
    """Only what a person wrote to us live is `message.received`."""
    await desk.connect("page-1", provider="FACEBOOK")
    standby = {"object": "page", "entry": [{"id": "page-1", "time": 1, "standby": [bodies.item(message={"mid": "s"})]}]}
    await page(desk, bodies.page_echo("e"), bodies.item(message={"mid": "r", "text": "Hello"}))
    await desk.take_in(bodies.dump(standby), "FACEBOOK")
    told_of = {data["message"]["externalId"]: kind for kind, data in await desk.facts() if "message" in data}
    assert told_of == {"e": "message.echoed", "r": "message.received", "s": "message.standby"}


async def test_account_facts_change_the_account_and_are_told(desk: Desk) -> None:
    """What the platform says of a number goes into its metadata, whatever was there before stays, and it is told."""
    account = await desk.connect("phone-1", wabaId="waba-1", displayPhoneNumber="15550783881")
    value = {"display_phone_number": "15550783881", "event": "FLAGGED", "current_limit": "TIER_10K"}
    await desk.take_in(bodies.whatsapp(bodies.change(None, "phone_number_quality_update", **value)))
    (row,) = await desk.rows("SELECT metadata, last_webhook_at FROM connected_accounts WHERE id = $1", account.id)
    metadata = json.loads(row["metadata"])
    assert metadata["wabaId"] == "waba-1"
    assert "TIER_10K" in json.dumps(metadata)
    assert row["last_webhook_at"] is not None
    (fact,) = await told(desk, "account.notice")
    assert fact["notice"]["event"] == "FLAGGED"


async def test_many_changes_of_one_message_in_one_batch(desk: Desk) -> None:
    """Message, statuses, reaction and edit that come together end as if they had come one by one."""
    await desk.connect()
    await desk.take_in(
        bodies.whatsapp(
            bodies.change(
                messages=[
                    bodies.text_message("in", "first"),
                    bodies.edit("e", "in", "second", seconds=1),
                    bodies.reaction("r", "in", "👍", seconds=2),
                    bodies.revoke("v", "in", seconds=3),
                ]
            )
        )
    )
    row = await desk.message("in")
    assert (row["text"], emoji(row), row["unsent_at"]) == ("second", {bodies.ANN: "👍"}, at(3))
    assert outcomes(await desk.results()) == ["applied"] * 4
    kinds = [kind for kind, _ in await desk.facts()]
    assert kinds[1:] == [
        *("contact.created", "message.received", "message.edited", "message.received", "message.unsent")
    ]


async def test_two_workers_add_the_same_message_at_once(desk: Desk) -> None:
    """The same message by two ways at the same moment is one row; whoever comes second is tried again as duplicate."""
    await desk.connect()
    said = bodies.text_message("a", sender="1")
    await desk.post(bodies.messages(said))
    await desk.post(bodies.messages(said | {"from": "2"}))  # another contact: another lane, perhaps

    async def work() -> None:
        for _ in range(20):
            with suppress(asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
                await process_due(desk.pool, PROVIDERS, DEFAULT_POLICY, limit=10)

    await asyncio.gather(work(), work(), work())
    assert len(await desk.messages()) == 1
    results = sorted(outcome for event in await desk.events() for outcome in outcomes(result_of(event)))
    assert results == ["applied", "duplicate"]


async def test_watermarks_of_many_people_in_one_batch(desk: Desk) -> None:
    """Each person's messages move by that person's marks, in order, and what was sent later stays."""
    await desk.connect("page-1", provider="FACEBOOK")
    people = [f"person-{number}" for number in range(5)]
    for person in people:
        for second in (0, 10, 20):
            await page(desk, bodies.page_echo(f"{person}-{second}", person=person, seconds=second))
    stamp = int(at(10).timestamp() * 1000)
    for number, person in enumerate(people):
        marks = [
            bodies.item(person, delivery={"watermark": int(at(15).timestamp() * 1000)}),
            bodies.item(person, read={"watermark": stamp}),
            bodies.item(person, read={"watermark": stamp - 5000}),
            bodies.item(person, read={"watermark": stamp}),
        ]
        await desk.post(bodies.messaging(*marks[: number + 1]), "FACEBOOK")
    await desk.process()
    seen = {row["external_id"]: row["status"] for row in await desk.messages()}
    for number, person in enumerate(people):
        reached = "READ" if number else "DELIVERED"
        assert [seen[f"{person}-{second}"] for second in (0, 10, 20)] == [reached, reached, "SENT"]
    results = [outcomes(result_of(event)) for event in (await desk.events())[-5:]]
    assert results[-1] == ["applied", "applied", "duplicate", "duplicate"]
    (mark,) = await desk.rows("SELECT * FROM contact_watermarks WHERE contact = 'person-4'")
    assert (mark["delivered_until"], mark["read_until"]) == (at(15), at(10))
    moves = [data["status"] for name, data in await desk.facts() if name == "message.status"]
    assert (moves.count("DELIVERED"), moves.count("READ")) == (10, 8)
