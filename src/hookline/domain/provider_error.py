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

    @property
    def sentence(self) -> str:
        """What it means, for the people who read it beside a message or an account."""
        return _SENTENCES[self]


_SENTENCES = {
    ErrorClass.RETRY: "The platform had a temporary problem; the message can be sent again.",
    ErrorClass.WAIT: "The platform asks for a pause before anything further is sent.",
    ErrorClass.REAUTHORIZE: "The platform no longer accepts this account's authorization: connect the account again.",
    ErrorClass.WINDOW: "The time in which this person may be answered freely is over; a template may still be allowed.",
    ErrorClass.RECIPIENT: "This person cannot be reached: they have no account there, left, or refuse these messages.",
    ErrorClass.PERMANENT: "The platform refuses this message as it is; it has to be changed.",
    ErrorClass.ACCOUNT: "The platform has restricted the whole account; see its own business pages for what to mend.",
    ErrorClass.DEFER: "The platform limits marketing to this person; it may be tried again after a day.",
}


class LimitScope(StrEnum):
    """Whom a limit stops: everything to one person, everything of one account, or everything of the whole app."""

    PAIR = "pair"
    ACCOUNT = "account"
    APP = "app"


class ProviderError(HooklineError):
    """A platform's definite refusal.

    code: "code" or "code/subcode", as the vendor numbers it; None where the answer held no code.
    text: the vendor's words, free of secrets.
    wait: how long to keep away, where it is known; of a WAIT without one the caller grows its own.
    scope: whom a WAIT stops.
    retries: after how many further attempts it counts as permanent, where that is not the usual policy.
    alerts: people should be told, whatever else follows.
    """

    def __init__(
        self,
        error_class: ErrorClass,
        code: str | None,
        text: str,
        *,
        wait: timedelta | None = None,
        http_status: int | None = None,
        scope: LimitScope = LimitScope.ACCOUNT,
        retries: int | None = None,
        alerts: bool = False,
    ) -> None:
        super().__init__(f"{code or http_status}: {text}")
        self.error_class = error_class
        self.code = code
        self.text = text
        self.wait = wait
        self.http_status = http_status
        self.scope = scope
        self.retries = retries
        self.alerts = alerts


class NotReached(HooklineError):
    """A call that certainly did not arrive: no address, no connection. Calling again cannot do a thing twice."""


class OutcomeUnknown(HooklineError):
    """A call that may have been carried out: it was sent, and no readable answer came back."""
