"""What becomes of a job when an attempt fails: pure rules."""

from datetime import timedelta

import pytest

from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.domain.job import IntegrationJobStatus, after_failure, backoff

PENDING, FAILED = IntegrationJobStatus.PENDING, IntegrationJobStatus.FAILED


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (7, 60), (10**9, 60)]
)
def test_backoff_doubles_up_to_an_hour(attempts: int, minutes: int) -> None:
    """min(2^attempts, 60) minutes, however many attempts."""
    assert backoff(attempts) == timedelta(minutes=minutes)


def test_the_cap_is_a_setting() -> None:
    """A lower cap cuts earlier, a higher one later."""
    assert backoff(4, cap_minutes=5) == timedelta(minutes=5)
    assert backoff(6, cap_minutes=600) == timedelta(minutes=64)


def test_a_failure_counts_and_waits_until_the_limit() -> None:
    """Five failures are tried again; the sixth ends the job with five attempts."""
    attempts = 0
    for expected in (2, 4, 8, 16, 32):
        verdict = after_failure(attempts, ValueError())
        attempts += 1
        assert (verdict.status, verdict.attempts) == (PENDING, attempts)
        assert verdict.delay == timedelta(minutes=expected)
    last = after_failure(attempts, ValueError())
    assert (last.status, last.attempts) == (FAILED, 5)


@pytest.mark.parametrize("attempts", [0, 4, 5, 6])
def test_a_permanent_failure_ends_at_once(attempts: int) -> None:
    """The attempts stay what they were."""
    verdict = after_failure(attempts, PermanentFailure("never"))
    assert (verdict.status, verdict.attempts) == (FAILED, attempts)


@pytest.mark.parametrize("attempts", [0, 5, 9])
def test_a_wait_uses_no_attempt(attempts: int) -> None:
    """Not even at the limit does a wait that was asked for end a job."""
    verdict = after_failure(attempts, WaitRequested("throttled", timedelta(seconds=7)))
    assert (verdict.status, verdict.attempts, verdict.delay) == (PENDING, attempts, timedelta(seconds=7))


@pytest.mark.parametrize("limit", [0, 1, 8])
def test_the_limit_is_a_setting(limit: int) -> None:
    """So many failures are tried again, and not one more."""
    assert after_failure(limit, ValueError(), max_attempts=limit).status is FAILED
    assert limit == 0 or after_failure(limit - 1, ValueError(), max_attempts=limit).status is PENDING
