"""Cancelling, and repair in bulk, over HTTP: who may, what is answered, and bodies that do not fit."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.domain.ids import new_id
from hookline.domain.principal import Role
from hookline.services import bulk

ACCOUNT = UUID("0198c0de-0000-7000-8000-00000000000a")
BULK = ["/api/jobs/retry", "/api/jobs/cancel", "/api/webhook-events/replay"]
NOTHING = {"count": 0, "exact": True, "jobId": None}


async def statuses(rows: Rows, table: str = "integration_jobs") -> list[tuple[str, str, int]]:
    """How many rows of which organization are in which status."""
    found = await rows.connection.fetch(
        f"SELECT organization_id, status, count(*) FROM {table} GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [tuple(row) for row in found]


async def test_a_cancelled_job_says_by_whom(api: Client, rows: Rows) -> None:
    """Cancelling answers 200 with the job, FAILED, and the token's subject in its last error; twice changes nothing."""
    job_id = await rows.job()
    first, second = [await api.of("org-1", Role.MANAGER).post(f"/api/jobs/{job_id}/cancel") for _ in range(2)]
    assert (first.status, first.json["status"]) == (200, "FAILED")
    assert first.json["lastError"] == "cancelled by user-1"
    assert second.json == first.json


async def test_what_is_done_cannot_be_cancelled(api: Client, rows: Rows) -> None:
    """A job that has ended well is a conflict."""
    job_id = await rows.job(status="DONE")
    answer = await api.post(f"/api/jobs/{job_id}/cancel")
    assert (answer.status, answer.problem) == (409, "conflict")


async def test_another_organization_s_job_cannot_be_cancelled(api: Client, rows: Rows) -> None:
    """It is not there, no more than an id that is none."""
    job_id = await rows.job("org-2")
    for name in (job_id, "x", new_id(), "%00", "..%2F..%2Fx", "😀"):
        answer = await api.post(f"/api/jobs/{name}/cancel")
        assert (answer.status, answer.problem) == (404, "not-found"), name
    assert await statuses(rows) == [("org-2", "PENDING", 1)]


async def test_members_repair_nothing(api: Client, rows: Rows) -> None:
    """Cancelling and bulk repair need OWNER, ADMIN or MANAGER, and a body is not even looked at before."""
    job_id = await rows.job(status="FAILED")
    caller = api.of("org-1", Role.MEMBER)
    for path in (*BULK, f"/api/jobs/{job_id}/cancel"):
        answer = await caller.post(path, {"limit": -1})
        assert (answer.status, answer.problem) == (403, "forbidden"), path
    assert await statuses(rows) == [("org-1", "FAILED", 1)]


async def test_failed_jobs_are_retried_together(api: Client, rows: Rows) -> None:
    """Without a filter every FAILED job of the organization runs again; a dry run only counts; twice finds nothing."""
    for status in ("FAILED", "FAILED", "DONE", "PROCESSING", "PENDING"):
        await rows.job(status=status)
    await rows.job("org-2", status="FAILED")
    before = await statuses(rows)
    dry = await api.post("/api/jobs/retry", {"dryRun": True})
    assert (dry.status, dry.json) == (200, NOTHING | {"count": 2})
    assert await statuses(rows) == before
    assert (await api.post("/api/jobs/retry")).json == NOTHING | {"count": 2}
    assert (await api.post("/api/jobs/retry", {})).json == NOTHING
    assert await statuses(rows) == [
        ("org-1", "DONE", 1),
        ("org-1", "PENDING", 3),
        ("org-1", "PROCESSING", 1),
        ("org-2", "FAILED", 1),
    ]


FILTERS: list[tuple[dict[str, Any], int]] = [
    ({}, 3),
    ({"provider": "instagram"}, 1),
    ({"jobType": "SEND_MESSAGE"}, 1),
    ({"accountId": str(ACCOUNT)}, 1),
    ({"status": "PROCESSING"}, 1),
    ({"since": "2026-01-01T00:00:00Z"}, 2),
    ({"since": "2025-12-31T23:00:00-02:00"}, 2),
    ({"until": "2026-01-01T00:00:00+00:00"}, 1),
    ({"since": "2025-01-01T00:00:00Z", "until": "2025-01-02T00:00:00Z"}, 0),
    ({"limit": 2}, 2),
    ({"jobType": "'; DELETE FROM integration_jobs; --"}, 0),
]


@pytest.mark.parametrize(("body", "count"), FILTERS, ids=str)
async def test_the_list_s_filters_narrow_what_is_cancelled(
    api: Client, rows: Rows, body: dict[str, Any], count: int
) -> None:
    """A body takes what the list's query takes, and exactly what it fits is cancelled, as the dry run said."""
    await rows.job(created_at=datetime(2025, 12, 1, tzinfo=UTC), job_type="SEND_MESSAGE")
    await rows.job(status="PROCESSING", provider="INSTAGRAM")
    await rows.job(connected_account_id=ACCOUNT)
    await rows.job(status="DONE")
    await rows.job("org-2", connected_account_id=ACCOUNT)
    dry = await api.post("/api/jobs/cancel", body | {"dryRun": True})
    assert dry.json == NOTHING | {"count": count}
    assert (await api.post("/api/jobs/cancel", body)).json == NOTHING | {"count": count}
    failed = [row for row in await statuses(rows) if row[1] == "FAILED"]
    assert failed == ([("org-1", "FAILED", count)] if count else [])


