"""The JSON shapes of our records, version 1: one function a record, used by the REST API and the feed alike.

Columns are snake_case, JSON is camelCase. A column that holds JSON text goes out as it is, byte for byte.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from hookline.domain.health import Finding
from hookline.services.report import Report
from hookline.store.accounts import ConnectedAccount
from hookline.store.attempts import Attempt
from hookline.store.contacts import Contact
from hookline.store.conversations import Conversation
from hookline.store.events import WebhookEvent
from hookline.store.jobs import Job
from hookline.store.media import StoredMedia
from hookline.store.messages import Message
from hookline.store.pauses import Pause
from hookline.store.templates import StoredTemplate
from hookline.store.tokens import TokenInfo

Shape = dict[str, Any]


def raw(text: str | None) -> msgspec.Raw | None:
    """Let JSON text through untouched."""
    return None if text is None else msgspec.Raw(text.encode())


def account(row: ConnectedAccount, token: TokenInfo | None = None) -> Shape:
    """A connected account: the specification's fields, then ours. What is known of its token, but never the token."""
    return {
        "id": row.id,
        "organizationId": row.organization_id,
        "provider": row.provider,
        "externalAccountId": row.external_account_id,
        "displayName": row.display_name,
        "status": row.status,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "oauthTokens": [] if token is None else [_token(token)],
        "metadata": raw(row.metadata),
        "lastError": row.last_error,
        "lastWebhookAt": row.last_webhook_at,
    }


