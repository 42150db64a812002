"""The facts of the feed: what each kind of happening is called and what its `data` holds, version 1.

message.received   {"message": …}                          new, from a person outside
message.echoed     {"message": …}                          written by the business elsewhere (phone, inbox, app)
message.imported   {"message": …}                          old, handed over when the account connected
message.standby    {"message": …}                          another app owns the thread
message.queued     {"message": …}                          to be sent through this program
message.undecided  {"messageId", "contact", "at"}          nobody knows whether it was sent: a person must decide
message.merged     {"messageId", "externalId", "contact", "mergedId"}   an echo told as a message of its own was ours
message.status     {"messageId", "externalId", "contact", "status", "at", "errorCode"?, "errorText"?}
message.edited     {"messageId", "externalId", "contact", "text", "at"}
message.unsent     {"messageId", "externalId", "contact", "at"}
message.media      {"messageId", "externalId", "contact", "media": {…}}   a file was fetched, or cannot be had
account.connected, account.error, account.disconnected   {"account": …}
account.alert      {"code", "text", "sentence", "errorClass", "until"}  the platform stopped the account, or nearly
account.notice     {"kind", "externalId", "metadata", "notice": the platform's words}
template.changed   {"template": …}                         new, or its status, text, category or quality is another
template.deleted   {"template": …}                         the platform has it no more
contact.created    {"contact": …}                          somebody who was not known
contact.updated    {"contact": …, "mergedIds"?}            known otherwise now; mergedIds: contacts that it took in
contact.notice     {"kind", "contact": {…}, "notice": the platform's words}
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hookline.domain.event import AccountItem, ContactItem, EditItem, Origin, UnsendItem
from hookline.domain.ids import new_id
from hookline.domain.message import MessageDirection, MessageStatus
from hookline.domain.provider_error import ProviderError
from hookline.domain.template import DELETED
from hookline.domain.text import to_json
from hookline.services import shapes
from hookline.store.accounts import ConnectedAccount
from hookline.store.contacts import Contact
from hookline.store.media import StoredMedia
from hookline.store.messages import Message
from hookline.store.outbox import Fact
from hookline.store.templates import StoredTemplate
from hookline.store.tokens import TokenInfo

VERSION = 1

_OF_ORIGIN = {
    Origin.ECHO: "message.echoed",
    Origin.HISTORY: "message.imported",
    Origin.STANDBY: "message.standby",
}


def message_added(row: Message, contact_name: str | None = None) -> Fact:
    """A message entered the log."""
    name = _OF_ORIGIN.get(row.origin, "message.received")
    if row.origin is Origin.LIVE and row.direction is MessageDirection.OUTBOUND:
        name = "message.echoed"
    return _of_message(row, name, row.sent_at or row.created_at, {"message": shapes.message(row, contact_name)})


def message_queued(row: Message, contact_name: str | None) -> Fact:
    """A message was accepted, to be sent."""
    return _of_message(row, "message.queued", row.created_at, {"message": shapes.message(row, contact_name)})


def message_undecided(row: Message, at: datetime) -> Fact:
    """The platform's report on a message never came."""
    return _of_message(row, "message.undecided", at, _naming(row) | {"at": at})


def message_merged(row: Message, merged_id: UUID, at: datetime) -> Fact:
    """What was told as an echo was a message that is known already: the other record is gone."""
    return _of_message(row, "message.merged", at, _naming(row) | {"mergedId": merged_id})


def account_alert(
    organization_id: str, account_id: UUID, error: ProviderError, wait: timedelta | None, at: datetime
) -> Fact:
    """The platform refuses what an account sends, for a reason that people must see to."""
    data = {
        "code": error.code,
        "text": error.text,
        "sentence": error.error_class.sentence,
        "errorClass": error.error_class,
        "until": None if wait is None else at + wait,
    }
    return _fact(organization_id, account_id, "account.alert", at, data)


def status_changed(row: Message, status: MessageStatus, at: datetime) -> Fact:
    """A message's delivery status moved forward."""
    data = _naming(row) | {"status": status, "at": at}
    if status is MessageStatus.FAILED:
        data |= {"errorCode": row.error_code, "errorText": row.error_text}
    return _of_message(row, "message.status", at, data)


def edited(row: Message, item: EditItem, at: datetime) -> Fact:
    """A message reads differently now."""
    return _of_message(row, "message.edited", at, _naming(row) | {"text": item.text, "at": at})


def unsent(row: Message, item: UnsendItem, at: datetime) -> Fact:
    """A message was taken back."""
    return _of_message(row, "message.unsent", at, _naming(row) | {"at": at})


def media_settled(row: Message, file: StoredMedia) -> Fact:
    """A file of a message is kept here, or cannot be had."""
    return _of_message(row, "message.media", file.updated_at, _naming(row) | {"media": shapes.media(file)})


def account_changed(row: ConnectedAccount, name: str, token: TokenInfo | None = None) -> Fact:
    """An account was connected, disconnected, or fell into ERROR."""
    data = {"account": shapes.account(row, token)}
    return _fact(row.organization_id, row.id, f"account.{name}", row.updated_at, data)


def account_notice(organization_id: str, account_id: UUID, item: AccountItem, at: datetime) -> Fact:
    """The platform said something about an account."""
    data = {"kind": item.kind, "externalId": item.external_id, "metadata": item.metadata, "notice": item.data}
    return _fact(organization_id, account_id, "account.notice", at, data)


def template_changed(row: StoredTemplate) -> Fact:
    """A template is new, another than before, or gone."""
    name = "template.deleted" if row.status == DELETED else "template.changed"
    data = {"template": shapes.template(row)}
    return _fact(row.organization_id, row.connected_account_id, name, row.updated_at, data)


def contact_changed(row: Contact, *, is_new: bool, taken_in: Sequence[UUID] = ()) -> Fact:
    """A person is new, or known otherwise than before; contacts that were taken in are gone."""
    data: dict[str, Any] = {"contact": shapes.contact(row)}
    if taken_in:
        data["mergedIds"] = taken_in
    name = "contact.created" if is_new else "contact.updated"
    return _fact(row.organization_id, row.connected_account_id, name, row.updated_at, data)


def contact_notice(organization_id: str, account_id: UUID, item: ContactItem, at: datetime) -> Fact:
    """The platform said something about a person."""
    data = {"kind": item.kind, "contact": item.contact, "notice": item.data}
    return _fact(organization_id, account_id, "contact.notice", at, data)


def _naming(row: Message) -> dict[str, Any]:
    return {"messageId": row.id, "externalId": row.external_id, "contact": row.contact}


def _of_message(row: Message, name: str, at: datetime, data: dict[str, Any]) -> Fact:
    return _fact(row.organization_id, row.connected_account_id, name, at, data, row.id)


def _fact(
    organization_id: str,
    account_id: UUID,
    name: str,
    at: datetime,
    data: dict[str, Any],
    message_id: UUID | None = None,
) -> Fact:
    return Fact(
        id=new_id(),
        organization_id=organization_id,
        type=name,
        occurred_at=at,
        data=to_json(data),
        connected_account_id=account_id,
        message_id=message_id,
    )
