"""/api/messages over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.domain.ids import new_id
from hookline.domain.principal import Role

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
ACCOUNT = new_id()


async def listed(api: Client, **params: Any) -> list[str]:
    """The texts that a list answers."""
    answer = await api.get("/api/messages", params=params)
    assert answer.status == 200, answer.text
    return [one["text"] for one in answer.json["items"]]


@pytest.fixture
async def conversation(rows: Rows) -> None:
    """Three messages of org-1, each different in everything, and one of org-2."""
    await rows.account(id=ACCOUNT)
    await rows.message(
        connected_account_id=ACCOUNT,
        text="Is the iPhone in stock?",
        contact="491701",
        external_id="wamid.1",
        created_at=NOON,
    )
    await rows.message(
        provider="INSTAGRAM",
        type="image",
        text="100% cotton_shirt",
        contact="igsid-2",
        external_id="mid.2",
        created_at=NOON + timedelta(hours=1),
    )
    await rows.message(
        provider="FACEBOOK",
        direction="OUTBOUND",
        status="DELIVERED",
        type="template",
        text="Your order is on its way",
        contact="psid-3",
        external_id="mid.3",
        created_at=NOON + timedelta(hours=2),
    )
    await rows.message("org-2", connected_account_id=ACCOUNT, text="iPhone of the others", external_id="wamid.9")


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["Your order is on its way", "100% cotton_shirt", "Is the iPhone in stock?"]),
    ({"accountId": str(ACCOUNT)}, ["Is the iPhone in stock?"]),
    ({"provider": "instagram"}, ["100% cotton_shirt"]),
    ({"direction": "OUTBOUND"}, ["Your order is on its way"]),
    ({"contact": "igsid-2"}, ["100% cotton_shirt"]),
    ({"type": "template"}, ["Your order is on its way"]),
    ({"status": "DELIVERED"}, ["Your order is on its way"]),
    ({"externalId": "wamid.1"}, ["Is the iPhone in stock?"]),
    ({"externalId": "wamid.9"}, []),
    ({"since": "2026-01-14T13:00:00Z"}, ["Your order is on its way", "100% cotton_shirt"]),
    ({"until": "2026-01-14T14:00:00+01:00"}, ["Is the iPhone in stock?"]),
    ({"q": "iphone"}, ["Is the iPhone in stock?"]),
    ({"q": "0% c"}, ["100% cotton_shirt"]),
    ({"q": "n_s"}, ["100% cotton_shirt"]),
    ({"q": "o%y"}, []),
    ({"q": "is", "direction": "OUTBOUND"}, ["Your order is on its way"]),
    ({"q": "iphone", "externalId": "mid.3"}, []),
    ({"q": "ORDER", "externalId": "mid.3"}, ["Your order is on its way"]),
    ({"provider": "WHATSAPP", "direction": "OUTBOUND"}, []),
]


async def test_filters(api: Client, conversation: None) -> None:
    """Each filter narrows the list, also together; a search takes % and _ for what they are."""
    for params, texts in FILTERS:
        assert await listed(api, **params) == texts, params


async def test_lists_are_of_one_organization(api: Client, conversation: None) -> None:
    """No list and no search shows a message of another organization."""
    other = api.of("org-2", Role.MEMBER)
    assert await listed(other) == ["iPhone of the others"]
    assert await listed(other, q="iphone") == ["iPhone of the others"]
    assert await listed(api.of("org-3")) == []


async def test_pages_follow_each_other(api: Client, rows: Rows) -> None:
    """Following the cursor shows every message once, newest first, and ends with null; so does a search."""
    ids = [str(await rows.message(text=f"message {n}")) for n in range(7)]
    for params in ({}, {"q": "message"}):
        seen: list[str] = []
        cursor = None
        while cursor is not None or not seen:
            query = {**params, "limit": "3"} | ({"cursor": cursor} if cursor else {})
            page = (await api.get("/api/messages", params=query)).json
            assert len(page["items"]) <= 3
            seen += [one["id"] for one in page["items"]]
            cursor = page["nextCursor"]
        assert seen == ids[::-1]


async def test_a_full_last_page_has_no_successor(api: Client, rows: Rows) -> None:
    """A page that shows everything says so, also when it is full."""
    for _ in range(3):
        await rows.message()
    assert (await api.get("/api/messages?limit=3")).json["nextCursor"] is None


async def test_fifty_are_shown_unless_asked_otherwise(api: Client, rows: Rows) -> None:
    """Without a limit, a page holds fifty."""
    for _ in range(51):
        await rows.message()
    assert len((await api.get("/api/messages")).json["items"]) == 50
    assert len((await api.get("/api/messages?limit=500")).json["items"]) == 51


async def test_a_message_reads_as_it_is_stored(api: Client, rows: Rows) -> None:
    """A message shows its fields by the specification's names, JSON as it was stored, times with Z."""
    message_id = await rows.message(
        text="naïve 😀",
        media='[{"type":"image","id":"1"}]',
        meta_json='{"odd":"\\ud800\\u0000","big":123456789012345678901234567890}',
        sent_at=NOON,
    )
    answer = await api.get(f"/api/messages/{message_id}")
    assert answer.status == 200
    assert b'"metaJson":{"odd":"\\ud800\\u0000","big":123456789012345678901234567890}' in answer.body
    assert b'"sentAt":"2026-01-14T12:00:00Z"' in answer.body
    assert "naïve 😀" in answer.text
    assert '"media":[{"type":"image","id":"1"}]' in answer.text
    assert '"from":"491701234567","to":"15550783881"' in answer.text


