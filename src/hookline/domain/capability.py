"""What a platform can carry, as data: named capabilities with their limits, and the check of a message against them.

A capability is named after the place in the contract that uses it: `text`, `image.caption`, `interactive.list.rows`.
What a platform's table does not name, it cannot express.
"""

import mimetypes
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from hookline.domain.errors import RequestError
from hookline.domain.ids import parse_id
from hookline.domain.outbound import OutboundMessage
from hookline.domain.outbound_media import File
from hookline.domain.outbound_uses import uses


class Unit(StrEnum):
    """What a platform counts."""

    CHARACTERS = "characters"
    BYTES = "utf8_bytes"
    ITEMS = "items"


class Limit(msgspec.Struct, frozen=True):
    """A text or a list that may be so long."""

    max: int
    unit: Unit = Unit.CHARACTERS


class Files(msgspec.Struct, frozen=True, rename="camel"):
    """Files of these types and up to this size. An empty list names no types: any will do."""

    max_bytes: int
    mime_types: tuple[str, ...] = ()
    needs_url: bool = False


class Choice(msgspec.Struct, frozen=True):
    """One of these values."""

    values: tuple[str, ...]


class Allowed(msgspec.Struct, frozen=True):
    """Without limits of its own."""


Rule: TypeAlias = Limit | Files | Choice | Allowed
Capabilities: TypeAlias = Mapping[str, Rule]
ALLOWED = Allowed()


class NotSupported(RequestError):
    """What this platform cannot express, or not so much of it. `capability` is its name in the table."""

    slug = "not-supported"

    def __init__(self, capability: str, location: str, reason: str) -> None:
        super().__init__(f"{reason} (capability {capability})")
        self.capability = capability
        self.location = location
        self.reason = reason

    @property
    def more(self) -> Mapping[str, Any]:
        """The capability's name in the table, and the place in the body."""
        return {"capability": self.capability, "errors": [{"location": self.location, "message": self.reason}]}


def check(message: OutboundMessage, capabilities: Capabilities, platform: str) -> None:
    """Refuse what the platform's table does not allow.

    Raises: NotSupported, for the first place that does not fit.
    """
    for use in uses(message):
        rule = capabilities.get(use.capability)
        if rule is None:
            raise NotSupported(use.capability, use.location, f"{platform} cannot carry {use.capability}")
        complaint = _complaint(rule, use.value)
        if complaint is not None:
            raise NotSupported(use.capability, use.location, f"{platform} takes {complaint}")


def _complaint(rule: Rule, value: str | int | File | None) -> str | None:
    """Say what is allowed instead, if a value does not fit."""
    match rule:
        case Limit():
            size = value if isinstance(value, int) else _length(str(value or ""), rule.unit)
            return f"at most {rule.max} {rule.unit.replace('_', ' ')} here, not {size}" if size > rule.max else None
        case Choice():
            return None if value in rule.values else f"only {', '.join(rule.values)} here"
        case Files() if isinstance(value, File):
            return _file_complaint(rule, value)
    return None


def _length(text: str, unit: Unit) -> int:
    return len(text.encode()) if unit is Unit.BYTES else len(text)


def _file_complaint(rule: Files, file: File) -> str | None:
    if file.url is None:
        uploaded = parse_id(file.media_id or "") is not None  # here: it has an address
        return "files by URL only, or by the id of an upload" if rule.needs_url and not uploaded else None
    guessed, _ = mimetypes.guess_type(urlsplit(file.url).path)
    if guessed is None or not rule.mime_types or guessed in rule.mime_types:
        return None
    return f"{', '.join(rule.mime_types)} here, and the URL's ending says {guessed}"
