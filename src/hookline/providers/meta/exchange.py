"""Between whom a messaging item passed: the person, the account, and which of them spoke."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from hookline.domain.event import Item
from hookline.providers.meta import lenient
from hookline.providers.meta.routing import is_echo, messaging_contact
from hookline.providers.meta.source import Source


class Exchange(msgspec.Struct, frozen=True):
    """A messaging item with its sides. `contact` is the person, `account` the page or Instagram account."""

    item: dict[str, Any]
    index: int
    contact: str | None
    account: str
    outbound: bool
    standby: bool

    @classmethod
    def of(cls, found: Source, index: int) -> "Exchange":
        """Tell the sides of an item apart. Whatever the account itself sends is outbound, said to be an echo or not.

        Source: protocol reference 3.
        """
        item = found.item
        sender = lenient.identifier(lenient.mapping(item.get("sender")).get("id"))
        recipient = lenient.identifier(lenient.mapping(item.get("recipient")).get("id"))
        outbound = is_echo(item) or (sender is not None and sender == found.entry_id)
        account = found.entry_id or (sender if outbound else recipient) or ""
        contact = messaging_contact(item, found.entry_id)
        return cls(item, index, contact, account, outbound, found.array == "standby")

    @property
    def at(self) -> datetime | None:
        """When it happened, by the platform's clock."""
        return lenient.moment(self.item.get("timestamp"))


# What reads one event of an item: the exchange, and the value under the event's key.
Reader = Callable[[Exchange, Any], Iterator[Item]]
