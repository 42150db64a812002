"""From a POST's bytes to committed events and jobs: routing, adoption, and what becomes of odd data and outages."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.services import bodies
from tests.services.desk import Desk, event_named, result_of
from tests.services.proxy import DatabaseProxy

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import Unavailable
from hookline.domain.event import Signature
from hookline.providers import PROVIDERS
from hookline.services.ingest import Ingest, events_of
from hookline.store.intake import NewEvent
from hookline.store.pool import INGEST_ROLE, open_pool

HELLO = bodies.messages(bodies.text_message("wamid.1"))


def rows_of(body: bytes, provider: str = "WHATSAPP") -> list[NewEvent]:
    """The events of a POST."""
    known = PROVIDERS[IntegrationProvider(provider)]
    return events_of(known, body, Signature.VERIFIED, organization_hint=None, latest_if_unnamed=False)


async def test_a_webhook_is_saved_as_a_pending_event(desk: Desk) -> None:
    """The event holds provider, type, payload and arrival, is PENDING, and was not retried."""
    account = await desk.connect()
    await desk.post(HELLO)
    event = await desk.event()
    assert (event["provider"], event["event_type"], event["status"]) == ("WHATSAPP", "messages", "PENDING")
    assert (event["organization_id"], event["connected_account_id"]) == ("org-1", account.id)
    assert (event["external_account_id"], event["contact"]) == ("phone-1", bodies.ANN)
    assert (event["retries"], event["processed_at"], event["error"], event["body"]) == (0, None, None, None)
    assert event["payload_json"].encode() == HELLO


async def test_each_owned_event_gets_its_job(desk: Desk) -> None:
    """The job is of type PROCESS_WEBHOOK, names the event, belongs to its organization and account, and is due."""
    account = await desk.connect()
    await desk.post(HELLO)
    (job,) = await desk.jobs()
    assert (job["job_type"], job["status"], job["attempts"]) == ("PROCESS_WEBHOOK", "PENDING", 0)
    assert (job["organization_id"], job["connected_account_id"]) == ("org-1", account.id)
    assert event_named(job) == (await desk.event())["id"]
    assert job["ordering_key"] == f"in:{account.id}:{bodies.ANN}"
    assert job["run_at"] == job["created_at"]


@pytest.mark.parametrize(
    "text",
    [
        r'{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"f","value":{"a":"😀"}}]}]}',
        r'{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"f","value":"\u0000\ud83d"}]}]}',
        r'{"object":"whatsapp_business_account", "entry":[{"id":"w","changes":[{"field":"f","value":"\/\u00e9\""}]}] }',
        '{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"f","value":[1e400,1.10,-0]}]}]}',
        '{"a":1,"a":2,"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"f","value":1}]}]}',
    ],
    ids=["emoji", "NUL and lone surrogate", "escapes and white space", "odd numbers", "a name twice"],
)
async def test_the_payload_is_kept_byte_for_byte(desk: Desk, text: str) -> None:
    """What was signed is what is stored, escapes and spaces and all, and processing it succeeds."""
    await desk.connect("phone-1", wabaId="w")
    await desk.take_in(text.encode())
    event = await desk.event()
    assert (event["payload_json"], event["status"]) == (text, "PROCESSED")


async def test_a_divided_post_keeps_each_slice_s_exact_text(desk: Desk) -> None:
    """When a POST is divided, each event holds its own pieces exactly as they were written."""
    pieces = [r'{"from":"1","id":"a","type":"text","text":{"body":"\ud83d\u0000 \/"}}', '{ "from":"2", "id" : "b" }']
    text = (
        '{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"messages","value":'
        '{"metadata":{"phone_number_id":"phone-1"},"messages":[' + ",".join(pieces) + "]}}]}]}"
    )
    await desk.post(text.encode())
    events = await desk.events()
    assert [event["contact"] for event in events] == ["1", "2"]
    for event, own, other in zip(events, pieces, reversed(pieces), strict=True):
        assert own in event["payload_json"]
        assert other not in event["payload_json"]


async def test_a_post_is_split_by_owner_and_contact(desk: Desk) -> None:
    """Two organizations' entries in one POST end as events of one organization each, with nothing of the other's."""
    await desk.connect("phone-1", "org-1")
    await desk.connect("phone-2", "org-2")
    await desk.post(
        bodies.whatsapp(
            bodies.change(
                "phone-1", messages=[bodies.text_message("a", sender="1"), bodies.text_message("b", sender="2")]
            ),
            bodies.change("phone-2", messages=[bodies.text_message("c", sender="1")]),
            bodies.change("phone-1", statuses=[bodies.status("d", "read", recipient="1")]),
        )
    )
    found = sorted((event["organization_id"], event["contact"], event["payload_json"]) for event in await desk.events())
    assert [(organization, contact) for organization, contact, _ in found] == [
        ("org-1", "1"),
        ("org-1", "1"),
        ("org-1", "2"),
        ("org-2", "1"),
    ]
    for organization, _, payload in found:
        assert ('"c"' in payload) == (organization == "org-2")
    await desk.process()
    by_organization = {row["external_id"]: row["organization_id"] for row in await desk.messages()}
    assert by_organization == {"a": "org-1", "b": "org-1", "c": "org-2"}


async def test_what_nobody_owns_waits_without_job(desk: Desk) -> None:
    """An unowned event is PENDING, of no organization, with its address and arrival, and no job."""
    await desk.post(HELLO)
    event = await desk.event()
    assert (event["organization_id"], event["connected_account_id"], event["status"]) == (None, None, "PENDING")
    assert event["external_account_id"] == "phone-1"
    assert await desk.jobs() == []
    assert await desk.process() == 0


async def test_unowned_events_go_to_the_account_that_connects(desk: Desk) -> None:
    """Upkeep gives them to the account in order of arrival, with the arrival kept, and they are processed once."""
    sent = [bodies.messages(bodies.text_message(f"wamid.{number}", seconds=number)) for number in range(5)]
    for body in sent:
        await desk.post(body)
    arrived = [(event["id"], event["received_at"]) for event in await desk.events()]
    account = await desk.connect()
    assert await desk.keep_up(), "there was something to adopt"
    assert [(event["id"], event["received_at"]) for event in await desk.events()] == arrived
    assert {event["connected_account_id"] for event in await desk.events()} == {account.id}
    assert [event_named(job) for job in await desk.jobs()] == [event_id for event_id, _ in arrived]
    assert not await desk.keep_up(), "nothing is left to adopt"
    await desk.process()
    assert bodies.ids(await desk.messages()) == [f"wamid.{number}" for number in range(5)]


async def test_unowned_events_are_adopted_by_their_second_address(desk: Desk) -> None:
    """A generic body names a number as people write it; the account that has that number gets it."""
    await desk.post(bodies.generic("m-1", to="+1 (555) 078-3881"))
    assert (await desk.event())["organization_id"] is None
    account = await desk.connect("phone-1", displayPhoneNumber="+1 555-078-3881")
    await desk.keep_up()
    assert (await desk.event())["connected_account_id"] == account.id


async def test_unowned_events_are_not_given_to_another_organization_than_once_owned_the_address(desk: Desk) -> None:
    """A number that changed hands: what came in between is nobody's for good, for the first owner as for the second."""
    first = await desk.connect("phone-1", "org-1")
    await desk.disconnect(first)
    await desk.post(HELLO)
    assert (await desk.event())["organization_id"] is None
    await desk.connect("phone-1", "org-2")
    await desk.keep_up()
    assert (await desk.event())["organization_id"] is None
    assert [job for job in await desk.jobs() if job["job_type"] == "PROCESS_WEBHOOK"] == []
    await desk.post(bodies.messages(bodies.text_message("wamid.2")))
    assert (await desk.events())[-1]["organization_id"] == "org-2"


