"""Bodies and queries that do not fit: reading a body into a model, and complaints that never repeat what was sent."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pydantic
from starlette.requests import Request

from hookline.domain.errors import InvalidRequest
from hookline.web.bodies import read_all

MAX_BODY_BYTES = 1024 * 1024
_MAX_LOCATION_CHARACTERS = 100
_MAX_ERRORS = 20

Model = TypeVar("Model", bound=pydantic.BaseModel)
Complaint = dict[str, str]

# Pydantic's type of error → our words, where pydantic's say too little.
_WORDS = {
    "extra_forbidden": "is not known here",
    "missing": "is required",
}


class InvalidFields(InvalidRequest):
    """A body or query that does not fit; `errors` names each place."""

    def __init__(self, errors: Sequence[Complaint], detail: str = "the request does not fit; see errors") -> None:
        super().__init__(detail)
        self.errors = list(errors)

    @property
    def more(self) -> Mapping[str, Any]:
        """Each place."""
        return {"errors": self.errors}


def complaints(errors: Iterable[Any], prefix: str = "") -> list[Complaint]:
    """Put pydantic's errors into our words: [{location: "body.metadata", message}], without any value."""
    return [_complaint(error, prefix) for _, error in zip(range(_MAX_ERRORS), errors, strict=False)]


def _complaint(error: Mapping[str, Any], prefix: str) -> Complaint:
    steps = [prefix, *map(str, error["loc"])] if prefix else [*map(str, error["loc"])]
    message = _WORDS.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    return {"location": _printable(".".join(steps)), "message": message}


def _printable(location: str) -> str:
    """A location holds names of fields, which the caller may have chosen: keep it short and harmless."""
    return "".join(character if character.isprintable() else "?" for character in location[:_MAX_LOCATION_CHARACTERS])


async def read_body(request: Request, model: type[Model]) -> Model:
    """Read a JSON object into a model; nothing at all counts as an empty object.

    Called after the caller is known, so that strangers learn nothing about bodies.
    Raises: BodyTooLarge, InvalidFields.
    """
    value = await read_object(request)
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidFields(complaints(found, "body")) from None


async def read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object; nothing at all counts as an empty object.

    Raises: BodyTooLarge, InvalidFields.
    """
    value = _parse(await read_all(request, MAX_BODY_BYTES, "a body") or b"{}")
    if not isinstance(value, dict):
        raise InvalidFields([{"location": "body", "message": "must be a JSON object"}])
    return value


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidFields([{"location": "body", "message": "must be JSON in UTF-8"}]) from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
