"""What Messenger and Instagram have in common as providers: entries that name the account, and messaging items."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hookline.domain.event import Item, Part
from hookline.providers import generic
from hookline.providers.files import Files
from hookline.providers.meta import lenient, messaging, routing, signature, source
from hookline.providers.meta.envelope import decode
from hookline.providers.meta.files import AttachedFiles
from hookline.providers.meta.routing import Leaf, Owner, Path, Share
from hookline.providers.templates import Templates


class EntryPlatform(ABC):
    """A platform whose entries each name one account: a page, or an Instagram account.

    {"object": …, "entry": [{"id": ACCOUNT, "time": …, "messaging": […], "standby": […], "changes": […]}]}
    Subclasses name the object and read the changes.
    """

    object_name: str
    files: Files = AttachedFiles()
    templates: Templates | None = None
    tells_profiles = True

    def verify(self, body: bytes, signature_header: str | None, secrets: Sequence[str]) -> bool:
        """Say whether the header was made over `body` with one of `secrets`."""
        return signature.verify(body, signature_header, secrets)

    def split(self, body: bytes) -> list[Part]:
        """Cut one signed POST into the parts that belong to different accounts and contacts, in payload order.

        Raises: MalformedWebhook, if the body is not JSON of the envelope's outline.
        Source: protocol reference 1.3, 3, 4.
        """
        webhook = decode(body)
        if "object" not in webhook.tree:
            return generic.split(webhook)
        foreign = routing.misdirected(webhook, self.object_name)
        if foreign is not None:
            return [foreign]
        return routing.parts(webhook, routing.leaves(webhook, _account, _change_leaves))

    def parse(self, payload: str) -> list[Item]:
        """Read an event's payload into items, in payload order.

        Source: protocol reference 3, 4.
        """
        return source.read(payload, self.object_name, self._read_source)

    @abstractmethod
    def read_change(self, found: source.Source, value: dict[str, Any], index: int) -> Iterator[Item]:
        """Read what a change of one of the platform's own fields says."""

    def _read_source(self, found: source.Source, numbers: source.Numbers) -> Iterator[Item]:
        index = next(numbers)
        if found.array != "changes":
            yield from messaging.read(found, index)
            return
        value = found.item.get("value")
        if not isinstance(value, dict):
            yield source.unsupported(index, found.field, "a change without value")
        elif "sender" in value or "recipient" in value:
            # The dashboard's samples of messaging fields wrap the item in a change.
            yield from messaging.read(found._replace(item=value), index)
        else:
            yield from self.read_change(found, value, index)


def _account(entry_id: str) -> Owner:
    return Owner(entry_id, None, entry_id)


def _change_leaves(path: Path, owner: Owner, change: Any) -> Iterable[Leaf]:
    field = lenient.label(lenient.mapping(change).get("field"), "changes")
    return [Leaf(path, Share(owner, field), field)]
