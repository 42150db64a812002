"""What people may demand of us by the platform or by an operator: to let go of their accounts, to delete their data."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from hookline.domain.errors import RequestError

# Whose requests those are that come from a platform: they reach into every organization, and none may see them. No
# caller can name it: the space before it is cut off from what a caller names.
PLATFORM: Final = " platform"


class BadSignedRequest(RequestError):
    """A callback that is not of the outline that the platform promises."""

    slug = "signed-request"


class PrivacyRequestKind(StrEnum):
    """DEAUTHORIZE: they removed our app. DATA_DELETION: and their data must go. FORGET: a contact goes by hand."""

    DEAUTHORIZE = "DEAUTHORIZE"
    DATA_DELETION = "DATA_DELETION"
    FORGET = "FORGET"


class PrivacyRequestStatus(StrEnum):
    """RECEIVED → UNDERWAY → DONE."""

    RECEIVED = "RECEIVED"
    UNDERWAY = "UNDERWAY"
    DONE = "DONE"


class PersonCallback(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform's callback says of a person.

    user_id: whom our app knows by this id. issued_at: when they did it, by the platform's clock. digest: of the
    signature; the same for the same callback, and without the secret it tells nobody whose it is.
    """

    user_id: str
    issued_at: datetime | None
    digest: bytes


class Person(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whose data goes: somebody known to one account by these ids; of no account, in what nobody owns."""

    organization_id: str
    account_id: UUID | None
    ids: Sequence[str]
