"""The generic envelope, taken for every provider: one message in a few plain words.

{"eventType": "message", "data": {"from": …, "to": …, "text": …, "messageId": …},
 "externalAccountId"?: …, "organizationId"?: …}
"""

import re
from typing import Any

from hookline.domain.event import Contact, Item, MessageItem, Outcome, Part, SkippedItem
from hookline.domain.message import MessageDirection, MessageType
from hookline.providers.meta import lenient
from hookline.providers.meta.envelope import Webhook

_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{5,24}")
_TAKEN = frozenset({"from", "to", "text", "messageId", "timestamp"})


def split(webhook: Webhook) -> list[Part]:
    """Give the one part of a generic envelope.

    It belongs to the account that `externalAccountId` names, or else the one that received the message (`data.to`).
    Where both are missing, `address` is None and none of `ignored`, `unsupported`, `failed` is set: only whoever
    stores it can say whose it is (in development, the latest connected account's).
    """
    tree = webhook.tree
    data = tree["data"]
    named = lenient.identifier(tree.get("externalAccountId"))
    receiver = lenient.identifier(data.get("to"))
    contact = lenient.identifier(data.get("from"))
    event_type = lenient.label(tree["eventType"], "unknown")
    organization = tree.get("organizationId")
    return [
        Part(
            event_type=event_type,
            payload=webhook.text,
            address=named or receiver,
            fallback=_phone_address(receiver) if named is None else None,
            external_account_id=named or receiver,
            contact=contact,
            ordering=contact or f"field:{event_type}",
            organization_id=organization if isinstance(organization, str) else None,
        )
    ]


def _phone_address(receiver: str | None) -> str | None:
    return "phone:" + lenient.digits(receiver) if receiver is not None and is_phone(receiver) else None


def is_phone(text: str) -> bool:
    """Say whether a text looks like a phone number."""
    return _PHONE.fullmatch(text) is not None


def items(tree: dict[str, Any]) -> list[Item]:
    """Read a generic envelope: a message, or an event type that we do not know."""
    event_type = tree["eventType"]
    data = tree["data"]
    if event_type != "message":
        kind = lenient.label(event_type, "unknown")
        reason = f"generic event type {kind} is not known"
        return [SkippedItem(index=0, kind=kind, outcome=Outcome.UNSUPPORTED, reason=reason)]
    sender = lenient.identifier(data.get("from")) or ""
    return [
        MessageItem(
            index=0,
            kind="message",
            external_id=lenient.identifier(data.get("messageId")) or "",  # the same words twice are two messages
            direction=MessageDirection.INBOUND,
            type=MessageType.TEXT,
            sender=sender,
            recipient=lenient.first_identifier(data.get("to"), tree.get("externalAccountId")) or "",
            text=lenient.string(data.get("text")),
            contact=Contact(external_id=sender or None, phone=sender if is_phone(sender) else None),
            sent_at=lenient.moment(data.get("timestamp")),
            meta=lenient.without(data, _TAKEN),
        )
    ]
