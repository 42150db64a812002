"""Delivery: a message goes out once, in order, and whatever the platform says ends as the status that it means."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.services.sending import ORGANIZATION, PERSON, TOKEN, Sending, refusal

from hookline.domain.provider_error import ErrorClass
from hookline.services.control import cancel_job, retry_job
from hookline.services.deliver import DeliveryOptions
from hookline.services.failure import RetryPolicy
from hookline.services.jobs import IntegrationJobs
from hookline.services.send_finish import finish


async def test_a_message_goes_out_once(sending: Sending) -> None:
    """It is SENT under the platform's id; its attempt, its job and the feed say so."""
    await sending.connect()
    message = await sending.send("Hello")
    await sending.run()
    row = await sending.message(message)
    assert (row["status"], row["external_id"], row["error_code"]) == ("SENT", "wamid.0", None)
    assert row["sent_at"] is not None
    (attempt,) = await sending.attempts()
    assert (attempt["outcome"], attempt["external_id"], attempt["calls"]) == ("sent", "wamid.0", 1)
    assert attempt["ended_at"] >= attempt["started_at"]
    assert (await sending.job())["status"] == "DONE"
    assert [(name, data.get("status")) for name, data in await sending.facts()] == [
        ("message.queued", None),
        ("message.status", "SENT"),
    ]
    assert sending.platform.paths == ["/graph/v25.0/phone-1/messages"]
    assert sending.platform.calls[0]["biz_opaque_callback_data"] == str(message)


@pytest.mark.parametrize(
    ("provider", "metadata", "path"),
    [
        ("FACEBOOK", {}, "/graph/v25.0/own-1/messages"),
        ("INSTAGRAM", {"login": "instagram"}, "/instagram-graph/v25.0/own-1/messages"),
        ("INSTAGRAM", {"login": "facebook", "pageId": "page-1"}, "/graph/v25.0/page-1/messages"),
    ],
)
async def test_each_platform_by_each_login(
    sending: Sending, provider: str, metadata: dict[str, Any], path: str
) -> None:
    """A page, an Instagram account of its own, one behind a page: each at its host."""
    await sending.connect(provider, "own-1", **metadata)
    message = await sending.send("Hello")
    await sending.run()
    assert await sending.status(message) == "SENT"
    assert sending.platform.paths == [path]


async def test_messages_to_one_person_go_out_in_order(sending: Sending) -> None:
    """In the order in which they were accepted, one after another, whatever else goes on beside."""
    account = await sending.connect()
    others = [f"1650555{number:04}" for number in range(10)]
    for person in others:
        await sending.open_window(account, person)
    for number in range(8):
        await sending.send(f"{number}")
        for person in others:
            await sending.send(f"{number}", to=person)
    await sending.run()
    for person in (PERSON, *others):
        said = [call["text"]["body"] for call in sending.platform.calls if call["to"] == f"+{person}"]
        assert said == [str(number) for number in range(8)]
    assert set(sending.platform.sent.values()) == {1}


@pytest.mark.parametrize(
    ("code", "subcode", "words"),
    [
        (131047, None, ErrorClass.WINDOW.sentence),
        (10, 2018278, ErrorClass.WINDOW.sentence),
        (131026, None, ErrorClass.RECIPIENT.sentence),
        (551, 1545041, ErrorClass.RECIPIENT.sentence),
        (132001, None, ErrorClass.PERMANENT.sentence),
        (777001, None, ErrorClass.PERMANENT.sentence),
    ],
)
async def test_a_definite_refusal_fails_the_message(
    sending: Sending, code: int, subcode: int | None, words: str
) -> None:
    """At once, with the vendor's code and text and a sentence; one call; those behind it go on."""
    await sending.connect()
    first, second = await sending.send("1"), await sending.send("2")
    sending.platform.script = lambda body, number: refusal(code, subcode) if number == 0 else None
    await sending.run()
    row = await sending.message(first)
    assert (row["status"], row["error_code"]) == ("FAILED", f"{code}/{subcode}" if subcode else str(code))
    assert row["error_text"] == f"{words} (#{code}) no"
    assert row["failed_at"] is not None
    assert await sending.status(second) == "SENT"
    attempt = (await sending.attempts(first))[0]
    assert (attempt["outcome"], attempt["error_code"], attempt["http_status"]) == ("refused", row["error_code"], 400)
    jobs = await sending.jobs()
    assert [job["status"] for job in jobs] == ["FAILED", "DONE"]
    assert jobs[0]["attempts"] == 0
    assert ("message.status", "FAILED") in [(name, data.get("status")) for name, data in await sending.facts()]


