"""/api/jobs: the queue, to look into and to repair."""

from functools import partial
from typing import Annotated, Literal

import fastapi
from fastapi import APIRouter, Request
from pydantic import Field

from hookline.domain.job import IntegrationJobStatus
from hookline.services import shapes
from hookline.services.bulk import cancel_of, retry_of
from hookline.services.control import cancel_job, retry_job
from hookline.store import jobs
from hookline.store.jobs import JobFilter
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json, page
from hookline.web.caller import Context, Manager, Member
from hookline.web.described import answers, body_of, bulk_answers
from hookline.web.query import PageQuery, Text
from hookline.web.records import BulkBody, Records, bulk
from hookline.web.validation import read_body

router = APIRouter(prefix="/api/jobs", tags=["Jobs"])

_RECORDS = Records("job", jobs.get)
_TYPE = "Only this type, such as PROCESS_WEBHOOK."


class JobQuery(PageQuery):
    """What a list of jobs can be narrowed to."""

    status: IntegrationJobStatus | None = Field(None, description="Only in this status.")
    job_type: Text | None = Field(None, description=_TYPE)


class RetryJobs(BulkBody):
    """Which jobs to run again."""

    status: Literal["FAILED", "PENDING"] = Field("FAILED", description="FAILED, or PENDING: what waits runs at once.")
    job_type: Text | None = Field(None, description=_TYPE)


class CancelJobs(BulkBody):
    """Which jobs to cancel."""

    status: Literal["PENDING", "PROCESSING"] | None = Field(None, description="Only what waits, or what runs; or both.")
    job_type: Text | None = Field(None, description=_TYPE)


def _filter(chosen: JobQuery | RetryJobs | CancelJobs) -> JobFilter:
    return JobFilter(
        provider=chosen.provider,
        account_id=chosen.account_id,
        since=chosen.since,
        until=chosen.until,
        status=None if chosen.status is None else IntegrationJobStatus(chosen.status),
        job_type=chosen.job_type,
    )


@router.get(
    "",
    summary="List jobs",
    responses=answers(200, models.JobPage, examples.page(examples.JOB), "Jobs, newest first", 422),
    response_class=Json,
)
async def list_jobs(context: Context, caller: Member, query: Annotated[JobQuery, fastapi.Query()]) -> Json:
    """List jobs, newest first, those too that run later (`runAt`); `since` and `until` are about `createdAt`."""
    organization_id, wanted = caller.organization_id, query.limit + 1
    async with organization_transaction(context.pool, organization_id) as connection:
        rows = await jobs.list_page(connection, organization_id, _filter(query), before=query.cursor, limit=wanted)
    return page(rows, query.limit, shapes.job, lambda row: row.id)


@router.get(
    "/{jobId}",
    summary="Read a job",
    responses=answers(200, models.Job, examples.JOB, "The job", 404),
    response_class=Json,
)
async def read_job(jobId: str, context: Context, caller: Member) -> Json:
    """Read one job, with its attempts and the error of the last one."""
    return Json(shapes.job(await _RECORDS.read(context, caller, jobId)))


@router.post(
    "/{jobId}/retry",
    summary="Retry a job",
    status_code=202,
    responses=answers(202, models.Job, examples.JOB | {"status": "PENDING"}, "It is queued", 404, 409),
    response_class=Json,
)
async def retry(jobId: str, context: Context, caller: Manager) -> Json:
    """Run a FAILED job again with a fresh count of attempts, or a waiting one at once.

    Needs the role OWNER, ADMIN or MANAGER. A job that is running or done is a conflict.
    """
    return Json(shapes.job(await _RECORDS.act(context, caller, jobId, retry_job)), 202)


@router.post(
    "/{jobId}/cancel",
    summary="Cancel a job",
    responses=answers(200, models.Job, examples.CANCELLED_JOB, "It will not run, or not end", 404, 409),
    response_class=Json,
)
async def cancel(jobId: str, context: Context, caller: Manager) -> Json:
    """End a job that waits or runs as FAILED; `lastError` says by whom. Needs the role OWNER, ADMIN or MANAGER.

    The end of a running job changes nothing any more; what it has begun outside the database goes on. The event of a
    cancelled PROCESS_WEBHOOK job is FAILED and can be replayed. A job that is FAILED already stays as it is; one that
    is done is a conflict.
    """
    job = await _RECORDS.act(context, caller, jobId, partial(cancel_job, by=caller.principal.subject))
    return Json(shapes.job(job))


@router.post(
    "/retry",
    summary="Retry many jobs",
    responses=bulk_answers("The jobs are queued"),
    response_class=Json,
    openapi_extra=body_of(RetryJobs, examples.BULK_RETRY),
)
async def retry_many(request: Request, context: Context, caller: Manager) -> Json:
    """Run all FAILED jobs again that fit the filters, each with a fresh count of attempts; again changes nothing more.

    Needs the role OWNER, ADMIN or MANAGER. With `dryRun` they are only counted. What takes longer than about a second
    is left to a job of type BULK, which the answer names (202): its `payloadJson.count` says how far it is. If not all
    could be counted in time, `exact` is false and there are more than `count`.
    """
    body = await read_body(request, RetryJobs)
    asked = retry_of(_filter(body), caller.principal.subject, body.limit)
    return await bulk(context, caller, asked, dry_run=body.dry_run)


@router.post(
    "/cancel",
    summary="Cancel many jobs",
    responses=bulk_answers("The jobs are cancelled"),
    response_class=Json,
    openapi_extra=body_of(CancelJobs, examples.BULK_CANCEL),
)
async def cancel_many(request: Request, context: Context, caller: Manager) -> Json:
    """Cancel all jobs that wait or run and fit the filters, up to those that exist now.

    Needs the role OWNER, ADMIN or MANAGER. `dryRun`, `exact` and `jobId` are as for retrying many.
    """
    body = await read_body(request, CancelJobs)
    asked = cancel_of(_filter(body), caller.principal.subject, body.limit)
    return await bulk(context, caller, asked, dry_run=body.dry_run)
