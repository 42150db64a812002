"""The webhooks that are sent: WhatsApp text messages, signed, as whole HTTP requests. Sending is not here."""

import hashlib
import hmac
import time

APP_SECRET = "benchmark-app-secret"
ORGANIZATION = "org-bench"
PHONE_NUMBER_ID = "106540352242922"
PATH = "/api/webhooks/whatsapp"
CONTACTS = 2_000

_BODY = (
    '{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":'
    '{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881",'
    '"phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Sheena Nelson"},"wa_id":"%(contact)s"}],'
    '"messages":[{"from":"%(contact)s","id":"%(id)s","timestamp":"%(at)d","type":"text",'
    '"text":{"body":"Does it come in another colour? I would need it by Thursday."}}]},"field":"messages"}]}]}'
)
_REQUEST = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: facebookexternalua\r\nAccept: */*\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\nX-Hub-Signature-256: sha256=%s\r\n\r\n%s"
)
# Where a stored body holds the message's id, as a path for PostgreSQL's #>>.
MESSAGE_ID_PATH = "{entry,0,changes,0,value,messages,0,id}"


def message_id(series: str, number: int) -> str:
    """Name a message as the platform would: as long, and different in each series."""
    return f"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQz{series:0>12}{number:012d}"


def request(series: str, number: int) -> bytes:
    """Make one signed POST, ready to be written to a connection."""
    contact = str(16_500_000_000 + number * 7919 % CONTACTS)
    body = (_BODY % {"contact": contact, "id": message_id(series, number), "at": time.time()}).encode()
    signature = hmac.digest(APP_SECRET.encode(), body, hashlib.sha256).hex().encode()
    return _REQUEST % (PATH.encode(), len(body), signature, body)


def number_of(message: str) -> int:
    """Tell a message's number in its series by its name."""
    return int(message[-12:])
