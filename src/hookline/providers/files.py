"""The files' side of a provider: where a file that somebody sent can be fetched, and where it may be."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from hookline.domain.event import Media
from hookline.providers.accounts import AccountRef
from hookline.providers.download import Origins
from hookline.providers.http import HttpClient


class FileSource(msgspec.Struct, frozen=True):
    """An address at which a file is now. headers: what must be sent along; they hold secrets."""

    url: str
    headers: Mapping[str, str] = {}
    content_type: str | None = None


class Files(Protocol):
    """What a platform says of the files that people send."""

    def is_wanted(self, media: Media) -> bool:
        """Whether a file of a message is to be kept. Pure."""
        ...

    def origins(self, settings: Mapping[str, str]) -> Origins:
        """Say where its files may be. Pure."""
        ...

    async def locate(
        self, http: HttpClient, settings: Mapping[str, str], account: AccountRef, token: str | None, media: Media
    ) -> FileSource | None:
        """Find the address of a file; None if the platform has it no more.

        Raises: ProviderError; NotReached; OutcomeUnknown.
        """
        ...
