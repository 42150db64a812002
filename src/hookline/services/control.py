"""Control of jobs: run them again, or cancel them, one or many; and what else becomes true when that happens.

A job stands for something: a webhook's job for its event, a sending job for its message. What becomes of that when jobs
of a type are cancelled or run again has its one place here, in `ON_CANCEL` and `ON_RETRY`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from uuid import UUID

from hookline.domain.errors import Conflict, NotFound
from hookline.domain.job import IntegrationJobStatus, IntegrationJobType
from hookline.services.failure import named_event
from hookline.services.inbound_media import give_up, wait_again
from hookline.services.send_control import cancel_messages, queue_messages
from hookline.store import event_repair, jobs
from hookline.store.jobs import Job
from hookline.store.pool import Connection

_MAX_SUBJECT_CHARACTERS = 200

# Runs in the transaction that cancels the jobs, or runs them again. They are of one type and organization, as they are
# now: those cancelled have one reason in `last_error`.
Consequence = Callable[[Connection, str, Sequence[Job]], Awaitable[None]]


async def _fail_events(connection: Connection, organization_id: str, cancelled: Sequence[Job]) -> None:
    """The events of cancelled jobs are FAILED with the reason; a replay processes them after all."""
    await event_repair.fail(connection, organization_id, _events_of(cancelled), cancelled[0].last_error or "")


async def _reopen_events(connection: Connection, organization_id: str, retried: Sequence[Job]) -> None:
    """The events of jobs that run again are PENDING."""
    await event_repair.reopen(connection, organization_id, _events_of(retried))


ON_CANCEL: Mapping[str, Consequence] = {
    IntegrationJobType.PROCESS_WEBHOOK: _fail_events,
    IntegrationJobType.SEND_MESSAGE: cancel_messages,
    IntegrationJobType.FETCH_MEDIA: give_up,
}
ON_RETRY: Mapping[str, Consequence] = {
    IntegrationJobType.PROCESS_WEBHOOK: _reopen_events,
    IntegrationJobType.SEND_MESSAGE: queue_messages,
    IntegrationJobType.FETCH_MEDIA: wait_again,
}


def _events_of(some: Iterable[Job]) -> list[UUID]:
    return [event_id for job in some if (event_id := named_event(job)) is not None]


async def retry_job(connection: Connection, organization_id: str, job_id: UUID) -> Job:
    """Run a FAILED job again, or a waiting one at once; the event that it processes is PENDING again.

    Needs a transaction.
    Raises: NotFound; Conflict, if the job is running or done.
    """
    await _locked(connection, organization_id, job_id)
    retried = await retry_jobs(connection, organization_id, [job_id])
    if not retried:
        raise Conflict("only a job that is FAILED or waiting can be retried")
    return retried[0]


async def retry_jobs(
    connection: Connection,
    organization_id: str,
    job_ids: Sequence[UUID],
    statuses: Sequence[IntegrationJobStatus] = jobs.RETRIABLE,
) -> list[Job]:
    """Run those of the jobs again that are in `statuses` and that nobody else has locked. Needs a transaction."""
    retried = await jobs.retry(connection, organization_id, job_ids, statuses)
    await _follow(ON_RETRY, connection, organization_id, retried)
    return retried


async def cancel_job(connection: Connection, organization_id: str, job_id: UUID, by: str) -> Job:
    """End a job that waits or runs as FAILED; one that is FAILED already stays as it is. Needs a transaction.

    by: who cancels, as its last error tells. Whoever runs the job cannot end it any more; what a handler has begun
    outside the database goes on.
    Raises: NotFound; Conflict, if the job is done.
    """
    job = await _locked(connection, organization_id, job_id)
    if job.status is IntegrationJobStatus.DONE:
        raise Conflict("the job is done already")
    cancelled = await cancel_jobs(connection, organization_id, [job_id], by)
    return cancelled[0] if cancelled else job


async def cancel_jobs(
    connection: Connection,
    organization_id: str,
    job_ids: Sequence[UUID],
    by: str,
    statuses: Sequence[IntegrationJobStatus] = jobs.LIVE,
) -> list[Job]:
    """End those of the jobs that are in `statuses` and that nobody else has locked. Needs a transaction."""
    cancelled = await jobs.cancel(connection, organization_id, job_ids, reason(by), statuses)
    await jobs.let_follow(connection, organization_id, cancelled)
    await _follow(ON_CANCEL, connection, organization_id, cancelled)
    return cancelled


def reason(by: str) -> str:
    """Say in a job's last error that it was cancelled, and by whom."""
    return f"cancelled by {by}".replace("\x00", "\ufffd").encode(errors="replace").decode()[:_MAX_SUBJECT_CHARACTERS]


async def _locked(connection: Connection, organization_id: str, job_id: UUID) -> Job:
    job = await jobs.lock(connection, organization_id, job_id)
    if job is None:
        raise NotFound("there is no such job in this organization")
    return job


async def _follow(
    consequences: Mapping[str, Consequence], connection: Connection, organization_id: str, changed: Sequence[Job]
) -> None:
    for job_type, consequence in consequences.items():
        of_type = [job for job in changed if job.job_type == job_type]
        if of_type:
            await consequence(connection, organization_id, of_type)
