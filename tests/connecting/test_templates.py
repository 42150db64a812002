"""Message templates against the simulated platform: read, told of, created, deleted, and held against what is sent."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from tests.connecting.test_disconnect import take_in
from tests.connecting.test_sync import number, sync
from tests.connecting.test_token_life import connected
from tests.connecting.town import Town

from hookline.domain.principal import Role
from hookline.simulator import default
from hookline.simulator.conduct import Review
from hookline.simulator.faults import Effect, Fault
from hookline.simulator.records import Template

PERSON = "15550002001"
BODY = {"type": "BODY", "text": "Dear {{1}}, welcome.", "example": {"body_text": [["Ann"]]}}
NEW = {"name": "welcome_back", "language": "en_US", "category": "utility", "components": [BODY]}


def path(account: UUID, more: str = "") -> str:
    return f"/api/integrations/{account}/templates{more}"


async def listed(place: Town, account: UUID, query: str = "") -> dict[tuple[str, str], Any]:
    """What the CRM sees, by name and language."""
    answer = await place.api.get(path(account, query))
    assert answer.status == 200, answer.text
    return {(one["name"], one["language"]): one for one in answer.json["items"]}


async def tell(place: Town, field: str, template: Template, at: int, **value: Any) -> None:
    """The platform's notice about a template, and its processing."""
    said = {
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
        **value,
    }
    entry = {"id": default.WABA, "time": at, "changes": [{"field": field, "value": said}]}
    await take_in(place, json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())


async def now(place: Town) -> int:
    """The database's clock, in seconds."""
    return int(await place.pool.fetchval("SELECT extract(epoch FROM now())"))


async def send(place: Town, account: UUID, name: str, *values: str, language: str = "en_US") -> Any:
    """Try to send a template."""
    parameters = [{"type": "text", "text": value} for value in values]
    components = [{"type": "body", "parameters": parameters}] if values else []
    template = {"name": name, "language": language, "components": components}
    body = {"accountId": str(account), "to": PERSON, "type": "template", "template": template}
    return await place.api.post("/api/messages", body)


def stored(place: Town, name: str) -> Template:
    (found,) = (one for one in place.sim.world.records.templates.values() if one.name == name)
    return found


async def test_connecting_reads_them(place: Town) -> None:
    """After an account is connected its templates are there, and its metadata says since when."""
    account = await number(place)
    await place.work()
    found = await listed(place, account)
    assert set(found) == {("hello_world", "en_US"), ("order_sent", "en_US")}
    one = found["order_sent", "en_US"]
    assert (one["status"], one["category"]) == ("APPROVED", "UTILITY")
    assert one["components"] == stored(place, "order_sent").components
    (known,) = await place.accounts()
    assert known["metadata"]["templatesSyncedAt"]


async def test_every_page_is_read_and_what_is_gone_is_deleted(place: Town) -> None:
    """However small the platform's pages; a template that is there no more is listed only if it is asked for."""
    account = await number(place)
    place.sim.behaviour.page_size = 1
    await sync(place, account)
    assert len(await listed(place, account)) == 2
    place.sim.world.remove(stored(place, "order_sent").id)
    await place.pool.execute("UPDATE templates SET status_at = '-infinity', created_at = '-infinity', synced_at = NULL")
    await sync(place, account)
    assert set(await listed(place, account)) == {("hello_world", "en_US")}
    assert set(await listed(place, account, "?status=deleted")) == {("order_sent", "en_US")}


async def test_a_list_is_narrowed(place: Town) -> None:
    """By name, language, category and status, in either case; page by page."""
    account = await number(place)
    await place.work()
    for query, names in (
        ("?name=order_sent", {"order_sent"}),
        ("?category=utility", {"hello_world", "order_sent"}),
        ("?category=MARKETING", set()),
        ("?language=de", set()),
        ("?status=approved", {"hello_world", "order_sent"}),
    ):
        assert {name for name, _ in await listed(place, account, query)} == names, query
    first = await place.api.get(path(account, "?limit=1"))
    second = await place.api.get(path(account, f"?limit=1&cursor={first.json['nextCursor']}"))
    both = [*first.json["items"], *second.json["items"]]
    assert {one["name"] for one in both} == {"hello_world", "order_sent"}
    assert second.json["nextCursor"] is None


async def test_notices_change_what_is_known(place: Town) -> None:
    """Status, quality and category follow the platform's notices at once; an older one changes nothing."""
    account = await number(place)
    await place.work()
    template, at = stored(place, "order_sent"), await now(place) + 5
    await tell(place, "message_template_status_update", template, at, event="PAUSED", reason="NONE")
    await tell(place, "message_template_status_update", template, at - 3600, event="REJECTED", reason="SCAM")
    await tell(place, "message_template_quality_update", template, at, new_quality_score="RED")
    await tell(place, "template_category_update", template, at, new_category="MARKETING")
    one = (await listed(place, account))["order_sent", "en_US"]
    assert (one["status"], one["quality"], one["category"], one["rejectedReason"]) == (
        "PAUSED",
        "RED",
        "MARKETING",
        None,
    )


