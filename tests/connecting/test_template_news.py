"""What the CRM hears of templates in the feed, and what becomes of them when an account goes and comes back."""

import asyncio
from typing import Any
from uuid import UUID

from tests.connecting.test_sync import number, sync
from tests.connecting.test_templates import NEW, listed, now, path, send, stored, tell
from tests.connecting.town import Town

from hookline.domain.principal import Role
from hookline.simulator import default

STATUS = "message_template_status_update"
BOTH = {("hello_world", "en_US"), ("order_sent", "en_US")}


async def news(place: Town) -> list[tuple[str, str, str | None]]:
    """What the feed tells of templates: type, name, status."""
    answer = await place.api.get("/api/events?type=template.changed&type=template.deleted&limit=200")
    assert answer.status == 200, answer.text
    said = [(one["type"], one["data"]["template"]) for one in answer.json["items"]]
    return [(name, template["name"], template["status"]) for name, template in said]


async def numbers(place: Town) -> list[UUID]:
    """Two numbers of one WABA."""
    begun = await place.begin("WHATSAPP")
    await place.come_back(await place.consent(begun["authorizationUrl"]))
    body = {"externalAccountIds": [default.PHONE_NUMBER, default.SECOND_PHONE_NUMBER]}
    chosen = await place.api.post(f"/api/integrations/connections/{begun['state']}", body)
    assert chosen.status == 200, chosen.text
    return [UUID(one["id"]) for one in chosen.json["accounts"]]


async def test_each_is_told_once(place: Town) -> None:
    """A template that was read is told; reading the same again is not."""
    account = await number(place)
    await place.work()
    told = await news(place)
    assert sorted(told) == [("template.changed", name, "APPROVED") for name, _ in sorted(BOTH)]
    await sync(place, account)
    assert await news(place) == told


async def test_a_notice_is_told_where_it_changes_something(place: Town) -> None:
    """A pause is told with the whole template; the same again, and an older one, are not."""
    account = await number(place)
    await place.work()
    known, at = await news(place), await now(place) + 5
    await tell(place, STATUS, stored(place, "order_sent"), at, event="PAUSED")
    await tell(place, STATUS, stored(place, "order_sent"), at + 1, event="PAUSED")
    await tell(place, STATUS, stored(place, "order_sent"), at - 3600, event="APPROVED")
    assert (await news(place))[len(known) :] == [("template.changed", "order_sent", "PAUSED")]
    fact = (await place.api.get("/api/events?type=template.changed&limit=200")).json["items"][-1]
    known_now = (await listed(place, account))["order_sent", "en_US"]
    assert fact["data"]["template"] | {"updatedAt": None} == known_now | {"updatedAt": None}


async def test_another_text_is_told_once_it_is_known(place: Town) -> None:
    """That a template reads otherwise is told with the new text, when that has been asked for; not before."""
    account = await number(place)
    await place.work()
    known, template = await news(place), stored(place, "order_sent")
    template.components = [{"type": "BODY", "text": "It is on its way."}]
    await tell(place, "message_template_components_update", template, await now(place))
    assert (await news(place))[len(known) :] == [("template.changed", "order_sent", "APPROVED")]
    fact = (await place.api.get("/api/events?type=template.changed&limit=200")).json["items"][-1]
    assert fact["data"]["template"]["components"] == template.components
    assert (await listed(place, account))["order_sent", "en_US"]["components"] == template.components


async def test_what_we_do_ourselves_is_told(place: Town) -> None:
    """Created and deleted through the API: each is told once."""
    account = await number(place)
    await place.work()
    known = await news(place)
    made = await place.api.post(path(account), NEW)
    assert made.status == 201, made.text
    assert (await place.api.delete(path(account, "/welcome_back"))).status == 200
    await place.work()
    assert (await news(place))[len(known) :] == [
        ("template.changed", "welcome_back", made.json["status"]),
        ("template.deleted", "welcome_back", "DELETED"),
    ]