ABSENT = ["x", "%00", "0198c0de-0000-7000-8000-000000000001", "0198c0de000070008"]


async def test_no_such_message(api: Client) -> None:
    """An id that nobody has, or that is none, is not found."""
    for message_id in ABSENT:
        answer = await api.get(f"/api/messages/{message_id}")
        assert (answer.status, answer.problem) == (404, "not-found"), message_id


async def test_another_organization_s_message_is_not_found(api: Client, rows: Rows) -> None:
    """Another organization's message is answered like one that does not exist, word for word."""
    theirs = await api.get(f"/api/messages/{await rows.message('org-2')}")
    nobodys = await api.get(f"/api/messages/{new_id()}")
    assert (theirs.status, theirs.body) == (404, nobodys.body)


BAD_QUERIES = [
    ("limit=0", "query.limit"),
    ("limit=501", "query.limit"),
    ("limit=-1", "query.limit"),
    ("limit=many", "query.limit"),
    ("limit=", "query.limit"),
    ("provider=TELEGRAM", "query.provider"),
    ("direction=inbound", "query.direction"),
    ("type=TEXT", "query.type"),
    ("status=NEW", "query.status"),
    ("accountId=1", "query.accountId"),
    ("accountId=0198c0de00007000800000000000000000000", "query.accountId"),
    ("since=2026-01-14T10:00:00", "query.since"),
    ("since=2026-01-14", "query.since"),
    ("since=1768384800", "query.since"),
    ("since=2026-01-14T10:00:00+01:00", "query.since"),
    ("until=yesterday", "query.until"),
    ("until=0001-01-01T00:00:00%2B14:00", "query.until"),
    ("q=", "query.q"),
    ("q=" + "x" * 201, "query.q"),
    ("q=a%00b", "query.q"),
    ("contact=%00", "query.contact"),
    ("externalId=a%00", "query.externalId"),
    ("cursor=abc", "query.cursor"),
    ("cursor=", "query.cursor"),
    ("cursor=%00", "query.cursor"),
    ("cursor=YXQ6MTox", "query.cursor"),
    ("cursor=aWQ6eHh4", "query.cursor"),
    ("cursor=" + "a" * 5000, "query.cursor"),
    ("account=1", "query.account"),
]


async def test_a_query_that_does_not_fit(api: Client) -> None:
    """A parameter that does not fit, or that is not known, is 422 and named."""
    for query, location in BAD_QUERIES:
        answer = await api.get(f"/api/messages?{query}")
        assert (answer.status, answer.problem) == (422, "invalid"), query
        assert [error["location"] for error in answer.json["errors"]] == [location]


async def test_odd_queries_are_no_errors(api: Client, rows: Rows) -> None:
    """Bytes that are no UTF-8, regular expressions and escapes are just texts to look for."""
    await rows.message(text="a\\b (c) [d")
    for words in ["%ED%A0%80", "%FF", "(", "[", "%5C", "'%22;", "%F0%9F%98%80", "*"]:
        assert (await api.get(f"/api/messages?q={words}")).status == 200
    assert len((await api.get("/api/messages?q=a%5Cb%20(c)%20[d")).json["items"]) == 1
