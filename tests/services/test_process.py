"""Processing: exactly once, in order, each event by itself, and a feed that never skips."""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from tests.services import bodies
from tests.services.desk import Desk, result_of

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Item, MessageItem, StatusItem
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.providers import PROVIDERS
from hookline.services import process as processing
from hookline.services.failure import RetryPolicy
from hookline.services.process import process, process_due
from hookline.services.replay import replay_event
from hookline.store import accounts, outbox, takes
from hookline.store.pool import Connection


class Stub:
    """WhatsApp, but that what holds a word fails in a way of the test's choosing."""

    def __init__(self, word: str, failure: Any) -> None:
        self._word, self._failure = word, failure

    def parse(self, payload: str) -> list[Item]:
        items = PROVIDERS[IntegrationProvider.WHATSAPP].parse(payload)
        return self._failure(items) if self._word in payload else items


def raising(_: Sequence[Item]) -> list[Item]:
    """A parser with a mistake, whose error quotes what it read."""
    raise KeyError("what the customer wrote")


def unstorable(items: Sequence[Item]) -> list[Item]:
    """Items that the database refuses."""
    return [_with(item, text="NUL \x00") for item in items]


def unheard_of(_: Sequence[Item]) -> list[Item]:
    """Items that no rule expects."""
    status = StatusItem(index=0, kind="status", external_id="x" * 10_000_000, status=MessageStatus.READ)
    return [status, None]  # type: ignore[list-item]


def _with(item: Item, **values: Any) -> Item:
    return msgspec.structs.replace(item, **values)


def stub(word: str, failure: Any) -> Mapping[IntegrationProvider, Any]:
    """The providers, WhatsApp replaced."""
    return {**PROVIDERS, IntegrationProvider.WHATSAPP: Stub(word, failure)}


async def say(desk: Desk, *external_ids: str, **options: Any) -> None:
    """Take one message each in, a POST each."""
    for external_id in external_ids:
        await desk.post(bodies.messages(bodies.text_message(external_id, f"text of {external_id}", **options)))


async def test_processing_ends_event_and_job_with_their_effect(desk: Desk) -> None:
    """Message, fact, event and job are there together: RECEIVED, told, PROCESSED, DONE."""
    account = await desk.connect()
    await desk.take_in(bodies.messages(bodies.text_message("wamid.1", "Hello 😀")))
    message = await desk.message("wamid.1")
    assert (message["direction"], message["type"], message["status"]) == ("INBOUND", "text", "RECEIVED")
    assert (message["sender"], message["recipient"], message["text"]) == (bodies.ANN, "15550783881", "Hello 😀")
    assert (message["organization_id"], message["connected_account_id"]) == ("org-1", account.id)
    assert message["sent_at"] == bodies.NOON
    event = await desk.event()
    assert (event["status"], event["retries"], event["error"]) == ("PROCESSED", 0, None)
    assert event["processed_at"] >= event["received_at"]
    assert message["webhook_event_id"] == event["id"]
    (job,) = await desk.jobs()
    assert (job["status"], job["attempts"], job["worker_id"]) == ("DONE", 0, None)
    kinds = [kind for kind, _ in await desk.facts()]
    assert kinds == ["account.connected", "contact.created", "message.received"]


async def test_results_name_every_item(desk: Desk) -> None:
    """An event's result says what became of each item, with the message it concerns and a reason where it helps."""
    await desk.connect()
    await desk.take_in(
        bodies.whatsapp(
            bodies.change(
                messages=[bodies.text_message("wamid.1"), bodies.text_message("wamid.1")],
                statuses=[],
            )
        )
    )
    message = await desk.message("wamid.1")
    first, second = await desk.results()
    assert first == {
        "index": 0,
        "kind": "message",
        "externalId": "wamid.1",
        "outcome": "applied",
        "messageId": str(message["id"]),
    }
    assert (second["index"], second["outcome"], second["messageId"]) == (1, "duplicate", str(message["id"]))