async def test_the_same_organization_gets_what_came_while_it_was_disconnected(desk: Desk) -> None:
    """Connecting again gives an organization what waited meanwhile."""
    account = await desk.connect()
    await desk.disconnect(account)
    await desk.post(HELLO)
    await desk.connect()
    await desk.keep_up()
    assert (await desk.event())["connected_account_id"] == account.id


async def test_a_disconnected_account_gets_nothing(desk: Desk) -> None:
    """From the disconnect on, webhooks are nobody's, and the other accounts still get theirs."""
    account = await desk.connect("phone-1", wabaId="waba-1")
    other = await desk.connect("phone-2", wabaId="waba-1")
    await desk.disconnect(account)
    await desk.post(HELLO)
    await desk.post(bodies.whatsapp(bodies.change(None, "account_update", event="X")))
    nobodys, wabas = await desk.events()
    assert nobodys["organization_id"] is None
    assert wabas["connected_account_id"] == other.id


async def test_a_waba_s_change_goes_to_every_live_account_of_it(desk: Desk) -> None:
    """Each account of the WABA, of whatever organization, gets an event and a job of its own; others do not."""
    accounts = [await desk.connect(f"phone-{number}", f"org-{number}", wabaId="waba-1") for number in (1, 2, 3)]
    await desk.connect("phone-4", "org-1", wabaId="waba-2")
    await desk.post(bodies.whatsapp(bodies.change(None, "account_update", event="DISABLED_UPDATE")))
    events = await desk.events()
    assert {event["connected_account_id"] for event in events} == {account.id for account in accounts}
    assert {event["organization_id"] for event in events} == {"org-1", "org-2", "org-3"}
    assert len({event["id"] for event in events}) == 3
    jobs = await desk.jobs()
    owners = {event["id"]: event["organization_id"] for event in events}
    assert {event_named(job): job["organization_id"] for job in jobs} == owners
    assert await desk.process() == 3
    assert {event["status"] for event in await desk.events()} == {"PROCESSED"}


