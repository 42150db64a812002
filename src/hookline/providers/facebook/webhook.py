"""A Facebook page's webhooks: verify, split, parse. Messaging items are read in `meta`, the feed in `feed`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Item
from hookline.providers.accounts import AccountsClient
from hookline.providers.base import Address
from hookline.providers.callbacks import Callbacks
from hookline.providers.facebook import feed
from hookline.providers.facebook.client import PageAccounts
from hookline.providers.facebook.payload import FacebookSender
from hookline.providers.http import HttpClient
from hookline.providers.meta.platform import EntryPlatform
from hookline.providers.meta.signed_request import MetaCallbacks
from hookline.providers.meta.source import Source
from hookline.providers.sender import Sender


class Facebook(EntryPlatform):
    """A Facebook page as a `Provider`."""

    name = IntegrationProvider.FACEBOOK
    sender: Sender = FacebookSender()
    secret_settings = ("META_APP_SECRETS",)
    callbacks: Callbacks = MetaCallbacks("app:meta", ("META_APP_SECRETS",))
    object_name = "page"

    def read_change(self, found: Source, value: dict[str, Any], index: int) -> Iterator[Item]:
        """Read what happened on the page."""
        return feed.read(found, value, index)

    def addresses(self, external_account_id: str, metadata: Mapping[str, Any]) -> Sequence[Address]:
        """List a page's addresses: its id."""
        return [Address(external_account_id, exclusive=True)]

    def accounts(self, http: HttpClient, settings: Mapping[str, str]) -> AccountsClient:
        """Make the client of the platform's accounts."""
        return PageAccounts(http, settings)