OUTCOMES = {
    "held": bodies.statuses(bodies.status("wamid.9", "sent")),
    "ignored": bodies.statuses(bodies.status("wamid.9", "deleted")),
    "unsupported": bodies.statuses(bodies.status("wamid.9", "teleported")),
    "unsupported field": bodies.whatsapp(bodies.change("phone-1", "a_field_of_2031", what="ever")),
}


async def test_what_has_no_effect_says_why(desk: Desk) -> None:
    """Held, ignored and unsupported items end their event PROCESSED; the latter two give a reason."""
    await desk.connect()
    for name, body in OUTCOMES.items():
        await desk.take_in(body)
        event = (await desk.events())[-1]
        (result,) = result_of(event)
        assert (event["status"], result["outcome"]) == ("PROCESSED", name.split()[0]), name
        assert bool(result.get("reason")) == (name != "held"), name
        assert event["payload_json"].encode() == body


async def test_a_redelivery_is_a_duplicate(desk: Desk) -> None:
    """The same webhook any number of times, at once or later, is one message and one fact."""
    account = await desk.connect()
    body = bodies.messages(bodies.text_message("wamid.1"))
    for _ in range(3):
        await desk.post(body)
    await desk.process()
    await desk.take_in(body)
    assert len(await desk.messages()) == 1
    outcomes = [result_of(event)[0]["outcome"] for event in await desk.events()]
    assert outcomes == ["applied", "duplicate", "duplicate", "duplicate"]
    assert [kind for kind, _ in await desk.facts()].count("message.received") == 1
    assert (await desk.message("wamid.1"))["connected_account_id"] == account.id


async def test_the_same_id_in_two_accounts_is_two_messages(desk: Desk) -> None:
    """Ids are the platform's within an account: nobody's message hides another's."""
    await desk.connect("phone-1", "org-1")
    await desk.connect("phone-2", "org-2")
    for phone in ("phone-1", "phone-2"):
        await desk.take_in(bodies.messages(bodies.text_message("wamid.1"), phone=phone))
    assert sorted(row["organization_id"] for row in await desk.messages()) == ["org-1", "org-2"]


@pytest.mark.parametrize("failure", [raising, unstorable, unheard_of])
async def test_a_poisonous_event_fails_alone(desk: Desk, failure: Any) -> None:
    """One event that cannot be processed leaves the others of its batch as they should be, and waits for a retry."""
    await desk.connect()
    await say(desk, *(f"wamid.{number}" for number in range(20)))
    desk.providers = stub("wamid.7", failure)
    assert await desk.process() == 20
    assert set(bodies.ids(await desk.messages())) == {f"wamid.{n}" for n in range(20)} - {"wamid.7"}
    jobs = await desk.jobs()
    assert [job["status"] for job in jobs] == ["DONE"] * 7 + ["PENDING"] + ["DONE"] * 12
    assert (jobs[7]["attempts"], jobs[7]["run_at"] - jobs[7]["updated_at"]) == (1, timedelta(minutes=2))
    events = await desk.events()
    assert [event["status"] for event in events] == ["PROCESSED"] * 7 + ["PENDING"] + ["PROCESSED"] * 12
    assert events[7]["error"] == jobs[7]["last_error"]
    assert events[7]["processed_at"] is None
    assert "customer" not in events[7]["error"]


