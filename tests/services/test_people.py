"""People: what webhooks say of them becomes contacts, once, whoever says it, however many workers record it."""

import asyncio
from typing import Any

import asyncpg
import pytest
from tests.services import bodies
from tests.services.bodies import ANN, at, change, text_message, whatsapp
from tests.services.desk import Desk

from hookline.domain.event import Contact, MessageItem
from hookline.domain.message import MessageDirection, MessageType
from hookline.services import people
from hookline.store import contacts
from hookline.store.events import StoredEvent

USER = "US.13491208655302741918"
PARENT = "US.ENT.11815799212886844830"


async def stored(desk: Desk) -> list[dict[str, Any]]:
    """All contacts, oldest first."""
    return await desk.rows("SELECT * FROM contacts ORDER BY id")


async def only(desk: Desk) -> dict[str, Any]:
    """The only contact."""
    (row,) = await stored(desk)
    return row


async def ids(desk: Desk) -> dict[str, str]:
    """Whom each id names."""
    rows = await desk.rows("SELECT external_id, contact_id FROM contact_ids")
    return {row["external_id"]: row["contact_id"] for row in rows}


async def told(desk: Desk) -> list[tuple[str, Any]]:
    """What the feed says of contacts."""
    return [(kind, data) for kind, data in await desk.facts() if kind in ("contact.created", "contact.updated")]


def says(*messages: dict[str, Any], **person: Any) -> bytes:
    """A WhatsApp POST of somebody who is introduced."""
    profile = {name: person.pop(name) for name in ("name", "username") if name in person}
    return whatsapp(change(contacts=[{"profile": profile, **person}], messages=list(messages)))


def hidden(external_id: str, user_id: str = USER, seconds: int = 0, **more: Any) -> dict[str, Any]:
    """A message of somebody who hides the phone number."""
    message = text_message(external_id, seconds=seconds) | {"from_user_id": user_id} | more
    del message["from"]
    return message


def system(kind: str, sender: str = ANN, seconds: int = 0, **said: Any) -> dict[str, Any]:
    """A notice that somebody's number or user id changed. Source: protocol reference 2.1 (system)."""
    message = text_message(f"wamid.{kind}.{seconds}", sender=sender, seconds=seconds) | {"type": "system"}
    del message["text"]
    return message | {"system": {"type": kind, "body": "changed", **said}}


async def test_whoever_writes_is_a_contact(desk: Desk) -> None:
    """With all that is said of them, and told before the message, which is told with the name."""
    account = await desk.connect()
    await desk.take_in(says(text_message("1"), wa_id=ANN, name="Ann", username="ann", user_id=USER))
    row = await only(desk)
    assert (row["organization_id"], row["connected_account_id"], row["provider"]) == ("org-1", account.id, "WHATSAPP")
    assert (row["external_id"], row["phone"], row["user_id"]) == (ANN, ANN, USER)
    assert (row["name"], row["username"], row["profile_due_at"]) == ("Ann", "ann", None)
    assert await ids(desk) == {ANN: row["id"], USER: row["id"]}
    feed = (await desk.facts())[1:]
    assert [kind for kind, _ in feed] == ["contact.created", "message.received"]
    assert feed[0][1]["contact"]["id"] == str(row["id"])
    assert feed[1][1]["message"]["contactName"] == "Ann"
    assert (await desk.message("1"))["meta_json"] is None


async def test_the_same_again_rewrites_nothing(desk: Desk) -> None:
    """Neither a row nor the feed: a hot person costs no more than a look."""
    await desk.connect()
    await desk.take_in(says(text_message("1"), wa_id=ANN, name="Ann"))
    versions = "SELECT xmin::text, ctid::text FROM contacts UNION ALL SELECT xmin::text, ctid::text FROM contact_ids"
    before = await desk.rows(versions)
    for number in range(2, 5):
        await desk.take_in(says(text_message(str(number), seconds=number), wa_id=ANN, name="Ann"))
    await desk.take_in(bodies.messages(text_message("5", seconds=5)))
    assert await desk.rows(versions) == before
    assert len(await told(desk)) == 1
    received = [data["message"]["contactName"] for kind, data in await desk.facts() if kind == "message.received"]
    assert received == ["Ann"] * 5


