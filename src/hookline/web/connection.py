"""The bodies that connect accounts: what may stand in them."""

import math
from typing import Annotated, Any, Literal, Self

from annotated_types import Len
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from hookline.web.query import MAX_TEXT_CHARACTERS, storable

MAX_METADATA_KEYS = 64
MAX_METADATA_CHARACTERS = 4096
MAX_CHOSEN = 100


def _external_id(value: Any) -> Any:
    """Take an id as text or as a whole number; some platforms print theirs as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > 256:
            raise ValueError("is too long")
        return str(value)
    return value


def _clean_id(value: str) -> str:
    if value != value.strip():
        raise ValueError("must not begin or end with white space")
    if len(value.encode()) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"must have at most {MAX_TEXT_CHARACTERS} bytes in UTF-8")
    return storable(value)


def _metadata(value: dict[Any, Any]) -> dict[str, Any]:
    """Let through texts, numbers, booleans and nulls under at most 64 names."""
    if len(value) > MAX_METADATA_KEYS:
        raise ValueError(f"must have at most {MAX_METADATA_KEYS} keys")
    for key, item in value.items():
        if not isinstance(item, str | int | float | bool | None) or (
            isinstance(item, float) and not math.isfinite(item)
        ):
            raise ValueError("must hold texts, numbers, booleans and nulls only")
        for text in (key, item):
            if isinstance(text, str) and len(storable(text)) > MAX_METADATA_CHARACTERS:
                raise ValueError(f"must hold texts of at most {MAX_METADATA_CHARACTERS} characters")
    return value


def _secret(value: str) -> str:
    """Let through what can travel in a header."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be printable ASCII without spaces")
    return value


_IdText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARACTERS)]
_ExternalId = Annotated[
    _IdText,
    AfterValidator(_clean_id),
    BeforeValidator(_external_id),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "maxLength": MAX_TEXT_CHARACTERS}),
]
_Secret = Annotated[str, StringConstraints(min_length=1, max_length=MAX_METADATA_CHARACTERS), AfterValidator(_secret)]
_Pin = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
_PIN = "The six digits of the number's two-step verification, if it has one (WhatsApp)."


class Connection(BaseModel):
    """The account to connect, or nothing of it to begin a connection by the platform's dialog."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    external_account_id: _ExternalId | None = Field(
        None, description="The platform's id: phone number id, page id, Instagram account id."
    )
    display_name: Annotated[_IdText, AfterValidator(storable)] | None = Field(None, description="For people to read.")
    metadata: Annotated[dict[str, Any], AfterValidator(_metadata)] | None = Field(
        None, description="What else is known: for WhatsApp `wabaId`. Texts, numbers, booleans, nulls; at most 64 keys."
    )
    access_token: _Secret | None = Field(
        None, description="By which the platform confirms that you control the account; kept encrypted."
    )
    code: _Secret | None = Field(None, description="What the platform's SDK gave to the browser (Embedded Signup).")
    login: Literal["facebook", "instagram"] | None = Field(
        None, description="Instagram only: its own dialog (the default), or Facebook's, for accounts behind a page."
    )
    pin: _Pin | None = Field(None, description=_PIN)
    return_url: _Secret | None = Field(
        None, description="Where the browser goes when the dialog is over; it must be in the allowed list."
    )

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.code and self.access_token:
            raise ValueError("has a code or an access token, not both")
        if self.access_token and not self.external_account_id:
            raise ValueError("names no account for the access token: give externalAccountId")
        if self.return_url and (self.code or self.external_account_id):
            raise ValueError("returns from no dialog: leave returnUrl out")
        return self


class Choice(BaseModel):
    """Which of the accounts that were offered to connect."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    external_account_ids: Annotated[list[_ExternalId], Len(1, MAX_CHOSEN)] = Field(description="Of the ones offered.")
    pin: _Pin | None = Field(None, description=_PIN)
