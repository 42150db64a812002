"""Files of Messenger and Instagram: at a signed address of the webhook, for whoever has it, for some days.

Source: protocol reference 0.1, 3, 4 (attachments).
"""

from collections.abc import Mapping
from typing import Final

from hookline.domain.event import Media
from hookline.providers.accounts import AccountRef
from hookline.providers.download import Origins
from hookline.providers.files import FileSource
from hookline.providers.http import HttpClient

# Not the likes of posts, reels and stories: what is shared belongs to others, and stories must not be kept.
_WANTED: Final = frozenset({"image", "video", "audio", "file", "sticker"})


def origins(settings: Mapping[str, str]) -> Origins:
    """Say where the vendor's files may be."""
    return Origins.read(settings["META_MEDIA_HOSTS"])


class AttachedFiles:
    """Files that are fetched where the webhook says, as `Files`."""

    def is_wanted(self, media: Media) -> bool:
        """Whether a file is the sender's own, and at an address."""
        return media.type in _WANTED and media.url is not None

    def origins(self, settings: Mapping[str, str]) -> Origins:
        """Say where files may be."""
        return origins(settings)

    async def locate(
        self, http: HttpClient, settings: Mapping[str, str], account: AccountRef, token: str | None, media: Media
    ) -> FileSource | None:
        """Give the webhook's address."""
        return None if media.url is None else FileSource(media.url)