async def test_a_new_name_is_told_once(desk: Desk) -> None:
    """And an older webhook that comes after does not take it back."""
    await desk.connect()
    await desk.take_in(says(text_message("1"), wa_id=ANN, name="Ann"))
    await desk.take_in(says(text_message("2", seconds=20), wa_id=ANN, name="Ann B."))
    await desk.take_in(says(text_message("3", seconds=10), wa_id=ANN, name="Ann"))
    assert [(kind, data["contact"]["name"]) for kind, data in await told(desk)] == [
        ("contact.created", "Ann"),
        ("contact.updated", "Ann B."),
    ]
    last = [data for kind, data in await desk.facts() if kind == "message.received"][-1]
    assert last["message"]["contactName"] == "Ann B."


async def test_one_webhook_with_two_ids_makes_one_person_of_two(desk: Desk) -> None:
    """Whether a message or a status shows them; conversations under either id show the person."""
    await desk.connect()
    await desk.take_in(bodies.messages(text_message("1")))
    await desk.take_in(says(hidden("2", seconds=5), user_id=USER, name="Ann", username="ann"))
    first, second = await stored(desk)
    await desk.take_in(
        bodies.statuses(
            bodies.status("out", "delivered", seconds=9)
            | {"recipient_user_id": USER, "parent_recipient_user_id": PARENT}
        )
    )
    row = await only(desk)
    assert (row["id"], row["phone"], row["user_id"], row["parent_user_id"]) == (first["id"], ANN, USER, PARENT)
    assert set((await ids(desk)).values()) == {first["id"]}
    kind, data = (await told(desk))[-1]
    assert (kind, data["mergedIds"], data["contact"]["name"]) == ("contact.updated", [str(second["id"])], "Ann")


async def test_a_status_introduces_the_recipient(desk: Desk) -> None:
    """A campaign's recipients have names before they answer. Source: protocol reference 2.2 (contacts on statuses)."""
    await desk.connect()
    person = {"profile": {"name": "Ann"}, "wa_id": ANN, "user_id": USER}
    await desk.take_in(whatsapp(change(contacts=[person], statuses=[bodies.status("out", "sent")])))
    row = await only(desk)
    assert (row["name"], row["phone"], row["user_id"]) == ("Ann", ANN, USER)


async def test_a_status_alone_makes_nobody(desk: Desk) -> None:
    """One that says no more than the number that was written to."""
    await desk.connect()
    await desk.take_in(bodies.statuses(bodies.status("out", "sent")))
    assert await stored(desk) == []


@pytest.mark.parametrize("kind", ["user_changed_number", "customer_changed_number"])
async def test_a_change_of_number(desk: Desk, kind: str) -> None:
    """The person keeps the contact, and has the new number. Source: protocol reference 2.1 (system)."""
    await desk.connect()
    await desk.take_in(says(text_message("1"), wa_id=ANN, name="Ann", user_id=USER))
    member = "wa_id" if kind == "user_changed_number" else "new_wa_id"
    body = bodies.messages(system(kind, seconds=5, **{member: "491709999999", "user_id": "US.2"}))
    await desk.take_in(body)
    row = await only(desk)
    assert (row["external_id"], row["phone"], row["user_id"], row["name"]) == (
        "491709999999",
        "491709999999",
        "US.2",
        "Ann",
    )
    assert set(await ids(desk)) == {ANN, USER, "491709999999", "US.2"}
    await desk.take_in(body)
    assert [kind for kind, _ in await told(desk)] == ["contact.created", "contact.updated"]