async def test_what_vanished_at_the_platform_is_told(place: Town) -> None:
    """A list without a template that was in the one before says that it is gone."""
    account = await number(place)
    await place.work()
    known = await news(place)
    place.sim.world.remove(stored(place, "order_sent").id)
    await place.pool.execute("UPDATE templates SET status_at = '-infinity', created_at = '-infinity', synced_at = NULL")
    await sync(place, account)
    assert (await news(place))[len(known) :] == [("template.deleted", "order_sent", "DELETED")]


async def test_one_by_its_id(place: Town) -> None:
    """Got and deleted by our id, that one language only; nobody finds what is another's, or nothing."""
    account = await number(place)
    await place.work()
    english = (await place.api.post(path(account), NEW)).json
    assert (await place.api.post(path(account), {**NEW, "language": "de"})).status == 201
    one, member = path(account, f"/{english['id']}"), place.api.of("org-1", Role.MEMBER)
    assert (await member.get(one)).json == english
    for answer in (
        await place.api.of("org-2").get(one),
        await place.api.of("org-2").delete(one),
        await place.api.get(path(account, "/welcome_back")),
        await place.api.get(path(account, f"/{account}")),
        await place.api.delete(path(account, f"/{account}")),
        await place.api.delete(f"{one}?language=de"),
    ):
        assert answer.status == 404, answer.text
    assert (await member.delete(one)).status == 403
    gone = await place.api.delete(one)
    assert [(row["id"], row["status"]) for row in gone.json["items"]] == [(english["id"], "DELETED")]
    assert (await member.get(one)).json["status"] == "DELETED"
    assert ("welcome_back", "de") in await listed(place, account)


async def test_deleting_twice_at_once(place: Town) -> None:
    """One of two gets it; it is told once."""
    account = await number(place)
    await place.work()
    assert (await place.api.post(path(account), NEW)).status == 201
    answers = await asyncio.gather(*(place.api.delete(path(account, "/welcome_back")) for _ in range(2)))
    assert 200 in [answer.status for answer in answers]
    assert {answer.status for answer in answers} <= {200, 502}
    assert [one for one in await news(place) if one[0] == "template.deleted"] == [
        ("template.deleted", "welcome_back", "DELETED")
    ]


async def test_a_hostile_name(place: Town) -> None:
    """What cannot be a name is refused, and the platform is not called."""
    account = await number(place)
    await place.work()
    before = sum(place.sim.counters.calls.values())
    for name in ("a%00b", "x" * 3000, "..%2Fmessages"):
        answer = await place.api.delete(path(account, f"/{name}"))
        assert answer.status in (404, 405, 422), (name, answer.text)
    assert sum(place.sim.counters.calls.values()) == before


async def test_numbers_of_one_waba_know_the_same(place: Town) -> None:
    """A notice counts for each number of the WABA, and so does what is created or deleted through one of them."""
    first, second = await numbers(place)
    await place.work()
    assert set(await listed(place, first)) == set(await listed(place, second)) == BOTH
    assert (await place.api.post(path(first), NEW)).status == 201
    await place.work()
    assert ("welcome_back", "en_US") in await listed(place, second)
    await tell(place, STATUS, stored(place, "order_sent"), await now(place) + 5, event="PAUSED")
    for account in (first, second):
        assert (await listed(place, account))["order_sent", "en_US"]["status"] == "PAUSED"


async def test_who_comes_back_begins_anew(place: Town) -> None:
    """What changed while an account was away is no reason to refuse: until it is read again, the platform decides."""
    account = await number(place)
    await place.work()
    await tell(place, STATUS, stored(place, "order_sent"), await now(place), event="PAUSED")
    assert (await send(place, account, "order_sent", "Ann", "7")).status == 422
    assert (await place.api.delete(f"/api/integrations/{account}/disconnect")).status == 200
    await place.work()
    assert await number(place) == account
    states = {one["status"] for one in (await listed(place, account)).values()}
    assert states == {None}
    (back,) = await place.accounts()
    assert "templatesSyncedAt" not in back["metadata"]
    assert (await send(place, account, "order_sent", "Ann", "7")).status == 202
    assert (await send(place, account, "made_meanwhile")).status == 202
    await sync(place, account)
    assert (await send(place, account, "made_meanwhile")).status == 422
    known: Any = await listed(place, account)
    assert known["hello_world", "en_US"]["status"] == "APPROVED"