async def test_a_temporary_refusal_is_tried_again_at_once(sending: Sending) -> None:
    """Twice, inside the same attempt: the code says that nothing was done."""
    await sending.connect()
    message = await sending.send()
    sending.platform.script = lambda body, number: refusal(131016, status=503) if number < 2 else None
    await sending.run()
    assert await sending.status(message) == "SENT"
    (attempt,) = await sending.attempts()
    assert (attempt["calls"], attempt["outcome"]) == (3, "sent")


async def test_a_lasting_problem_is_tried_again_later(sending: Sending) -> None:
    """With the job's backoff, in order, until its attempts are used up; then the message has failed."""
    sending.policy = RetryPolicy(max_attempts=2)
    await sending.connect()
    first, second = await sending.send("1"), await sending.send("2")
    sending.platform.script = lambda body, number: refusal(131016) if body["text"]["body"] == "1" else None
    for attempts in (1, 2):
        await sending.run()
        row = await sending.message(first)
        assert (row["status"], row["error_code"]) == ("QUEUED", "131016")
        job = (await sending.jobs())[0]
        assert (job["status"], job["attempts"]) == ("PENDING", attempts)
        assert job["wait"] == pytest.approx(60 * 2**attempts, abs=10)
        assert await sending.status(second) == "QUEUED"
        await sending.make_due()
    await sending.run()
    assert await sending.status(first) == "FAILED"
    assert await sending.status(second) == "SENT"
    assert [job["status"] for job in await sending.jobs()] == ["FAILED", "DONE"]
    assert len(await sending.attempts(first)) == 3


async def test_an_unknown_error_is_tried_twice_more_and_is_then_permanent(sending: Sending) -> None:
    """Code 1 may be the request's own fault."""
    await sending.connect()
    message = await sending.send()
    sending.platform.script = lambda body, number: refusal(1, status=500)
    await sending.run()
    assert await sending.status(message) == "FAILED"
    assert len(sending.platform.calls) == 3


async def test_a_job_that_failed_can_be_run_again(sending: Sending) -> None:
    """A manager's retry sends the message after all, however old it is."""
    await sending.connect()
    message = await sending.send()
    sending.platform.script = lambda body, number: refusal(132001) if number == 0 else None
    await sending.run()
    assert await sending.status(message) == "FAILED"
    await sending.pool.execute("UPDATE messages SET created_at = created_at - interval '9 days'")
    async with sending.pool.acquire() as connection, connection.transaction():
        await retry_job(connection, ORGANIZATION, (await sending.job())["id"])
    assert await sending.status(message) == "QUEUED"
    await sending.run()
    row = await sending.message(message)
    assert (row["status"], row["error_code"], row["failed_at"]) == ("SENT", None, None)


async def test_a_cancelled_job_cancels_its_message(sending: Sending) -> None:
    """What was not begun with has failed, and says so; nothing is called."""
    await sending.connect()
    message = await sending.send()
    async with sending.pool.acquire() as connection, connection.transaction():
        await cancel_job(connection, ORGANIZATION, (await sending.job())["id"], "ann")
    row = await sending.message(message)
    assert (row["status"], row["error_code"], row["error_text"]) == ("FAILED", "cancelled", "cancelled by ann")
    await sending.run()
    assert sending.platform.calls == []