async def test_an_unowned_waba_change_is_adopted_by_every_account_of_one_organization(desk: Desk) -> None:
    """Adoption fans out as routing does."""
    await desk.post(bodies.whatsapp(bodies.change(None, "account_update", event="X")))
    accounts = [await desk.connect(f"phone-{number}", wabaId="waba-1") for number in (1, 2)]
    await desk.keep_up()
    assert {event["connected_account_id"] for event in await desk.events()} == {account.id for account in accounts}
    assert await desk.process() == 2


async def test_instagram_answers_to_either_of_its_ids(desk: Desk) -> None:
    """An Instagram account is found by its id for webhooks and by its app-scoped id."""
    account = await desk.connect("ig-1", provider="INSTAGRAM", appScopedId="ig-scoped")
    for name in ("ig-1", "ig-scoped"):
        body = bodies.messaging(bodies.item(account=name, message={"mid": name}), account=name, name="instagram")
        await desk.post(body, "INSTAGRAM")
    assert [event["connected_account_id"] for event in await desk.events()] == [account.id, account.id]


async def test_providers_do_not_share_addresses(desk: Desk) -> None:
    """The same id on another platform is somebody else."""
    await desk.connect("same", provider="FACEBOOK")
    await desk.post(bodies.messages(bodies.text_message("wamid.1"), phone="same"))
    assert (await desk.event())["organization_id"] is None


MALFORMED = {
    "no UTF-8": b'{"object":"page","entry":["\xff"]}',
    "no JSON": b"{",
    "empty": b"",
    "NaN": b'{"object":"page","entry":[NaN]}',
    "an array": b"[]",
    "no envelope": b'{"hello":"world"}',
    "deep": b'{"object":"page","entry":' + b"[" * 300 + b"]" * 300 + b"}",
    "NUL": b'{"object":"page","entry":["\x00"]}',
}


async def test_a_malformed_body_is_one_failed_event_with_its_bytes(desk: Desk) -> None:
    """Nothing that was signed is lost: the bytes and the reason are kept, without job."""
    for body in MALFORMED.values():
        await desk.post(body, "FACEBOOK")
    found = {event["body"]: event for event in await desk.events()}
    assert set(found) == set(MALFORMED.values())
    for event in found.values():
        assert (event["status"], event["event_type"], event["payload_json"]) == ("FAILED", "malformed", None)
        assert event["error"]
        assert event["organization_id"] is None
    assert await desk.jobs() == []


