"""What a provider is to the rest of the program: a module-like object that verifies, splits and parses webhooks."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Item, Part
from hookline.providers.accounts import AccountsClient
from hookline.providers.callbacks import Callbacks
from hookline.providers.files import Files
from hookline.providers.http import HttpClient
from hookline.providers.sender import Sender
from hookline.providers.templates import Templates


class Address(msgspec.Struct, frozen=True):
    """A key by which webhooks find an account.

    An exclusive address belongs to one live account (a number, a page); a shared one to all of a group (a WABA).
    """

    key: str
    exclusive: bool


class Provider(Protocol):
    """One platform. Everything here is pure; a platform's only I/O is its client, which `accounts` makes.

    secret_settings: the names of the settings that hold the secrets with which it signs webhooks.
    """

    @property
    def name(self) -> IntegrationProvider:
        """The platform that this is."""
        ...

    @property
    def secret_settings(self) -> Sequence[str]:
        """The names of the settings whose secrets the platform signs webhooks with."""
        ...

    def verify(self, body: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
        """Say whether `signature` (the header's value) was made over `body` with one of `secrets`."""
        ...

    def split(self, body: bytes) -> list[Part]:
        """Cut one POST into the parts of its owners, in payload order; at least one part.

        Raises: MalformedWebhook, if the body is not JSON of the envelope's outline.
        """
        ...

    def parse(self, payload: str) -> list[Item]:
        """Read an event's payload into items, in payload order. Never raises on JSON of any shape."""
        ...

    @property
    def sender(self) -> Sender:
        """What it is to whoever sends."""
        ...

    @property
    def files(self) -> Files:
        """What it says of the files that people send."""
        ...

    @property
    def templates(self) -> Templates | None:
        """What it says of message templates; None if it has none."""
        ...

    @property
    def tells_profiles(self) -> bool:
        """Whether its webhooks leave out who somebody is, and its accounts' client can ask."""
        ...

    @property
    def callbacks(self) -> Callbacks:
        """How it tells about the people who allowed our app something."""
        ...

    def addresses(self, external_account_id: str, metadata: Mapping[str, Any]) -> Sequence[Address]:
        """List the addresses to which an account with this id and metadata answers."""
        ...

    def accounts(self, http: HttpClient, settings: Mapping[str, str]) -> AccountsClient:
        """Make the client of the platform's accounts. settings: what the providers' folders declare, by name."""
        ...