async def test_events_are_replayed_together(api: Client, rows: Rows) -> None:
    """FAILED events get a job each; with a status PROCESSED ones do; nobody's and strangers' are not touched."""
    for organization, status in [("org-1", "FAILED"), ("org-1", "PROCESSED"), ("org-2", "FAILED"), (None, "FAILED")]:
        await rows.event(organization, status=status, event_type=f"{organization} {status}")
    assert (await api.post("/api/webhook-events/replay", {"eventType": "org-1 FAILED"})).json["count"] == 1
    assert (await api.post("/api/webhook-events/replay", {"dryRun": True})).json["count"] == 0
    assert (await api.post("/api/webhook-events/replay", {"status": "PROCESSED"})).json["count"] == 1
    assert await statuses(rows) == [("org-1", "PENDING", 2)]
    assert (None, "FAILED", 1) in await statuses(rows, "webhook_events")
    assert ("org-2", "FAILED", 1) in await statuses(rows, "webhook_events")


async def test_what_takes_long_is_left_to_a_job(api: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many answer 202 with all of them counted, and the job that does the rest, which can be read and cancelled."""
    monkeypatch.setattr(bulk, "REQUEST_SECONDS", -1)
    for _ in range(3):
        await rows.job()
    answer = await api.post("/api/jobs/cancel", {"jobType": "SYNC_ACCOUNT"})
    assert (answer.status, answer.json["count"], answer.json["exact"]) == (202, 3, True)
    job = (await api.get(f"/api/jobs/{answer.json['jobId']}")).json
    assert (job["jobType"], job["status"], job["payloadJson"]["action"]) == ("BULK", "PENDING", "cancel")
    assert job["payloadJson"]["by"] == "user-1"
    assert (await api.post(f"/api/jobs/{job['id']}/cancel")).status == 200
    assert await statuses(rows) == [("org-1", "FAILED", 1), ("org-1", "PENDING", 3)]


async def test_a_count_that_takes_too_long_says_so(api: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """If not all can be counted in time, the answer is that it is not exact, and never a time-out."""
    monkeypatch.setattr(bulk, "COUNT_SECONDS", -1)
    await rows.job(status="FAILED")
    assert (await api.post("/api/jobs/retry", {"dryRun": True})).json == {"count": 0, "exact": False, "jobId": None}


BAD_BODIES: list[tuple[Any, str]] = [
    ([], "body"),
    ("x", "body"),
    ({"limit": 0}, "body.limit"),
    ({"limit": -5}, "body.limit"),
    ({"limit": 10**30}, "body.limit"),
    ({"limit": "5"}, "body.limit"),
    ({"limit": 1.5}, "body.limit"),
    ({"limit": True}, "body.limit"),
    ({"dryRun": "false"}, "body.dryRun"),
    ({"dryRun": 0}, "body.dryRun"),
    ({"dryrun": True}, "body.dryrun"),
    ({"status": "DONE"}, "body.status"),
    ({"status": ["FAILED"]}, "body.status"),
    ({"provider": "TELEGRAM"}, "body.provider"),
    ({"provider": 7}, "body.provider"),
    ({"accountId": "x"}, "body.accountId"),
    ({"accountId": 1}, "body.accountId"),
    ({"since": "2026-01-01T00:00:00"}, "body.since"),
    ({"since": "yesterday"}, "body.since"),
    ({"until": 1767225600}, "body.until"),
    ({"until": "9999-12-31T23:59:59-12:00"}, "body.until"),
    ({"organizationId": "org-2"}, "body.organizationId"),
    ({"cursor": "x"}, "body.cursor"),
]


@pytest.mark.parametrize("path", BULK)
async def test_a_body_that_does_not_fit_changes_nothing(api: Client, rows: Rows, path: str) -> None:
    """What is wrong is named by its place, and not a single row is touched."""
    await rows.job(status="FAILED")
    await rows.event(status="FAILED")
    for body, place in BAD_BODIES:
        answer = await api.post(path, body)
        assert (answer.status, answer.problem) == (422, "invalid"), body
        assert [error["location"] for error in answer.json["errors"]] == [place], body
    for text in (b"{", b"\xff", b'{"limit": NaN}', b'{"jobType": "\\u0000"}', b'{"eventType": "\\ud800"}'):
        assert (await api.request("POST", path, data=text)).status == 422, text
    assert await statuses(rows) == [("org-1", "FAILED", 1)]
    assert await statuses(rows, "webhook_events") == [("org-1", "FAILED", 1)]


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
async def test_any_time_is_a_bound(api: Client, rows: Rows, edge: str) -> None:
    """Times at the ends of the calendar narrow as any other."""
    await rows.job(status="FAILED")
    for name in ("since", "until"):
        count = int((name == "until") == edge.startswith("9"))
        assert (await api.post("/api/jobs/retry", {name: edge, "dryRun": True})).json["count"] == count
        assert len((await api.get("/api/jobs", params={name: edge})).json["items"]) == count


async def test_scheduled_jobs_are_in_the_list(api: Client, rows: Rows) -> None:
    """A job that runs later is listed as PENDING with its time."""
    at = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
    await rows.job(run_at=at)
    (job,) = (await api.get("/api/jobs?status=PENDING")).json["items"]
    assert (job["status"], job["runAt"]) == ("PENDING", "2030-01-01T12:00:00Z")


async def test_a_list_by_a_status_with_an_index_is_one_list(api: Client, rows: Rows) -> None:
    """FAILED jobs of all platforms come as one list, newest first, page by page."""
    ids = [str(await rows.job(status="FAILED", provider=name)) for name in ("FACEBOOK", "WHATSAPP", "INSTAGRAM") * 2]
    found, cursor = [], ""
    for _ in range(3):
        page = (await api.get(f"/api/jobs?status=FAILED&limit=2{cursor}")).json
        found += [one["id"] for one in page["items"]]
        cursor = f"&cursor={page['nextCursor']}"
    assert found == ids[::-1]
    assert page["nextCursor"] is None