async def test_what_is_cancelled_while_it_may_be_on_its_way_is_left_to_people(sending: Sending) -> None:
    """Nobody waits for its report any more, so somebody has to decide."""
    await sending.connect()
    message = await sending.send()
    sending.platform.script = lambda body, number: "taken and reset"
    await sending.run()
    async with sending.pool.acquire() as connection, connection.transaction():
        await cancel_job(connection, ORGANIZATION, (await sending.job())["id"], "ann")
    row = await sending.message(message)
    assert (row["status"], row["error_code"]) == ("UNKNOWN", "outcome-undecided")


async def test_a_message_fails_with_its_job(sending: Sending) -> None:
    """Whatever keeps it from being begun with, and for however long: it does not stay QUEUED for ever."""
    sending.policy = RetryPolicy(max_attempts=1)
    await sending.connect()
    message = await sending.send()
    await sending.pool.execute("UPDATE connected_accounts SET metadata = '[1]'")
    for _ in range(2):
        await sending.run()
        await sending.make_due()
    assert await sending.status(message) == "FAILED"
    assert (await sending.job())["status"] == "FAILED"


async def test_a_throttled_account_waits_without_using_an_attempt(sending: Sending) -> None:
    """For as long as the platform asks for; nothing of it is called meanwhile, another account goes on."""
    own = await sending.connect()
    other = await sending.connect(external_id="phone-2")
    first = await sending.send("1")
    sending.platform.script = lambda body, number: refusal(80007, Retry_After="120") if number == 0 else None
    await sending.run()
    beside = await sending.send("2", account=other)
    await sending.open_window(own, "16505550000")
    later = await sending.send("3", to="16505550000")
    await sending.run()
    assert [await sending.status(one) for one in (first, later, beside)] == ["QUEUED", "QUEUED", "SENT"]
    jobs = await sending.jobs()
    assert [job["attempts"] for job in jobs] == [0, 0, 0]
    assert jobs[0]["wait"] == pytest.approx(120, abs=5)
    assert jobs[2]["wait"] == pytest.approx(120, abs=5)
    assert len(sending.platform.calls) == 2


async def test_a_throttled_account_is_held_by_every_worker(sending: Sending) -> None:
    """Another process knows it from the database; and goes on when the time has passed."""
    await sending.connect()
    first = await sending.send("1")
    sending.platform.script = lambda body, number: refusal(130429, Retry_After="30") if number == 0 else None
    await sending.run()
    await sending.pool.execute("UPDATE integration_jobs SET run_at = now()")
    await sending.run()
    assert await sending.status(first) == "QUEUED"
    assert len(sending.platform.calls) == 1
    await sending.make_due(seconds=31)
    await sending.run()
    assert await sending.status(first) == "SENT"


async def test_a_limit_of_the_app_stops_all_its_accounts(sending: Sending) -> None:
    """Code 4 is about the whole app."""
    await sending.connect()
    other = await sending.connect(external_id="phone-2")
    await sending.send("1")
    sending.platform.script = lambda body, number: refusal(4) if number == 0 else None
    await sending.run()
    beside = await sending.send("2", account=other)
    await sending.run()
    assert await sending.status(beside) == "QUEUED"
    assert len(sending.platform.calls) == 1


async def test_a_pair_that_is_too_fast_waits_longer_each_time(sending: Sending) -> None:
    """1, 4, 16 seconds; others of the account go on; success forgets it."""
    account = await sending.connect()
    message = await sending.send("1")
    sending.platform.script = lambda body, number: refusal(131056) if number < 3 else None
    waits = []
    for _ in range(3):
        await sending.run()
        await sending.make_due()
        await sending.run()
        waits.append((await sending.job())["wait"])
        await sending.make_due(seconds=20)
    assert waits == [pytest.approx(expected, abs=0.9) for expected in (1, 4, 16)]
    await sending.run()
    assert await sending.status(message) == "SENT"
    strikes = await sending.pool.fetchval("SELECT strikes FROM pair_paces")
    assert strikes == 0
    assert (await sending.job())["attempts"] == 0
    assert account


