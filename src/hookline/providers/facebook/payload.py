"""Messenger, from a message to its call and from the answer to the message's id. Pure.

Source: protocol reference 7.2, 8.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from hookline.domain.capability import ALLOWED, Capabilities, Files, Limit
from hookline.domain.outbound import InvalidMessage, OutboundMessage, OutboundType
from hookline.domain.provider_error import ProviderError
from hookline.domain.sending import Call, Pace, Reply, SendingAccount, Usage
from hookline.providers.http import HttpClient
from hookline.providers.meta import send_api, send_limits
from hookline.providers.meta.errors import read_failure
from hookline.providers.meta.graph import Graph, open_graph
from hookline.providers.meta.usage import read_usage

# Any type of file is taken, and no caption: text and file are messages of their own.
_FILES = Files(25 * 1024 * 1024)

CAPABILITIES: Final[Capabilities] = MappingProxyType(
    {
        **send_limits.INTERACTIVE,
        "quickReplies.imageUrl": ALLOWED,
        "text": Limit(2000),
        "image": _FILES,
        "video": _FILES,
        "audio": _FILES,
        "document": _FILES,
        "sticker": ALLOWED,
        "reaction": ALLOWED,
        "replyTo": ALLOWED,
    }
)


class FacebookSender:
    """A page as a `Sender`."""

    capabilities = CAPABILITIES
    policy = send_limits.POLICY

    def contacts(self, to: str) -> Sequence[str]:
        """Name a person by the id that they have for this page."""
        return send_api.contacts(to)

    def check(self, message: OutboundMessage) -> None:
        """Check what no table says; a sticker goes by its number."""
        send_api.check(message)
        if message.sticker is not None and message.sticker.media_id is None:
            raise InvalidMessage("body.sticker.mediaId", "is required: the number of one of Messenger's stickers")

    def pace(self, account: SendingAccount, kind: OutboundType) -> Pace:
        """Say how fast a page may send."""
        return send_limits.pace_of(kind)

    def build(self, message: OutboundMessage, account: SendingAccount, message_id: UUID | None) -> Call:
        """Build the body of a message or an action; our id comes back in the echo's metadata."""
        body = send_api.build(message, message_id, typed=True, metadata=True)
        return Call(f"{account.external_account_id}/messages", body)

    def app(self, account: SendingAccount) -> str:
        """Name the app: the vendor's."""
        return "app:meta"

    def graph(self, account: SendingAccount, http: HttpClient, settings: Mapping[str, str]) -> Graph:
        """Give the vendor's Graph API."""
        return open_graph(http, settings)

    def read_usage(self, headers: Mapping[str, str], account: SendingAccount) -> Usage:
        """Read the usage headers."""
        return read_usage(headers, (account.external_account_id,))

    def read_failure(self, code: str | None, text: str | None) -> ProviderError | None:
        """Read a failure by the vendor's table of codes."""
        return read_failure(code, text)

    def read_reply(self, answer: Mapping[str, Any]) -> Reply:
        """Read the message's id."""
        return send_api.read_reply(answer)
