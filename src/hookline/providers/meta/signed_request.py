"""The vendor's signed_request: `<signature>.<payload>`, by which it tells of a person who removed the app.

Source: protocol reference 5.4.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hookline.domain.errors import SignatureMismatch
from hookline.domain.ids import MAX_EXTERNAL_ID_BYTES
from hookline.domain.privacy import BadSignedRequest, PersonCallback
from hookline.providers.meta import lenient

ALGORITHM: Final = "HMAC-SHA256"
MAX_CHARACTERS: Final = 8192
_URL_TO_STANDARD: Final = str.maketrans("-_", "+/")


class MetaCallbacks(msgspec.Struct, frozen=True):
    """The callbacks of one of the vendor's apps."""

    app: str
    secret_settings: tuple[str, ...]

    def read(self, signed_request: str, secrets: Sequence[str]) -> PersonCallback:
        """Read a callback that was signed with one of `secrets`; with none there, none was.

        {"user_id": "218471", "algorithm": "HMAC-SHA256", "issued_at": 1291836800}
        The signature is over the encoded payload, as it is. Nothing of the payload is read before it is proved.
        Raises: SignatureMismatch; BadSignedRequest, if it is not of that outline.
        """
        encoded_signature, dot, encoded = signed_request.partition(".")
        if not dot or not encoded or len(signed_request) > MAX_CHARACTERS:
            raise BadSignedRequest("signed_request must be a signature and a payload with a dot between them")
        signature = _decode(encoded_signature)
        if not _is_signed(encoded.encode(), signature, secrets):
            raise SignatureMismatch("the signed_request was not signed with a known secret of this platform's app")
        said = _payload(encoded)
        if str(said.get("algorithm")).upper() != ALGORITHM:
            raise BadSignedRequest(f"the algorithm must be {ALGORITHM}")
        return PersonCallback(
            user_id=_user_id(said),
            issued_at=lenient.moment(said.get("issued_at")),
            digest=hashlib.sha256(signature).digest(),
        )


def _is_signed(encoded: bytes, signature: bytes, secrets: Sequence[str]) -> bool:
    """Every secret is tried, so that the time taken does not say which one matched."""
    expected = (hmac.digest(secret.encode(), encoded, "sha256") for secret in secrets if secret)
    matches = [hmac.compare_digest(one, signature) for one in expected]
    return any(matches)


def _decode(text: str) -> bytes:
    """Decode base64 in either alphabet, padded or not."""
    plain = text.rstrip("=").translate(_URL_TO_STANDARD)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadSignedRequest("signed_request must be encoded as base64url") from None


def _payload(encoded: str) -> dict[str, Any]:
    try:
        return lenient.mapping(lenient.decode(_decode(encoded).decode()))
    except (ValueError, RecursionError):
        raise BadSignedRequest("the payload must be JSON in UTF-8") from None


def _user_id(said: dict[str, Any]) -> str:
    user_id = lenient.identifier(said.get("user_id"))
    if not user_id or len(user_id.encode()) > MAX_EXTERNAL_ID_BYTES:
        raise BadSignedRequest("the payload must name a user_id")
    return user_id
