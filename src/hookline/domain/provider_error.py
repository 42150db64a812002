"""What a platform said when it refused, or did not answer: one class of consequence each, with the vendor's words."""

from datetime import timedelta
from enum import StrEnum

from hookline.domain.errors import HooklineError


class ErrorClass(StrEnum):
    """What follows from a platform's error. Source: protocol reference 6."""

    RETRY = "retry"  # temporary: try again a few times
    WAIT = "wait"  # a rate limit: honour the hint, use no attempt
    REAUTHORIZE = "reauthorize"  # token or permission: the account needs its owner
    WINDOW = "window"  # outside the time in which this message is allowed
    RECIPIENT = "recipient"  # this person cannot be reached
    PERMANENT = "permanent"  # the request itself is wrong
    ACCOUNT = "account"  # the whole number or page is blocked or unpaid
    DEFER = "defer"  # a marketing cap: not before a day has passed


class ProviderError(HooklineError):
    """A platform's definite refusal. `code` is "code" or "code/subcode"; `text` the vendor's words, free of secrets."""

    def __init__(
        self,
        error_class: ErrorClass,
        code: str | None,
        text: str,
        *,
        wait: timedelta | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(f"{code or http_status}: {text}")
        self.error_class = error_class
        self.code = code
        self.text = text
        self.wait = wait
        self.http_status = http_status


class NotReached(HooklineError):
    """A call that certainly did not arrive: no address, no connection. Calling again cannot do a thing twice."""


class OutcomeUnknown(HooklineError):
    """A call that may have been carried out: it was sent, and no readable answer came back."""
