"""/api/jobs: the queue, to look into and to repair."""

from typing import Annotated

import fastapi
from fastapi import APIRouter
from pydantic import Field

from hookline.domain.errors import NotFound
from hookline.domain.ids import parse_id
from hookline.domain.job import IntegrationJobStatus
from hookline.services import shapes
from hookline.services.jobs import retry_job
from hookline.store import jobs
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json, page
from hookline.web.caller import Context, Manager, Member
from hookline.web.described import answers
from hookline.web.query import PageQuery, Text

router = APIRouter(prefix="/api/jobs", tags=["Jobs"])

_NOT_FOUND = "there is no such job in this organization"


class JobQuery(PageQuery):
    """What a list of jobs can be narrowed to."""

    status: IntegrationJobStatus | None = Field(None, description="Only in this status.")
    job_type: Text | None = Field(None, description="Only this type, such as PROCESS_WEBHOOK.")


@router.get(
    "",
    summary="List jobs",
    responses=answers(200, models.JobPage, examples.page(examples.JOB), "Jobs, newest first", 422),
    response_class=Json,
)
async def list_jobs(context: Context, caller: Member, query: Annotated[JobQuery, fastapi.Query()]) -> Json:
    """List jobs, newest first; `since` and `until` are about `createdAt`."""
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        rows = await jobs.list_page(
            connection,
            caller.organization_id,
            before=query.cursor,
            provider=query.provider,
            status=query.status,
            job_type=query.job_type,
            account_id=query.account_id,
            since=query.since,
            until=query.until,
            limit=query.limit + 1,
        )
    return page(rows, query.limit, shapes.job, lambda row: row.id)


@router.get(
    "/{jobId}",
    summary="Read a job",
    responses=answers(200, models.Job, examples.JOB, "The job", 404),
    response_class=Json,
)
async def read_job(jobId: str, context: Context, caller: Member) -> Json:
    """Read one job, with its attempts and the error of the last one."""
    job_id = parse_id(jobId)
    row = None
    if job_id is not None:
        async with organization_transaction(context.pool, caller.organization_id) as connection:
            row = await jobs.get(connection, caller.organization_id, job_id)
    if row is None:
        raise NotFound(_NOT_FOUND)
    return Json(shapes.job(row))


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
    job_id = parse_id(jobId)
    if job_id is None:
        raise NotFound(_NOT_FOUND)
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        row = await retry_job(connection, caller.organization_id, job_id)
    return Json(shapes.job(row), 202)
