"""A message of the log: its enums, and how its delivery status may move."""

from enum import StrEnum


class MessageDirection(StrEnum):
    """Who wrote it: the person outside (INBOUND) or the business (OUTBOUND)."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class MessageType(StrEnum):
    """What a message is, in one vocabulary for all platforms."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACTS = "contacts"
    INTERACTIVE = "interactive"
    BUTTON = "button"
    ORDER = "order"
    REACTION = "reaction"
    TEMPLATE = "template"
    POSTBACK = "postback"
    COMMENT = "comment"
    SYSTEM = "system"
    CALL = "call"
    UNSUPPORTED = "unsupported"
    OTHER = "other"


class MessageStatus(StrEnum):
    """RECEIVED for inbound messages; the others are the life of an outbound one."""

    RECEIVED = "RECEIVED"
    QUEUED = "QUEUED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    PLAYED = "PLAYED"
    FAILED = "FAILED"


_RANK = {
    MessageStatus.QUEUED: 0,
    MessageStatus.SENDING: 1,
    MessageStatus.UNKNOWN: 2,
    MessageStatus.SENT: 3,
    MessageStatus.FAILED: 4,
    MessageStatus.DELIVERED: 5,
    MessageStatus.READ: 6,
    MessageStatus.PLAYED: 7,
}


def advances(current: MessageStatus, new: MessageStatus) -> bool:
    """Say whether an outbound message in `current` moves to `new`.

    A status never goes backwards (sent < delivered < read < played). FAILED ends a message unless its delivery
    was seen: it ranks above SENT and below DELIVERED, so that a delivery report corrects it and it corrects none.
    Source: protocol reference 2.2.
    """
    if MessageStatus.RECEIVED in (current, new):
        return False
    return _RANK[new] > _RANK[current]
