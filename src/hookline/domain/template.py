"""Message templates as an account's platform keeps them, and how a filled-in one differs from that.

The platform's vocabulary (statuses, categories, components) is kept in its own words.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from hookline.domain.errors import InvalidRequest

# What became of a template that the platform has no more. The row stays, so that old news cannot bring it back.
DELETED: Final = "DELETED"


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A template in one language. status None: not known. components None: not known; else the platform's own words."""

    name: str
    language: str
    external_id: str | None = None
    category: str | None = None
    status: str | None = None
    components: list[Any] | None = None
    parameter_format: str | None = None
    quality: str | None = None
    rejected_reason: str | None = None


class NewTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template to be created at the platform."""

    name: str
    language: str
    category: str
    components: list[Any]
    parameter_format: str = "POSITIONAL"
    allow_category_change: bool | None = None


class TemplateChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice says of a template; None: nothing. components_changed: it reads otherwise now; how is not said."""

    name: str
    language: str
    external_id: str | None = None
    status: str | None = None
    rejected_reason: str | None = None
    quality: str | None = None
    category: str | None = None
    components_changed: bool = False


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One place in which a filled-in template is not what the platform has.

    component: `header`, `body`, `button`, …; index: of a button; card: of a carousel.
    """

    component: str
    expected: str
    received: str
    index: int | None = None
    card: int | None = None

    @property
    def place(self) -> str:
        """The place in words: `card 2, button 1`."""
        part = self.component if self.index is None else f"{self.component} {self.index}"
        return part if self.card is None else f"card {self.card}, {part}"

    def __str__(self) -> str:
        return f"{self.place}: expects {self.expected}, received {self.received}"


class MisfitReason(StrEnum):
    """Why a template cannot be sent as it is."""

    UNKNOWN = "unknown"  # the account has none of this name in this language
    STATUS = "status"  # it is not approved, or not any more
    MISMATCH = "mismatch"  # it takes other values than it is given


class Misfit(msgspec.Struct, frozen=True, kw_only=True):
    """Why a filled-in template would be refused by its platform."""

    reason: MisfitReason
    text: str
    status: str | None = None
    differences: Sequence[Difference] = ()


class InvalidTemplate(InvalidRequest):
    """A new template that its platform could not take; `errors` names each place."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("the template does not fit; see errors")
        self.errors = [{"location": location, "message": message} for location, message in errors]

    @property
    def more(self) -> dict[str, Any]:
        """Each place."""
        return {"errors": self.errors}
