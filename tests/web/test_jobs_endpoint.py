"""/api/jobs over HTTP."""

import pytest
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.domain.ids import new_id
from hookline.domain.principal import Role

ACCOUNT = new_id()


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["CUSTOM", "SEND_MESSAGE", "PROCESS_WEBHOOK"]),
        ({"provider": "Instagram"}, ["SEND_MESSAGE"]),
        ({"status": "FAILED"}, ["PROCESS_WEBHOOK"]),
        ({"jobType": "CUSTOM"}, ["CUSTOM"]),
        ({"accountId": str(ACCOUNT)}, ["SEND_MESSAGE"]),
        ({"since": "2026-01-01T00:00:00Z"}, ["CUSTOM", "SEND_MESSAGE", "PROCESS_WEBHOOK"]),
        ({"until": "2026-01-01T00:00:00Z"}, []),
    ],
)
async def test_filters(api: Client, rows: Rows, params: dict[str, str], found: list[str]) -> None:
    """Each filter narrows the list, and another organization's jobs are never in it."""
    await rows.job(job_type="PROCESS_WEBHOOK", status="FAILED")
    await rows.job(job_type="SEND_MESSAGE", provider="INSTAGRAM", connected_account_id=ACCOUNT)
    await rows.job(job_type="CUSTOM")
    await rows.job("org-2", job_type="THEIRS", connected_account_id=ACCOUNT)
    answer = await api.get("/api/jobs", params=params)
    assert [one["jobType"] for one in answer.json["items"]] == found


async def test_pages(api: Client, rows: Rows) -> None:
    """The cursor continues the list."""
    ids = [str(await rows.job()) for _ in range(3)]
    first = (await api.get("/api/jobs?limit=2")).json
    second = (await api.get(f"/api/jobs?limit=2&cursor={first['nextCursor']}")).json
    assert [one["id"] for one in first["items"] + second["items"]] == ids[::-1]
    assert second["nextCursor"] is None


async def test_a_job_reads_as_it_is_stored(api: Client, rows: Rows) -> None:
    """A job shows the specification's fields, its payload byte for byte."""
    job_id = await rows.job(payload_json='{ "a": "\\ud800" }', ordering_key="key")
    answer = await api.get(f"/api/jobs/{job_id}")
    assert b'"payloadJson":{ "a": "\\ud800" }' in answer.body
    assert b'"attempts":0' in answer.body
    assert b'"orderingKey":"key"' in answer.body


async def test_a_failed_job_runs_again(api: Client, rows: Rows) -> None:
    """Retrying answers 202 with the job, PENDING, its attempts counted anew."""
    job_id = await rows.job(status="FAILED")
    await rows.connection.execute("UPDATE integration_jobs SET attempts = 5, run_at = now() + interval '1 hour'")
    answer = await api.of("org-1", Role.MANAGER).post(f"/api/jobs/{job_id}/retry")
    assert (answer.status, answer.json["status"], answer.json["attempts"]) == (202, "PENDING", 0)
    assert await rows.connection.fetchval("SELECT run_at <= now() FROM integration_jobs")


async def test_the_event_of_a_retried_job_is_pending_again(api: Client, rows: Rows) -> None:
    """A webhook whose processing is tried again is no longer shown as failed."""
    event_id = await rows.event(status="FAILED", error="a bug")
    payload = f'{{"webhookEventId": "{event_id}"}}'
    job_id = await rows.job(job_type="PROCESS_WEBHOOK", payload_json=payload, status="FAILED")
    assert (await api.post(f"/api/jobs/{job_id}/retry")).status == 202
    assert (await api.get(f"/api/webhook-events/{event_id}")).json["status"] == "PENDING"


@pytest.mark.parametrize("status", ["PROCESSING", "DONE"])
async def test_a_job_that_runs_or_is_done_is_not_retried(api: Client, rows: Rows, status: str) -> None:
    """Retrying what runs or is done is a conflict."""
    job_id = await rows.job(status=status)
    answer = await api.post(f"/api/jobs/{job_id}/retry")
    assert (answer.status, answer.problem) == (409, "conflict")


async def test_members_do_not_retry(api: Client, rows: Rows) -> None:
    """Members look at jobs and leave them alone."""
    job_id = await rows.job(status="FAILED")
    caller = api.of("org-1", Role.MEMBER)
    assert (await caller.get(f"/api/jobs/{job_id}")).status == 200
    answer = await caller.post(f"/api/jobs/{job_id}/retry")
    assert (answer.status, answer.problem) == (403, "forbidden")


async def test_another_organization_s_job_is_not_found(api: Client, rows: Rows) -> None:
    """Another organization's job can neither be read nor retried, and stays as it is."""
    job_id = await rows.job("org-2", status="FAILED")
    for answer in (await api.get(f"/api/jobs/{job_id}"), await api.post(f"/api/jobs/{job_id}/retry")):
        assert (answer.status, answer.problem) == (404, "not-found")
    assert await rows.connection.fetchval("SELECT status FROM integration_jobs") == "FAILED"


@pytest.mark.parametrize("job_id", ["x", "0198c0de-0000-7000-8000-000000000001"])
async def test_no_such_job(api: Client, job_id: str) -> None:
    """An id that nobody has, or that is none, is not found."""
    for answer in (await api.get(f"/api/jobs/{job_id}"), await api.post(f"/api/jobs/{job_id}/retry")):
        assert (answer.status, answer.problem) == (404, "not-found")


BAD_QUERIES = ["status=QUEUED", "jobType=%00", "accountId=1", "until=now", "type=CUSTOM"]


async def test_a_query_that_does_not_fit(api: Client) -> None:
    """A parameter that does not fit, or is not of this list, is 422."""
    for query in BAD_QUERIES:
        answer = await api.get(f"/api/jobs?{query}")
        assert (answer.status, answer.problem) == (422, "invalid"), query
