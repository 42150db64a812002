"""A RETRY job: run a failed operation again. It names a job or a webhook event of its own organization."""

import asyncpg
import msgspec

from hookline.domain.errors import Conflict, NotFound, PermanentFailure
from hookline.domain.ids import parse_id
from hookline.domain.job import ENDED, Ended
from hookline.services.control import retry_job
from hookline.services.replay import replay_event
from hookline.store import claims
from hookline.store.jobs import Job
from hookline.store.pool import Connection


class _Payload(msgspec.Struct, rename="camel"):
    job_id: str | None = None
    webhook_event_id: str | None = None


async def run_retry(pool: asyncpg.Pool, job: Job) -> Ended:
    """Run the named FAILED job again (`{"jobId"}`) or replay the named event (`{"webhookEventId"}`), exactly once.

    Raises: PermanentFailure, if the payload does not name one of both, or what it names is not there or cannot be
    retried.
    """
    try:
        payload = msgspec.json.decode(job.payload_json, type=_Payload)
    except msgspec.MsgspecError:
        raise PermanentFailure('the payload must be {"jobId": "…"} or {"webhookEventId": "…"}') from None
    try:
        async with pool.acquire() as connection, connection.transaction():
            await _retry(connection, job, payload)
            if not await claims.finish(connection, [job]):
                raise Conflict("the claim was lost meanwhile: nothing is retried")
    except (NotFound, Conflict) as error:
        raise PermanentFailure(str(error)) from None
    return ENDED


async def _retry(connection: Connection, job: Job, payload: _Payload) -> None:
    job_id = parse_id(payload.job_id or "")
    event_id = parse_id(payload.webhook_event_id or "")
    if (job_id is None) == (event_id is None):
        raise PermanentFailure("the payload must name either a job or a webhook event, by a UUID")
    if job_id is not None:
        await retry_job(connection, job.organization_id, job_id)
    if event_id is not None:
        await replay_event(connection, job.organization_id, event_id)
