"""/api/events over HTTP: the feed."""

import asyncio
from typing import Any

import asyncpg
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.domain.ids import new_id


async def read(api: Client, cursor: str | None = None, **params: Any) -> Any:
    answer = await api.get("/api/events", params=params | ({"cursor": cursor} if cursor else {}))
    assert answer.status == 200, answer.text
    return answer.json


async def follow(api: Client, count: int, cursor: str | None = None, **params: Any) -> tuple[list[Any], str]:
    """Poll until `count` facts were seen: one shows only when every earlier transaction of the server has ended."""
    items: list[Any] = []
    async with asyncio.timeout(10):
        while True:
            page = await read(api, cursor, **params)
            items, cursor = items + page["items"], page["nextCursor"]
            assert cursor is not None
            if len(items) >= count:
                return items, cursor
            await asyncio.sleep(0.01)


async def test_the_feed_is_read_from_its_beginning_in_order(api: Client, rows: Rows) -> None:
    """Without a cursor the feed starts at the beginning, oldest first; each fact has its place."""
    account_id = await rows.account()
    first = await rows.fact(type="account.connected", connected_account_id=account_id, data='{ "odd": "\\ud800" }')
    second = await rows.fact()
    items, _ = await follow(api, 2)
    assert [item["id"] for item in items] == [str(first), str(second)]
    assert list(items[0]) == [
        "id",
        "type",
        "version",
        "cursor",
        "organizationId",
        "connectedAccountId",
        "messageId",
        "occurredAt",
        "data",
    ]
    assert (items[0]["type"], items[0]["version"]) == ("account.connected", 1)
    assert items[0]["connectedAccountId"] == str(account_id)
    assert b'"data":{ "odd": "\\ud800" }' in (await api.get("/api/events")).body


async def test_a_poller_goes_on_where_it_was(api: Client, rows: Rows) -> None:
    """A cursor is given always, also by an empty page; following it shows every fact once."""
    empty = await read(api)
    assert (empty["items"], bool(empty["nextCursor"])) == ([], True)
    ids = [str(await rows.fact()) for _ in range(5)]
    seen, cursor = [], empty["nextCursor"]
    while len(seen) < 5:
        items, cursor = await follow(api, 1, cursor, limit=2)
        assert len(items) <= 2
        seen += [item["id"] for item in items]
    assert seen == ids
    again = await read(api, cursor)
    assert again["items"] == []
    late = str(await rows.fact())
    items, _ = await follow(api, 1, again["nextCursor"])
    assert [item["id"] for item in items] == [late]


async def test_every_fact_s_cursor_continues_after_it(api: Client, rows: Rows) -> None:
    """A reader who noted the last fact it handled goes on from there."""
    ids = [str(await rows.fact()) for _ in range(3)]
    items, _ = await follow(api, 3)
    rest = await read(api, items[0]["cursor"])
    assert [item["id"] for item in rest["items"]] == ids[1:]


async def test_filters(api: Client, rows: Rows) -> None:
    """The feed narrows to types, several at once, and to an account."""
    account_id = new_id()
    await rows.fact(type="message.received", connected_account_id=account_id)
    await rows.fact(type="message.status")
    await rows.fact(type="account.connected")
    await follow(api, 3)
    two = await api.get("/api/events?type=message.received&type=account.connected")
    assert [item["type"] for item in two.json["items"]] == ["message.received", "account.connected"]
    assert [item["type"] for item in (await read(api, accountId=str(account_id)))["items"]] == ["message.received"]


async def test_a_filtering_poller_leaves_behind_what_it_does_not_want(api: Client, rows: Rows) -> None:
    """An empty page's cursor lies behind everything that was passed over, and before what comes next."""
    for _ in range(3):
        await rows.fact(type="message.status")
    await follow(api, 3)
    page = await read(api, type="account.connected")
    assert page["items"] == []
    assert (await read(api, page["nextCursor"]))["items"] == []
    wanted = str(await rows.fact(type="account.connected"))
    items, _ = await follow(api, 1, page["nextCursor"], type="account.connected")
    assert [item["id"] for item in items] == [wanted]


async def test_nothing_appears_before_a_cursor(api: Client, rows: Rows, database_url: str) -> None:
    """A fact of a transaction that began earlier and ended later is not passed over by a cursor handed out between."""
    slow = await asyncpg.connect(database_url)
    try:
        transaction = slow.transaction()
        await transaction.start()
        early = str(await Rows(slow).fact())
        late = str(await rows.fact())
        page = await read(api)
        filtered = await read(api, type="message.received")
        assert (page["items"], filtered["items"]) == ([], [])
        await transaction.commit()
        for cursor in (page["nextCursor"], filtered["nextCursor"]):
            items, _ = await follow(api, 2, cursor)
            assert [item["id"] for item in items] == [early, late]
    finally:
        await slow.close()


async def test_the_feed_is_of_one_organization(api: Client, rows: Rows) -> None:
    """Facts of another organization are in nobody else's feed, whatever the cursor or the account asked for."""
    account_id = new_id()
    theirs = await rows.fact("org-2", connected_account_id=account_id)
    items, _ = await follow(api.of("org-2"), 1)
    assert [item["id"] for item in items] == [str(theirs)]
    assert (await read(api))["items"] == []
    assert (await read(api, accountId=str(account_id)))["items"] == []


BAD_QUERIES = [
    ("cursor=x", "query.cursor"),
    ("cursor=", "query.cursor"),
    ("cursor=aWQ6MDE5OGMwZGUwMDAwNzAwMDgwMDAwMDAwMDAwMDAwMDE", "query.cursor"),
    ("cursor=YXQ6LTE6MQ", "query.cursor"),  # at:-1:1
    ("cursor=YXQ6OTk5OTk5OTk5OTk5OTk5OTk5OTk6MQ", "query.cursor"),  # at:99999999999999999999:1
    ("cursor=YXQ6MTo5OTk5OTk5OTk5OTk5OTk5OTk5OQ", "query.cursor"),  # at:1:9999999999999999999
    ("limit=501", "query.limit"),
    ("type=%00", "query.type.0"),
    ("accountId=x", "query.accountId"),
    ("since=2026-01-14T10:00:00Z", "query.since"),
]


async def test_a_query_that_does_not_fit(api: Client) -> None:
    """A cursor that is not of the feed, or any other parameter that does not fit, is 422 and named."""
    for query, location in BAD_QUERIES:
        answer = await api.get(f"/api/events?{query}")
        assert (answer.status, answer.problem) == (422, "invalid"), query
        assert [error["location"] for error in answer.json["errors"]] == [location]
