"""WhatsApp, from a message to the body of its call, and from the answer to the message's id. Pure.

Interactive messages are built in `interactive`, templates in `template`.
Source: protocol reference 7.1; user ids 2.6.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from hookline.domain.errors import InvalidRequest
from hookline.domain.ids import stored_external_id
from hookline.domain.outbound import ACTIONS, InvalidMessage, OutboundMessage, OutboundType
from hookline.domain.provider_error import ProviderError
from hookline.domain.sending import Call, Pace, Reply, SendingAccount, Usage
from hookline.providers.http import HttpClient
from hookline.providers.meta import lenient
from hookline.providers.meta.errors import read_failure
from hookline.providers.meta.graph import Graph, open_graph
from hookline.providers.meta.usage import read_usage
from hookline.providers.whatsapp import interactive, template
from hookline.providers.whatsapp.capabilities import CAPABILITIES, POLICY, pace_of
from hookline.providers.whatsapp.cards import card
from hookline.providers.whatsapp.files import file

CALLBACK: Final = "biz_opaque_callback_data"

# A business-scoped user id, or its parent's. Source: protocol reference 2.6.
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,250}")
_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{4,30}")

# What a raw body may not bring along: it is ours to set.
_OURS: Final = ("to", "recipient", CALLBACK)


class WhatsAppSender:
    """WhatsApp as a `Sender`."""

    capabilities = CAPABILITIES
    policy = POLICY

    def contacts(self, to: str) -> Sequence[str]:
        """Name a person: by user id, or by the digits of the phone number, with `+` where the log has it so."""
        if _USER_ID.fullmatch(to):
            return [to]
        if not _PHONE.fullmatch(to):
            raise InvalidMessage("body.to", "must be a phone number with country code, or a user id such as US.1349…")
        digits = lenient.digits(to)
        return [digits, f"+{digits}"]

    def check(self, message: OutboundMessage) -> None:
        """Check what no table says: a raw body's essentials, and parts that must come together."""
        if message.raw is not None:
            _check_raw(message.raw)
        if message.interactive is not None:
            interactive.check(message.interactive)

    def pace(self, account: SendingAccount, kind: OutboundType) -> Pace:
        """Say how fast a number may send. Marks and typing count for no pair."""
        pace = pace_of(account.metadata)
        return msgspec.structs.replace(pace, pair=None) if kind in ACTIONS else pace

    def build(self, message: OutboundMessage, account: SendingAccount, message_id: UUID | None) -> Call:
        """Build the body of one message, or of a read mark."""
        number = account.external_account_id
        if message.is_action:
            return Call(f"{number}/messages", _read_mark(message))
        body: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual"} | _to(message.to)
        if message.reply_to is not None:
            body["context"] = {"message_id": message.reply_to}
        body |= message.raw if message.raw is not None else _content(message)
        if message_id is not None:
            body[CALLBACK] = str(message_id)
        if message.template is not None and message.template.marketing is not None:
            return Call(f"{number}/marketing_messages", body | template.marketing(message.template.marketing))
        return Call(f"{number}/messages", body)

    def app(self, account: SendingAccount) -> str:
        """Name the app: the vendor's."""
        return "app:meta"

    def graph(self, account: SendingAccount, http: HttpClient, settings: Mapping[str, str]) -> Graph:
        """Give the vendor's Graph API."""
        return open_graph(http, settings)

    def read_usage(self, headers: Mapping[str, str], account: SendingAccount) -> Usage:
        """Read the usage headers."""
        return read_usage(headers, (account.external_account_id, str(account.metadata.get("wabaId"))))

    def read_failure(self, code: str | None, text: str | None) -> ProviderError | None:
        """Read a failure by the vendor's table of codes."""
        return read_failure(code, text)

    def read_reply(self, answer: Mapping[str, Any]) -> Reply:
        """Read `{"contacts": [{"input", "wa_id"?, "user_id"?}], "messages": [{"id", "message_status"?}]}`."""
        said = lenient.mapping(next(iter(lenient.sequence(answer.get("messages"))), None))
        person = lenient.mapping(next(iter(lenient.sequence(answer.get("contacts"))), None))
        contact = lenient.string(person.get("wa_id")).strip() or lenient.string(person.get("user_id")).strip()
        status = said.get("message_status")
        return Reply(
            lenient.identifier(said.get("id")),
            stored_external_id(contact) if contact else None,
            {} if status is None else {"messageStatus": lenient.label(status, "unknown")},
        )


def _to(to: str) -> dict[str, str]:
    """Address a person: always with `+`, as the vendor else prepends the business's own country code; or by user id.

    Source: protocol reference 2.6, 7.1.
    """
    if _USER_ID.fullmatch(to):
        return {"recipient": to}
    return {"to": f"+{lenient.digits(to)}"}


def _read_mark(message: OutboundMessage) -> dict[str, Any]:
    """Mark a message as read; with the typing indicator, where that was asked for: it marks as read too."""
    mark = message.read or message.typing
    message_id = mark.message_id if mark is not None else None
    if message_id is None:
        raise InvalidRequest("WhatsApp needs the message that is answered or was read")
    body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
    return body if message.typing is None else body | {"typing_indicator": {"type": "text"}}


def _content(message: OutboundMessage) -> dict[str, Any]:
    return {"type": str(message.type), str(message.type): _BUILDERS[message.type](message)}


def _text(message: OutboundMessage) -> dict[str, Any]:
    return {"body": message.text, "preview_url": bool(message.preview_url)}


def _location(message: OutboundMessage) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(message.location)
    return built


def _reaction(message: OutboundMessage) -> dict[str, Any]:
    reaction = message.reaction
    return {"message_id": reaction.message_id, "emoji": reaction.emoji} if reaction is not None else {}


_BUILDERS: Final[Mapping[OutboundType, Callable[[OutboundMessage], Any]]] = {
    OutboundType.TEXT: _text,
    OutboundType.IMAGE: lambda message: file(message.image),
    OutboundType.VIDEO: lambda message: file(message.video),
    OutboundType.AUDIO: lambda message: file(message.audio),
    OutboundType.DOCUMENT: lambda message: file(message.document),
    OutboundType.STICKER: lambda message: file(message.sticker),
    OutboundType.LOCATION: _location,
    OutboundType.CONTACTS: lambda message: [card(one) for one in message.contacts or ()],
    OutboundType.REACTION: _reaction,
    OutboundType.INTERACTIVE: lambda message: interactive.build(message.interactive),
    OutboundType.TEMPLATE: lambda message: template.build(message.template),
}


def _check_raw(raw: Mapping[str, Any]) -> None:
    """See that a raw body is one message, and says nothing of what we set.

    Raises: InvalidMessage.
    """
    for name in _OURS:
        if name in raw:
            raise InvalidMessage(f"body.raw.{name}", "is set by Hookline")
    if raw.get("messaging_product", "whatsapp") != "whatsapp":
        raise InvalidMessage("body.raw.messaging_product", "must be whatsapp")
    kind = raw.get("type", "text")
    if not isinstance(kind, str) or not isinstance(raw.get(kind), dict | list):
        raise InvalidMessage("body.raw", "must hold type, and the content under the type's name")
