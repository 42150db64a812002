"""A webhook event: the part of a POST that belongs to one account and contact, what it says, and what became of it.

A provider's `split` cuts a body into `Part`s (stored as events); its `parse` reads an event's payload into `Item`s:
the small vocabulary in which all platforms speak to the rest of the program.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.domain.template import TemplateChange


class WebhookEventStatus(StrEnum):
    """PENDING until processed; FAILED holds a reason and can be replayed."""

    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


class Signature(StrEnum):
    """How a webhook proved itself. `unsigned` happens in development only."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One owner's share of a POST, ready to be stored as a webhook event.

    address: the key by which the owner is found in the account routes; None if it can never have one.
    fallback: a second key, tried only when nobody answers to the first.
    external_account_id: the platform's id that the address was made of, for people to read.
    ordering: what must stay in order within the account: the contact, or the field.
    payload: the envelope's text, holding only this part's slices, exactly as received.
    organization_id: claimed by a generic envelope; counts only together with a route (see ingest).
    ignored: why nobody will ever process it, if so.
    unsupported: why we cannot tell whose it is, if so: no account can ever claim it as it stands.
    failed: why it must be stored as FAILED, if so: it contradicts the path it came by.
    At most one of these three is set, and only where `address` is None. Where all four are None, a generic envelope
    named no account.
    """

    event_type: str
    payload: str
    address: str | None
    ordering: str
    fallback: str | None = None
    external_account_id: str | None = None
    contact: str | None = None
    organization_id: str | None = None
    ignored: str | None = None
    unsupported: str | None = None
    failed: str | None = None


class Origin(StrEnum):
    """How a message came to us. Only `live` inbound messages are new: they alone open windows and notify."""

    LIVE = "live"
    STANDBY = "standby"  # another app owns the thread
    ECHO = "echo"  # written by the business elsewhere: phone, inbox, another app
    HISTORY = "history"  # old messages handed over when an account connects
    API = "api"  # sent through this program


class Media(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A file of a message, where the platform keeps it: by id, or by a URL that expires."""

    type: str
    id: str | None = None
    url: str | None = None
    mime_type: str | None = None
    sha256: str | None = None
    filename: str | None = None
    title: str | None = None


class Contact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What an item says of the person on the other side. Any field may be missing."""

    external_id: str | None = None
    name: str | None = None
    username: str | None = None
    phone: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an event says. `index` is its position among the event's source items; `kind` names it in results.

    external_id: the platform's id of the item itself, or of what it refers to when it has none of its own.
    """

    index: int
    kind: str
    external_id: str | None = None


class MessageItem(Item, frozen=True, kw_only=True, tag_field="item", tag="message"):
    """Something that was said: a message, postback, comment, reaction, call, or a notice of the platform.

    external_id: empty where the sender named none; it is then named after its event.
    reacts_to: the message a reaction belongs to; `text` is then its emoji, empty when the reaction was taken back.
    meta: what the platform says beyond these fields, in its own words.
    """

    external_id: str
    direction: MessageDirection
    type: MessageType
    sender: str
    recipient: str
    text: str = ""
    contact: Contact = Contact()
    sent_at: datetime | None = None
    reply_to: str | None = None
    reacts_to: str | None = None
    media: tuple[Media, ...] = ()
    meta: dict[str, Any] = {}
    origin: Origin = Origin.LIVE
    status: MessageStatus | None = None
    error_code: str | None = None
    error_text: str | None = None


class StatusItem(Item, frozen=True, kw_only=True, tag_field="item", tag="status"):
    """A delivery status of one outbound message, named by `external_id`.

    contact: what it says of the recipient.
    covers_earlier: what was sent to the same person before it has reached the status as well.
    """

    external_id: str
    status: MessageStatus
    covers_earlier: bool = False
    at: datetime | None = None
    error_code: str | None = None
    error_text: str | None = None
    meta: dict[str, Any] = {}
    contact: Contact = Contact()


class WatermarkItem(Item, frozen=True, kw_only=True, tag_field="item", tag="watermark"):
    """Everything sent to `contact` up to `until` has reached `status`."""

    contact: str
    status: MessageStatus
    until: datetime


class EditItem(Item, frozen=True, kw_only=True, tag_field="item", tag="edit"):
    """The message `external_id` now reads `text`.

    version: the platform's count of edits, where it counts; otherwise `at` orders edits.
    """

    external_id: str
    text: str
    at: datetime | None = None
    version: int | None = None
    meta: dict[str, Any] = {}


class UnsendItem(Item, frozen=True, kw_only=True, tag_field="item", tag="unsend"):
    """The message `external_id` was taken back by who wrote it."""

    external_id: str
    at: datetime | None = None


class AccountItem(Item, frozen=True, kw_only=True, tag_field="item", tag="account"):
    """A fact about the account itself: review, quality, name, template, security, capability, thread control, …

    metadata: what of it the account's metadata should hold from now on (camelCase keys), perhaps nothing.
    data: the platform's own words. template: what of it is about a message template.
    """

    at: datetime | None = None
    metadata: dict[str, Any] = {}
    data: Any = None
    template: TemplateChange | None = None


class ContactItem(Item, frozen=True, kw_only=True, tag_field="item", tag="contact"):
    """A fact about a person: preference, changed id, opt-in, referral, address-book entry, …"""

    contact: Contact
    at: datetime | None = None
    data: Any = None


class SkippedItem(Item, frozen=True, kw_only=True, tag_field="item", tag="skipped"):
    """Something that has no effect: `ignored` on purpose, or `unsupported` because we cannot interpret it."""

    outcome: "Outcome"
    reason: str


class Outcome(StrEnum):
    """What became of an item."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    HELD = "held"
    IGNORED = "ignored"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


class ItemResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One row of an event's `result`."""

    index: int
    kind: str
    external_id: str | None
    outcome: Outcome
    reason: str | None = None
    message_id: UUID | None = None
