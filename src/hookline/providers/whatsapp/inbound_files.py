"""Files that people send on WhatsApp: an id, for which the platform gives an address that lives five minutes.

Source: protocol reference 2.5.
"""

from collections.abc import Mapping
from typing import Final

from hookline.domain.event import Media
from hookline.domain.provider_error import ProviderError
from hookline.providers.accounts import AccountRef
from hookline.providers.download import Origins
from hookline.providers.files import FileSource
from hookline.providers.http import HttpClient
from hookline.providers.meta import files, lenient
from hookline.providers.meta.graph import node, open_graph

# "Object does not exist, or permissions are missing": the platform has the file no more, after seven days.
_MISSING: Final = "100/33"


class WhatsAppFiles:
    """WhatsApp's files as `Files`."""

    def is_wanted(self, media: Media) -> bool:
        """Whether a file has an id."""
        return media.id is not None

    def origins(self, settings: Mapping[str, str]) -> Origins:
        """Say where files may be."""
        return files.origins(settings)

    async def locate(
        self, http: HttpClient, settings: Mapping[str, str], account: AccountRef, token: str | None, media: Media
    ) -> FileSource | None:
        """Ask for the address; the same token must be sent there."""
        graph = open_graph(http, settings)
        try:
            answer = await graph.call(
                "GET",
                node(media.id or ""),
                token=token,
                params={"phone_number_id": account.external_account_id},
            )
        except ProviderError as error:
            if error.code == _MISSING:
                return None
            raise
        url = lenient.string(answer.get("url"))
        kind = lenient.optional_string(answer.get("mime_type"))
        return FileSource(url, {"Authorization": f"Bearer {token}"}, kind) if url else None
