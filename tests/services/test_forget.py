"""Forgetting one person: nothing of theirs is left in any table, and everything of their neighbour's."""

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.connecting.test_secrecy import dump
from tests.services import bodies
from tests.services.desk import Desk
from tests.services.sending import Sending

from hookline.domain.errors import NotFound
from hookline.domain.privacy import PrivacyRequestKind
from hookline.providers import PROVIDERS
from hookline.services import forget, privacy
from hookline.services.privacy import PrivacyRequests
from hookline.services.privacy_intake import count_forgotten, take_forget
from hookline.services.replay import replay_event
from hookline.store import personal_events, personal_rows, personal_walks
from hookline.store.accounts import ConnectedAccount

ANN, BOB = bodies.ANN, "491709999999"
TEXT, OTHERS = "the-text-of-ann", "the-text-of-bob"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "PASS_DELAY", privacy.PASS_DELAY * 0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows a step, so that there are many steps."""
    for module in (personal_rows, personal_walks, personal_events):
        monkeypatch.setattr(module, "BATCH", 2)


def both(field: str, **lists: list[Any]) -> bytes:
    return bodies.whatsapp(bodies.change(field=field, **lists))


def contact_of(name: str, person: str) -> dict[str, Any]:
    return {"profile": {"name": name}, "wa_id": person}


async def live(desk: Desk) -> ConnectedAccount:
    """An account with two people: what they wrote, what was written to them, and what names both of them."""
    account = await desk.connect()
    for person, text in ((ANN, TEXT), (BOB, OTHERS)):
        told = {"contacts": [contact_of(f"name of {person}", person)]}
        for _ in range(3):
            said = bodies.text_message(f"wamid.{person}.{bodies.new_wamid()}", text, person)
            await desk.post(bodies.whatsapp(bodies.change(messages=[said], **told)))
        await desk.post(bodies.echoes(bodies.echo(f"wamid.{person}.echo", f"{text} answered", person)))
        await desk.post(bodies.statuses(bodies.status(f"wamid.{person}.unknown", "read", person)))
    threads = [
        {"id": person, "messages": [bodies.text_message(f"wamid.{person}.old", f"{text} old", person)]}
        for person, text in ((ANN, TEXT), (BOB, OTHERS))
    ]
    await desk.post(both("history", history=[{"metadata": {"phase": 0}, "threads": threads}]))
    synced = [
        {"type": "contact", "action": "add", "contact": {"full_name": f"book {person}", "phone_number": person}}
        for person in (ANN, BOB)
    ]
    await desk.post(both("smb_app_state_sync", state_sync=synced))
    await desk.process()
    return account


async def carried_out(pool: asyncpg.Pool, organization: str, account: UUID, contact: str = ANN) -> dict[str, int]:
    request = await take_forget(pool, organization, account, contact)
    requests = PrivacyRequests(pool, PROVIDERS)
    await requests.carry_out(request.id)
    counts = await requests.counts(request.id)
    assert counts is not None
    return counts


def of(text: str, person: str) -> list[str]:
    """The lines that name a person."""
    return [line for line in text.splitlines() if person in line]


async def test_nothing_is_left_and_neighbours_keep_everything(desk: Desk, small: None) -> None:
    """A search of the whole database finds neither id nor text nor name; of the neighbour it finds what it found."""
    account = await live(desk)
    before = await dump(desk.pool)
    assert of(before, ANN)
    assert of(before, TEXT)
    counted = await count_forgotten(desk.pool, "org-1", account.id, ANN)
    done = await carried_out(desk.pool, "org-1", account.id)
    after = await dump(desk.pool)
    assert not of(after, ANN)
    assert not of(after, TEXT)
    assert after.count(OTHERS) == before.count(OTHERS)
    assert len(of(after, BOB)) == len(of(before, BOB))
    assert done == counted
    assert {table for table, rows in done.items() if rows} >= {
        *("messages", "conversations", "webhook_events", "integration_jobs", "outbox"),
    }


@pytest.mark.parametrize("asked", ["+12025550123", "12025550123"])
async def test_a_number_with_a_plus_is_the_same_person(desk: Desk, asked: str) -> None:
    """The generic envelope keeps a number as its sender wrote it; whoever is named either way is forgotten."""
    account = await live(desk)
    said = {"from": "+12025550123", "text": "the-text-of-carla", "messageId": "m-1"}
    envelope = {"eventType": "message", "externalAccountId": account.external_account_id, "data": said}
    await desk.post(json.dumps(envelope).encode())
    await desk.process()
    assert of(await dump(desk.pool), "the-text-of-carla")
    await carried_out(desk.pool, "org-1", account.id, asked)
    after = await dump(desk.pool)
    assert not of(after, "the-text-of-carla")
    assert not of(after, "12025550123")
    assert of(after, TEXT)


async def test_what_is_left_of_a_shared_event_is_read_as_before(desk: Desk) -> None:
    """The payload without the person is still the platform's: a replay finds the neighbour's message a duplicate."""
    account = await live(desk)
    await carried_out(desk.pool, "org-1", account.id)
    (event,) = [one for one in await desk.events() if one["event_type"] == "history"]
    assert (event["result"], event["status"]) == (None, "PROCESSED")
    await desk.pool.execute("UPDATE webhook_events SET status = 'FAILED' WHERE id = $1", event["id"])
    async with desk.pool.acquire() as connection, connection.transaction():
        await replay_event(connection, "org-1", event["id"])
    await desk.process()
    (event,) = [one for one in await desk.events() if one["event_type"] == "history"]
    results = {one["externalId"]: one["outcome"] for one in json.loads(event["result"])}
    assert (event["status"], results[f"wamid.{BOB}.old"]) == ("PROCESSED", "duplicate")
    assert not of(await dump(desk.pool), ANN)


async def test_all_ids_of_a_person_go(desk: Desk) -> None:
    """Named by one, they are found by the others: the number, and the id that the business knows them by."""
    account = await desk.connect()
    user_id = "DE.13491208655302741918"
    for number, named in enumerate(({"from": ANN}, {"from": ANN, "from_user_id": user_id}, {"from_user_id": user_id})):
        said = bodies.text_message(f"wamid.{number}", TEXT)
        del said["from"]
        known = {"wa_id": ANN} if "from" in named else {}
        told = [{"profile": {"name": "Ann"}, **known, **({"user_id": user_id} if "from_user_id" in named else {})}]
        await desk.take_in(bodies.whatsapp(bodies.change(messages=[said | named], contacts=told)))
    assert len(of(await dump(desk.pool), user_id)) > 2
    await carried_out(desk.pool, "org-1", account.id, user_id)
    left = await dump(desk.pool)
    assert not of(left, ANN)
    assert not of(left, user_id)
    assert not of(left, TEXT)


async def test_the_same_person_elsewhere_is_not_touched(desk: Desk) -> None:
    """At another account and in another organization the person stays: an operator forgets at one account."""
    account = await live(desk)
    await desk.connect("phone-2")
    await desk.connect("phone-3", "org-2")
    for phone in ("phone-2", "phone-3"):
        await desk.post(bodies.messages(bodies.text_message(f"wamid.{phone}", f"text at {phone}"), phone=phone))
    await desk.process()
    await carried_out(desk.pool, "org-1", account.id)
    after = await dump(desk.pool)
    assert {row["text"] for row in await desk.messages() if row["contact"] == ANN} == {
        "text at phone-2",
        "text at phone-3",
    }
    assert TEXT not in after


async def test_another_organization_s_account_is_none(desk: Desk) -> None:
    """Its account is not found, counted or not, and nothing is stored."""
    account = await live(desk)
    for ask in (take_forget, count_forgotten):
        with pytest.raises(NotFound):
            await ask(desk.pool, "org-2", account.id, ANN)
    assert await desk.pool.fetchval("SELECT count(*) FROM privacy_requests") == 0


async def test_a_longer_number_is_somebody_else(desk: Desk) -> None:
    """Nor is a number that only begins alike, or stands in a text."""
    account = await live(desk)
    longer = ANN + "0"
    await desk.take_in(bodies.messages(bodies.text_message("wamid.longer", "longer's text", longer)))
    await desk.take_in(bodies.messages(bodies.text_message("wamid.about", f"write to {ANN}", BOB)))
    await carried_out(desk.pool, "org-1", account.id)
    texts = [row["text"] for row in await desk.messages()]
    assert "longer's text" in texts
    assert f"write to {ANN}" in texts
    assert len(of(await dump(desk.pool), longer)) >= 4


@pytest.mark.parametrize("at", range(1, 40, 3))
async def test_killed_anywhere_it_goes_on(desk: Desk, small: None, at: int) -> None:
    """A step that dies undoes itself alone; another process goes on from there, and nothing is counted twice."""
    account = await live(desk)
    counted = await count_forgotten(desk.pool, "org-1", account.id, ANN)
    request = await take_forget(desk.pool, "org-1", account.id, ANN)
    requests = PrivacyRequests(desk.pool, PROVIDERS)
    for _ in range(at):
        await requests.step(request.id)
    done = await _dies(desk, request.id)
    if done is None:
        await PrivacyRequests(desk.pool, PROVIDERS).carry_out(request.id)
    assert await requests.counts(request.id) == counted
    assert not of(await dump(desk.pool), ANN)


async def _dies(desk: Desk, request: UUID) -> dict[str, int] | None:
    """Let the next step die at its last statement, before the commit."""
    requests = PrivacyRequests(desk.pool, PROVIDERS)
    done = await requests.counts(request)
    if done is not None:
        return done

    class Died(Exception):
        pass

    async def die(*_: Any) -> None:
        raise Died

    with pytest.MonkeyPatch.context() as patched:
        for name in ("note", "finish"):
            patched.setattr(privacy.privacy_requests, name, die)
        with pytest.raises(Died):
            await requests.step(request)
    return None


async def test_two_at_once_do_it_once(desk: Desk, small: None) -> None:
    """A worker and an operator at the same request take turns."""
    account = await live(desk)
    counted = await count_forgotten(desk.pool, "org-1", account.id, ANN)
    request = await take_forget(desk.pool, "org-1", account.id, ANN)
    several = [PrivacyRequests(desk.pool, PROVIDERS) for _ in range(4)]
    await asyncio.gather(*(one.carry_out(request.id) for one in several))
    assert await several[0].counts(request.id) == counted


async def test_asking_again_while_it_is_open_is_the_same_request(desk: Desk) -> None:
    """With the same code and one job; afterwards it is another one, and says of nobody who they were."""
    account = await live(desk)
    first = await take_forget(desk.pool, "org-1", account.id, ANN)
    again = await take_forget(desk.pool, "org-1", account.id, ANN)
    assert (again.id, again.code) == (first.id, first.code)
    other = await take_forget(desk.pool, "org-1", account.id, BOB)
    assert other.code != first.code
    query = "SELECT count(*) FROM integration_jobs WHERE job_type = 'PRIVACY_REQUEST'"
    assert await desk.pool.fetchval(query) == 2
    await PrivacyRequests(desk.pool, PROVIDERS).carry_out(first.id)
    row = await desk.pool.fetchrow("SELECT * FROM privacy_requests WHERE id = $1", first.id)
    assert (row["status"], row["subject"], row["progress"], row["kind"]) == (
        "DONE",
        None,
        None,
        PrivacyRequestKind.FORGET,
    )
    assert (await take_forget(desk.pool, "org-1", account.id, ANN)).id != first.id


async def test_asked_again_much_later_it_gets_another_job(desk: Desk) -> None:
    """Should somebody have cancelled the first one."""
    account = await live(desk)
    first = await take_forget(desk.pool, "org-1", account.id, ANN)
    await desk.pool.execute("UPDATE privacy_requests SET received_at = now() - interval '2 hours'")
    assert (await take_forget(desk.pool, "org-1", account.id, ANN)).id == first.id
    query = "SELECT count(*) FROM integration_jobs WHERE job_type = 'PRIVACY_REQUEST'"
    assert await desk.pool.fetchval(query) == 2


async def test_what_waits_is_not_processed_any_more(desk: Desk) -> None:
    """Webhooks that nobody has processed go with their jobs; what a job has in hand is waited for."""
    account = await desk.connect()
    await desk.post(bodies.messages(bodies.text_message("wamid.1", TEXT)))
    await desk.post(bodies.messages(bodies.text_message("wamid.2", OTHERS, BOB)))
    await desk.pool.execute(
        "UPDATE integration_jobs SET status = 'PROCESSING', worker_id = $1 WHERE ordering_key LIKE '%' || $2",
        UUID(int=1),
        ANN,
    )
    request = await take_forget(desk.pool, "org-1", account.id, ANN)
    requests = PrivacyRequests(desk.pool, PROVIDERS)
    for _ in range(60):
        await requests.step(request.id)
    assert await requests.counts(request.id) is None
    await desk.pool.execute("UPDATE integration_jobs SET status = 'PENDING', worker_id = NULL")
    await requests.carry_out(request.id)
    await desk.process()
    assert [row["text"] for row in await desk.messages()] == [OTHERS]
    assert not of(await dump(desk.pool), ANN)


async def test_what_follows_a_deleted_job_goes_on(desk: Desk) -> None:
    """A job of another key that was put aside behind one of theirs is not forgotten there."""
    account = await desk.connect()
    add = (
        "INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, ordering_key, lane,"
        " connected_account_id) VALUES (gen_random_uuid(), 'org-1', 'WHATSAPP', 'X', $1, 'mine', $2, $3)"
    )
    await desk.pool.execute(add, json.dumps({"phone": f"+{ANN}"}), 70, account.id)
    await desk.pool.execute(add, "{}", -2, account.id)
    await carried_out(desk.pool, "org-1", account.id)
    (left,) = [job for job in await desk.jobs() if job["job_type"] == "X"]
    assert left["lane"] >= 64


async def test_what_nobody_owns_goes_too(desk: Desk) -> None:
    """What came for the account's number while nobody was connected; not what came for another's."""
    account = await desk.connect()
    await desk.disconnect(account)
    for phone, text in (("phone-1", TEXT), ("phone-9", "for nobody else")):
        await desk.post(bodies.messages(bodies.text_message(f"wamid.{phone}", text), phone=phone))
    await carried_out(desk.pool, "org-1", account.id)
    (event,) = await desk.events()
    assert "for nobody else" in event["payload_json"]


async def test_who_goes_on_writing_is_forgotten_up_to_then(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an end to the passes, however much comes in."""
    account = await live(desk)
    request = await take_forget(desk.pool, "org-1", account.id, ANN)
    requests = PrivacyRequests(desk.pool, PROVIDERS)
    steps = 0
    while await requests.step(request.id) is not None:
        steps += 1
        assert steps < 200
        if steps % 3 == 0:
            await desk.take_in(bodies.messages(bodies.text_message(bodies.new_wamid(), TEXT)))
    assert await requests.counts(request.id) is not None


