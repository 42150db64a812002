"""Why a message is not taken: each reason with a name that a program can act on (`slug`), and what may be done instead.

RequestError (domain/errors.py)
├── InvalidRequest ── InvalidMessage    our contract does not know it (domain/outbound.py)
├── NotSupported                        the platform cannot carry it (domain/capability.py)
├── Conflict ── KeyReused               the Idempotency-Key stands for another message
└── SendRefused
    ├── AccountNotReady                 disconnected, or in ERROR
    ├── WindowClosed                    the person may not be written to freely now
    ├── TemplateRefused                 the platform has no such template, or would refuse it
    └── OptedOut                        the person stopped marketing
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hookline.domain.errors import Conflict, RequestError
from hookline.domain.template import Misfit


class KeyReused(Conflict):
    """The Idempotency-Key came before, with another body."""

    slug = "idempotency-key-reused"


class SendRefused(RequestError):
    """The message is well formed, and still must not be sent now."""

    slug = "send-refused"


class AccountNotReady(SendRefused):
    """The account cannot send."""

    slug = "account-not-ready"

    def __init__(self, detail: str, status: str) -> None:
        super().__init__(detail)
        self._status = status

    @property
    def more(self) -> Mapping[str, Any]:
        """The account's status."""
        return {"accountStatus": self._status}


class WindowClosed(SendRefused):
    """Outside the time in which the person may be answered freely. `allowed` names what may be sent instead."""

    slug = "window-closed"

    def __init__(self, detail: str, window_until: datetime | None, allowed: Sequence[str]) -> None:
        super().__init__(detail)
        self.window_until = window_until
        self.allowed = tuple(allowed)

    @property
    def more(self) -> Mapping[str, Any]:
        """When the window ended, if it ever began, and what is allowed now."""
        return {"windowUntil": self.window_until, "allowed": self.allowed}


class TemplateRefused(SendRefused):
    """The account's platform would refuse this template: it does not know it, has stopped it, or takes other values."""

    slug = "template-refused"

    def __init__(self, name: str, language: str, misfit: Misfit) -> None:
        super().__init__(misfit.text)
        self._name = name
        self._language = language
        self.misfit = misfit

    @property
    def more(self) -> Mapping[str, Any]:
        """Which template, why, and each place that differs: what it expects there, and what it was given."""
        return {
            "reason": self.misfit.reason,
            "template": {"name": self._name, "language": self._language, "status": self.misfit.status},
            "differences": self.misfit.differences,
        }


class OptedOut(SendRefused):
    """The person has told the platform that they want no marketing from this account."""

    slug = "opted-out"

    def __init__(self, detail: str, since: datetime) -> None:
        super().__init__(detail)
        self._since = since

    @property
    def more(self) -> Mapping[str, Any]:
        """Since when."""
        return {"optedOutAt": self._since}
