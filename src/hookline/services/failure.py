"""What becomes of a job, and of the event that it processes, when an attempt fails. The error's class decides."""

from uuid import UUID

import msgspec

from hookline.domain.errors import PermanentFailure
from hookline.domain.event import WebhookEventStatus
from hookline.domain.job import (
    BACKOFF_CAP_MINUTES,
    MAX_ATTEMPTS,
    IntegrationJobStatus,
    IntegrationJobType,
    Verdict,
    after_failure,
)
from hookline.store import claims, events
from hookline.store.jobs import ClaimedJob
from hookline.store.pool import Connection

_MAX_ERROR_CHARACTERS = 2000


class RetryPolicy(msgspec.Struct, frozen=True):
    """When a failed job runs again (see domain/job.py)."""

    max_attempts: int = MAX_ATTEMPTS
    cap_minutes: int = BACKOFF_CAP_MINUTES


DEFAULT_POLICY = RetryPolicy()


class _WebhookJob(msgspec.Struct, rename="camel"):
    webhook_event_id: UUID


_payload_decoder = msgspec.json.Decoder(_WebhookJob)


def event_id_of(job: ClaimedJob) -> UUID:
    """Read the event that a PROCESS_WEBHOOK job names.

    Raises: PermanentFailure, if its payload names none.
    """
    try:
        return _payload_decoder.decode(job.payload_json).webhook_event_id
    except msgspec.MsgspecError:
        raise PermanentFailure('the payload is not {"webhookEventId": "…"}') from None


async def record_failure(
    connection: Connection, job: ClaimedJob, error: BaseException, policy: RetryPolicy
) -> Verdict | None:
    """Record a failed attempt on the job, and on the event that it processes; the verdict, None if the claim is lost.

    A webhook that failed lets its followers go on: one bad event must not hold a conversation for an hour.
    """
    verdict = after_failure(
        job.attempts,
        error,
        max_attempts=policy.max_attempts if job.max_attempts is None else job.max_attempts,
        cap_minutes=policy.cap_minutes,
    )
    text = describe(error)
    webhook = job.job_type == IntegrationJobType.PROCESS_WEBHOOK
    if not await claims.fail(connection, job, verdict, text, releases_key=webhook):
        return None
    if webhook and (event_id := named_event(job)) is not None:
        ended = verdict.status is IntegrationJobStatus.FAILED
        status = WebhookEventStatus.FAILED if ended else WebhookEventStatus.PENDING
        await events.fail(connection, job.organization_id, event_id, retries=job.attempts, error=text, status=status)
    return verdict


def named_event(job: ClaimedJob) -> UUID | None:
    """Read the event that a job names, if it does."""
    try:
        return event_id_of(job)
    except PermanentFailure:
        return None


def describe(error: BaseException) -> str:
    """Put an error into the words that people read on the job: its class and its text, without NUL, cut to size."""
    text = f"{type(error).__name__}: {error}" if type(error) is not RuntimeError else str(error)
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()[:_MAX_ERROR_CHARACTERS]