@pytest.mark.parametrize("together", [False, True])
async def test_a_number_that_has_passed_to_somebody_else(desk: Desk, *, together: bool) -> None:
    """Who had it before loses it, is written to by the user id, and is told of as changed; in one batch or in two."""
    await desk.connect()
    before = says(text_message("1"), wa_id=ANN, name="Ann", user_id=USER)
    after = says(text_message("2", seconds=60), wa_id=ANN, name="Bob", user_id="US.2")
    if together:
        await desk.post(before)
        await desk.post(after)
        await desk.process()
    else:
        await desk.take_in(before)
        await desk.take_in(after)
    ann, bob = await stored(desk)
    assert (ann["name"], ann["external_id"], ann["phone"]) == ("Ann", USER, None)
    assert (bob["name"], bob["external_id"], bob["phone"]) == ("Bob", ANN, ANN)
    assert await ids(desk) == {ANN: bob["id"], USER: ann["id"], "US.2": bob["id"]}
    last = {data["contact"]["id"]: data["contact"]["externalId"] for _, data in await told(desk)}
    assert last == {str(ann["id"]): USER, str(bob["id"]): ANN}


async def test_a_number_that_passes_on_right_after_two_became_one(desk: Desk) -> None:
    """In one batch: whoever it named is taken in by another, who then loses it to somebody new."""
    await desk.connect()
    await desk.take_in(says(hidden("1"), user_id=USER))
    await desk.take_in(bodies.messages(text_message("2", seconds=10)))
    assert len(await stored(desk)) == 2
    await desk.post(says(text_message("3", seconds=20), wa_id=ANN, user_id=USER))
    await desk.post(says(text_message("4", seconds=30), wa_id=ANN, user_id="US.2"))
    await desk.process()
    first, second = await stored(desk)
    assert await ids(desk) == {USER: first["id"], ANN: second["id"], "US.2": second["id"]}


async def test_a_user_id_that_was_made_anew(desk: Desk) -> None:
    """By the field `user_id_update`, which names the one before. Source: protocol reference 2.6."""
    await desk.connect()
    await desk.take_in(says(hidden("1"), user_id=USER, name="Ann"))
    update = {"user_id": {"previous": USER, "current": "US.2"}, "timestamp": int(at(5).timestamp())}
    await desk.take_in(whatsapp(change(field="user_id_update", user_id_update=[update])))
    row = await only(desk)
    assert (row["external_id"], row["user_id"], row["name"]) == ("US.2", "US.2", "Ann")
    await desk.take_in(says(hidden("2", "US.2", seconds=6), user_id="US.2", name="Ann"))
    assert len(await stored(desk)) == 1


async def test_the_address_book_of_the_phone(desk: Desk) -> None:
    """Coexistence hands it over: people get the business's names for them. Source: protocol reference 2.3."""
    await desk.connect()
    await desk.take_in(says(text_message("1"), wa_id=ANN, name="Ann"))

    def sync(action: str, seconds: int, **card: Any) -> bytes:
        moment = {"timestamp": str(int(at(seconds).timestamp()))}
        entry = {"type": "contact", "contact": card, "action": action, "metadata": moment}
        return whatsapp(change(field="smb_app_state_sync", state_sync=[entry]))

    await desk.take_in(sync("add", 5, full_name="Ann Plumber", phone_number=f"+{ANN}"))
    await desk.take_in(sync("add", 5, full_name="Bob Baker", phone_number="+1 650 555 1234"))
    ann, bob = await stored(desk)
    assert (ann["name"], ann["saved_name"], bob["saved_name"], bob["phone"]) == (
        "Ann", "Ann Plumber", "Bob Baker", "16505551234",
    )  # fmt: skip
    await desk.take_in(sync("remove", 9, phone_number=f"+{ANN}"))
    await desk.take_in(sync("remove", 9, phone_number="+1 650 555 9999"))
    ann, bob = await stored(desk)
    assert (ann["saved_name"], bob["saved_name"]) == (None, "Bob Baker")
    kinds = [kind for kind, _ in await told(desk)]
    assert kinds == ["contact.created", "contact.updated", "contact.created", "contact.updated"]


async def test_each_account_has_its_own_people(desk: Desk) -> None:
    """The same number writes to two organizations: two contacts, and neither sees the other's name."""
    await desk.connect()
    await desk.connect("phone-2", "org-2")
    one = change("phone-1", contacts=[{"wa_id": ANN, "profile": {"name": "Ann"}}], messages=[text_message("1")])
    two = change("phone-2", messages=[text_message("2")])
    await desk.take_in(whatsapp(one, two))
    assert [(row["organization_id"], row["name"]) for row in await stored(desk)] == [("org-1", "Ann"), ("org-2", None)]
    assert len(await told(desk)) == 1
    received = [data for kind, data in await desk.facts("org-2") if kind == "message.received"]
    assert received[0]["message"]["contactName"] is None