async def test_a_pair_keeps_its_pace(sending: Sending) -> None:
    """45 at once; the 46th waits its six seconds, and then one goes every six; nothing is refused."""
    await sending.connect()
    for number in range(47):
        await sending.send(str(number))
    await sending.run()
    assert len(sending.platform.taken) == 45
    waiting = [job for job in await sending.jobs() if job["status"] == "PENDING"]
    assert 0 < waiting[0]["wait"] <= 6
    for expected in (46, 47):
        await sending.make_due(seconds=6.1)
        await sending.run()
        assert len(sending.platform.taken) == expected
    assert [call["text"]["body"] for call in sending.platform.calls] == [str(number) for number in range(47)]


async def test_a_revoked_token_stops_the_account_and_keeps_its_messages(sending: Sending) -> None:
    """The account is in ERROR; the message waits, and goes out when somebody has connected it again."""
    await sending.connect()
    first, second = await sending.send("1"), await sending.send("2")
    sending.platform.script = lambda body, number: refusal(190, 463, status=401) if number == 0 else None
    await sending.run()
    status = await sending.pool.fetchval("SELECT status FROM connected_accounts")
    assert status == "ERROR"
    row = await sending.message(first)
    assert (row["status"], row["error_code"]) == ("QUEUED", "190/463")
    assert ErrorClass.REAUTHORIZE.sentence in row["error_text"]
    await sending.make_due()
    await sending.run()
    assert len(sending.platform.calls) == 1
    await sending.pool.execute("UPDATE connected_accounts SET status = 'CONNECTED'")
    await sending.make_due()
    await sending.run()
    assert [await sending.status(one) for one in (first, second)] == ["SENT", "SENT"]
    assert [job["attempts"] for job in await sending.jobs()] == [0, 0]


async def test_a_restricted_account_is_paused_and_people_are_told_once(sending: Sending) -> None:
    """Nothing more is called for a while; the feed has one alert, however many messages met it."""
    account = await sending.connect()
    people = [f"1650555{number:04}" for number in range(5)]
    for person in people:
        await sending.open_window(account, person)
        await sending.send("Hello", to=person)
    sending.platform.script = lambda body, number: refusal(131042)
    await sending.run()
    alerts = [data for name, data in await sending.facts() if name == "account.alert"]
    assert len(alerts) == 1
    assert (alerts[0]["code"], alerts[0]["sentence"]) == ("131042", ErrorClass.ACCOUNT.sentence)
    assert {job["status"] for job in await sending.jobs()} == {"PENDING"}
    before = len(sending.platform.calls)
    await sending.pool.execute("UPDATE integration_jobs SET run_at = now()")
    await sending.run()
    assert len(sending.platform.calls) == before


async def test_a_marketing_cap_defers_for_a_day_and_holds_nobody(sending: Sending) -> None:
    """The template waits a day; what follows to the same person goes out."""
    await sending.connect()
    template = {"type": "template", "template": {"name": "offer", "language": "en"}}
    offer, answer = await sending.send(**template), await sending.send("Hello")
    sending.platform.script = lambda body, number: refusal(131049) if body["type"] == "template" else None
    await sending.run()
    assert [await sending.status(one) for one in (offer, answer)] == ["QUEUED", "SENT"]
    first, _, later = await sending.jobs()
    assert (first["status"], later["status"], later["max_attempts"]) == ("DONE", "PENDING", 4)
    assert later["wait"] == pytest.approx(24 * 3600, abs=10)
    await sending.make_due()
    await sending.run()
    assert (await sending.jobs())[-1]["max_attempts"] == 3
    sending.platform.script = lambda body, number: None
    await sending.make_due()
    await sending.run()
    assert await sending.status(offer) == "SENT"