async def test_a_poisonous_event_is_tried_by_the_contract_and_ends_failed(desk: Desk) -> None:
    """2, 4, 8, 16, 32 minutes, then FAILED with 5 attempts and 5 retries; a replay after the fix processes it."""
    await desk.connect()
    await say(desk, "wamid.1")
    desk.providers = stub("wamid.1", raising)
    for retries, minutes in enumerate((2, 4, 8, 16, 32)):
        await desk.process()
        (job,) = await desk.jobs()
        assert job["run_at"] - job["updated_at"] == timedelta(minutes=minutes)
        event = await desk.event()
        assert (event["status"], event["retries"]) == ("PENDING", retries)
        await desk.make_due()
    await desk.process()
    (job,) = await desk.jobs()
    event = await desk.event()
    assert (job["status"], job["attempts"]) == ("FAILED", 5)
    assert (event["status"], event["retries"]) == ("FAILED", 5)
    assert event["processed_at"] is not None
    desk.providers = PROVIDERS
    async with desk.pool.acquire() as connection, connection.transaction():
        await replay_event(connection, "org-1", event["id"])
    await desk.process()
    event = await desk.event()
    assert (event["status"], event["error"]) == ("PROCESSED", None)
    assert (await desk.message("wamid.1"))["text"] == "text of wamid.1"


async def test_the_followers_of_a_poisonous_event_do_not_wait(desk: Desk) -> None:
    """One bad webhook of a conversation does not hold the next ones up."""
    await desk.connect()
    await say(desk, "wamid.1", "wamid.2")
    desk.providers = stub("wamid.1", raising)
    await desk.process(limit=1)
    assert bodies.ids(await desk.messages()) == ["wamid.2"]


async def test_with_no_attempts_allowed_the_first_failure_is_the_last(desk: Desk) -> None:
    """The limit is a setting, and zero means one try."""
    await desk.connect()
    await say(desk, "wamid.1")
    desk.providers = stub("wamid.1", raising)
    await desk.process(RetryPolicy(max_attempts=0))
    assert ((await desk.jobs())[0]["status"], (await desk.event())["status"]) == ("FAILED", "FAILED")


BAD_JOBS = ["{}", "[]", '{"webhookEventId": "x"}', '{"webhookEventId": "01890000-0000-7000-8000-000000000000"}']


async def test_a_webhook_job_that_names_no_event_fails_at_once(desk: Desk) -> None:
    """What can never be processed is FAILED without retries, and its neighbours are done."""
    await desk.connect()
    await say(desk, "wamid.1")
    for payload in BAD_JOBS:
        await desk.pool.execute(
            "INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, lane) "
            "VALUES (gen_random_uuid(), 'org-1', 'WHATSAPP', 'PROCESS_WEBHOOK', $1, 0)",
            payload,
        )
    await desk.process()
    assert [(job["status"], job["attempts"]) for job in await desk.jobs()] == [("DONE", 0), *[("FAILED", 0)] * 4]
    assert all(job["last_error"] for job in (await desk.jobs())[1:])


async def test_a_job_cannot_process_another_organization_s_event(desk: Desk) -> None:
    """An event is processed for its own organization only, whatever a job says."""
    await desk.connect()
    await say(desk, "wamid.1")
    event = await desk.event()
    await desk.pool.execute("DELETE FROM integration_jobs")
    await desk.pool.execute(
        "INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, lane) "
        "VALUES (gen_random_uuid(), 'org-2', 'WHATSAPP', 'PROCESS_WEBHOOK', $1, 0)",
        json.dumps({"webhookEventId": str(event["id"])}),
    )
    await desk.process()
    assert await desk.messages() == []
    assert (await desk.jobs())[0]["status"] == "FAILED"
    assert (await desk.event())["status"] == "PENDING"