@pytest.mark.parametrize(("provider", "name"), [("FACEBOOK", "page"), ("INSTAGRAM", "instagram")])
async def test_whoever_is_only_an_id_is_asked_for_once(desk: Desk, provider: str, name: str) -> None:
    """One job, however much they write."""
    account = await desk.connect("page-1", provider=provider)
    for number in range(3):
        item = bodies.item(seconds=number, message={"mid": f"m{number}", "text": "Hello"})
        await desk.take_in(bodies.messaging(item, name=name), provider)
    (job,) = await desk.rows("SELECT * FROM integration_jobs WHERE job_type = 'FETCH_PROFILE'")
    assert (job["status"], job["connected_account_id"], job["provider"]) == ("PENDING", account.id, provider)
    assert str((await only(desk))["id"]) in job["payload_json"]


async def test_they_are_asked_for_again_when_they_write_after_long(desk: Desk) -> None:
    """Who does not write is left alone."""
    await desk.connect("page-1", provider="FACEBOOK")
    fetches = "SELECT count(*) AS n FROM integration_jobs WHERE job_type = 'FETCH_PROFILE'"
    for number, due in enumerate(
        ("now() - interval '1 s'", "now() - interval '1 s'", "now() + interval '1 h'", "NULL")
    ):
        item = bodies.item(seconds=number, message={"mid": f"m{number}", "text": "Hello"})
        await desk.take_in(bodies.messaging(item), "FACEBOOK")
        await desk.pool.execute(f"UPDATE contacts SET profile_due_at = {due}")
    assert (await desk.rows(fetches))[0]["n"] == 3
    assert len(await told(desk)) == 1


async def test_who_comments_in_public_is_not_asked_for(desk: Desk) -> None:
    """Not before they write: the platform says who somebody is to whom they wrote to."""
    await desk.connect("ig-1", provider="INSTAGRAM")
    value = {"id": "c1", "text": "Nice", "from": {"id": "7", "username": "ann"}, "media": {"id": "m"}}
    entry = {"id": "ig-1", "time": 1, "changes": [{"field": "comments", "value": value}]}
    await desk.take_in(bodies.dump({"object": "instagram", "entry": [entry]}), "INSTAGRAM")
    row = await only(desk)
    fetches = "SELECT * FROM integration_jobs WHERE job_type = 'FETCH_PROFILE'"
    assert (row["username"], await desk.rows(fetches)) == ("ann", [])
    item = bodies.item("7", "ig-1", message={"mid": "m1", "text": "Hello"})
    await desk.take_in(bodies.messaging(item, account="ig-1", name="instagram"), "INSTAGRAM")
    assert len(await desk.rows(fetches)) == 1


async def test_replaying_an_event_brings_nobody_back(desk: Desk) -> None:
    """Who was deleted stays so, until they write again."""
    await desk.connect()
    await desk.take_in(says(text_message("1"), wa_id=ANN, name="Ann", user_id=USER))
    row = await only(desk)
    account = row["connected_account_id"]
    async with desk.pool.acquire() as connection, connection.transaction():
        assert await contacts.all_ids(connection, "org-2", account, [USER]) == []
        assert await contacts.forget(connection, "org-2", account, [USER]) == 0
        assert await contacts.all_ids(connection, "org-1", account, [USER]) == [ANN, USER]
        assert await contacts.forget(connection, "org-1", account, [USER]) == 1
    assert await ids(desk) == {}
    await desk.pool.execute(
        "UPDATE integration_jobs SET status = 'PENDING', lane = lane WHERE job_type = 'PROCESS_WEBHOOK'"
    )
    await desk.process()
    assert await stored(desk) == []
    await desk.take_in(says(text_message("2", seconds=2), wa_id=ANN, name="Ann"))
    assert len(await stored(desk)) == 1


