"""What queries may hold: the types of their parameters, and cursors. A parameter that no route knows is refused."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

from hookline.domain.account import IntegrationProvider
from hookline.domain.ids import parse_id

MAX_LIMIT = 500
DEFAULT_LIMIT = 50
MAX_TEXT_CHARACTERS = 512
_MAX_CURSOR_CHARACTERS = 128
_MAX_TX_ID = 2**64 - 1
_MAX_SEQ = 2**63 - 1

FeedPlace = tuple[str, int]
FEED_START: FeedPlace = ("0", 0)


def encode_id_cursor(last: UUID) -> str:
    """Make the cursor that continues a list after the record `last`."""
    return _encode(f"id:{last.hex}")


def encode_feed_cursor(place: FeedPlace) -> str:
    """Make the cursor that continues the feed after a place."""
    return _encode(f"at:{place[0]}:{place[1]}")


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode(cursor: Any, tag: str) -> list[str]:
    """Open a cursor. Raises: ValueError, if it is none of ours."""
    if not isinstance(cursor, str) or len(cursor) > _MAX_CURSOR_CHARACTERS:
        raise ValueError("is not a cursor of this list")
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise ValueError("is not a cursor of this list") from None
    kind, *rest = text.split(":")
    if kind != tag or _encode(text) != cursor:
        raise ValueError("is not a cursor of this list")
    return rest


def _id_cursor(cursor: Any) -> UUID:
    rest = _decode(cursor, "id")
    if len(rest) != 1 or len(rest[0]) != 32 or not set(rest[0]) <= set("0123456789abcdef"):
        raise ValueError("is not a cursor of this list")
    return UUID(rest[0])


def decode_feed_cursor(cursor: str) -> FeedPlace:
    """Read the place that a cursor of the feed names. Raises: ValueError, if it is none of ours."""
    rest = _decode(cursor, "at")
    if len(rest) != 2 or not all(part.isascii() and part.isdigit() and len(part) <= 20 for part in rest):
        raise ValueError("is not a cursor of this feed")
    tx_id, seq = map(int, rest)
    if tx_id > _MAX_TX_ID or seq > _MAX_SEQ:
        raise ValueError("is not a cursor of this feed")
    return str(tx_id), seq


def _feed_cursor(cursor: str) -> str:
    decode_feed_cursor(cursor)
    return cursor


def _moment(value: Any) -> datetime:
    """Read an RFC 3339 time. Raises: ValueError, if it is none, or names no time zone."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("must be a time such as 2026-01-14T10:00:00Z (a + is sent as %2B)") from None
    if moment.tzinfo is None:
        raise ValueError("must carry a time zone, as in 2026-01-14T10:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _uuid(value: Any) -> UUID:
    parsed = parse_id(value) if isinstance(value, str) else None
    if parsed is None:
        raise ValueError("must be a UUID")
    return parsed


def storable(text: str) -> str:
    """Let through what PostgreSQL can hold: no NUL, no lone surrogate. Raises: ValueError."""
    if "\x00" in text:
        raise ValueError("must not hold NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


IdCursor = Annotated[UUID, BeforeValidator(_id_cursor), WithJsonSchema({"type": "string"})]
FeedCursor = Annotated[str, AfterValidator(_feed_cursor)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
RecordId = Annotated[UUID, BeforeValidator(_uuid)]
ProviderName = Annotated[IntegrationProvider, BeforeValidator(_upper)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARACTERS), AfterValidator(storable)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(storable)]


class Query(BaseModel):
    """The parameters of one route, camelCase."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Narrowing(Query):
    """What records of every kind can be narrowed to."""

    provider: ProviderName | None = Field(None, description="Only this platform; either case.")
    account_id: RecordId | None = Field(None, description="Only this connected account.")
    since: Moment | None = Field(None, description="Only what came at this time or later (RFC 3339 with a time zone).")
    until: Moment | None = Field(None, description="Only what came before this time (RFC 3339 with a time zone).")


class PageQuery(Narrowing):
    """What every list takes."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many at most.")
    cursor: IdCursor | None = Field(None, description="The `nextCursor` of the page before.")
