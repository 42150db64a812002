"""Addresses at which the platforms fetch what was uploaded here: signed, and good for a while.

`{public}/api/media/{id}/file?o={organization}&e={seconds since 1970}&s={signature}`. The key is derived from the app's
secrets, which every process has; the first one signs, all of them verify. Made without the database, so that nothing
can fail between the intent to send and the call.
"""

import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from hookline.domain.ids import parse_id
from hookline.domain.outbound import OutboundMessage
from hookline.domain.outbound_files import with_files
from hookline.domain.outbound_media import File

# The platforms fetch at once, and again if they could not (protocol reference 2.5: links are cached for ten minutes).
GOOD_FOR_SECONDS: Final = 24 * 3600
_PURPOSE: Final = b"hookline media links"


class MediaLinks:
    """Makes such addresses, and tells whether one is ours. base_url: under which the platforms reach the API."""

    def __init__(self, base_url: str, secrets: Sequence[str]) -> None:
        self._base_url = base_url.rstrip("/")
        self._keys = [hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256) for secret in secrets]

    def fill_in(self, said: OutboundMessage, organization_id: str) -> OutboundMessage:
        """Give a message whose files of ours stand at their addresses."""

        def change(file: File) -> File:
            media_id = parse_id(file.media_id or "")
            if media_id is None:
                return file
            return msgspec.structs.replace(file, media_id=None, url=self.make(organization_id, media_id))

        return with_files(said, change)

    def make(self, organization_id: str, media_id: UUID) -> str:
        """Make the address of a file."""
        expires = str(int(time.time()) + GOOD_FOR_SECONDS)
        signature = _sign(self._keys[0], organization_id, media_id, expires)
        query = urlencode({"o": organization_id, "e": expires, "s": signature}, quote_via=quote)
        return f"{self._base_url}/api/media/{media_id}/file?{query}"

    def allows(self, organization_id: str, media_id: UUID, expires: str, signature: str) -> bool:
        """Say whether an address is one that was made here, and is still good."""
        made = any(
            hmac.compare_digest(_sign(key, organization_id, media_id, expires).encode(), signature.encode())
            for key in self._keys
        )
        return made and expires.isascii() and expires.isdecimal() and int(expires) > time.time()


def _sign(key: bytes, organization_id: str, media_id: UUID, expires: str) -> str:
    return hmac.digest(key, f"{expires}/{media_id}/{organization_id}".encode(), hashlib.sha256).hex()
