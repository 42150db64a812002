"""The OpenAPI document: what the routes say of themselves, and what they cannot say: the caller's headers, webhooks."""

import json
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hookline.domain.account import IntegrationProvider
from hookline.web import examples, models, outbound_docs
from hookline.web.caller import MAX_ORGANIZATION_BYTES, ORGANIZATION_HEADER
from hookline.web.described import errors
from hookline.web.problems import CONTENT_TYPE, TYPE_PREFIX

API = "/api/"
WEBHOOKS = "/api/webhooks/{provider}"

DESCRIPTION: Final = """\
WhatsApp, Instagram and Messenger business accounts, connected to a CRM.

Every request under /api but the webhooks carries a bearer token (JWT) and names the organization it is for. The token's
claim `organizations` maps organization ids to roles: OWNER, ADMIN, MANAGER, MEMBER. Errors are problem details
(RFC 9457) with a stable `type`. Lists answer `items` and `nextCursor`; cursors are opaque. Times are RFC 3339 in UTC.
"""

_TAGS: Final = [
    {"name": "Integrations", "description": "The accounts that an organization has connected."},
    {"name": "Webhooks", "description": "Where the platforms deliver."},
    {"name": "Messages", "description": "The log of everything said, in and out."},
    {"name": "Media", "description": "The files that people sent, and those that are to be sent."},
    {"name": "Templates", "description": "The message templates of accounts whose platform has them (WhatsApp)."},
    {"name": "Conversations", "description": "Who is being talked to, until when freely, and what is unread."},
    {"name": "Contacts", "description": "The people on the other side, and the ids by which they are known."},
    {"name": "Webhook events", "description": "What the platforms sent, and what became of it."},
    {"name": "Jobs", "description": "The queue, to look into and to repair."},
    {"name": "Events", "description": "What happened, as a feed."},
    {"name": "Health", "description": "For whoever keeps the process running."},
]

_FRAMEWORKS_OWN: Final = ("HTTPValidationError", "ValidationError")

_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the CRM; in development, one from `hookline token`.",
}
_ORGANIZATION: Final = {
    "name": ORGANIZATION_HEADER,
    "in": "header",
    "required": True,
    "description": "The organization that the request is for.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ORGANIZATION_BYTES},
    "example": "org-123",
}
_PROVIDER: Final = {
    "name": "provider",
    "in": "path",
    "required": True,
    "description": "The platform; either case.",
    "schema": {"type": "string", "enum": list(IntegrationProvider)},
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Write the document, once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=list(_TAGS)
        )
        for path, item in document["paths"].items():
            for operation in item.values():
                _complete(path, operation)
        document["paths"][WEBHOOKS] = {"get": _handshake(), "post": _delivery()}
        components = document["components"]
        components["securitySchemes"] = {"bearer": _BEARER}
        for name in _FRAMEWORKS_OWN:
            components["schemas"].pop(name, None)
        problem = models.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        components["schemas"] |= {**problem.pop("$defs"), "Problem": problem, **outbound_docs.schemas()}
        app.openapi_schema = document
    return app.openapi_schema


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Say what every operation has in common with the others of its kind."""
    parameters = [_plainly(parameter) for parameter in operation.get("parameters", [])]
    if path.startswith(API) and operation.get("security") != []:
        operation["security"] = [{"bearer": []}]
        parameters.insert(0, dict(_ORGANIZATION))
    if parameters:
        operation["parameters"] = parameters
    answers = operation["responses"]
    if any(name in str(answers.get("422")) for name in _FRAMEWORKS_OWN):
        del answers["422"]  # a path's parameter is any text: one that names nothing is answered 404
    for answer in answers.values():
        content = answer.get("content", {}).get("application/json", {})
        if "example" in content:
            content["example"] = json.loads(content["example"])


def _plainly(parameter: dict[str, Any]) -> dict[str, Any]:
    """Describe a parameter as it is written: one that may be missing is not one that may be null."""
    if parameter["name"] == "provider" and parameter["in"] == "path":
        return dict(_PROVIDER)
    schema = {key: value for key, value in parameter["schema"].items() if key not in ("title", "description")}
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    return {**parameter, "schema": schema | (choices[0] if choices else {})}


def _handshake() -> dict[str, Any]:
    texts = {
        "hub.mode": ("What the platform asks for.", "subscribe"),
        "hub.verify_token": ("The verify token that was agreed on.", "the verify token"),
        "hub.challenge": ("Answered as it is.", "1158201444"),
    }
    return {
        "tags": ["Webhooks"],
        "operationId": "verify_webhook",
        "summary": "Answer a platform's handshake",
        "description": "The platform asks whether this address is ours; the challenge is the answer, if the token is.",
        "parameters": [
            dict(_PROVIDER),
            *(
                {
                    "name": name,
                    "in": "query",
                    "required": True,
                    "description": description,
                    "schema": {"type": "string"},
                    "example": example,
                }
                for name, (description, example) in texts.items()
            ),
        ],
        "responses": {
            "200": {"description": "The challenge", "content": {"text/plain": {"example": "1158201444"}}},
            "403": _problem(403, "handshake", "Forbidden", "The mode or the verify token is not the one expected"),
            **_keyed(404),
        },
    }


def _delivery() -> dict[str, Any]:
    signature = {
        "name": "X-Hub-Signature-256",
        "in": "header",
        "required": False,
        "description": "`sha256=` and the HMAC-SHA256 of the raw body with the app secret. Development may go without.",
        "schema": {"type": "string"},
        "example": "sha256=6a3f…",
    }
    return {
        "tags": ["Webhooks"],
        "operationId": "receive_webhook",
        "summary": "Receive a webhook",
        "description": (
            "The platform's own body, or the generic envelope, which is taken for every platform. The answer comes "
            "after the webhook and the job that will process it are stored. On 503 the platform delivers again."
        ),
        "parameters": [dict(_PROVIDER), signature],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}, "examples": _BODIES}}},
        "responses": {
            "200": {
                "description": "Stored",
                "content": {"application/json": {"schema": _RECEIVED, "example": {"status": "received"}}},
            },
            "401": _problem(401, "signature", "Unauthorized", "The signature is missing or wrong; nothing was stored"),
            **_keyed(404, 413, 503),
        },
    }


_RECEIVED: Final = {"type": "object", "properties": {"status": {"const": "received"}}, "required": ["status"]}

_BODIES: Final = {
    "generic": {"summary": "The generic envelope", "value": examples.GENERIC_WEBHOOK},
    "whatsapp": {"summary": "A text message, as WhatsApp sends it", "value": examples.WHATSAPP_WEBHOOK},
}


def _problem(status: int, slug: str, title: str, description: str) -> dict[str, Any]:
    example = {"type": TYPE_PREFIX + slug, "title": title, "status": status, "detail": description.lower()}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {CONTENT_TYPE: {"schema": schema, "example": example}}}


def _keyed(*statuses: int) -> dict[str, Any]:
    return {str(status): response for status, response in errors(*statuses).items()}
