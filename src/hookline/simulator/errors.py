"""How the fake platforms refuse: the Graph envelope, and Instagram's own on api.instagram.com.

Source: protocol reference 6 (envelope), 5.2.3 (Instagram's own shape).
"""

from typing import Any

from hookline.simulator.error_table import ERRORS, ErrorRow


class Refusal(Exception):
    """A call that the platform refuses.

    details: goes into error_data.details on WhatsApp's side, and into the message where that is the reference's way.
    message, status, type: instead of the table's.
    """

    def __init__(
        self,
        code: int,
        details: str = "",
        *,
        subcode: int | None = None,
        message: str = "",
        status: int = 0,
        type: str = "",
        user_title: str = "",
        user_message: str = "",
    ) -> None:
        super().__init__(f"{code}/{subcode}" if subcode else str(code))
        row = row_of(code, subcode)
        self.code = code
        self.subcode = subcode
        self.details = details
        self.message = message or row.message
        self.status = status or row.status
        self.type = type or row.type
        self.transient = row.transient
        self.user_title = user_title
        self.user_message = user_message
        self.headers: dict[str, str] = {}
        self.instead: dict[str, Any] = {}  # what else the error object says, or says instead; None: leaves out


class InstagramRefusal(Exception):
    """A refusal by api.instagram.com, which has an envelope of its own."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def row_of(code: int, subcode: int | None = None) -> ErrorRow:
    """The row for a code and subcode; for the code alone, if the pair has none; else one that says nothing."""
    return ERRORS.get((code, subcode)) or ERRORS.get((code, None)) or ErrorRow("An unknown error has occurred.")


def graph_error(refusal: Refusal, trace: str) -> dict[str, Any]:
    """The Graph envelope of a refusal."""
    whatsapp = refusal.code >= WHATSAPP_CODES
    message = refusal.message
    if not message.startswith(("(#", "Error validating", "Unsupported", "Invalid OAuth")):
        message = f"(#{refusal.code}) {message}"
    error: dict[str, Any] = {"message": message, "type": refusal.type, "code": refusal.code}
    if refusal.subcode is not None:
        error["error_subcode"] = refusal.subcode
    if refusal.details and (whatsapp or refusal.code in _WITH_DETAILS):
        error["error_data"] = {"messaging_product": "whatsapp", "details": refusal.details}
    elif refusal.details:
        error["message"] = f"{message}: {refusal.details}" if refusal.code != 100 else f"(#100) {refusal.details}"
    if refusal.transient:
        error["is_transient"] = True
    if refusal.user_title:
        error["error_user_title"] = refusal.user_title
        error["error_user_msg"] = refusal.user_message
    error = {**error, "fbtrace_id": trace, **refusal.instead}
    return {"error": {key: value for key, value in error.items() if value is not None}}


def instagram_error(refusal: InstagramRefusal) -> dict[str, Any]:
    """The envelope of api.instagram.com."""
    return {"error_type": "OAuthException", "code": refusal.status, "error_message": refusal.message}


def status_error(code: int, details: str = "") -> dict[str, Any]:
    """An error as it stands in a WhatsApp status or at a value's level (reference 2.1, 2.2)."""
    message = row_of(code).message
    return {
        "code": code,
        "title": message,
        "message": message,
        "error_data": {"details": details or message},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }


# WhatsApp's own codes begin here; its errors carry error_data.
WHATSAPP_CODES = 130000
_WITH_DETAILS = frozenset({33, 80007})