async def test_a_replay_repairs_and_never_doubles(desk: Desk) -> None:
    """Replaying everything, twice, leaves messages, statuses, notices and the feed as they were."""
    await desk.connect()
    quality = {"display_phone_number": "1", "event": "FLAGGED", "metadata": {"phone_number_id": "phone-1"}}
    await desk.take_in(bodies.whatsapp({"field": "phone_number_quality_update", "value": quality}))
    stop = {"wa_id": "1", "detail": "x", "category": "marketing_messages", "value": "stop", "timestamp": 1769262485}
    preferences = {"metadata": {"phone_number_id": "phone-1"}, "user_preferences": [stop]}
    await desk.take_in(bodies.whatsapp({"field": "user_preferences", "value": preferences}))
    told = {kind for kind, _ in await desk.facts()}
    assert {"account.notice", "contact.notice"} <= told
    await desk.take_in(bodies.messages(bodies.text_message("wamid.1")))
    await desk.take_in(bodies.messages(bodies.reaction("wamid.2", "wamid.1", "👍", seconds=1)))
    await desk.take_in(bodies.messages(bodies.edit("wamid.3", "wamid.1", "Hello!", seconds=2)))
    await desk.take_in(bodies.echoes(bodies.echo("wamid.4")))
    await desk.take_in(bodies.statuses(bodies.status("wamid.4", "delivered"), bodies.status("wamid.4", "read")))
    await desk.take_in(bodies.statuses(bodies.status("wamid.unknown", "read")))
    before = ([_lasting(row) for row in await desk.messages()], await desk.facts())
    held = await desk.rows("SELECT * FROM held_changes")
    for _ in range(2):
        for event in await desk.events():
            async with desk.pool.acquire() as connection, connection.transaction():
                await replay_event(connection, "org-1", event["id"])
        assert await desk.process() == 8
        assert ([_lasting(row) for row in await desk.messages()], await desk.facts()) == before
    assert await desk.rows("SELECT * FROM held_changes") == held
    outcomes = {result["outcome"] for event in await desk.events() for result in result_of(event)}
    assert outcomes == {"duplicate", "held"}


def _lasting(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "updated_at"}


async def test_the_feed_is_in_order_of_each_conversation(desk: Desk) -> None:
    """Several workers, random batches: of each conversation, facts come in the order in which webhooks did."""
    await desk.connect()
    sent = [(person, number) for number in range(30) for person in ("1", "2", "3", "4")]
    for person, number in sent:
        await desk.post(bodies.messages(bodies.text_message(f"{person}-{number}", sender=person)))

    async def work() -> None:
        while await process_due(desk.pool, PROVIDERS, RetryPolicy(), limit=random.randint(1, 20)):
            pass

    while [job for job in await desk.jobs() if job["status"] != "DONE"]:
        await asyncio.gather(*(work() for _ in range(4)))
    told = [data["message"]["externalId"] for kind, data in await desk.facts() if kind == "message.received"]
    assert len(told) == len(sent)
    for person in "1234":
        own = [external_id for external_id in told if external_id.startswith(f"{person}-")]
        assert own == [f"{person}-{number}" for number in range(30)]


async def read_all(connection: Connection, organization: str, after: tuple[str, int]) -> list[outbox.FeedRow]:
    """Read on in the feed."""
    return await outbox.read(connection, organization, after=after, limit=100)


async def test_the_feed_never_passes_a_transaction_that_is_still_open(desk: Desk) -> None:
    """A reader waits for an open transaction's facts rather than handing out a cursor behind which they appear."""
    await desk.connect()
    async with desk.pool.acquire() as open_one, desk.pool.acquire() as reader:
        transaction = open_one.transaction()
        await transaction.start()
        await open_one.execute(
            "INSERT INTO outbox (id, organization_id, type, occurred_at, data) "
            "VALUES (gen_random_uuid(), 'org-1', 'held.open', now(), '{}')"
        )
        await say(desk, "wamid.1")
        await desk.process()
        first = await read_all(reader, "org-1", ("0", 0))
        assert [row.type for row in first] == ["account.connected"]
        settled = await outbox.settled(reader)
        await transaction.commit()
        later = await read_all(reader, "org-1", (first[-1].tx_id, first[-1].seq))
        assert [row.type for row in later] == ["held.open", "contact.created", "message.received"]
        assert await read_all(reader, "org-1", settled) == later


