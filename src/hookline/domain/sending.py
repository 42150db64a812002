"""What sending needs to know of a platform and an account, as values: policy, pace, the call to make and its reply."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.message import MessageType


class Policy(msgspec.Struct, frozen=True):
    """When a person may be written to.

    window: how long after the person's latest sign of life.
    human_agent: how long with the tag HUMAN_AGENT; None where the platform has no such tag.
    templates: whether an approved template may go out at any time.
    opened_by: what a person does that opens the window, by the type under which it stands in the log.
    opened_by_notices: likewise, what stands in no log: the kind of the notice.
    """

    window: timedelta
    human_agent: timedelta | None
    templates: bool
    opened_by: frozenset[MessageType]
    opened_by_notices: frozenset[str] = frozenset()


class PairPace(msgspec.Struct, frozen=True):
    """How fast one person may be written to: one message an interval, of which `burst` may be borrowed at once."""

    interval_seconds: float
    burst: int


class Pace(msgspec.Struct, frozen=True):
    """How fast an account may send, in messages a second. `lane` tells apart what is counted apart."""

    per_second: float
    lane: str = ""
    pair: PairPace | None = None


class SendingAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as its platform's builders see it. `metadata` is what is known of it (camelCase)."""

    id: UUID
    organization_id: str
    provider: IntegrationProvider
    external_account_id: str
    metadata: Mapping[str, Any]


class Call(msgspec.Struct, frozen=True):
    """A POST to the platform: the path below its version, and the JSON body."""

    path: str
    body: dict[str, Any]


class Reply(msgspec.Struct, frozen=True):
    """What the platform answered: the message's id there, the person's id if it names one, and what else it said."""

    external_id: str | None
    contact: str | None = None
    meta: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Usage(msgspec.Struct, frozen=True):
    """How much of their budgets of calls the app and the account have used, as a reply's headers say; None: not said.

    regain: in what time calls are allowed again, where they are not.
    """

    app_percent: int | None = None
    account_percent: int | None = None
    regain: timedelta | None = None