async def test_a_template_that_reads_otherwise_is_read_again(place: Town) -> None:
    """The notice says that it changed, not how: the platform is asked, and the new text counts."""
    account = await number(place)
    await place.work()
    template = stored(place, "order_sent")
    template.components = [{"type": "BODY", "text": "It is on its way."}]
    await tell(place, "message_template_components_update", template, await now(place) + 1)
    await place.work()
    assert (await listed(place, account))["order_sent", "en_US"]["components"] == template.components
    assert (await send(place, account, "order_sent")).status == 202


async def test_one_is_created_reviewed_and_sent(place: Town) -> None:
    """201 as PENDING; it cannot be sent until a notice says that it is approved; then it goes out."""
    place.sim.conduct.review = Review.MANUAL
    account = await number(place)
    await place.work()
    answer = await place.api.post(path(account), NEW)
    assert answer.status == 201, answer.text
    assert (answer.json["status"], answer.json["category"]) == ("PENDING", "UTILITY")
    assert answer.json["externalId"] == stored(place, "welcome_back").id
    early = await send(place, account, "welcome_back", "Ann")
    assert (early.status, early.json["reason"]) == (422, "status")
    assert early.json["type"].endswith("template-refused")
    stored(place, "welcome_back").status = "APPROVED"
    await tell(
        place,
        "message_template_status_update",
        stored(place, "welcome_back"),
        await now(place) + 5,
        event="APPROVED",
        reason="NONE",
    )
    assert (await send(place, account, "welcome_back", "Ann")).status == 202
    await place.work()
    assert await place.pool.fetchval("SELECT status FROM messages WHERE direction = 'OUTBOUND'") == "SENT"


async def test_what_cannot_be_sent_is_refused_with_the_difference(place: Town) -> None:
    """Unknown name, another language, too few values: each 422 by name, nothing queued, the platform not called."""
    account = await number(place)
    await place.work()
    unknown = await send(place, account, "nowhere")
    assert (unknown.status, unknown.json["reason"]) == (422, "unknown")
    language = await send(place, account, "order_sent", "Ann", "7", language="de")
    assert (language.status, language.json["reason"]) == (422, "unknown")
    assert "en_US" in language.json["detail"]
    short = await send(place, account, "order_sent")
    assert (short.status, short.json["reason"]) == (422, "mismatch")
    (difference,) = short.json["differences"]
    assert (difference["component"], difference["received"]) == ("body", "0")
    assert await place.pool.fetchval("SELECT count(*) FROM messages") == 0
    assert place.calls("/messages") == 0


async def test_before_they_were_ever_read_the_platform_decides(place: Town) -> None:
    """Where nothing is known of an account's templates, a template is taken, and the platform's refusal ends it."""
    account = await number(place)
    assert (await send(place, account, "nowhere")).status == 202
    await place.pool.execute("DELETE FROM integration_jobs WHERE job_type = 'SYNC_ACCOUNT'")
    await place.work()
    row = await place.pool.fetchrow("SELECT status, error_code FROM messages")
    assert (row["status"], row["error_code"].split("/")[0]) == ("FAILED", "132001")


async def test_one_that_was_stopped_meanwhile_fails_before_the_call(place: Town) -> None:
    """A message that was accepted while its template was approved fails with the reason, and is not sent."""
    account = await number(place)
    await place.work()
    assert (await send(place, account, "hello_world")).status == 202
    await place.pool.execute("UPDATE templates SET status = 'PAUSED'")
    calls = sum(place.sim.counters.calls.values())
    await place.work()
    row = await place.pool.fetchrow("SELECT status, error_code, error_text FROM messages")
    assert (row["status"], row["error_code"]) == ("FAILED", "template-refused")
    assert "paused" in row["error_text"]
    assert sum(place.sim.counters.calls.values()) == calls


async def test_a_refusal_teaches(place: Town) -> None:
    """What the platform says is paused is known to be so: the next message with it is refused at once."""
    account = await number(place)
    await place.work()
    stored(place, "hello_world").status = "PAUSED"
    assert (await send(place, account, "hello_world")).status == 202
    await place.work()
    assert (await listed(place, account))["hello_world", "en_US"]["status"] == "PAUSED"
    assert (await send(place, account, "hello_world")).status == 422


