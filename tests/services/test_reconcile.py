"""Our own messages found again: by statuses that carry our id, by echoes' metadata, by what an echo says and when."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from tests.services.desk import Desk
from tests.services.sending import PERSON, Sending

from hookline.domain.errors import Conflict, NotFound
from hookline.domain.ids import new_id
from hookline.domain.provider_error import ErrorClass
from hookline.services.trace import trace
from hookline.services.undecided import Decision, resolve
from hookline.store import attempts


def now_ms() -> int:
    """The platform's clock."""
    return int(datetime.now(UTC).timestamp() * 1000)


def status(own: UUID | str, name: str = "delivered", wamid: str = "wamid.x", **more: Any) -> bytes:
    """A WhatsApp status that carries our id."""
    one = {
        "id": wamid,
        "status": name,
        "timestamp": str(now_ms() // 1000),
        "recipient_id": PERSON,
        "biz_opaque_callback_data": str(own),
        **more,
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": "phone-1", "display_phone_number": "15550001111"},
        "statuses": [one],
    }
    entry = {"id": "waba-1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def echo(mid: str, text: str = "Hello", object_name: str = "instagram", **more: Any) -> bytes:
    """An echo of what the account own-1 said to the person 7."""
    item = {
        "sender": {"id": "own-1"},
        "recipient": {"id": "7"},
        "timestamp": now_ms(),
        "message": {"mid": mid, "text": text, "is_echo": True, **more},
    }
    return json.dumps({"object": object_name, "entry": [{"id": "own-1", "time": 1, "messaging": [item]}]}).encode()


class Both(Sending):
    """Sending, and receiving."""

    @property
    def desk(self) -> Desk:
        return Desk(self.pool)

    async def take_in(self, body: bytes, provider: str = "WHATSAPP") -> None:
        """Take a webhook in, and see it processed: a worker that sends may be at it too."""
        await self.desk.take_in(body, provider)
        while await self.pool.fetchval(  # noqa: ASYNC110 - it tells nobody
            "SELECT count(*) FROM webhook_events WHERE status = 'PENDING'"
        ):
            await asyncio.sleep(0.01)


@pytest.fixture
def both(sending: Sending) -> Both:
    """Sending, with webhooks coming in."""
    return Both(sending.pool, sending.platform, sending.http, sending.settings)


async def lost(both: Both, provider: str = "WHATSAPP", to: str = PERSON, text: str = "Hello") -> UUID:
    """Send a message whose answer is lost."""
    both.platform.script = lambda body, number: "taken and reset"
    if both.account is None:
        account = await both.connect(provider, "phone-1" if provider == "WHATSAPP" else "own-1")
        await both.open_window(account, to, provider)
    message = await both.send(text, to=to)
    await both.run()
    assert await both.status(message) == "UNKNOWN"
    both.platform.script = lambda body, number: None
    return message


@pytest.mark.parametrize(
    ("name", "expected"), [("sent", "SENT"), ("delivered", "DELIVERED"), ("read", "READ"), ("failed", "FAILED")]
)
async def test_a_status_with_our_id_names_the_message(both: Both, name: str, expected: str) -> None:
    """It has the platform's id from then on, and the status; its attempt is settled, and its job ends at once."""
    message = await lost(both)
    errors = {"errors": [{"code": 131026, "title": "Undeliverable"}]} if name == "failed" else {}
    await both.take_in(status(message, name, **errors))
    row = await both.message(message)
    assert (row["status"], row["external_id"]) == (expected, "wamid.x")
    assert row["error_code"] == ("131026" if name == "failed" else None)
    (attempt,) = await both.attempts()
    assert (attempt["outcome"], attempt["external_id"]) == ("sent", "wamid.x")
    assert (await both.job())["wait"] <= 0
    await both.run()
    assert (await both.job())["status"] == "DONE"
    assert len(both.platform.calls) == 1


async def test_those_behind_it_go_on_at_once(both: Both) -> None:
    """The report frees the conversation."""
    first = await lost(both)
    second = await both.send("2")
    await both.run()
    assert await both.status(second) == "QUEUED"
    await both.take_in(status(first))
    await both.run()
    assert await both.status(second) == "SENT"


async def test_the_report_may_come_before_the_answer(both: Both) -> None:
    """A status that overtakes the call's own answer: one message, delivered, told once each."""
    await both.connect()
    message = await both.send()
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(body: dict[str, Any], number: int) -> None:
        arrived.set()
        await go_on.wait()

    both.platform.script = slow
    running = asyncio.create_task(both.run())
    await arrived.wait()
    await both.take_in(status(message, "delivered", wamid="wamid.0"))
    go_on.set()
    await running
    row = await both.message(message)
    assert (row["status"], row["external_id"]) == ("DELIVERED", "wamid.0")
    assert len(await both.desk.messages()) == 1
    told = [data.get("status") for name, data in await both.facts() if name == "message.status"]
    assert told == ["SENT", "DELIVERED"]


async def test_what_a_status_says_of_price_and_conversation_is_kept(both: Both) -> None:
    """In the message's meta, beside what was asked for."""
    await both.connect()
    message = await both.send()
    await both.run()
    pricing = {"billable": True, "pricing_model": "PMP", "category": "service"}
    await both.take_in(status(message, "sent", wamid="wamid.0", pricing=pricing, conversation={"id": "c-1"}))
    meta = json.loads((await both.message(message))["meta_json"])
    assert meta["pricing"] == pricing
    assert meta["conversation"] == {"id": "c-1"}
    assert meta["request"]["text"] == "Hello"


async def test_a_failure_that_is_reported_later_is_explained(both: Both) -> None:
    """The vendor's words after a sentence; the feed tells both."""
    await both.connect()
    message = await both.send()
    await both.run()
    await both.take_in(status(message, "failed", "wamid.0", errors=[{"code": 131026, "title": "Undeliverable"}]))
    row = await both.message(message)
    assert (row["status"], row["error_code"]) == ("FAILED", "131026")
    assert row["error_text"] == f"{ErrorClass.RECIPIENT.sentence} Undeliverable"
    assert (await both.facts())[-1][1]["errorText"] == row["error_text"]


async def test_a_restricted_account_that_is_reported_later_stops_sending(both: Both) -> None:
    """An unpaid bill shows in the statuses: the account waits, and people are told once."""
    await both.connect()
    messages = [await both.send(str(number)) for number in range(3)]
    await both.run()
    for number, message in enumerate(messages):
        errors = [{"code": 131042, "title": "Payment"}]
        await both.take_in(status(message, "failed", f"wamid.{number}", errors=errors))
    assert [name for name, _ in await both.facts()].count("account.alert") == 1
    later = await both.send()
    await both.run()
    assert await both.status(later) == "QUEUED"


async def test_another_accounts_status_names_nothing(both: Both) -> None:
    """Our id in a status of another organization's account moves no message of ours."""
    message = await lost(both)
    await both.desk.connect("phone-2", "org-2")
    await both.take_in(status(message).replace(b"phone-1", b"phone-2"))
    assert await both.status(message) == "UNKNOWN"
    await both.take_in(status("not-an-id"))
    await both.take_in(status(new_id(), wamid="wamid.y"))
    assert await both.status(message) == "UNKNOWN"


async def test_a_messenger_echo_with_our_id_is_no_second_message(both: Both) -> None:
    """It names the lost message; nothing is added to the log."""
    message = await lost(both, "FACEBOOK", "7")
    await both.take_in(echo("m_1", object_name="page", metadata=str(message)), "FACEBOOK")
    row = await both.message(message)
    assert (row["status"], row["external_id"]) == ("SENT", "m_1")
    assert len(await both.desk.messages()) == 1
    assert (await both.attempts())[0]["outcome"] == "sent"
    assert [name for name, _ in await both.facts()].count("message.echoed") == 0


async def test_an_instagram_echo_is_known_by_its_words(both: Both) -> None:
    """The oldest message on its way that says the same is the one; other words are another app's."""
    message = await lost(both, "INSTAGRAM", "7")
    await both.take_in(echo("aWdf0", text="Something else"), "INSTAGRAM")
    assert await both.status(message) == "UNKNOWN"
    assert len(await both.desk.messages()) == 2
    await both.take_in(echo("aWdf1"), "INSTAGRAM")
    row = await both.message(message)
    assert (row["status"], row["external_id"]) == ("SENT", "aWdf1")
    assert len(await both.desk.messages()) == 2
    await both.take_in(echo("aWdf1"), "INSTAGRAM")
    await both.take_in(echo("aWdf2"), "INSTAGRAM")
    assert len(await both.desk.messages()) == 3


async def test_an_instagram_echo_of_a_file_is_known_by_its_kind(both: Both) -> None:
    """A picture that is on its way is the picture that comes back."""
    account = await both.connect("INSTAGRAM", "own-1")
    await both.open_window(account, "7", "INSTAGRAM")
    both.platform.script = lambda body, number: "taken and reset"
    message = await both.send(to="7", type="image", image={"url": "https://x.org/a.png"})
    await both.run()
    picture = {"attachments": [{"type": "image", "payload": {"url": "https://cdn/x"}}]}
    film = {"attachments": [{"type": "video", "payload": {"url": "https://cdn/x"}}]}
    await both.take_in(echo("aWdf0", text="", **film), "INSTAGRAM")
    assert await both.status(message) == "UNKNOWN"
    await both.take_in(echo("aWdf1", text="", **picture), "INSTAGRAM")
    assert (await both.message(message))["external_id"] == "aWdf1"


async def test_an_echo_before_the_answer_is_no_second_message(both: Both) -> None:
    """On both platforms the echo may overtake the answer of the call that it is of."""
    for provider, object_name, own in (("INSTAGRAM", "instagram", False), ("FACEBOOK", "page", True)):
        await both.pool.execute(
            "TRUNCATE connected_accounts, account_routes, messages, conversations, webhook_events CASCADE"
        )
        account = await both.connect(provider, "own-1")
        await both.open_window(account, "7", provider)
        message = await both.send(to="7", account=account)
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def slow(
            body: dict[str, Any], number: int, arrived: asyncio.Event = arrived, go_on: asyncio.Event = go_on
        ) -> None:
            arrived.set()
            await go_on.wait()

        both.platform.script = slow
        running = asyncio.create_task(both.run())
        await arrived.wait()
        mid = f"wamid.{len(both.platform.taken)}"
        more = {"metadata": str(message)} if own else {}
        await both.take_in(echo(mid, object_name=object_name, **more), provider)
        go_on.set()
        await running
        row = await both.message(message)
        assert (row["status"], row["external_id"]) == ("SENT", mid)
        assert len(await both.desk.messages()) == 1


def seen(name: str = "read", until_ms: int | None = None) -> bytes:
    """The person 7 has got, or read, everything up to a moment."""
    item = {
        "sender": {"id": "7"},
        "recipient": {"id": "own-1"},
        "timestamp": now_ms(),
        name: {"watermark": until_ms or now_ms()},
    }
    return json.dumps({"object": "page", "entry": [{"id": "own-1", "time": 1, "messaging": [item]}]}).encode()


async def test_what_is_read_before_the_answer_is_read(both: Both) -> None:
    """Messenger says up to when everything was read; a message that was on its way then is among it."""
    account = await both.connect("FACEBOOK", "own-1")
    await both.open_window(account, "7", "FACEBOOK")
    message = await both.send(to="7")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(body: dict[str, Any], number: int) -> None:
        arrived.set()
        await go_on.wait()

    both.platform.script = slow
    running = asyncio.create_task(both.run())
    await arrived.wait()
    await both.take_in(seen(), "FACEBOOK")
    assert await both.status(message) == "SENDING"
    go_on.set()
    await running
    row = await both.message(message)
    assert (row["status"], row["read_at"] is None) == ("READ", False)
    told = [data["status"] for name, data in await both.facts() if name == "message.status"]
    assert told == ["SENT", "READ"]


async def test_a_read_mark_waits_for_the_answer_that_is_being_written(both: Both) -> None:
    """Whichever is first, the mark or the answer, the other meets it: neither is missed between two transactions."""
    account = await both.connect("FACEBOOK", "own-1")
    await both.open_window(account, "7", "FACEBOOK")
    message = await both.send(to="7")
    await both.pool.execute("UPDATE messages SET status = 'SENDING' WHERE id = $1", message)
    async with both.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "UPDATE messages SET status = 'SENT', external_id = 'm_1', sent_at = now() WHERE id = $1", message
        )
        reading = asyncio.create_task(both.take_in(seen(until_ms=now_ms() + 1000), "FACEBOOK"))
        await asyncio.wait([reading], timeout=0.3)
        assert not reading.done()
        await transaction.commit()
    await reading
    assert await both.status(message) == "READ"


async def test_when_it_was_sent_is_by_the_platforms_clock(both: Both) -> None:
    """The echo says so: a message that was read a moment later, by that clock, is read."""
    account = await both.connect("FACEBOOK", "own-1")
    await both.open_window(account, "7", "FACEBOOK")
    message = await both.send(to="7")
    await both.run()
    slow_clock = now_ms() - 60_000
    body = json.loads(echo("wamid.0", object_name="page", metadata=str(message)))
    body["entry"][0]["messaging"][0]["timestamp"] = slow_clock
    await both.take_in(json.dumps(body).encode(), "FACEBOOK")
    assert (await both.message(message))["sent_at"] == datetime.fromtimestamp(slow_clock / 1000, UTC)
    await both.take_in(seen("delivery", slow_clock - 1), "FACEBOOK")
    assert await both.status(message) == "SENT"
    await both.take_in(seen(until_ms=slow_clock + 1), "FACEBOOK")
    assert await both.status(message) == "READ"


async def test_an_echo_that_was_taken_for_anothers_is_merged(both: Both) -> None:
    """Where the platform changed the words, the echo stands in the log until our own answer is there."""
    account = await both.connect("INSTAGRAM", "own-1")
    await both.open_window(account, "7", "INSTAGRAM")
    message = await both.send("Hello", to="7")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(body: dict[str, Any], number: int) -> None:
        arrived.set()
        await go_on.wait()

    both.platform.script = slow
    running = asyncio.create_task(both.run())
    await arrived.wait()
    await both.take_in(echo("wamid.0", text="He\u200bllo"), "INSTAGRAM")
    assert len(await both.desk.messages()) == 2
    go_on.set()
    await running
    (row,) = await both.desk.messages()
    assert (row["id"], row["status"], row["external_id"]) == (message, "SENT", "wamid.0")
    assert [name for name, _ in await both.facts()][-1] == "message.merged"


async def test_two_that_say_the_same_are_two(both: Both) -> None:
    """Somebody types on the phone what we are sending: the echo is taken for ours, and put right by the answer."""
    account = await both.connect("INSTAGRAM", "own-1")
    await both.open_window(account, "7", "INSTAGRAM")
    message = await both.send("Hello", to="7")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(body: dict[str, Any], number: int) -> None:
        arrived.set()
        await go_on.wait()

    both.platform.script = slow
    running = asyncio.create_task(both.run())
    await arrived.wait()
    await both.take_in(echo("aWdf-phone"), "INSTAGRAM")
    go_on.set()
    await running
    await both.take_in(echo("wamid.0"), "INSTAGRAM")
    rows = {row["external_id"]: row for row in await both.desk.messages()}
    assert set(rows) == {"wamid.0", "aWdf-phone"}
    assert rows["wamid.0"]["id"] == message
    assert rows["aWdf-phone"]["origin"] == "echo"


async def undecided(both: Both) -> UUID:
    """A message whose report never came."""
    message = await lost(both)
    await both.make_due(seconds=601)
    await both.run()
    assert (await both.message(message))["error_code"] == "outcome-undecided"
    return message


async def test_a_person_may_send_it_again(both: Both) -> None:
    """A new job sends it, once; the first attempt is kept, still unknown."""
    message = await undecided(both)
    row = await resolve(both.pool, "org-1", message, Decision.RESEND)
    assert row.status == "QUEUED"
    await both.run()
    assert await both.status(message) == "SENT"
    assert [attempt["outcome"] for attempt in await both.attempts()] == ["unknown", "sent"]
    assert both.platform.sent[str(message)] == 2
    with pytest.raises(Conflict, match="nothing to decide"):
        await resolve(both.pool, "org-1", message, Decision.RESEND)


async def test_a_person_may_take_it_as_failed(both: Both) -> None:
    """Without another call; a report that comes after all still counts."""
    message = await undecided(both)
    await resolve(both.pool, "org-1", message, Decision.FAILED)
    await both.run()
    assert await both.status(message) == "FAILED"
    assert len(both.platform.calls) == 1
    await both.take_in(status(message, "delivered"))
    assert await both.status(message) == "DELIVERED"


async def test_a_decision_need_not_wait(both: Both) -> None:
    """While the report is still waited for, the waiting job does what was decided."""
    message = await lost(both)
    await resolve(both.pool, "org-1", message, Decision.RESEND)
    await both.run()
    assert await both.status(message) == "SENT"
    assert len(await both.jobs()) == 1


async def test_a_report_after_it_was_sent_again_shows_that_both_were_sent(both: Both) -> None:
    """The message keeps its second id; the first attempt says that it was sent too."""
    message = await undecided(both)
    await resolve(both.pool, "org-1", message, Decision.RESEND)
    await both.run()
    await both.take_in(status(message, "delivered", wamid="wamid.first"))
    row = await both.message(message)
    assert (row["external_id"], row["status"]) == ("wamid.1", "SENT")
    async with both.pool.acquire() as connection:
        known = await attempts.of_message(connection, "org-1", message)
    assert [attempt.external_id for attempt in known] == ["wamid.first", "wamid.1"]


async def test_nobody_decides_for_others(both: Both) -> None:
    """Another organization's message is not there."""
    message = await lost(both)
    with pytest.raises(NotFound):
        await resolve(both.pool, "org-2", message, Decision.FAILED)
    assert await both.status(message) == "UNKNOWN"


async def test_trace_tells_the_life_of_a_message(both: Both) -> None:
    """By our id or the platform's: attempts, jobs, facts, and the webhooks that came of it; never what it said."""
    message = await lost(both, text="a private word")
    await both.take_in(status(message))
    await both.run()
    for name in (str(message), "wamid.x"):
        found = await trace(both.pool, name)
        (told,) = found["messages"]
        assert [attempt["outcome"] for attempt in told["attempts"]] == ["sent"]
        assert [job["status"] for job in told["jobs"]] == ["DONE"]
        assert [fact["type"] for fact in told["facts"]] == ["message.queued", *["message.status"] * 3]
        assert found["events"][0]["outcomes"][0]["outcome"] == "applied"
        assert "private word" not in msgspec.json.encode(found).decode()