def _token(row: TokenInfo) -> Shape:
    return {
        "id": row.id,
        "connectedAccountId": row.connected_account_id,
        "scopes": row.scopes,
        "expiresAt": row.expires_at,
        "dataAccessExpiresAt": row.data_access_expires_at,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def message(row: Message, contact_name: str | None = None) -> Shape:
    """A message of the log, with the name of the person as it is known now."""
    return {
        "id": row.id,
        "organizationId": row.organization_id,
        "connectedAccountId": row.connected_account_id,
        "provider": row.provider,
        "direction": row.direction,
        "type": row.type,
        "origin": row.origin,
        "externalId": row.external_id,
        "contact": row.contact,
        "contactName": contact_name,
        "from": row.sender,
        "to": row.recipient,
        "text": row.text,
        "status": row.status,
        "sentAt": row.sent_at,
        "deliveredAt": row.delivered_at,
        "readAt": row.read_at,
        "failedAt": row.failed_at,
        "editedAt": row.edited_at,
        "unsentAt": row.unsent_at,
        "errorCode": row.error_code,
        "errorText": row.error_text,
        "replyTo": row.reply_to,
        "media": raw(row.media) or [],
        "reactions": raw(row.reactions) or [],
        "metaJson": raw(row.meta_json),
        "webhookEventId": row.webhook_event_id,
        "createdAt": row.created_at,
    }


def message_with_media(row: Message, files: Sequence[StoredMedia], contact_name: str | None = None) -> Shape:
    """A message; what is known here of its files stands with what the platform says of them."""
    shape = message(row, contact_name)
    if files:
        said: list[Shape] = msgspec.json.decode(row.media or "[]")
        for one in files:
            if one.position < len(said):
                said[one.position] |= media(one)
        shape["media"] = said
    return shape


def media(row: StoredMedia) -> Shape:
    """A file that is kept here, or was to be. href: where it is served, once it is STORED."""
    of_message = row.message_id is not None
    return {
        "id": row.id,
        "n": row.position if of_message else None,
        "state": row.state,
        "reason": row.reason,
        "contentType": row.content_type,
        "size": row.size,
        "sha256": row.sha256,
        "filename": row.filename,
        "href": f"/api/messages/{row.message_id}/media/{row.position}" if of_message else None,
    }


def conversation(row: Conversation, last_message: Message | None) -> Shape:
    """A conversation, with its latest message."""
    return {
        "id": row.id,
        "organizationId": row.organization_id,
        "connectedAccountId": row.connected_account_id,
        "provider": row.provider,
        "contact": row.contact,
        "contactId": row.contact_id,
        "name": row.name,
        "windowUntil": row.window_until,
        "unreadCount": row.unread_count,
        "lastInboundAt": row.last_inbound_at,
        "lastMessageAt": row.last_message_at,
        "lastMessage": None if last_message is None else message(last_message, row.name),
        "marketingOptedOutAt": row.marketing_opted_out_at,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def contact(row: Contact) -> Shape:
    """A person, to one account."""
    return {
        "id": row.id,
        "organizationId": row.organization_id,
        "connectedAccountId": row.connected_account_id,
        "provider": row.provider,
        "externalId": row.external_id,
        "displayName": row.display_name,
        "name": row.name,
        "savedName": row.saved_name,
        "username": row.username,
        "pictureUrl": row.picture_url,
        "phone": row.phone,
        "userId": row.user_id,
        "parentUserId": row.parent_user_id,
        "marketingOptedOutAt": row.marketing_opted_out_at,
        "profileStatus": row.profile_status,
        "profileError": row.profile_error,
        "profileAt": row.profile_at,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def attempt(row: Attempt) -> Shape:
    """An attempt to send."""
    return {
        "id": row.id,
        "jobId": row.job_id,
        "startedAt": row.started_at,
        "endedAt": row.ended_at,
        "calls": row.calls,
        "outcome": row.outcome,
        "externalId": row.external_id,
        "errorClass": row.error_class,
        "errorCode": row.error_code,
        "errorText": row.error_text,
        "httpStatus": row.http_status,
    }


def action(row: Job) -> Shape:
    """What was accepted and stands in no log: a read mark, a typing indicator."""
    return {"jobId": row.id, "status": "QUEUED", "createdAt": row.created_at}


def webhook_event(row: WebhookEvent, *, whole: bool = True) -> Shape:
    """A webhook event; without its payload and body where many are listed (`whole` False)."""
    shape: Shape = {
        "id": row.id,
        "organizationId": row.organization_id,
        "connectedAccountId": row.connected_account_id,
        "provider": row.provider,
        "eventType": row.event_type,
        "externalAccountId": row.external_account_id,
        "contact": row.contact,
        "signature": row.signature,
        "status": row.status,
        "retries": row.retries,
        "result": raw(row.result),
        "error": row.error,
        "receivedAt": row.received_at,
        "processedAt": row.processed_at,
    }
    if whole:
        shape["payloadJson"] = raw(row.payload_json)
        shape["body"] = row.body
    return shape


def job(row: Job) -> Shape:
    """A job of the queue."""
    return {
        "id": row.id,
        "organizationId": row.organization_id,
        "provider": row.provider,
        "jobType": row.job_type,
        "payloadJson": raw(row.payload_json),
        "status": row.status,
        "attempts": row.attempts,
        "lastError": row.last_error,
        "runAt": row.run_at,
        "connectedAccountId": row.connected_account_id,
        "orderingKey": row.ordering_key,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def template(row: StoredTemplate) -> Shape:
    """A message template, as its platform has it."""
    return {
        "id": row.id,
        "connectedAccountId": row.connected_account_id,
        "name": row.name,
        "language": row.language,
        "category": row.category,
        "status": row.status,
        "components": raw(row.components),
        "parameterFormat": row.parameter_format,
        "quality": row.quality,
        "rejectedReason": row.rejected_reason,
        "externalId": row.external_id,
        "syncedAt": row.synced_at,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def health(report: Report) -> Shape:
    """What was found of an account."""
    return {
        "accountId": report.account.id,
        "status": report.status,
        "checkedAt": report.checked_at,
        "findings": [finding(one) for one in report.findings],
    }


def finding(one: Finding) -> Shape:
    """One thing that was looked at."""
    return {"name": one.name, "severity": one.severity, "found": one.found, "mend": one.mend}


def pause(row: Pause) -> Shape:
    """What is paused: an account, or the whole organization."""
    return {"connectedAccountId": row.connected_account_id, "pausedAt": row.paused_at}
