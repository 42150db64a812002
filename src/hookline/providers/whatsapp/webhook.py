"""WhatsApp's webhooks: verify, split, parse. Messages, statuses and account fields are read in modules of their own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Item, Part
from hookline.providers import generic
from hookline.providers.accounts import AccountsClient
from hookline.providers.base import Address
from hookline.providers.callbacks import Callbacks
from hookline.providers.files import Files
from hookline.providers.http import HttpClient
from hookline.providers.meta import lenient, routing, signature, source
from hookline.providers.meta.envelope import decode
from hookline.providers.meta.signed_request import MetaCallbacks
from hookline.providers.sender import Sender
from hookline.providers.templates import Templates
from hookline.providers.whatsapp import account_fields, calls, coexistence, messages, quick_parse, quick_split
from hookline.providers.whatsapp.client import NumberAccounts
from hookline.providers.whatsapp.inbound_files import WhatsAppFiles
from hookline.providers.whatsapp.line import Line
from hookline.providers.whatsapp.payload import WhatsAppSender
from hookline.providers.whatsapp.routing import OBJECT, change_leaves, companions, waba_owner
from hookline.providers.whatsapp.templates import WhatsAppTemplates

# Field → reader of a change's value, where it is about conversations. The others are in `account_fields`.
# Source: protocol reference 2.1, 2.3, 2.4.
_CONVERSATION_FIELDS: dict[str, Callable[[dict[str, Any], Line, Iterator[int]], Iterator[Item]]] = {
    "messages": messages.read,
    "smb_message_echoes": messages.read,
    "history": coexistence.read_history,
    "smb_app_state_sync": coexistence.read_state_sync,
    "calls": calls.read,
}


class WhatsApp:
    """WhatsApp as a `Provider`."""

    name = IntegrationProvider.WHATSAPP
    sender: Sender = WhatsAppSender()
    files: Files = WhatsAppFiles()
    templates: Templates | None = WhatsAppTemplates()
    tells_profiles = False
    secret_settings = ("META_APP_SECRETS",)
    callbacks: Callbacks = MetaCallbacks("app:meta", ("META_APP_SECRETS",))

    def verify(self, body: bytes, signature_header: str | None, secrets: Sequence[str]) -> bool:
        """Say whether the header was made over `body` with one of `secrets`."""
        return signature.verify(body, signature_header, secrets)

    def split(self, body: bytes) -> list[Part]:
        """Cut one signed POST into the parts that belong to different accounts and contacts, in payload order.

        {"object": …, "entry": [{"id": WABA, "changes": [{"field": …, "value": {"metadata": {"phone_number_id": …}}}]}]}
        Raises: MalformedWebhook, if the body is not JSON of that outline.
        Source: protocol reference 1.3, 2.
        """
        ordinary = quick_split.split(body)
        if ordinary is not None:
            return [ordinary]
        webhook = decode(body)
        if "object" not in webhook.tree:
            return generic.split(webhook)
        foreign = routing.misdirected(webhook, OBJECT)
        if foreign is not None:
            return [foreign]
        return routing.parts(webhook, routing.leaves(webhook, waba_owner, change_leaves), companions)

    def parse(self, payload: str) -> list[Item]:
        """Read an event's payload into items, in payload order.

        Source: protocol reference 2.
        """
        ordinary = quick_parse.parse(payload)
        return source.read(payload, OBJECT, read_source) if ordinary is None else [ordinary]

    def addresses(self, external_account_id: str, metadata: Mapping[str, Any]) -> Sequence[Address]:
        """List a number's addresses: its id alone; its WABA and its digits together with others."""
        known = [Address(external_account_id, exclusive=True)]
        waba = lenient.identifier(metadata.get("wabaId"))
        if waba is not None:
            known.append(Address(f"waba:{waba}", exclusive=False))
        numbers = [lenient.digits(metadata.get("displayPhoneNumber"))]
        if external_account_id.startswith("+") and generic.is_phone(external_account_id):
            numbers.append(lenient.digits(external_account_id))
        known.extend(Address(f"phone:{number}", exclusive=False) for number in dict.fromkeys(numbers) if number)
        return known

    def accounts(self, http: HttpClient, settings: Mapping[str, str]) -> AccountsClient:
        """Make the client of the platform's accounts."""
        return NumberAccounts(http, settings)


def read_source(found: source.Source, numbers: source.Numbers) -> Iterator[Item]:
    """Read one change: a conversation's by its reader, any other as a fact about the account."""
    if found.array != "changes":
        yield source.unsupported(next(numbers), found.array, f"WhatsApp has no {found.array}")
        return
    value = found.item.get("value")
    if not isinstance(value, dict):
        yield source.unsupported(next(numbers), found.field, "a change without value")
        return
    read = _CONVERSATION_FIELDS.get(found.field)
    if read is not None:
        yield from read(value, Line.of(value), numbers)
    else:
        yield from account_fields.read(found.field, value, found.at, numbers)