# Two workers at once.


def event(account: Any) -> StoredEvent:
    """An event of an account, as far as people are concerned."""
    return StoredEvent(
        id=account.id,
        organization_id=account.organization_id,
        connected_account_id=account.id,
        provider=account.provider,
        payload_json="{}",
        received_at=bodies.NOON,
        result=None,
    )


def sees(
    phone: str | None = None, user_id: str | None = None, name: str | None = None, seconds: int = 0
) -> MessageItem:
    """An item that names a person."""
    return MessageItem(
        index=0,
        kind="message",
        external_id="1",
        direction=MessageDirection.INBOUND,
        type=MessageType.TEXT,
        sender=phone or user_id or "",
        recipient="",
        contact=Contact(external_id=phone or user_id, phone=phone, user_id=user_id, name=name),
        sent_at=at(seconds),
    )


async def in_turn(pool: asyncpg.Pool, account: Any, first: list[MessageItem], second: list[MessageItem]) -> list[Any]:
    """Record two batches at once: the second begins while the first is not committed; their facts."""
    begun = asyncio.Event()

    async def record(items: list[MessageItem], *, leads: bool) -> Any:
        if not leads:
            await begun.wait()
        async with pool.acquire() as connection, connection.transaction():
            recorded = await people.record(connection, [(event(account), item) for item in items])
            if leads:
                begun.set()
                await asyncio.sleep(0.2)
        return [fact.type for facts in recorded.facts.values() for fact in facts]

    return list(await asyncio.gather(record(first, leads=True), record(second, leads=False)))


async def test_two_workers_meet_the_same_person_at_once(desk: Desk) -> None:
    """One contact, told once; the other waits and finds it."""
    account = await desk.connect()
    assert await in_turn(desk.pool, account, [sees("1", name="Ann")], [sees("1", name="Ann")]) == [
        ["contact.created"],
        [],
    ]
    assert (await only(desk))["name"] == "Ann"


async def test_two_workers_merge_the_same_people_at_once(desk: Desk) -> None:
    """They become one once, and both say so of the same contact."""
    account = await desk.connect()
    await in_turn(desk.pool, account, [sees("1")], [sees(user_id=USER)])
    facts = await in_turn(desk.pool, account, [sees("1", USER, seconds=1)], [sees("1", USER, "Ann", seconds=2)])
    row = await only(desk)
    assert (row["phone"], row["user_id"], row["name"]) == ("1", USER, "Ann")
    assert facts == [["contact.updated"], ["contact.updated"]]
    assert set(await ids(desk)) == {"1", USER}


async def test_a_merge_while_somebody_learns_a_name(desk: Desk) -> None:
    """The name that was said of the contact that is gone is the survivor's."""
    account = await desk.connect()
    await in_turn(desk.pool, account, [sees("1")], [sees(user_id=USER)])
    await in_turn(desk.pool, account, [sees("1", USER, seconds=1)], [sees(user_id=USER, name="Ann", seconds=2)])
    assert (await only(desk))["name"] == "Ann"


async def test_many_workers_in_any_order(desk: Desk) -> None:
    """No deadlock, no second contact, whatever order batches name the same people in."""
    account = await desk.connect()
    everybody = [sees(f"{number}", f"US.{number}", f"Name {number}", seconds=number) for number in range(40)]
    by_phone = [sees(f"{number}") for number in range(40)]
    by_user = [sees(user_id=f"US.{number}") for number in range(40)]

    async def record(items: list[MessageItem]) -> None:
        async with desk.pool.acquire() as connection, connection.transaction():
            await people.record(connection, [(event(account), item) for item in items])

    await asyncio.gather(
        *(record(items[::step]) for items in (by_phone, by_user, everybody) for step in (1, -1)),
    )
    await record(everybody)
    rows = await stored(desk)
    assert sorted((row["phone"], row["user_id"], row["name"]) for row in rows) == sorted(
        (f"{number}", f"US.{number}", f"Name {number}") for number in range(40)
    )
    assert set((await ids(desk)).values()) == {row["id"] for row in rows}