async def test_a_platform_that_is_not_there_is_tried_again(sending: Sending) -> None:
    """Nothing arrived, so nothing can be sent twice: quickly at first, then with backoff."""
    await sending.connect()
    message = await sending.send()
    there = sending.platform.url
    sending.platform.url = "http://127.0.0.1:9"
    await sending.run()
    row = await sending.message(message)
    assert row["status"] == "QUEUED"
    (attempt,) = await sending.attempts()
    assert (attempt["outcome"], attempt["calls"]) == ("unreached", 3)
    assert (await sending.job())["attempts"] == 1
    sending.platform.url = there
    await sending.make_due()
    await sending.run()
    assert await sending.status(message) == "SENT"


@pytest.mark.parametrize("answer", ["reset", "taken and reset", (502, "<html>Bad Gateway</html>", {}), (200, {}, {})])
async def test_an_outcome_that_is_not_known_is_never_tried_again(sending: Sending, answer: Any) -> None:
    """The message is UNKNOWN and says so; it and those behind it wait; nothing is called a second time."""
    await sending.connect()
    first, second = await sending.send("1"), await sending.send("2")
    sending.platform.script = lambda body, number: answer
    await sending.run()
    row = await sending.message(first)
    assert (row["status"], row["error_code"]) == ("UNKNOWN", "outcome-unknown")
    (attempt,) = await sending.attempts()
    assert attempt["outcome"] == "unknown"
    job = (await sending.jobs())[0]
    assert (job["status"], job["attempts"]) == ("PENDING", 0)
    assert job["wait"] == pytest.approx(600, abs=10)
    await sending.make_due(seconds=30)
    await sending.run()
    assert len(sending.platform.calls) == 1
    assert await sending.status(second) == "QUEUED"
    assert ("message.status", "UNKNOWN") in [(name, data.get("status")) for name, data in await sending.facts()]


async def test_past_its_time_a_person_decides_and_the_others_go_on(sending: Sending) -> None:
    """The message stays UNKNOWN, marked; its followers are sent."""
    await sending.connect()
    first, second = await sending.send("1"), await sending.send("2")
    sending.platform.script = lambda body, number: "taken and reset" if number == 0 else None
    await sending.run()
    await sending.make_due(seconds=601)
    await sending.run()
    row = await sending.message(first)
    assert (row["status"], row["error_code"]) == ("UNKNOWN", "outcome-undecided")
    assert await sending.status(second) == "SENT"
    assert [name for name, _ in await sending.facts()].count("message.undecided") == 1
    assert [job["status"] for job in await sending.jobs()] == ["DONE", "DONE"]


async def test_a_worker_lost_in_the_middle_of_a_call_leaves_it_unknown(sending: Sending) -> None:
    """Whoever takes the job over sends nothing: the call may have arrived. A late answer is still recorded."""
    await sending.connect()
    message = await sending.send()
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(body: dict[str, Any], number: int) -> None:
        arrived.set()
        await go_on.wait()

    sending.platform.script = slow
    lost = asyncio.create_task(sending.worker().drain())
    await arrived.wait()
    assert await sending.status(message) == "SENDING"
    await sending.pool.execute("UPDATE integration_jobs SET status = 'PENDING', worker_id = NULL")  # as rescue does
    await sending.run()
    assert await sending.becomes(message, "UNKNOWN")
    assert len(sending.platform.calls) == 1
    go_on.set()
    await lost
    row = await sending.message(message)
    assert (row["status"], row["external_id"]) == ("SENT", "wamid.0")
    job = await sending.job()
    assert job["status"] == "DONE" or job["wait"] <= 0
    await sending.run()
    assert (await sending.job())["status"] == "DONE"
    assert len(sending.platform.calls) == 1


