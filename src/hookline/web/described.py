"""How operations are described in the OpenAPI document: their answers and their errors, each with an example."""

import json
from typing import Any, Final

from pydantic import BaseModel

from hookline.web import examples, models
from hookline.web.problems import CONTENT_TYPE, TYPE_PREFIX

Responses = dict[int | str, dict[str, Any]]

_ERRORS: Final[dict[int, tuple[str, str, str, str]]] = {
    400: ("organization-missing", "Bad Request", "No organization", "send the header X-Organization-Id"),
    401: ("unauthenticated", "Unauthorized", "No token, or one that does not hold", "the token has expired"),
    403: ("forbidden", "Forbidden", "Not a member, or too low a role", "you are not a member of this organization"),
    404: ("not-found", "Not Found", "Not in this organization", "there is no such record in this organization"),
    409: ("conflict", "Conflict", "Contradicts what is there", "this account is connected elsewhere"),
    410: ("state-expired", "Gone", "It was there, and is no more", "the time to choose is over; begin again"),
    413: ("too-large", "Request Entity Too Large", "The body is too large", "a body may have at most 1048576 bytes"),
    422: ("invalid", "Unprocessable Entity", "Does not fit", "the request does not fit; see errors"),
    501: ("not-configured", "Not Implemented", "A setting is missing here", "set HOOKLINE_PUBLIC_URL"),
    502: ("platform-refused", "Bad Gateway", "The platform refused", "the platform refused: 200: no permission"),
    503: ("unavailable", "Service Unavailable", "The database is away; see Retry-After", "try again"),
    504: ("platform-unreachable", "Gateway Timeout", "The platform did not answer", "the platform did not answer"),
}
PROTECTED = (400, 401, 403, 503)


def errors(*statuses: int) -> Responses:
    """Describe the problems with which an operation may answer."""
    return {status: _error(status) for status in sorted(statuses)}


def _error(status: int) -> dict[str, Any]:
    slug, title, description, detail = _ERRORS[status]
    example: dict[str, Any] = {"type": TYPE_PREFIX + slug, "title": title, "status": status, "detail": detail}
    if status == 422:
        example["errors"] = [{"location": "query.limit", "message": "Input should be less than or equal to 500"}]
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {CONTENT_TYPE: {"schema": schema, "example": example}}}


def answer(model: Any, example: Any, description: str) -> dict[str, Any]:
    """Describe an answer in JSON.

    The framework drops nulls from examples, so this one travels as text, which web/openapi.py reads again.
    """
    return {
        "model": model,
        "description": description,
        "content": {"application/json": {"example": json.dumps(example)}},
    }


def answers(status: int, model: Any, example: Any, description: str, *also: int) -> Responses:
    """Describe an operation of the API that needs a caller: its answer, and its errors (`also` beyond the usual)."""
    return {status: answer(model, example, description), **errors(*PROTECTED, *also)}


def bulk_answers(description: str) -> Responses:
    """Describe a bulk action: done at once, or with a job that does the rest."""
    return {
        **answers(200, models.BulkOutcome, examples.BULK_DONE, f"{description}, or counted", 413, 422),
        202: answer(models.BulkOutcome, examples.BULK_BEGUN, "There are many: a job does the rest"),
    }


def body_of(model: type[BaseModel], example: Any) -> dict[str, Any]:
    """Describe a body that the operation reads itself, after it knows the caller.

    What it refers to must be among the components: an answer or a parameter uses it too.
    """
    schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}
