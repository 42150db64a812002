"""Instagram, from a message to its call and from the answer to the message's id, by either login. Pure.

Source: protocol reference 7.3, 8.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec

from hookline.domain.capability import ALLOWED, Capabilities, Choice, Files, Limit, Unit
from hookline.domain.outbound import InvalidMessage, OutboundMessage, OutboundType
from hookline.domain.provider_error import ProviderError
from hookline.domain.sending import Call, Pace, Reply, SendingAccount, Usage
from hookline.providers.http import HttpClient
from hookline.providers.instagram import graph
from hookline.providers.meta import lenient, send_api, send_limits
from hookline.providers.meta.errors import read_failure
from hookline.providers.meta.graph import Graph, open_graph
from hookline.providers.meta.usage import read_usage

_MEGABYTE = 1024 * 1024
_LOVE = ("\u2764", "\u2764\ufe0f")

# Files by public URL only; no captions, documents or places: one thing a message.
CAPABILITIES: Final[Capabilities] = MappingProxyType(
    {
        **send_limits.INTERACTIVE,
        "text": Limit(1000, Unit.BYTES),
        "image": Files(8 * _MEGABYTE, ("image/png", "image/jpeg", "image/gif"), needs_url=True),
        "video": Files(
            25 * _MEGABYTE,
            ("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"),
            needs_url=True,
        ),
        "audio": Files(
            25 * _MEGABYTE,
            ("audio/aac", "audio/mp4", "audio/x-m4a", "audio/mp4a-latm", "audio/wav", "audio/x-wav"),
            needs_url=True,
        ),
        "sticker": ALLOWED,
        "reaction": Choice(("", *_LOVE)),
    }
)


class InstagramSender:
    """An Instagram professional account as a `Sender`."""

    capabilities = CAPABILITIES
    policy = send_limits.POLICY

    def contacts(self, to: str) -> Sequence[str]:
        """Name a person by the id that they have for this account."""
        return send_api.contacts(to)

    def check(self, message: OutboundMessage) -> None:
        """Check what no table says; the one sticker is the heart."""
        send_api.check(message)
        if message.sticker is not None and message.sticker.media_id != "like_heart":
            raise InvalidMessage("body.sticker.mediaId", "must be like_heart, the only sticker there is")

    def pace(self, account: SendingAccount, kind: OutboundType) -> Pace:
        """Say how fast an account may send."""
        return send_limits.pace_of(kind)

    def build(self, message: OutboundMessage, account: SendingAccount, message_id: UUID | None) -> Call:
        """Build the body of a message or an action.

        By Facebook Login the page that the account is linked to sends; the echo gives back nothing of ours.
        """
        page = None if _by_own_login(account) else lenient.identifier(account.metadata.get("pageId"))
        body = send_api.build(_in_names(message), message_id, typed=False, metadata=False)
        return Call(f"{page or account.external_account_id}/messages", body)

    def app(self, account: SendingAccount) -> str:
        """Name the app: Instagram's own, or the vendor's where a page sends."""
        return "app:instagram" if _by_own_login(account) else "app:meta"

    def graph(self, account: SendingAccount, http: HttpClient, settings: Mapping[str, str]) -> Graph:
        """Give Instagram's own host, or the vendor's where a page sends."""
        return graph.open_graph(http, settings) if _by_own_login(account) else open_graph(http, settings)

    def read_usage(self, headers: Mapping[str, str], account: SendingAccount) -> Usage:
        """Read the usage headers."""
        return read_usage(headers, (account.external_account_id, str(account.metadata.get("pageId"))))

    def read_failure(self, code: str | None, text: str | None) -> ProviderError | None:
        """Read a failure by the vendor's table of codes."""
        return read_failure(code, text)

    def read_reply(self, answer: Mapping[str, Any]) -> Reply:
        """Read the message's id."""
        return send_api.read_reply(answer)


def _in_names(message: OutboundMessage) -> OutboundMessage:
    """A reaction goes by its name here, and there is one: love."""
    if message.reaction is None or not message.reaction.emoji:
        return message
    return msgspec.structs.replace(message, reaction=msgspec.structs.replace(message.reaction, emoji="love"))


def _by_own_login(account: SendingAccount) -> bool:
    """Whether the account was connected by Instagram's login, and not by that of the page that it is linked to."""
    login = account.metadata.get("login")
    return login == "instagram" or (login is None and not account.metadata.get("pageId"))
