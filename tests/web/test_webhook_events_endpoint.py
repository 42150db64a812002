"""/api/webhook-events over HTTP."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.domain.ids import new_id
from hookline.domain.principal import Role

EVENTS = "/api/webhook-events"
ACCOUNT = new_id()


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["read", "messages", "feed"]),
        ({"provider": "FACEBOOK"}, ["feed"]),
        ({"status": "FAILED"}, ["messages"]),
        ({"eventType": "read"}, ["read"]),
        ({"accountId": str(ACCOUNT)}, ["messages"]),
        ({"since": "2026-01-02T00:00:00Z"}, ["read", "messages"]),
        ({"until": "2026-01-02T00:00:00Z"}, ["feed"]),
        ({"status": "PENDING"}, []),
    ],
)
async def test_filters(api: Client, rows: Rows, params: dict[str, str], found: list[str]) -> None:
    """Each filter narrows the list; another organization's events and those of nobody are never in it."""
    await rows.event(provider="FACEBOOK", event_type="feed", received_at=datetime(2026, 1, 1, tzinfo=UTC))
    await rows.event(event_type="messages", status="FAILED", connected_account_id=ACCOUNT)
    await rows.event(event_type="read")
    await rows.event("org-2", event_type="theirs", connected_account_id=ACCOUNT)
    await rows.event(None, event_type="nobody's", status="PENDING")
    answer = await api.get(EVENTS, params=params)
    assert [one["eventType"] for one in answer.json["items"]] == found


async def test_pages(api: Client, rows: Rows) -> None:
    """The cursor continues the list; listed events come without their payloads."""
    ids = [str(await rows.event()) for _ in range(3)]
    first = (await api.get(f"{EVENTS}?limit=2")).json
    second = (await api.get(f"{EVENTS}?limit=2&cursor={first['nextCursor']}")).json
    assert [one["id"] for one in first["items"] + second["items"]] == ids[::-1]
    assert second["nextCursor"] is None
    assert "payloadJson" not in first["items"][0]


async def test_the_payload_is_what_was_signed(api: Client, rows: Rows) -> None:
    """An event shows its payload byte for byte: spaces, order, doubled keys, lone surrogates, long numbers."""
    payload = '{ "b" : 1.0, "a": "\\ud83d \\u0000 \\/", "b": 12345678901234567890123,  "é": [ ] }'
    event_id = await rows.event(payload_json=payload)
    answer = await api.get(f"{EVENTS}/{event_id}")
    assert f'"payloadJson":{payload}'.encode() in answer.body
    assert b'"body":null' in answer.body


async def test_what_is_no_json_comes_as_base64(api: Client, rows: Rows) -> None:
    """An event whose body was no JSON shows its bytes in base64, and why it failed."""
    event_id = await rows.event(payload_json=None, body=b"\xff\x00{", status="FAILED", error="the body is not UTF-8")
    event = (await api.get(f"{EVENTS}/{event_id}")).json
    assert (event["payloadJson"], base64.b64decode(event["body"])) == (None, b"\xff\x00{")
    assert event["error"] == "the body is not UTF-8"


async def test_the_result_says_what_became_of_each_item(api: Client, rows: Rows) -> None:
    """The result goes out as it was recorded."""
    result = [{"index": 0, "kind": "message", "externalId": "wamid.1", "outcome": "applied"}]
    event_id = await rows.event(result=str(result).replace("'", '"'))
    assert (await api.get(f"{EVENTS}/{event_id}")).json["result"] == result


async def test_another_organization_s_events_are_not_found(api: Client, rows: Rows) -> None:
    """Another organization's event, and nobody's, can neither be read nor replayed."""
    for organization in ("org-2", None):
        event_id = await rows.event(organization, status="FAILED")
        for answer in (await api.get(f"{EVENTS}/{event_id}"), await api.post(f"{EVENTS}/{event_id}/replay")):
            assert (answer.status, answer.problem) == (404, "not-found")
    assert await rows.connection.fetchval("SELECT count(*) FROM integration_jobs") == 0


async def replayed(rows: Rows) -> list[Any]:
    return list(await rows.connection.fetch("SELECT payload_json->>'webhookEventId' AS event, * FROM integration_jobs"))


async def test_replay_queues_the_event_again(api: Client, rows: Rows) -> None:
    """Replaying answers 202 with the event, PENDING, and there is a job for it, under the event's account."""
    event_id = await rows.event(status="FAILED", error="a bug", connected_account_id=ACCOUNT)
    answer = await api.of("org-1", Role.MANAGER).post(f"{EVENTS}/{event_id}/replay")
    assert (answer.status, answer.json["id"], answer.json["status"]) == (202, str(event_id), "PENDING")
    assert answer.json["error"] is None
    (job,) = await replayed(rows)
    assert (job["event"], job["organization_id"], job["status"]) == (str(event_id), "org-1", "PENDING")
    assert (job["connected_account_id"], job["ordering_key"]) == (ACCOUNT, f"in:{ACCOUNT}:contact-1")


async def test_replaying_twice_makes_one_job(api: Client, rows: Rows) -> None:
    """An event that waits already is not queued again."""
    event_id = await rows.event()
    answers = [await api.post(f"{EVENTS}/{event_id}/replay") for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202]
    assert len(await replayed(rows)) == 1


async def test_what_holds_no_json_cannot_be_replayed(api: Client, rows: Rows) -> None:
    """There is nothing to process in a body that was no JSON: a conflict."""
    event_id = await rows.event(payload_json=None, body=b"?", status="FAILED")
    answer = await api.post(f"{EVENTS}/{event_id}/replay")
    assert (answer.status, answer.problem) == (409, "conflict")


async def test_members_do_not_replay(api: Client, rows: Rows) -> None:
    """Members look at events and leave them alone."""
    event_id = await rows.event()
    caller = api.of("org-1", Role.MEMBER)
    assert (await caller.get(f"{EVENTS}/{event_id}")).status == 200
    answer = await caller.post(f"{EVENTS}/{event_id}/replay")
    assert (answer.status, answer.problem) == (403, "forbidden")


@pytest.mark.parametrize("path", [f"{EVENTS}/x", f"{EVENTS}/0198c0de-0000-7000-8000-000000000001"])
async def test_no_such_event(api: Client, path: str) -> None:
    """An id that nobody has, or that is none, is not found."""
    for answer in (await api.get(path), await api.post(path + "/replay")):
        assert (answer.status, answer.problem) == (404, "not-found")


BAD_QUERIES = ["status=DONE", "eventType=", "accountId=x", "since=2026-01-01", "direction=INBOUND"]


async def test_a_query_that_does_not_fit(api: Client) -> None:
    """A parameter that does not fit, or is not of this list, is 422."""
    for query in BAD_QUERIES:
        answer = await api.get(f"{EVENTS}?{query}")
        assert (answer.status, answer.problem) == (422, "invalid"), query
