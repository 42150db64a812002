"""Why a message is not taken: each reason with a name that a program can act on (`slug`), and what may be done instead.

RequestError (domain/errors.py)
├── InvalidRequest ── InvalidMessage    our contract does not know it (domain/outbound.py)
├── NotSupported                        the platform cannot carry it (domain/capability.py)
├── Conflict ── KeyReused               the Idempotency-Key stands for another message
└── SendRefused
    ├── AccountNotReady                 disconnected, or in ERROR
    ├── WindowClosed                    the person may not be written to freely now
    └── OptedOut                        the person stopped marketing
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hookline.domain.errors import Conflict, RequestError


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
