"""How an attempt to send ended, by what came of its calls: for the message, its job, and what else follows. Pure."""

from datetime import datetime
from typing import Any, Final

from hookline.domain.errors import WaitRequested
from hookline.domain.job import IntegrationJobStatus
from hookline.domain.message import MessageStatus
from hookline.domain.provider_error import LimitScope, NotReached, ProviderError
from hookline.domain.sending import Pace
from hookline.services import consequence
from hookline.services.consequence import Consequence
from hookline.services.failure import RetryPolicy
from hookline.services.send_begin import Begun
from hookline.services.send_call import Called
from hookline.services.send_finish import Ending
from hookline.store.attempts import AttemptOutcome
from hookline.store.jobs import Job

NO_NAME: Final = "the platform's answer names no message"


class Attempted:
    """An attempt whose calls are over; `at` is when."""

    def __init__(self, job: Job, begun: Begun, pace: Pace, called: Called, at: datetime) -> None:
        self._job = job
        self._begun = begun
        self._pace = pace
        self._called = called
        self._at = at

    def ending(self, policy: RetryPolicy) -> tuple[Ending, Consequence | None]:
        """Say how it ended, and what else follows; no consequence if it was sent, or nobody knows."""
        error, reply = self._called.error, self._called.reply
        # Some platforms name no message for a reaction.
        if reply is not None and (reply.external_id is not None or self._begun.said.reaction is not None):
            done = IntegrationJobStatus.DONE
            return self._ended(AttemptOutcome.SENT, MessageStatus.SENT, reply=reply, job_ends=done), None
        if isinstance(error, WaitRequested):
            after = Consequence(status=MessageStatus.QUEUED, wait=error.delay)
            return self._ended(AttemptOutcome.UNREACHED, after.status, text=str(error)), after
        if isinstance(error, NotReached):
            after = consequence.unreached(error, self._job, policy)
            ends = IntegrationJobStatus.FAILED if after.failed else None
            return self._ended(AttemptOutcome.UNREACHED, after.status, text=str(error), job_ends=ends), after
        if isinstance(error, ProviderError) and not consequence.is_ambiguous(error):
            after = consequence.of(error, self._job, policy)
            return self._refused(error, after, policy), after
        return self._ended(AttemptOutcome.UNKNOWN, MessageStatus.UNKNOWN, text=words(error)), None

    def _ended(self, outcome: AttemptOutcome, status: MessageStatus, **more: Any) -> Ending:
        return Ending(
            job=self._job,
            begun=self._begun,
            outcome=outcome,
            status=status,
            at=self._at,
            called_at=self._called.at,
            calls=self._called.calls,
            pair=self._pace.pair,
            **more,
        )

    def _refused(self, error: ProviderError, after: Consequence, policy: RetryPolicy) -> Ending:
        ends = None
        if after.failed:
            ends = IntegrationJobStatus.FAILED
        elif after.defer is not None:
            ends = IntegrationJobStatus.DONE
        return self._ended(
            AttemptOutcome.REFUSED,
            after.status,
            error=error,
            code=error.code,
            text=f"{error.error_class.sentence} {error.text}",
            job_ends=ends,
            defer=after.defer,
            attempts_left=max(0, consequence.most_attempts(self._job, policy) - self._job.attempts - 1),
            strike=after.scope is LimitScope.PAIR,
        )


def words(error: BaseException | None) -> str:
    """Put into words why something was not sent, or is not known to be."""
    return NO_NAME if error is None else str(error)