async def test_what_was_sent_goes_with_its_attempts(sending: Sending) -> None:
    """A message out, its attempts, its job, its facts and the pace between the two."""
    account = await sending.connect()
    await sending.open_window(account, ANN)
    await sending.send(TEXT, to=f"+{ANN}", account=account)
    await sending.run()
    assert await sending.pool.fetchval("SELECT count(*) FROM send_attempts") == 1
    assert await sending.pool.fetchval("SELECT count(*) FROM pair_paces") == 1
    await carried_out(sending.pool, "org-1", account)
    assert not of(await dump(sending.pool), ANN)
    assert not of(await dump(sending.pool), TEXT)
    assert await sending.pool.fetchval("SELECT count(*) FROM send_attempts") == 0


async def test_every_table_is_swept_or_holds_nobody(pool: asyncpg.Pool) -> None:
    """Whoever adds a table adds a sweep, or says here why nobody's data is in it."""
    swept = {one.table for one in forget.SWEEPS} - {"unowned_events"}
    with_others = {
        "send_attempts": "with messages",
        "media": "with messages; uploads are the business's own",
        "held_changes": "with events",
        "contact_ids": "with contacts",
    }
    nobodys = {
        "alembic_version": "the schema's",
        "connected_accounts": "businesses; what names a person is scrubbed when they let go of theirs",
        "account_routes": "addresses of businesses; as above",
        "oauth_tokens": "deleted when their account is disconnected",
        "oauth_flows": "kept a day; names accounts of businesses",
        "sealed_secrets": "of accounts, encrypted",
        "encryption_keysets": "keys",
        "privacy_requests": "emptied when done",
        "told_notices": "fingerprints",
        "send_paces": "of accounts and apps",
        "job_workers": "processes",
        "job_claims": "ids of jobs that run",
        "job_lane_marks": "how far claims have come",
        "job_pauses": "of organizations",
        "retention_sweeps": "ids of rows",
        "media_garbage": "names of files that are to be deleted",
        "templates": "texts of businesses",
    }
    records = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {record[0] for record in records} - swept - with_others.keys() == nobodys.keys()