async def test_a_late_refusal_lets_it_be_tried_again(sending: Sending) -> None:
    """What was taken for unknown is known to be unsent: the next holder sends it."""
    await sending.connect()
    message = await sending.send()
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(body: dict[str, Any], number: int) -> Any:
        if number > 0:
            return None
        arrived.set()
        await go_on.wait()
        return refusal(80007, Retry_After="1")

    sending.platform.script = slow
    lost = asyncio.create_task(sending.worker().drain())
    await arrived.wait()
    await sending.pool.execute("UPDATE integration_jobs SET status = 'PENDING', worker_id = NULL")
    await sending.run()
    assert await sending.becomes(message, "UNKNOWN")
    go_on.set()
    await lost
    assert await sending.status(message) == "QUEUED"
    await sending.make_due(seconds=2)
    await sending.run()
    assert await sending.status(message) == "SENT"


async def test_a_message_that_waited_too_long_is_not_sent_any_more(sending: Sending) -> None:
    """After three days nobody expects it."""
    sending.options = DeliveryOptions(expiry=timedelta(hours=1))
    await sending.connect()
    message = await sending.send()
    await sending.pool.execute("UPDATE messages SET created_at = created_at - interval '2 hours'")
    await sending.run()
    row = await sending.message(message)
    assert (row["status"], row["error_code"]) == ("FAILED", "expired")
    assert sending.platform.calls == []


async def test_a_disconnected_account_sends_nothing(sending: Sending) -> None:
    """What was queued has failed, with the reason."""
    await sending.connect()
    message = await sending.send()
    await sending.pool.execute("UPDATE connected_accounts SET status = 'DISCONNECTED'")
    await sending.run()
    row = await sending.message(message)
    assert (row["status"], row["error_code"]) == ("FAILED", "account-disconnected")
    assert sending.platform.calls == []


@pytest.mark.parametrize(
    ("state", "becomes", "code"), [("DISCONNECTED", "FAILED", "account-disconnected"), ("ERROR", "QUEUED", None)]
)
async def test_an_account_that_is_lost_meanwhile_sends_nothing_more(
    sending: Sending, state: str, becomes: str, code: str | None
) -> None:
    """At once, though the worker has just sent from it and remembers it as well."""
    await sending.connect()
    worker = sending.worker()
    first = await sending.send()
    await worker.drain()
    second = await sending.send()
    await sending.pool.execute("UPDATE connected_accounts SET status = $1", state)
    await worker.drain()
    assert await sending.status(first) == "SENT"
    row = await sending.message(second)
    assert (row["status"], row["error_code"]) == (becomes, code)
    assert row["error_text"]
    assert len(sending.platform.calls) == 1


async def test_a_message_to_an_account_in_error_says_why_it_waits(sending: Sending) -> None:
    """Also if it was another call that was refused; once it is sent, nothing is said of that any more."""
    await sending.connect()
    message = await sending.send()
    await sending.pool.execute("UPDATE connected_accounts SET status = 'ERROR', last_error = 'The password changed.'")
    await sending.run()
    row = await sending.message(message)
    assert row["status"] == "QUEUED"
    assert row["error_text"] == f"{ErrorClass.REAUTHORIZE.sentence} The password changed."
    await sending.pool.execute("UPDATE connected_accounts SET status = 'CONNECTED', last_error = NULL")
    await sending.make_due()
    await sending.run()
    row = await sending.message(message)
    assert (row["status"], row["error_code"], row["error_text"]) == ("SENT", None, None)


async def test_usage_near_its_end_stops_an_account(sending: Sending) -> None:
    """At 95 percent nothing more is called, before the platform has to refuse."""
    account = await sending.connect("FACEBOOK", "page-1")
    usage = '{"page-1": [{"type": "messenger", "call_count": 96, "estimated_time_to_regain_access": 3}]}'
    sending.platform.script = lambda body, number: {"X-Business-Use-Case-Usage": usage}
    await sending.send("1")
    await sending.run()
    await asyncio.sleep(0.2)
    await sending.open_window(account, "8", "FACEBOOK")
    later = await sending.send("2", to="8")
    await sending.run()
    assert await sending.status(later) == "QUEUED"
    jobs = await sending.jobs()
    assert jobs[-1]["wait"] == pytest.approx(180, abs=5)


