"""The examples of the OpenAPI document: one record of each kind, as the API answers them."""

from typing import Any, Final

_ORGANIZATION = "org-123"
_ACCOUNT = "0198c0de-0000-7000-8000-000000000001"
_EVENT = "0198c0de-0000-7000-8000-000000000002"
_MESSAGE = "0198c0de-0000-7000-8000-000000000003"
_JOB = "0198c0de-0000-7000-8000-000000000004"
_FACT = "0198c0de-0000-7000-8000-000000000005"
_ATTEMPT = "0198c0de-0000-7000-8000-000000000007"
_CONVERSATION = "0198c0de-0000-7000-8000-000000000006"
_CONTACT = "0198c0de-0000-7000-8000-000000000008"
_CURSOR = "aWQ6MDE5OGMwZGUwMDAwNzAwMDgwMDAwMDAwMDAwMDAwMDE"
_FEED_CURSOR = "YXQ6NzQyOjE"

GENERIC_WEBHOOK: Final[dict[str, Any]] = {
    "eventType": "message",
    "data": {"from": "+1234567890", "to": "+0987654321", "text": "Hello", "messageId": "msg-123"},
}

WHATSAPP_WEBHOOK: Final[dict[str, Any]] = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "102290129340398",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
                        "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": "16505551234"}],
                        "messages": [
                            {
                                "from": "16505551234",
                                "id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQ=",
                                "timestamp": "1749416383",
                                "type": "text",
                                "text": {"body": "Does it come in another color?"},
                            }
                        ],
                    },
                }
            ],
        }
    ],
}

CONNECTION: Final[dict[str, Any]] = {
    "externalAccountId": "whatsapp-business-123",
    "displayName": "My WhatsApp Business",
    "metadata": {"wabaId": "102290129340398"},
}

_TOKEN: Final[dict[str, Any]] = {
    "id": "0198c0de-0000-7000-8000-000000000006",
    "connectedAccountId": _ACCOUNT,
    "scopes": ["whatsapp_business_management", "whatsapp_business_messaging"],
    "expiresAt": None,
    "dataAccessExpiresAt": "2026-04-14T10:00:00Z",
    "createdAt": "2026-01-14T10:00:00Z",
    "updatedAt": "2026-01-14T10:00:00Z",
}

ACCOUNT: Final[dict[str, Any]] = {
    "id": _ACCOUNT,
    "organizationId": _ORGANIZATION,
    "provider": "WHATSAPP",
    "externalAccountId": "whatsapp-business-123",
    "displayName": "My WhatsApp Business",
    "status": "CONNECTED",
    "createdAt": "2026-01-14T10:00:00Z",
    "updatedAt": "2026-01-14T10:00:00Z",
    "oauthTokens": [_TOKEN],
    "metadata": {"wabaId": "102290129340398"},
    "lastError": None,
    "lastWebhookAt": None,
}

_STATE: Final = "q2rZ5o3m3n8Jc0b1u9xkT4d6Wl7vYyHfE_sAaGpQiRM"

BEGUN: Final[dict[str, Any]] = {
    "authorizationUrl": (
        "https://www.facebook.com/v25.0/dialog/oauth?client_id=1234567890123456&redirect_uri="
        f"https%3A%2F%2Fhookline.example%2Fapi%2Fintegrations%2Fwhatsapp%2Fcallback&state={_STATE}&response_type=code"
    ),
    "state": _STATE,
    "expiresAt": "2026-01-14T10:10:00Z",
}

OFFER: Final[dict[str, Any]] = {
    "state": _STATE,
    "expiresAt": "2026-01-14T10:40:00Z",
    "accounts": [
        {
            "externalAccountId": "106540352242922",
            "displayName": "My WhatsApp Business",
            "needsPin": True,
            "metadata": {"wabaId": "102290129340398", "displayPhoneNumber": "+1 555-078-3881"},
        },
        {
            "externalAccountId": "106540352242923",
            "displayName": "My other number",
            "needsPin": False,
            "metadata": {"wabaId": "102290129340398", "displayPhoneNumber": "+1 555-078-3882"},
        },
    ],
}

