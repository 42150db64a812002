"""How the body of a message to send is documented: the schema of domain/outbound.py, and an example a kind."""

from typing import Any, Final

import msgspec

from hookline.domain.outbound import OutboundMessage
from hookline.web.examples import OUTBOUND

_TEMPLATE: Final = "#/components/schemas/{name}"


def schemas() -> dict[str, Any]:
    """The schemas of the body's parts, by name."""
    _, components = msgspec.json.schema_components([OutboundMessage], ref_template=_TEMPLATE)
    return components


_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name for this message that is yours: sent again with the same body, nothing is sent twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "order-1234-confirmation",
}

SEND: Final[dict[str, Any]] = {
    "parameters": [_KEY],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": _TEMPLATE.format(name=OutboundMessage.__name__)},
                "examples": {
                    name.replace(" ", "-"): {"summary": name, "value": value} for name, value in OUTBOUND.items()
                },
            }
        },
    },
}