async def test_one_is_deleted(place: Town) -> None:
    """In one language, or in all; it is gone at the platform, and cannot be sent; deleting what is not there is 404."""
    account = await number(place)
    await place.work()
    assert (await place.api.post(path(account), {**NEW, "language": "de"})).status == 201
    assert (await place.api.post(path(account), NEW)).status == 201
    gone = await place.api.delete(path(account, "/welcome_back?language=de"))
    assert (gone.status, [one["language"] for one in gone.json["items"]]) == (200, ["de"])
    left = [one.language for one in place.sim.world.records.templates.values() if one.name == "welcome_back"]
    assert left == ["en_US"]
    assert (await place.api.delete(path(account, "/welcome_back?language=de"))).status == 404
    assert (await place.api.delete(path(account, "/welcome_back"))).status == 200
    assert set(await listed(place, account)) == {("hello_world", "en_US"), ("order_sent", "en_US")}
    refused = await send(place, account, "welcome_back", "Ann")
    assert (refused.status, refused.json["template"]["status"]) == (422, "DELETED")


async def test_the_platforms_refusal_is_passed_on(place: Town) -> None:
    """A name that is taken there is refused in the platform's words, with its code; what is certain is refused here."""
    account = await number(place)
    await place.work()
    assert (await place.api.post(path(account), NEW)).status == 201
    again = await place.api.post(path(account), NEW)
    assert (again.status, again.json["platformCode"].split("/")[0]) == (502, "100")
    before = sum(place.sim.counters.calls.values())
    wrong = await place.api.post(path(account), {**NEW, "name": "Not Good", "components": [{"type": "BODY"}]})
    assert wrong.status == 422
    assert {error["location"] for error in wrong.json["errors"]} == {"body.name", "body.components.0.text"}
    assert sum(place.sim.counters.calls.values()) == before


async def test_an_answer_that_is_lost_is_looked_for(place: Town) -> None:
    """A template that was created, though its answer never came, is known after the job that looks for it."""
    account = await number(place)
    await place.work()
    place.sim.faults.add(Fault(effect=Effect.RESET_AFTER, path="*/message_templates", times=1))
    lost = await place.api.post(path(account), NEW)
    assert lost.status == 504, lost.text
    await place.work()
    assert (await listed(place, account))["welcome_back", "en_US"]["externalId"] == stored(place, "welcome_back").id


async def test_who_may(place: Town) -> None:
    """Members read and synchronize; managers write; another organization finds nothing; a page has no templates."""
    account = await number(place)
    await place.work()
    member, stranger = place.api.of("org-1", Role.MEMBER), place.api.of("org-2")
    assert (await member.get(path(account))).status == 200
    assert (await member.post(path(account, "/sync"))).status == 202
    assert (await member.post(path(account), NEW)).status == 403
    assert (await member.delete(path(account, "/order_sent"))).status == 403
    assert (await place.api.of("org-1", Role.MANAGER).post(path(account), NEW)).status == 201
    for answer in (
        await stranger.get(path(account)),
        await stranger.post(path(account), NEW),
        await stranger.post(path(account, "/sync")),
        await stranger.delete(path(account, "/order_sent")),
        await place.api.get("/api/integrations/nonsense/templates"),
    ):
        assert answer.status == 404
    page = await connected(place, "FACEBOOK")
    for answer in (await place.api.get(path(page)), await place.api.post(path(page), NEW)):
        assert (answer.status, answer.json["type"].split(":")[-1]) == (422, "not-supported")


async def test_a_disconnected_account_keeps_what_is_known_and_changes_nothing(place: Town) -> None:
    """Its templates can be read; nothing is created, deleted or synchronized for it."""
    account = await number(place)
    await place.work()
    assert (await place.api.delete(f"/api/integrations/{account}/disconnect")).status == 200
    await place.work()
    assert len(await listed(place, account)) == 2
    for answer in (
        await place.api.post(path(account), NEW),
        await place.api.post(path(account, "/sync")),
        await place.api.delete(path(account, "/order_sent")),
    ):
        assert answer.status == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**NEW, "extra": 1},
        {**NEW, "components": "BODY"},
        {**NEW, "components": [[]]},
        {**NEW, "components": [BODY] * 21},
        {**NEW, "parameterFormat": "FREE"},
        {**NEW, "name": "a\u0000b"},
    ],
)
async def test_hostile_bodies(place: Town, body: Any) -> None:
    """Each is 422 with the place; the platform is not called."""
    account = await number(place)
    await place.work()
    before = sum(place.sim.counters.calls.values())
    answer = await place.api.post(path(account), body)
    assert answer.status == 422, answer.text
    assert answer.json["errors"]
    assert sum(place.sim.counters.calls.values()) == before


async def test_creating_twice_at_once_makes_one(place: Town) -> None:
    """Of two people who create the same template, one gets it; there is one row."""
    account = await number(place)
    await place.work()
    answers = await asyncio.gather(*(place.api.post(path(account), NEW) for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [201, 502]
    count = await place.pool.fetchval("SELECT count(*) FROM templates WHERE name = 'welcome_back'")
    assert count == 1
    assert json.loads(await place.pool.fetchval("SELECT components FROM templates WHERE name = 'welcome_back'"))