CHOICE: Final[dict[str, Any]] = {"externalAccountIds": ["106540352242922", "106540352242923"]}

CHOSEN: Final[dict[str, Any]] = {
    "accounts": [ACCOUNT],
    "refused": [
        {
            "externalAccountId": "106540352242923",
            "type": "urn:hookline:problem:account-elsewhere",
            "detail": "this account is connected elsewhere; disconnect it there first",
        }
    ],
}

DISCONNECTED: Final[dict[str, Any]] = {
    "id": _ACCOUNT,
    "status": "DISCONNECTED",
    "updatedAt": "2026-01-14T10:30:00Z",
}

MESSAGE: Final[dict[str, Any]] = {
    "id": _MESSAGE,
    "organizationId": _ORGANIZATION,
    "connectedAccountId": _ACCOUNT,
    "provider": "WHATSAPP",
    "direction": "INBOUND",
    "type": "text",
    "origin": "live",
    "externalId": "msg-123",
    "contact": "+1234567890",
    "contactName": None,
    "from": "+1234567890",
    "to": "+0987654321",
    "text": "Hello",
    "status": "RECEIVED",
    "sentAt": "2026-01-14T10:05:00Z",
    "deliveredAt": None,
    "readAt": None,
    "failedAt": None,
    "editedAt": None,
    "unsentAt": None,
    "errorCode": None,
    "errorText": None,
    "replyTo": None,
    "media": [],
    "reactions": [],
    "metaJson": None,
    "webhookEventId": _EVENT,
    "createdAt": "2026-01-14T10:05:01Z",
}

UPLOAD: Final[dict[str, Any]] = {
    "id": _MESSAGE,
    "n": None,
    "state": "STORED",
    "reason": None,
    "contentType": "application/pdf",
    "size": 48_211,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "filename": "receipt.pdf",
    "href": None,
}

OUTBOUND: Final[dict[str, dict[str, Any]]] = {
    "text": {"accountId": _ACCOUNT, "to": "+16505551234", "type": "text", "text": "It comes in blue, too."},
    "image": {
        "accountId": _ACCOUNT,
        "to": "+16505551234",
        "type": "image",
        "image": {"mediaId": "3196424913981611", "caption": "In blue"},
        "replyTo": _MESSAGE,
    },
    "buttons": {
        "accountId": _ACCOUNT,
        "to": "+16505551234",
        "type": "interactive",
        "interactive": {
            "type": "buttons",
            "body": "Shall we keep one for you?",
            "buttons": [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}],
        },
    },
    "template": {
        "accountId": _ACCOUNT,
        "to": "+16505551234",
        "type": "template",
        "template": {
            "name": "order_confirmation",
            "language": "en_US",
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "Sheena"}]}],
        },
    },
    "a person's late answer": {
        "accountId": _ACCOUNT,
        "to": "6512345678901234",
        "type": "text",
        "text": "Sorry for the wait: yes, it does.",
        "tag": "HUMAN_AGENT",
    },
    "read mark": {"accountId": _ACCOUNT, "to": "+16505551234", "type": "read", "read": {"messageId": _MESSAGE}},
    "raw": {
        "accountId": _ACCOUNT,
        "to": "+16505551234",
        "type": "raw",
        "raw": {"type": "text", "text": {"body": "As the platform has it"}},
    },
}

QUEUED: Final[dict[str, Any]] = {
    **MESSAGE,
    "direction": "OUTBOUND",
    "origin": "api",
    "externalId": None,
    "contact": "16505551234",
    "from": "15550783881",
    "to": "16505551234",
    "text": OUTBOUND["text"]["text"],
    "status": "QUEUED",
    "sentAt": None,
    "metaJson": {"request": OUTBOUND["text"]},
    "webhookEventId": None,
}

