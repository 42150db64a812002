"""/api/conversations: the latest first, page by page, narrowed, and marked as read."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.domain.ids import new_id

NOW = datetime.now(UTC)


async def test_the_latest_come_first_page_by_page(api: Client, rows: Rows) -> None:
    """Every conversation once, whatever the size of a page, those of one moment too."""
    made = []
    for number in range(7):
        at = NOW - timedelta(hours=number // 2)
        made.append(str(await rows.conversation(contact=str(number), last_message_at=at)))
    for limit in (1, 3, 7):
        found, cursor = [], ""
        while True:
            answer = (await api.get(f"/api/conversations?limit={limit}{cursor}")).json
            found += [item["id"] for item in answer["items"]]
            if answer["nextCursor"] is None:
                break
            cursor = f"&cursor={answer['nextCursor']}"
        assert sorted(found) == sorted(made)
        assert {found.index(one) // 2 for one in made[:2]} == {0}


async def test_they_are_narrowed(api: Client, rows: Rows) -> None:
    """By account, platform, person, what is unread, and whether the window is open."""
    account = new_id()
    open_one = str(await rows.conversation(connected_account_id=account, contact="1", unread_count=2))
    closed = str(await rows.conversation(provider="FACEBOOK", contact="2", window_until=NOW - timedelta(hours=1)))
    never = str(await rows.conversation(provider="FACEBOOK", contact="3", window_until=None))
    for query, expected in (
        (f"accountId={account}", [open_one]),
        ("provider=facebook", [closed, never]),
        ("contact=2", [closed]),
        ("unread=true", [open_one]),
        ("unread=false", [closed, never]),
        ("open=true", [open_one]),
        ("open=false", [closed, never]),
    ):
        answer = await api.get(f"/api/conversations?{query}")
        assert sorted(item["id"] for item in answer.json["items"]) == sorted(expected), query


async def test_a_conversation_is_marked_as_read(api: Client, rows: Rows) -> None:
    """Its count goes to nothing; its latest message is shown."""
    message = await rows.message(text="Hello")
    made = await rows.conversation(unread_count=3, last_message_id=message)
    answer = await api.post(f"/api/conversations/{made}/read")
    assert (answer.status, answer.json["unreadCount"]) == (200, 0)
    assert answer.json["lastMessage"]["text"] == "Hello"
    assert (await api.get("/api/conversations")).json["items"][0]["unreadCount"] == 0


async def test_those_of_others_are_not_there(api: Client, rows: Rows) -> None:
    """Neither listed nor marked."""
    made = await rows.conversation("org-2", unread_count=3)
    assert (await api.get("/api/conversations")).json["items"] == []
    for name in (made, new_id(), "x"):
        assert (await api.post(f"/api/conversations/{name}/read")).status == 404
    assert await rows.connection.fetchval("SELECT unread_count FROM conversations") == 3


@pytest.mark.parametrize("query", ["cursor=x", "cursor=YQ", "cursor=aWQ6MDE5OGMwZGU", "open=maybe", "colour=red"])
async def test_a_query_that_does_not_fit_is_refused(api: Client, query: str) -> None:
    """422 with the place."""
    answer = await api.get(f"/api/conversations?{query}")
    assert (answer.status, answer.problem) == (422, "invalid")
    assert answer.json["errors"][0]["location"].startswith("query.")
