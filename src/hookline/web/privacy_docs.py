"""How the callbacks about people are described in the OpenAPI document."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from hookline.domain.privacy import BadSignedRequest, PrivacyRequestStatus
from hookline.web.described import answer, errors
from hookline.web.models import Shape
from hookline.web.problems import CONTENT_TYPE, TYPE_PREFIX


class Received(Shape):
    """It is stored."""

    status: Literal["received"]


class DeletionTaken(Shape):
    """What the platform shows the person."""

    url: str = Field(description="The page that tells how far it is.")
    confirmation_code: str = Field(alias="confirmation_code")


class Deletion(Shape):
    """How far the deletion of somebody's data is."""

    status: PrivacyRequestStatus
    received_at: datetime
    done_at: datetime | None


RECEIVED: Final = {"status": "received"}
DELETION_TAKEN: Final = {
    "url": "https://hookline.example/api/data-deletion/5f0c8a1e9b7d4c3fa2e6d8b09c1f7a34",
    "confirmation_code": "5f0c8a1e9b7d4c3fa2e6d8b09c1f7a34",
}
DELETION: Final = {"status": "DONE", "receivedAt": "2026-01-14T10:30:00Z", "doneAt": "2026-01-14T10:30:04Z"}

FORM: Final = "application/x-www-form-urlencoded"
FIELD: Final = "signed_request"

CALLBACK: Final[dict[str, Any]] = {
    "security": [],
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        FIELD: {"type": "string", "description": "`<signature>.<payload>`, both base64url."}
                    },
                    "required": [FIELD],
                }
            }
        },
    },
}
REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    400: {
        "description": "Not of the platform's outline",
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": {
                    "type": TYPE_PREFIX + BadSignedRequest.slug,
                    "title": "Bad Request",
                    "status": 400,
                    "detail": "the algorithm must be HMAC-SHA256",
                },
            }
        },
    },
    **errors(401, 404, 413, 503),
}


def shown(description: str) -> dict[str, Any]:
    """Describe the status, for programs and for people."""
    found = answer(Deletion, DELETION, description)
    found["content"]["text/html"] = {"schema": {"type": "string"}}
    return found
