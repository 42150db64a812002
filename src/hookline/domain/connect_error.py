"""What can go wrong while an account is connected, each with a name that a program can act on (`slug`).

RequestError (domain/errors.py)
├── Forbidden ── AccessDenied           the person said no
├── NotFound ── StateUnknown            nobody began this, or somebody else did
├── Gone ── StateExpired                begun too long ago
├── Conflict
│   ├── StateUsed                       finished already
│   └── AccountElsewhere                live in another organization
├── InvalidRequest
│   ├── CodeRefused                     the platform does not take the code: expired, used, of another app
│   ├── MissingPermissions              the person left out what is needed
│   ├── NoEligibleAccount               the consent reaches no account that could be connected
│   ├── ControlUnproved                 the platform does not confirm that the token controls the account
│   ├── ReturnUrlRefused                not in the allowed list
│   └── PinRequired                     the number has a PIN that we do not know
├── NotConfigured                       this installation lacks what that needs
├── PlatformRefused                     the platform said no to a step of ours
└── PlatformUnreachable                 no answer, or none that can be read
"""

from collections.abc import Mapping
from typing import Any

from hookline.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound, RequestError


class Gone(RequestError):
    """It was there, and is no more."""


class AccessDenied(Forbidden):
    """The person declined in the platform's dialog."""

    slug = "access-denied"


class StateUnknown(NotFound):
    """A state that this installation did not give out, or not for this."""

    slug = "state-unknown"


class StateExpired(Gone):
    """A state that was given out too long ago."""

    slug = "state-expired"


class StateUsed(Conflict):
    """A state that has served already."""

    slug = "state-used"


class AccountElsewhere(Conflict):
    """The account is live in another organization."""

    slug = "account-elsewhere"


class CodeRefused(InvalidRequest):
    """A code that the platform does not exchange."""

    slug = "code-refused"


class MissingPermissions(InvalidRequest):
    """The consent lacks permissions without which nothing works."""

    slug = "missing-permissions"


class NoEligibleAccount(InvalidRequest):
    """The consent reaches no account that could be connected."""

    slug = "no-eligible-account"


class ControlUnproved(InvalidRequest):
    """The platform does not confirm that whoever brought a token controls the account."""

    slug = "control-unproved"


class ReturnUrlRefused(InvalidRequest):
    """A place to return to that is not in the allowed list."""

    slug = "return-url-refused"


class PinRequired(InvalidRequest):
    """The number's two-step verification asks for a PIN that only its owner knows."""

    slug = "pin-required"


class NotConfigured(RequestError):
    """This installation lacks a setting without which that cannot be done."""

    slug = "not-configured"


class PlatformRefused(RequestError):
    """The platform refused a step that we took for the caller. code: the vendor's."""

    slug = "platform-refused"

    def __init__(self, detail: str, code: str | None = None) -> None:
        super().__init__(detail)
        self._code = code

    @property
    def more(self) -> Mapping[str, Any]:
        """The vendor's code, where it gave one."""
        return {} if self._code is None else {"platformCode": self._code}


class PlatformUnreachable(RequestError):
    """The platform did not answer, or asks to wait."""

    slug = "platform-unreachable"