ATTEMPT: Final[dict[str, Any]] = {
    "id": _ATTEMPT,
    "jobId": _JOB,
    "startedAt": "2026-01-14T10:06:00Z",
    "endedAt": "2026-01-14T10:06:01Z",
    "calls": 1,
    "outcome": "sent",
    "externalId": "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI=",
    "errorClass": None,
    "errorCode": None,
    "errorText": None,
    "httpStatus": None,
}

CONTACT: Final[dict[str, Any]] = {
    "id": _CONTACT,
    "organizationId": _ORGANIZATION,
    "connectedAccountId": _ACCOUNT,
    "provider": "WHATSAPP",
    "externalId": "16505551234",
    "displayName": "Sheena Nelson",
    "name": "Sheena Nelson",
    "savedName": None,
    "username": "@sheena",
    "pictureUrl": None,
    "phone": "16505551234",
    "userId": "US.13491208655302741918",
    "parentUserId": None,
    "marketingOptedOutAt": None,
    "profileStatus": None,
    "profileError": None,
    "profileAt": None,
    "createdAt": "2026-01-14T10:05:01Z",
    "updatedAt": "2026-01-14T10:05:01Z",
}

CONVERSATION: Final[dict[str, Any]] = {
    "id": _CONVERSATION,
    "organizationId": _ORGANIZATION,
    "connectedAccountId": _ACCOUNT,
    "provider": "WHATSAPP",
    "contact": "+1234567890",
    "contactId": _CONTACT,
    "name": "Sheena Nelson",
    "windowUntil": "2026-01-15T10:05:00Z",
    "unreadCount": 1,
    "lastInboundAt": "2026-01-14T10:05:00Z",
    "lastMessageAt": "2026-01-14T10:05:00Z",
    "lastMessage": MESSAGE,
    "marketingOptedOutAt": None,
    "createdAt": "2026-01-14T10:05:01Z",
    "updatedAt": "2026-01-14T10:05:01Z",
}

CAPABILITIES: Final[dict[str, Any]] = {
    "WHATSAPP": {
        "capabilities": {
            "image": {"maxBytes": 5242880, "mimeTypes": ["image/jpeg", "image/png"], "needsUrl": False},
            "text": {"max": 4096, "unit": "characters"},
        },
        "window": {"hours": 24.0, "humanAgentDays": None, "templates": True},
    }
}

LISTED_EVENT: Final[dict[str, Any]] = {
    "id": _EVENT,
    "organizationId": _ORGANIZATION,
    "connectedAccountId": _ACCOUNT,
    "provider": "WHATSAPP",
    "eventType": "message",
    "externalAccountId": "+0987654321",
    "contact": "+1234567890",
    "signature": "verified",
    "status": "PROCESSED",
    "retries": 0,
    "result": [
        {"index": 0, "kind": "message", "externalId": "msg-123", "outcome": "applied", "messageId": _MESSAGE},
    ],
    "error": None,
    "receivedAt": "2026-01-14T10:05:00Z",
    "processedAt": "2026-01-14T10:05:01Z",
}
EVENT: Final[dict[str, Any]] = {**LISTED_EVENT, "payloadJson": GENERIC_WEBHOOK, "body": None}

JOB: Final[dict[str, Any]] = {
    "id": _JOB,
    "organizationId": _ORGANIZATION,
    "provider": "WHATSAPP",
    "jobType": "PROCESS_WEBHOOK",
    "payloadJson": {"webhookEventId": _EVENT},
    "status": "DONE",
    "attempts": 0,
    "lastError": None,
    "runAt": "2026-01-14T10:05:00Z",
    "connectedAccountId": _ACCOUNT,
    "orderingKey": f"in:{_ACCOUNT}:+1234567890",
    "createdAt": "2026-01-14T10:05:00Z",
    "updatedAt": "2026-01-14T10:05:01Z",
}

CANCELLED_JOB: Final[dict[str, Any]] = {**JOB, "status": "FAILED", "lastError": "cancelled by user-7"}

