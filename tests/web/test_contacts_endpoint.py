"""/api/contacts: the newest first, page by page, narrowed, searched, and nobody else's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.domain.ids import new_id
from hookline.domain.principal import Role

NOW = datetime.now(UTC)


async def listed(api: Client, query: str = "") -> list[str]:
    """The ids that a query finds."""
    answer = await api.get(f"/api/contacts?{query}")
    assert answer.status == 200, answer.text
    return [item["id"] for item in answer.json["items"]]


async def test_the_newest_come_first_page_by_page(api: Client, rows: Rows) -> None:
    """Every contact once, whatever the size of a page, with a search and without."""
    made = [
        str(await rows.contact(external_id=str(number), name="Ann", created_at=NOW - timedelta(hours=number)))
        for number in range(7)
    ]
    for limit in (1, 3, 7):
        for search in ("", "&q=ann", "&q=a"):
            found, cursor = [], ""
            while True:
                answer = (await api.get(f"/api/contacts?limit={limit}{search}{cursor}")).json
                found += [item["id"] for item in answer["items"]]
                if answer["nextCursor"] is None:
                    break
                cursor = f"&cursor={answer['nextCursor']}"
            assert found == made


async def test_they_are_narrowed(api: Client, rows: Rows) -> None:
    """By account, platform, any id, time, and what their names hold; and by all of it together."""
    account = await rows.account()
    page = await rows.account(provider="FACEBOOK", external_id="page-1")
    ann = str(
        await rows.contact(
            connected_account_id=account,
            external_id="16505551234",
            phone="16505551234",
            user_id="US.1",
            name="Ann Archer",
            created_at=NOW - timedelta(days=2),
        )
    )
    bob = str(
        await rows.contact(
            connected_account_id=page,
            provider="FACEBOOK",
            external_id="psid-1",
            saved_name="Bob_100%",
            username="bobby",
        )
    )
    for query, expected in (
        (f"accountId={account}", [ann]),
        ("provider=facebook", [bob]),
        ("externalId=16505551234", [ann]),
        ("externalId=US.1", [ann]),
        ("externalId=nobody", []),
        (f"since={(NOW - timedelta(days=1)):%Y-%m-%dT%H:%M:%SZ}", [bob]),
        (f"until={(NOW - timedelta(days=1)):%Y-%m-%dT%H:%M:%SZ}", [ann]),
        ("q=aRCHer", [ann]),
        ("q=0555", [ann]),
        ("q=bobb", [bob]),
        ("q=b_1", [bob]),
        ("q=0%25", [bob]),
        ("q=%25", [bob]),
        ("q=n%20a", [ann]),
        ("q=Archer%0A", [ann]),
        ("q=nobody", []),
        ("q=ann&externalId=US.1", [ann]),
        ("q=bob&externalId=US.1", []),
        (f"q=ann&provider=whatsapp&accountId={account}", [ann]),
        (f"q=ann&accountId={page}", []),
    ):
        assert await listed(api, query) == expected, query


async def test_a_contact_is_read(api: Client, rows: Rows) -> None:
    """With everything that is known, as in the list; by any member."""
    made = await rows.contact(name="Ann", saved_name="Ann (plumber)", phone="16505551234", username="ann")
    answer = await api.of("org-1", Role.MEMBER).get(f"/api/contacts/{made}")
    assert (answer.status, answer.json["displayName"]) == (200, "Ann (plumber)")
    assert answer.json["name"] == "Ann"
    assert (await api.get("/api/contacts")).json["items"] == [answer.json]


async def test_those_of_others_are_not_there(api: Client, rows: Rows) -> None:
    """Neither listed, nor found, nor read, nor named."""
    account = await rows.account("org-2", external_id="other")
    made = await rows.contact("org-2", connected_account_id=account, name="Ann", external_id="1")
    assert await listed(api) == []
    for query in ("q=ann", "q=a", "externalId=1", f"accountId={account}", f"q=ann&externalId=1&accountId={account}"):
        assert await listed(api, query) == []
    for name in (made, new_id(), "x", "%00"):
        assert (await api.get(f"/api/contacts/{name}")).status == 404


async def test_a_name_does_not_cross(api: Client, rows: Rows) -> None:
    """A message and a conversation whose account and id somebody else's contact has show no name of theirs."""
    account = await rows.account()
    await rows.contact("org-2", connected_account_id=account, name="Secret", external_id="16505551234")
    await rows.message(connected_account_id=account, contact="16505551234")
    await rows.conversation(connected_account_id=account, contact="16505551234")
    for path in ("messages", "conversations"):
        assert "Secret" not in (await api.get(f"/api/{path}")).text


async def test_messages_and_conversations_name_people(api: Client, rows: Rows) -> None:
    """As they are known now; whoever is not known has no name."""
    account = await rows.account()
    contact = await rows.contact(connected_account_id=account, name="Ann", external_id="1")
    for person in ("1", "2"):
        message = await rows.message(connected_account_id=account, contact=person)
        await rows.conversation(connected_account_id=account, contact=person, last_message_id=message)
    found: dict[str, Any] = {}
    for item in (await api.get("/api/messages")).json["items"]:
        found[item["contact"]] = item["contactName"]
        assert (await api.get(f"/api/messages/{item['id']}")).json == item
    assert found == {"1": "Ann", "2": None}
    talks = {item["contact"]: item for item in (await api.get("/api/conversations")).json["items"]}
    assert (talks["1"]["name"], talks["1"]["contactId"]) == ("Ann", str(contact))
    assert talks["1"]["lastMessage"]["contactName"] == "Ann"
    assert (talks["2"]["name"], talks["2"]["contactId"]) == (None, None)


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=YXQ6NzQyOjE",
        "limit=0",
        "limit=501",
        "q=",
        "q=%00",
        f"q={'x' * 201}",
        "externalId=",
        "accountId=1",
        "since=yesterday",
        "provider=telegram",
        "colour=red",
    ],
)
async def test_a_query_that_does_not_fit_is_refused(api: Client, query: str) -> None:
    """422 with the place."""
    answer = await api.get(f"/api/contacts?{query}")
    assert (answer.status, answer.problem) == (422, "invalid")
    assert answer.json["errors"][0]["location"].startswith("query.")
