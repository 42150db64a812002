"""Messaging events that are no messages: facts about a person, or about who may talk to whom."""

from collections.abc import Iterator
from typing import Any

from hookline.domain.event import AccountItem, Contact, ContactItem, Item
from hookline.providers.meta import lenient
from hookline.providers.meta.exchange import Exchange, Reader


def _about_person(kind: str) -> Reader:
    """Make a reader of facts about a person. Whoever opted in on a website may be known by a `user_ref` only."""

    def read(exchange: Exchange, said: Any) -> Iterator[Item]:
        sender = lenient.mapping(exchange.item.get("sender"))
        person = exchange.contact or lenient.first_identifier(
            sender.get("user_ref"), lenient.mapping(said).get("user_ref")
        )
        contact = Contact(external_id=person)
        yield ContactItem(
            index=exchange.index, kind=kind, external_id=person, contact=contact, at=exchange.at, data=said
        )

    return read


def _about_account(kind: str) -> Reader:
    """Make a reader of facts about the account. The whole item is kept, as it may name a person too."""

    def read(exchange: Exchange, said: Any) -> Iterator[Item]:
        yield AccountItem(
            index=exchange.index, kind=kind, external_id=exchange.contact, at=exchange.at, data=exchange.item
        )

    return read


# Source: protocol reference 3.
READERS: dict[str, Reader] = {
    "referral": _about_person("referral"),
    "optin": _about_person("optin"),
    "account_linking": _about_person("link"),
    "messaging_feedback": _about_person("feedback"),
    "payment": _about_person("payment"),
    "checkout_update": _about_person("payment"),
    "pass_thread_control": _about_account("handover"),
    "take_thread_control": _about_account("handover"),
    "request_thread_control": _about_account("handover"),
    "app_roles": _about_account("handover"),
    "policy-enforcement": _about_account("policy"),
}
