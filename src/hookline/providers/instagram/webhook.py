"""Instagram's webhooks: verify, split, parse. Messaging items are read in `meta`, comments in `comments`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Item
from hookline.providers.accounts import AccountsClient
from hookline.providers.base import Address
from hookline.providers.callbacks import Callbacks
from hookline.providers.http import HttpClient
from hookline.providers.instagram import comments
from hookline.providers.instagram.client import InstagramAccounts
from hookline.providers.instagram.payload import InstagramSender
from hookline.providers.meta import lenient
from hookline.providers.meta.platform import EntryPlatform
from hookline.providers.meta.signed_request import MetaCallbacks
from hookline.providers.meta.source import Source
from hookline.providers.sender import Sender


class Instagram(EntryPlatform):
    """An Instagram professional account as a `Provider`.

    Webhooks of Instagram Login are signed with the Instagram app's secret, those by way of a page with the vendor's
    (protocol reference 1.2).
    """

    name = IntegrationProvider.INSTAGRAM
    sender: Sender = InstagramSender()
    secret_settings = ("INSTAGRAM_APP_SECRETS", "META_APP_SECRETS")
    callbacks: Callbacks = MetaCallbacks("app:instagram", ("INSTAGRAM_APP_SECRETS",))
    object_name = "instagram"

    def read_change(self, found: Source, value: dict[str, Any], index: int) -> Iterator[Item]:
        """Read a comment, a mention, or what is told of a story."""
        return comments.read(found, value, index)

    def addresses(self, external_account_id: str, metadata: Mapping[str, Any]) -> Sequence[Address]:
        """List an account's addresses: its id for webhooks and its app-scoped id, as either may have been connected.

        Source: protocol reference 0.2, 4.
        """
        others = (lenient.identifier(metadata.get(name)) for name in ("userId", "appScopedId"))
        keys = dict.fromkeys((external_account_id, *(other for other in others if other is not None)))
        return [Address(key, exclusive=True) for key in keys]

    def accounts(self, http: HttpClient, settings: Mapping[str, str]) -> AccountsClient:
        """Make the client of the platform's accounts."""
        return InstagramAccounts(http, settings)