async def test_marks_and_typing_are_called_and_logged_nowhere(sending: Sending) -> None:
    """One call each; a typing indicator that comes too late is not shown."""
    await sending.connect()
    await sending.send(type="read")
    await sending.send(type="typing")
    await sending.run()
    assert [call["status"] for call in sending.platform.calls] == ["read", "read"]
    assert sorted("typing_indicator" in call for call in sending.platform.calls) == [False, True]
    await sending.send(type="typing")
    await sending.pool.execute("UPDATE integration_jobs SET created_at = created_at - interval '1 minute'")
    await sending.run()
    assert len(sending.platform.calls) == 2
    assert {job["status"] for job in await sending.jobs()} == {"DONE"}
    assert await sending.pool.fetchval("SELECT count(*) FROM messages") == 0


async def test_no_secret_reaches_a_log(sending: Sending, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the token nor what was said, whatever goes wrong."""
    await sending.connect()
    for number, answer in enumerate(("reset", refusal(190), refusal(131026), (502, "<html>", {}))):
        await sending.pool.execute("UPDATE connected_accounts SET status = 'CONNECTED'")
        await sending.pool.execute("DELETE FROM integration_jobs")
        sending.platform.script = lambda body, _, answer=answer: answer  # type: ignore[misc]
        await sending.send(f"a private word {number}")
        await sending.run()
    said = "".join(capsys.readouterr())
    assert TOKEN not in said
    assert "private word" not in said
    stored = str(await sending.pool.fetch("SELECT last_error FROM integration_jobs")) + str(await sending.attempts())
    assert TOKEN not in stored
    assert "private word" not in stored


async def test_a_job_sends_only_its_own_accounts_message(sending: Sending) -> None:
    """A job that names another account's message, or another organization's, or none, sends nothing."""
    await sending.connect()
    other = await sending.connect(external_id="phone-2")
    message = await sending.send()
    await sending.pool.execute("UPDATE integration_jobs SET connected_account_id = $1", other)
    await sending.run()
    jobs = IntegrationJobs(sending.pool)
    for organization, payload in (
        ("org-2", {"messageId": str(message), "type": "text"}),
        (ORGANIZATION, {"to": PERSON, "text": "Hello"}),
        (ORGANIZATION, {"messageId": "7"}),
        (ORGANIZATION, []),
    ):
        await jobs.enqueue(
            "SEND_MESSAGE", "WHATSAPP", payload, organization_id=organization, connected_account_id=sending.account
        )
    await sending.run()
    assert sending.platform.calls == []
    assert {job["status"] for job in await sending.jobs()} == {"FAILED"}


async def test_a_database_that_is_busy_costs_no_attempt(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadlock or an outage while a message is begun with is no failure of the message."""
    await sending.connect()
    message = await sending.send()

    async def busy(*_: Any) -> Any:
        raise asyncpg.DeadlockDetectedError("deadlock detected")

    with monkeypatch.context() as patched:
        patched.setattr("hookline.services.deliver.begin", busy)
        await sending.run()
    job = await sending.job()
    assert (job["status"], job["attempts"]) == ("PENDING", 0)
    await sending.make_due()
    await sending.run()
    assert await sending.status(message) == "SENT"


async def test_what_was_sent_is_recorded_after_an_outage(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's answer waits for the database; nothing is sent again."""
    await sending.connect()
    message = await sending.send()
    tried = 0

    async def away_at_first(*arguments: Any, **options: Any) -> Any:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise asyncpg.ConnectionDoesNotExistError("gone")
        return await finish(*arguments, **options)

    monkeypatch.setattr("hookline.services.deliver.finish", away_at_first)
    await sending.run()
    assert await sending.status(message) == "SENT"
    assert len(sending.platform.calls) == 1