@pytest.mark.parametrize("name", ["user", "permissions"])
async def test_what_can_never_have_an_owner_is_processed_as_ignored(desk: Desk, name: str) -> None:
    """Objects about the app's own users are done at once, with the reason."""
    await desk.post(bodies.dump({"object": name, "entry": [{"id": "1", "changes": []}]}), "FACEBOOK")
    event = await desk.event()
    assert (event["status"], event["organization_id"]) == ("PROCESSED", None)
    (result,) = result_of(event)
    assert (result["outcome"], bool(result["reason"])) == ("ignored", True)
    assert event["processed_at"] == event["received_at"]
    assert await desk.jobs() == []


async def test_the_dashboard_s_test_is_ignored(desk: Desk) -> None:
    """The console's test button sends an entry with the id 0: nobody's, and no account may ever claim it."""
    await desk.connect("0", provider="FACEBOOK")
    await desk.post(bodies.messaging(bodies.item(message={"mid": "m"}), account="0"), "FACEBOOK")
    event = await desk.event()
    assert (event["status"], event["organization_id"], result_of(event)[0]["outcome"]) == ("PROCESSED", None, "ignored")


async def test_an_object_that_contradicts_the_path_is_failed(desk: Desk) -> None:
    """A page's webhook on WhatsApp's path is kept as FAILED, and reaches no account."""
    await desk.connect("page-1", provider="FACEBOOK")
    await desk.post(bodies.messaging(bodies.item(message={"mid": "m"})), "WHATSAPP")
    event = await desk.event()
    assert (event["status"], event["organization_id"]) == ("FAILED", None)
    assert "contradicts" in event["error"]


def unstorable(row: NewEvent) -> NewEvent:
    """An event that PostgreSQL refuses: text may hold no NUL."""
    return msgspec.structs.replace(row, contact="person\x00")


async def test_what_the_database_refuses_fails_alone(desk: Desk) -> None:
    """Of a batch of POSTs the culprit alone is FAILED with its payload as bytes; its neighbours never notice."""
    await desk.connect()
    posts = [rows_of(bodies.messages(bodies.text_message(f"wamid.{n}", sender=str(n)))) for n in range(20)]
    posts[7] = [unstorable(row) for row in posts[7]]
    await asyncio.gather(*(desk.ingest.store(rows, 100) for rows in posts))
    events = await desk.events()
    assert len(events) == 20
    (failed,) = [event for event in events if event["status"] == "FAILED"]
    assert failed["body"] == posts[7][0].payload_json.encode()  # type: ignore[union-attr]
    assert "refused" in failed["error"]
    assert await desk.process() == 19
    assert set(bodies.ids(await desk.messages())) == {f"wamid.{n}" for n in range(20)} - {"wamid.7"}


async def test_within_one_post_too_the_culprit_fails_alone(desk: Desk) -> None:
    """The other parts of the same POST are stored as they are."""
    await desk.connect()
    said = [bodies.text_message(f"wamid.{n}", sender=str(n)) for n in range(5)]
    rows = rows_of(bodies.messages(*said))
    rows[2] = unstorable(rows[2])
    await desk.ingest.store(rows, 100)
    assert sorted(event["status"] for event in await desk.events()) == ["FAILED", *["PENDING"] * 4]
    assert len(await desk.jobs()) == 4


async def test_without_the_database_it_is_unavailable_and_works_again_after(database_url: str, desk: Desk) -> None:
    """While the database is gone every POST is refused at once; afterwards the same writer takes them again."""
    async with (
        DatabaseProxy(database_url) as proxy,
        await open_pool(proxy.url, role=INGEST_ROLE, size=2, application_name="tests") as pool,
    ):
        ingest = Ingest(pool)
        await ingest.store(rows_of(HELLO), len(HELLO))
        await proxy.cut()
        outcomes = await asyncio.wait_for(
            asyncio.gather(*(ingest.store(rows_of(HELLO), len(HELLO)) for _ in range(20)), return_exceptions=True), 10
        )
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        await proxy.mend()
        await ingest.store(rows_of(HELLO), len(HELLO))
        await ingest.close()
    assert len(await desk.events()) == 2