async def test_a_transaction_that_does_not_commit_leaves_nothing(desk: Desk) -> None:
    """If the connection breaks before the commit, no message, no fact, no end: the webhook is due as before."""
    await desk.connect()
    await say(desk, "wamid.1")
    before = (await desk.jobs(), await desk.events(), await desk.facts())

    async def break_off() -> None:
        async with desk.pool.acquire() as connection, connection.transaction():
            taken = await takes.take(connection, limit=10)
            await process(connection, PROVIDERS, RetryPolicy(), taken)
            await desk.pool.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())

    broken = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
    with pytest.raises(broken):
        await break_off()
    assert (await desk.jobs(), await desk.events(), await desk.facts()) == before
    assert await desk.messages() == []
    assert await desk.process() == 1
    assert len(await desk.messages()) == 1


async def test_two_workers_process_each_webhook_once(desk: Desk) -> None:
    """However many take at once, each job is done by one of them."""
    await desk.connect()
    for number in range(200):
        await desk.post(bodies.messages(bodies.text_message(f"wamid.{number}", sender=str(number))))
    done = 0
    while done < 200:
        done += sum(
            await asyncio.gather(*(process_due(desk.pool, PROVIDERS, RetryPolicy(), limit=13) for _ in range(4)))
        )
    assert done == 200
    assert len(await desk.messages()) == 200
    assert {job["lease"] for job in await desk.jobs()} == {1}


async def test_an_item_of_every_kind_of_message_type_is_stored(desk: Desk) -> None:
    """Whatever type and origin a provider reads, the log takes it."""
    await desk.connect()
    await say(desk, "wamid.1")
    items = [
        MessageItem(
            index=place,
            kind="message",
            external_id=f"m-{name}",
            direction=MessageDirection.INBOUND,
            type=name,
            sender="1",
            recipient="2",
            meta={"big": 10**30},
        )
        for place, name in enumerate(MessageType)
    ]
    desk.providers = stub("wamid.1", lambda _: items)
    await desk.process()
    assert {row["type"] for row in await desk.messages()} == {str(name) for name in MessageType}
    assert (await desk.event())["status"] == "PROCESSED"


async def test_an_account_is_noted_once_for_many_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """That an account had webhooks is written every few seconds, however many batches there are."""
    account = await desk.connect()
    touched: list[list[UUID]] = []
    touch = accounts.touch

    async def noted_touch(connection: Connection, ids: list[UUID]) -> None:
        touched.append(ids)
        await touch(connection, ids)

    monkeypatch.setattr(accounts, "touch", noted_touch)
    noted: dict[UUID, float] = {}
    for number in range(3):
        await say(desk, f"wamid.{number}")
        assert await process_due(desk.pool, PROVIDERS, RetryPolicy(), limit=10, noted=noted) == 1
    assert touched == [[account.id]]
    noted[account.id] -= accounts.TOUCH_SECONDS + 1
    await say(desk, "wamid.9")
    await process_due(desk.pool, PROVIDERS, RetryPolicy(), limit=10, noted=noted)
    assert touched == [[account.id], [account.id]]


async def test_only_a_batch_with_a_culprit_is_processed_with_care(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Savepoints are made only when a first attempt was refused, and then nothing of that attempt stays."""
    await desk.connect()
    attempts: list[bool] = []
    halve, refuse = processing._record_or_halve, processing._record_or_refuse

    async def careful(*arguments: Any) -> None:
        attempts.append(True)
        await halve(*arguments)

    async def straight(*arguments: Any) -> None:
        attempts.append(False)
        await refuse(*arguments)

    monkeypatch.setattr(processing, "_record_or_halve", careful)
    monkeypatch.setattr(processing, "_record_or_refuse", straight)
    for number in range(4):
        await say(desk, f"wamid.{number}", sender=str(number))
    await desk.process()
    assert set(attempts) == {False}
    attempts.clear()
    desk.providers = stub("wamid.6", unstorable)
    for number in range(4, 8):
        await say(desk, f"wamid.{number}", sender=str(number))
    await desk.process()
    assert attempts[0] is False
    assert True in attempts
    assert {row["external_id"] for row in await desk.messages()} == {f"wamid.{n}" for n in (0, 1, 2, 3, 4, 5, 7)}
    assert [kind for kind, _ in await desk.facts()].count("message.received") == 7
