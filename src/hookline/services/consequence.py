"""What follows from a refusal of the platform, in one place: by the error's class, for the message and for its job."""

from datetime import timedelta
from typing import Final

import msgspec

from hookline.domain.job import IntegrationJobStatus, after_failure
from hookline.domain.message import MessageStatus
from hookline.domain.provider_error import ErrorClass, LimitScope, ProviderError
from hookline.services.failure import RetryPolicy
from hookline.store.jobs import ClaimedJob

# Codes after which calling once more at once may help, and cannot do a thing twice: they say that nothing was done.
QUICK_RETRIES: Final = 2
REAUTHORIZE_AGAIN: Final = timedelta(minutes=5)
ACCOUNT_AGAIN: Final = timedelta(minutes=15)
WAIT_AGAIN: Final = timedelta(seconds=30)
# A pair's own wait grows with each refusal; whoever begins next finds it there.
PAIR_AGAIN: Final = timedelta(seconds=1)
DEFER_AGAIN: Final = timedelta(hours=24)


class Consequence(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of message and job.

    wait: the job runs again after this, without using an attempt. defer: another job goes on with it then, and what
    follows does not wait. failed: the job has FAILED. None of them: it is tried again with the usual backoff.
    scope: whom a wait stops besides. reauthorize: the account needs its owner.
    """

    status: MessageStatus
    wait: timedelta | None = None
    defer: timedelta | None = None
    failed: bool = False
    scope: LimitScope | None = None
    reauthorize: bool = False
    alert: bool = False


_FAILED: Final = Consequence(status=MessageStatus.FAILED, failed=True)


def of(error: ProviderError, job: ClaimedJob, policy: RetryPolicy) -> Consequence:
    """Decide by the error's class. Source: protocol reference 6."""
    match error.error_class:
        case ErrorClass.WAIT:
            again = PAIR_AGAIN if error.scope is LimitScope.PAIR else WAIT_AGAIN
            return Consequence(
                status=MessageStatus.QUEUED, wait=error.wait or again, scope=error.scope, alert=error.alerts
            )
        case ErrorClass.REAUTHORIZE:
            return Consequence(status=MessageStatus.QUEUED, wait=REAUTHORIZE_AGAIN, reauthorize=True)
        case ErrorClass.ACCOUNT:
            return Consequence(
                status=MessageStatus.QUEUED, wait=error.wait or ACCOUNT_AGAIN, scope=LimitScope.ACCOUNT, alert=True
            )
        case ErrorClass.DEFER:
            return _later(error, job, policy)
        case ErrorClass.RETRY if error.retries is None:
            return _again(error, job, policy)
    return _FAILED


def _later(error: ProviderError, job: ClaimedJob, policy: RetryPolicy) -> Consequence:
    """Try a deferred message again after a day, as often as a failed job; what follows it does not wait for it."""
    if is_last(error, job, policy):
        return _FAILED
    return Consequence(status=MessageStatus.QUEUED, defer=max(error.wait or DEFER_AGAIN, DEFER_AGAIN))


def _again(error: BaseException, job: ClaimedJob, policy: RetryPolicy) -> Consequence:
    """Try again with the usual backoff, until the job's attempts are used up."""
    return _FAILED if is_last(error, job, policy) else Consequence(status=MessageStatus.QUEUED)


def unreached(error: BaseException, job: ClaimedJob, policy: RetryPolicy) -> Consequence:
    """Decide about a message whose call did not arrive."""
    return _again(error, job, policy)


def is_last(error: BaseException, job: ClaimedJob, policy: RetryPolicy) -> bool:
    """Say whether a failure ends the job."""
    verdict = after_failure(
        job.attempts, error, max_attempts=most_attempts(job, policy), cap_minutes=policy.cap_minutes
    )
    return verdict.status is IntegrationJobStatus.FAILED


def most_attempts(job: ClaimedJob, policy: RetryPolicy) -> int:
    """How many attempts of a job may fail before the next failure ends it."""
    return policy.max_attempts if job.max_attempts is None else job.max_attempts


def quick_retries(error: ProviderError) -> int:
    """How often to call again at once after this refusal, inside the same attempt."""
    if error.retries is not None:
        return error.retries
    definite = error.code is not None or error.http_status == 503
    return QUICK_RETRIES if error.error_class is ErrorClass.RETRY and definite and error.wait is None else 0


def is_ambiguous(error: ProviderError) -> bool:
    """Say whether an answer came from something in between, which cannot know whether the message was taken.

    A gateway's 502 or 504 without the platform's own error is no refusal. Source: protocol reference 6, 7.
    """
    return error.code is None and error.http_status in (500, 502, 504)
