"""A job: a unit of work in the queue, and what becomes of it when an attempt fails."""

from datetime import timedelta
from enum import Enum, StrEnum

import msgspec

from hookline.domain.errors import PermanentFailure, WaitRequested

MAX_ATTEMPTS = 5
BACKOFF_CAP_MINUTES = 60


class IntegrationJobStatus(StrEnum):
    """PENDING → PROCESSING → DONE or FAILED; a failure that may be tried again goes back to PENDING."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    DONE = "DONE"
    FAILED = "FAILED"


class IntegrationJobType(StrEnum):
    """The specification's four job types, and ours. A type is stored as text: handlers may be registered for others."""

    SEND_MESSAGE = "SEND_MESSAGE"
    PROCESS_WEBHOOK = "PROCESS_WEBHOOK"
    SYNC_ACCOUNT = "SYNC_ACCOUNT"
    RETRY = "RETRY"
    BULK = "BULK"  # the rest of a retry, cancel or replay of many rows
    REFRESH_TOKEN = "REFRESH_TOKEN"  # noqa: S105 - a name
    DISCONNECT_ACCOUNT = "DISCONNECT_ACCOUNT"
    FETCH_MEDIA = "FETCH_MEDIA"
    FETCH_PROFILE = "FETCH_PROFILE"  # who somebody is, where webhooks tell only an id
    PRIVACY_REQUEST = "PRIVACY_REQUEST"


class Ended(Enum):
    """A handler's word that it has completed its job itself."""

    ENDED = "ended"


ENDED = Ended.ENDED


class Verdict(msgspec.Struct, frozen=True):
    """What a failed attempt makes of its job: the new status and count, and the delay when it runs again."""

    status: IntegrationJobStatus
    attempts: int
    delay: timedelta = timedelta(0)


def backoff(attempts: int, cap_minutes: int = BACKOFF_CAP_MINUTES) -> timedelta:
    """Give the delay after the failure that brought a job to `attempts` failed attempts: min(2^attempts, cap) minutes.

    Source: specification, `markFailed`.
    """
    return timedelta(minutes=min(2 ** min(attempts, 30), cap_minutes))


def after_failure(
    attempts: int,
    error: BaseException,
    *,
    max_attempts: int = MAX_ATTEMPTS,
    cap_minutes: int = BACKOFF_CAP_MINUTES,
) -> Verdict:
    """Decide what becomes of a job whose attempt ended with `error`, by the error's class alone.

    A wait uses no attempt; a permanent failure ends the job at once; anything else is tried again with backoff
    until `max_attempts` attempts have failed, and the next failure ends it with `attempts` unchanged.
    """
    if isinstance(error, WaitRequested):
        return Verdict(IntegrationJobStatus.PENDING, attempts, error.delay)
    if isinstance(error, PermanentFailure) or attempts >= max_attempts:
        return Verdict(IntegrationJobStatus.FAILED, attempts)
    return Verdict(IntegrationJobStatus.PENDING, attempts + 1, backoff(attempts + 1, cap_minutes))