async def test_a_caller_that_goes_away_takes_nobody_with_it(desk: Desk) -> None:
    """A platform that closes its connection early does not keep its neighbours' webhooks from being stored."""
    stores = [asyncio.create_task(desk.ingest.store(rows_of(HELLO), 100)) for _ in range(30)]
    await asyncio.sleep(0)
    for store in stores[::3]:
        store.cancel()
    outcomes = await asyncio.gather(*stores, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes[1::3] + outcomes[2::3]} == {type(None)}
    assert len(await desk.events()) >= 20


async def test_too_much_waiting_is_refused(desk: Desk) -> None:
    """When the database is slower than the platforms, what does not fit into memory is refused and comes again."""
    big = 30 * 1024 * 1024
    outcomes = await asyncio.gather(*(desk.ingest.store(rows_of(HELLO), big) for _ in range(8)), return_exceptions=True)
    kinds = [type(outcome) for outcome in outcomes]
    assert Unavailable in kinds
    assert kinds.count(type(None)) == len(await desk.events()) > 0
    await desk.post(HELLO)


class _SlowDatabase:
    """A pool whose statements end when the test says so."""

    def __init__(self) -> None:
        self.statements: list[asyncio.Future[int]] = []

    @asynccontextmanager
    async def acquire(self, **_: Any) -> Any:
        yield self

    async def fetchval(self, *_: Any) -> int:
        statement = asyncio.get_running_loop().create_future()
        self.statements.append(statement)
        return int(await statement)


async def test_a_webhook_that_comes_as_the_last_flush_ends_is_stored() -> None:
    """Nothing is left waiting for the next webhook: whoever comes in the very moment of an end is taken along."""
    database: Any = _SlowDatabase()
    ingest = Ingest(database)
    gate = asyncio.Event()

    async def late() -> None:
        await gate.wait()
        await ingest.store(rows_of(HELLO), 1)

    stores = [asyncio.create_task(late())]
    await asyncio.sleep(0)
    for _ in range(2):
        stores.append(asyncio.create_task(ingest.store(rows_of(HELLO), 1)))
        for _ in range(5):
            await asyncio.sleep(0)
    assert len(database.statements) == 2
    for statement in database.statements:
        statement.set_result(0)
    gate.set()  # wakes after both flushes have ended, before anything else
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(database.statements) == 3
    database.statements[2].set_result(0)
    await asyncio.wait_for(asyncio.gather(*stores), 5)


async def test_unowned_events_expire(desk: Desk) -> None:
    """What nobody claimed for seven days is let go; younger and owned events stay."""
    await desk.post(HELLO)
    await desk.post(bodies.messages(bodies.text_message("wamid.2")))
    await desk.connect("phone-2")
    await desk.post(bodies.messages(bodies.text_message("wamid.3"), phone="phone-2"))
    old, young, owned = await desk.events()
    for event, age in ((old, timedelta(days=7, minutes=1)), (young, timedelta(days=6)), (owned, timedelta(days=30))):
        await desk.pool.execute(
            "UPDATE webhook_events SET received_at = received_at - $2::interval WHERE id = $1", event["id"], age
        )
    await desk.keep_up()
    assert {event["id"] for event in await desk.events()} == {young["id"], owned["id"]}


async def test_a_connection_and_a_webhook_at_the_same_moment_find_each_other(desk: Desk) -> None:
    """Whatever commits first, the webhook reaches the account within the next rounds of upkeep."""
    for number in range(5):
        phone = f"phone-{number}"
        body = bodies.messages(bodies.text_message(f"wamid.{number}"), phone=phone)
        await asyncio.gather(desk.post(body), desk.connect(phone))
    await desk.keep_up()
    await desk.process()
    assert len(await desk.messages()) == 5


async def test_the_ingest_role_can_read_nothing_but_routes(database_url: str, desk: Desk) -> None:
    """Whoever takes the ingress over reads no event, job, message or token."""
    await desk.connect()
    async with await open_pool(database_url, role=INGEST_ROLE, size=1, application_name="tests") as pool:
        ingest = Ingest(pool)
        await ingest.store(rows_of(HELLO), 1)
        for table in ("webhook_events", "integration_jobs", "messages", "oauth_tokens", "connected_accounts"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.fetch(f"SELECT * FROM {table}")
    assert json.loads((await desk.jobs())[0]["payload_json"])