BULK_RETRY: Final[dict[str, Any]] = {"jobType": "PROCESS_WEBHOOK", "since": "2026-01-14T00:00:00Z", "dryRun": True}
BULK_CANCEL: Final[dict[str, Any]] = {"status": "PENDING", "accountId": _ACCOUNT}
BULK_REPLAY: Final[dict[str, Any]] = {"provider": "WHATSAPP", "eventType": "messages", "limit": 1000}
BULK_DONE: Final[dict[str, Any]] = {"count": 312, "exact": True, "jobId": None}
BULK_BEGUN: Final[dict[str, Any]] = {"count": 1000000, "exact": True, "jobId": _JOB}

PAUSE: Final[dict[str, Any]] = {"connectedAccountId": _ACCOUNT, "pausedAt": "2026-01-14T10:00:00Z"}
PAUSED: Final[dict[str, Any]] = {"connectedAccountId": None, "paused": True, "putAside": 0}
RESUMED: Final[dict[str, Any]] = {"connectedAccountId": None, "paused": False, "putAside": 240}
PAUSED_ACCOUNT: Final[dict[str, Any]] = {"connectedAccountId": _ACCOUNT, "paused": True, "putAside": 0}

SYNC_JOB: Final[dict[str, Any]] = {
    **JOB,
    "jobType": "SYNC_ACCOUNT",
    "payloadJson": {"accountId": _ACCOUNT},
    "status": "PENDING",
    "orderingKey": None,
    "updatedAt": "2026-01-14T10:05:00Z",
}

SYNC_TEMPLATES_JOB: Final[dict[str, Any]] = {**SYNC_JOB, "payloadJson": {"accountId": _ACCOUNT, "only": "templates"}}

TEMPLATE_BODY: Final[dict[str, Any]] = {
    "name": "order_sent",
    "language": "en_US",
    "category": "UTILITY",
    "components": [
        {
            "type": "BODY",
            "text": "Hello {{1}}, your order {{2}} is on its way.",
            "example": {"body_text": [["Ann", "7"]]},
        }
    ],
}

TEMPLATE: Final[dict[str, Any]] = {
    "id": "0198c0de-0000-7000-8000-000000000008",
    "connectedAccountId": _ACCOUNT,
    **TEMPLATE_BODY,
    "status": "APPROVED",
    "parameterFormat": "POSITIONAL",
    "quality": "GREEN",
    "rejectedReason": None,
    "externalId": "70100000000002",
    "syncedAt": "2026-01-14T10:00:00Z",
    "createdAt": "2026-01-14T10:00:00Z",
    "updatedAt": "2026-01-14T10:05:00Z",
}

NEW_TEMPLATE: Final[dict[str, Any]] = {**TEMPLATE, "status": "PENDING", "quality": None}

ACCOUNT_HEALTH: Final[dict[str, Any]] = {
    "accountId": _ACCOUNT,
    "status": "problem",
    "checkedAt": "2026-01-14T10:05:00Z",
    "findings": [
        {
            "name": "account",
            "severity": "ok",
            "found": "the account is connected, since 2026-01-14 10:00:00 UTC",
            "mend": None,
        },
        {
            "name": "subscription",
            "severity": "problem",
            "found": "our app is not subscribed to the page: nothing comes in",
            "mend": "Synchronize the account (POST /api/integrations/{accountId}/sync): that subscribes it again.",
        },
    ],
}

FEED: Final[dict[str, Any]] = {
    "items": [
        {
            "id": _FACT,
            "type": "message.received",
            "version": 1,
            "cursor": _FEED_CURSOR,
            "organizationId": _ORGANIZATION,
            "connectedAccountId": _ACCOUNT,
            "messageId": _MESSAGE,
            "occurredAt": "2026-01-14T10:05:00Z",
            "data": {"message": MESSAGE},
        }
    ],
    "nextCursor": _FEED_CURSOR,
}


def page(item: dict[str, Any]) -> dict[str, Any]:
    """Show a record as a page of a list."""
    return {"items": [item], "nextCursor": _CURSOR}
