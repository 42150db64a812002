"""What can go wrong, as values with a name.

    HooklineError
    ├── RequestError                    the caller can mend it; web/app.py gives each its HTTP status
    │   ├── InvalidRequest              a body, query or argument does not fit
    │   ├── Unauthenticated             no token, or a bad one
    │   ├── OrganizationMissing         no X-Organization-Id
    │   ├── Forbidden                   not a member, or too low a role
    │   ├── NotFound                    not there, or another organization's
    │   ├── Conflict                    contradicts what is there
    │   ├── SignatureMismatch           a webhook that was not signed with one of our secrets
    │   └── BodyTooLarge
    ├── MalformedWebhook                a signed body that is not a webhook: kept, never lost
    ├── Unavailable                     the database cannot take it now: try again
    ├── StartupError                    the process cannot start; the text says what to do
    └── JobError                        how a job's handler ends an attempt that did not succeed
        ├── PermanentFailure            trying again cannot help: FAILED at once
        └── WaitRequested               run again after a delay, without using an attempt

Any other exception that leaves a handler is a failure that is tried again with backoff.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any


class HooklineError(Exception):
    """The root of everything this package raises on purpose."""


class RequestError(HooklineError):
    """A request that cannot be fulfilled as it is; the text tells the caller what to do."""

    slug = "request"

    @property
    def more(self) -> Mapping[str, Any]:
        """What the answer says beside the text, for programs."""
        return {}


class InvalidRequest(RequestError):
    """A body, query or argument does not fit."""

    slug = "invalid"


class Unauthenticated(RequestError):
    """No token, or one that does not hold."""

    slug = "unauthenticated"


class OrganizationMissing(RequestError):
    """The header X-Organization-Id is missing."""

    slug = "organization-missing"


class Forbidden(RequestError):
    """Not a member of the organization, or too low a role."""

    slug = "forbidden"


class NotFound(RequestError):
    """There is no such record in the caller's organization."""

    slug = "not-found"


class Conflict(RequestError):
    """The request contradicts what is already there."""

    slug = "conflict"


class SignatureMismatch(RequestError):
    """A webhook without a signature by one of the configured secrets."""

    slug = "signature"


class BodyTooLarge(RequestError):
    """A body over the configured limit."""

    slug = "too-large"


class MalformedWebhook(HooklineError):
    """A body that is not UTF-8, not JSON, nested too deeply, or not of the envelope's outline."""


class Unavailable(HooklineError):
    """The database cannot take the work now; the sender should try again."""


class StartupError(HooklineError):
    """The process cannot start. The text says what is wrong and what to do about it."""


class JobError(HooklineError):
    """How a handler ends an attempt that did not succeed."""


class PermanentFailure(JobError):
    """Trying again cannot help."""


class WaitRequested(JobError):
    """Run the job again after `delay`, without using an attempt."""

    def __init__(self, reason: str, delay: timedelta) -> None:
        super().__init__(reason)
        self.delay = delay
