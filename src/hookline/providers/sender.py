"""What a platform is to whoever sends: its capabilities, its policy and pace, builders and readers, and its host."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from hookline.domain.capability import Capabilities
from hookline.domain.outbound import OutboundMessage, OutboundType
from hookline.domain.provider_error import ProviderError
from hookline.domain.sending import Call, Pace, Policy, Reply, SendingAccount, Usage
from hookline.providers.http import HttpClient
from hookline.providers.meta.graph import Graph


class Sender(Protocol):
    """One platform, seen from a message that goes out. Everything here is pure but the host that `graph` gives."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can carry, by name."""
        ...

    @property
    def policy(self) -> Policy:
        """When a person may be written to."""
        ...

    def contacts(self, to: str) -> Sequence[str]:
        """Name the person as the log may know them, the likeliest first.

        Raises: InvalidMessage, if this is no address of the platform.
        """
        ...

    def check(self, message: OutboundMessage) -> None:
        """Refuse what the table of capabilities cannot say: what must come together, the essentials of a raw body.

        Raises: InvalidMessage, NotSupported.
        """
        ...

    def pace(self, account: SendingAccount, kind: OutboundType) -> Pace:
        """Say how fast messages of a kind may leave the account."""
        ...

    def build(self, message: OutboundMessage, account: SendingAccount, message_id: UUID | None) -> Call:
        """Say a message in the platform's words. `message_id` goes with it, for the platform to give back."""
        ...

    def app(self, account: SendingAccount) -> str:
        """Name the app that calls for an account: accounts of one app share its budget of calls."""
        ...

    def graph(self, account: SendingAccount, http: HttpClient, settings: Mapping[str, str]) -> Graph:
        """Give the host that takes an account's messages. It is cheap to make, and the same for each `app`."""
        ...

    def read_usage(self, headers: Mapping[str, str], account: SendingAccount) -> Usage:
        """Read from a reply's headers how much of the budgets of calls is used. Never raises."""
        ...

    def read_failure(self, code: str | None, text: str | None) -> ProviderError | None:
        """Say what a failure means that the platform reports by a status; None if its code is unknown."""
        ...

    def read_reply(self, answer: Mapping[str, Any]) -> Reply:
        """Read what the platform answered to `build`'s call. Never raises."""
        ...
