"""Running jobs in a test: all that are due, or a certain one."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from hookline.bootstrap import Hookline
from hookline.domain.errors import PermanentFailure
from hookline.domain.job import Ended, IntegrationJobStatus, IntegrationJobType
from hookline.store import jobs
from hookline.store.jobs import Job
from hookline.worker.handlers import Handler, attempt, default_handlers
from hookline.worker.loop import Worker


class Failure(msgspec.Struct, frozen=True):
    """A job as it was when its handler raised, and what it raised."""

    job: Job
    error: Exception


class Drained(msgspec.Struct, frozen=True):
    """What was run: how many jobs, and which of them failed."""

    ran: int
    failures: list[Failure]


async def drain(hookline: Hookline, handlers: Mapping[str, Handler] | None = None, *, raises: bool = False) -> Drained:
    """Run every job that is due, and every one that becomes due by it, as a worker would; what runs later stays.

    handlers: of the job types that are not built in. raises: raise the first error of a handler when all is done.
    """
    failures: list[Failure] = []
    recorded = {job_type: _recording(handler, failures) for job_type, handler in (handlers or {}).items()}
    ran = await Worker(hookline.context, recorded).drain()
    if raises and failures:
        raise failures[0].error
    return Drained(ran, failures)


def _recording(handler: Handler, failures: list[Failure]) -> Handler:
    async def recorded(job: Job) -> Ended | None:
        try:
            return await attempt(handler, job)
        except Exception as error:
            failures.append(Failure(job, error))
            raise

    return recorded


async def run_job(
    hookline: Hookline, job: Job, handlers: Mapping[str, Handler] | None = None, *, raises: bool = False
) -> Job:
    """Run one waiting job now, even if it is to run later; gives it as it is afterwards.

    raises: raise what the handler raised, once it is recorded.
    Raises: AssertionError, if the job cannot be run: it does not wait, or an earlier one of its key is not done.
    """
    if job.job_type == IntegrationJobType.PROCESS_WEBHOOK:
        raise AssertionError("webhooks are processed together: use drain")
    if not await hookline.jobs.mark_processing(job):
        raise AssertionError(await _why_not(hookline, job))
    error = await _attempt(hookline, await _read(hookline, job), handlers or {})
    if raises and error is not None:
        raise error
    return await _read(hookline, job)


async def _attempt(hookline: Hookline, job: Job, handlers: Mapping[str, Handler]) -> Exception | None:
    handler = {**default_handlers(hookline.context), **handlers}.get(job.job_type)
    try:
        if handler is None:
            raise PermanentFailure(f"no handler is given for jobs of type {job.job_type}")
        ended = await attempt(handler, job)
    except Exception as error:
        await hookline.jobs.mark_failed(job, error)
        return error
    if ended is None:
        await hookline.jobs.mark_done(job)
    return None


async def _why_not(hookline: Hookline, job: Job) -> str:
    now = await _read(hookline, job)
    if now.status is IntegrationJobStatus.PENDING:
        return f"the job {job.id} cannot run: an earlier job of its key {now.ordering_key!r} has not ended"
    return f"the job {job.id} cannot run: it is {now.status}"


async def _read(hookline: Hookline, job: Job) -> Job:
    async with hookline.context.pool.acquire() as connection:
        found = await jobs.get(connection, job.organization_id, UUID(str(job.id)))
    if found is None:
        raise AssertionError(f"there is no job {job.id}")
    return found
