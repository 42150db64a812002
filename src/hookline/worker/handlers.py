"""Which use case runs a job of which type."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import msgspec

from hookline.domain.errors import Conflict, NotFound, PermanentFailure
from hookline.domain.ids import parse_id
from hookline.domain.job import ENDED, Ended, IntegrationJobType
from hookline.services.jobs import retry_job
from hookline.services.replay import replay_event
from hookline.store.jobs import Job

__all__ = ["ENDED", "Ended", "Handler", "default_handlers"]

# A handler that returns None has done its job, and the worker completes it, with others in one statement. One that
# completes it in the transaction of its effects (`claims.finish`) returns ENDED. What it raises is a failed attempt;
# domain/errors.py says of which kind.
Handler: TypeAlias = Callable[[Job], Awaitable[Ended | None]]


class _RetryPayload(msgspec.Struct, rename="camel"):
    job_id: str | None = None
    webhook_event_id: str | None = None


def default_handlers(pool: asyncpg.Pool) -> dict[str, Handler]:
    """The handlers of the types that run one by one. (PROCESS_WEBHOOK runs in batches: services/process.py.)"""

    async def retry(job: Job) -> None:
        await _retry(pool, job)

    return {IntegrationJobType.RETRY: retry}


async def _retry(pool: asyncpg.Pool, job: Job) -> None:
    """Run a FAILED job again (`{"jobId"}`) or replay an event (`{"webhookEventId"}`) of the same organization.

    Raises: PermanentFailure, if the payload names neither, or what it names is not there or cannot be retried.
    """
    try:
        payload = msgspec.json.decode(job.payload_json, type=_RetryPayload)
    except msgspec.MsgspecError:
        raise PermanentFailure('the payload must be {"jobId": "…"} or {"webhookEventId": "…"}') from None
    job_id = parse_id(payload.job_id or "")
    event_id = parse_id(payload.webhook_event_id or "")
    try:
        async with pool.acquire() as connection, connection.transaction():
            if job_id is not None:
                await retry_job(connection, job.organization_id, job_id)
            elif event_id is not None:
                await replay_event(connection, job.organization_id, event_id)
            else:
                raise PermanentFailure("the payload names neither a job nor a webhook event by a UUID")
    except (NotFound, Conflict) as error:
        raise PermanentFailure(str(error)) from None
