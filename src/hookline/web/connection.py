"""The body that connects an account: what may stand in it."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from hookline.web.query import MAX_TEXT_CHARACTERS, storable

MAX_METADATA_KEYS = 64
MAX_METADATA_CHARACTERS = 4096


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


def _no_token(value: Any) -> Any:
    raise ValueError("cannot be taken: this version cannot keep access tokens yet; leave it out")


_IdText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARACTERS)]


class Connection(BaseModel):
    """The account to connect."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    external_account_id: Annotated[
        _IdText,
        AfterValidator(_clean_id),
        BeforeValidator(_external_id),
        WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "maxLength": MAX_TEXT_CHARACTERS}),
    ] = Field(description="The platform's id: phone number id, page id, Instagram account id.")
    display_name: Annotated[_IdText, AfterValidator(storable)] | None = Field(None, description="For people to read.")
    metadata: Annotated[dict[str, Any], AfterValidator(_metadata)] | None = Field(
        None, description="What else is known: for WhatsApp `wabaId`. Texts, numbers, booleans, nulls; at most 64 keys."
    )
    access_token: SkipJsonSchema[Annotated[Any, BeforeValidator(_no_token)]] = None
