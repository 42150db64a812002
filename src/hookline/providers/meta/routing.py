"""Whose a webhook's pieces are: every source item gets an owner, and the items of one owner become one part.

A provider says who owns an entry and how its changes are divided; the walk, the grouping and the cutting are here.
An item of a wrong shape is never refused: it goes to whoever its surroundings name, undivided.
Source: protocol reference 1.3.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from hookline.domain.event import Part
from hookline.providers.meta import lenient
from hookline.providers.meta.envelope import Webhook
from hookline.providers.meta.slices import Selection, Slice, cut

Path = tuple[str | int, ...]

HASHED = "sha256:"

# Objects that are about the app's own users, not about an account of a business (protocol reference 1.3).
OWNERLESS_OBJECTS = frozenset({"user", "permissions"})
KNOWN_OBJECTS = frozenset({"whatsapp_business_account", "page", "instagram"})
TEST_ENTRY_ID = "0"  # the dashboard's "Test" button

# The arrays of an entry. In `standby`, another app owns the thread. Source: protocol reference 1.3, 3.
ARRAYS = ("changes", "messaging", "standby")

# The keys of a messaging item that name its event. An echo is a `message` of its own kind.
# Source: protocol reference 3, 4.
MESSAGING_EVENTS = (
    "message",
    "postback",
    "delivery",
    "read",
    "reaction",
    "message_edit",
    "referral",
    "optin",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "app_roles",
    "policy-enforcement",
    "account_linking",
    "messaging_feedback",
    "payment",
    "checkout_update",
)
_MESSAGING_SURROUNDINGS = frozenset({"sender", "recipient", "timestamp", "prior_message"})


class Owner(NamedTuple):
    """Whom an item belongs to, as in `Part`."""

    address: str | None = None
    fallback: str | None = None
    external_account_id: str | None = None
    ignored: str | None = None
    unsupported: str | None = None


class Share(NamedTuple):
    """What the items of one part have in common. `array` is set where one field has several."""

    owner: Owner
    field: str
    contact: str | None = None
    array: str = ""


class Leaf(NamedTuple):
    """A piece that is never cut further: where it lies, whose it is, and what it is called."""

    path: Path
    share: Share
    event_type: str


NOBODY = Owner(unsupported="names no account")
TEST_SAMPLE = Owner(ignored="test sample")

EntryOwner = Callable[[str], Owner]
ChangeLeaves = Callable[[Path, Owner, Any], Iterable[Leaf]]
Companions = Callable[[Webhook, Mapping[Share, list[Path]]], None]


def misdirected(webhook: Webhook, own_object: str) -> Part | None:
    """Give the one part of a body whose `object` is not this provider's: failed, ignored or unsupported."""
    name = webhook.tree["object"]
    if name == own_object:
        return None
    shown = lenient.label(name, "object")
    failed = ignored = unsupported = None
    if name in KNOWN_OBJECTS:
        failed = f"object {shown} contradicts the path"
    elif name in OWNERLESS_OBJECTS:
        ignored = f"object {shown} has no owner"
    else:
        unsupported = f"object {shown} is not known"
    return Part(
        event_type=shown,
        payload=webhook.text,
        address=None,
        ordering="field:object",
        failed=failed,
        ignored=ignored,
        unsupported=unsupported,
    )


def leaves(webhook: Webhook, entry_owner: EntryOwner, change_leaves: ChangeLeaves) -> list[Leaf]:
    """List a body's pieces in payload order, each with its owner."""
    found: list[Leaf] = []
    for at, entry in enumerate(webhook.tree["entry"]):
        path: Path = ("entry", at)
        if not isinstance(entry, dict):
            found.append(Leaf(path, Share(NOBODY, "entry"), "entry"))
            continue
        entry_id = lenient.identifier(entry.get("id"))
        owner = _owner(entry_id, entry_owner)
        pieces = _entry_leaves(path, entry, entry_id, owner, change_leaves) if _is_divisible(entry, entry_id) else []
        if not pieces:
            name = lenient.label(entry.get("field"), "entry")
            pieces = [Leaf(path, Share(owner, name), name)]
        found.extend(pieces)
    return found


def _owner(entry_id: str | None, entry_owner: EntryOwner) -> Owner:
    if entry_id is None:
        return NOBODY
    return TEST_SAMPLE if entry_id == TEST_ENTRY_ID else entry_owner(entry_id)


def _is_divisible(entry: dict[str, Any], entry_id: str | None) -> bool:
    """Say whether an entry is no change of its own, and its id short enough to be repeated in every part."""
    return "field" not in entry and (entry_id is None or not entry_id.startswith(HASHED))


def _entry_leaves(
    path: Path, entry: dict[str, Any], entry_id: str | None, owner: Owner, change_leaves: ChangeLeaves
) -> list[Leaf]:
    found: list[Leaf] = []
    for array, items in entry.items():
        if array not in ARRAYS:
            continue
        if not isinstance(items, list):
            found.append(Leaf((*path, array), Share(owner, array), array))
        elif array == "changes":
            for at, change in enumerate(items):
                found.extend(change_leaves((*path, array, at), owner, change))
        else:
            for at, item in enumerate(items):
                share = Share(owner, array, messaging_contact(item, entry_id))
                found.append(Leaf((*path, array, at), share, messaging_event(item)))
    return found


def messaging_contact(item: Any, own_id: str | None) -> str | None:
    """Name the person of a messaging item: whoever of sender and recipient is not the account itself.

    Echoes have the account as sender and the person as recipient; old ones have it the other way round.
    Source: protocol reference 3.
    """
    item = lenient.mapping(item)
    sender = lenient.identifier(lenient.mapping(item.get("sender")).get("id"))
    recipient = lenient.identifier(lenient.mapping(item.get("recipient")).get("id"))
    if not is_echo(item) and (sender is None or sender != own_id):
        return sender
    return sender if recipient is None or (recipient == own_id and sender is not None) else recipient


def is_echo(item: dict[str, Any]) -> bool:
    """Say whether a messaging item is a message that the business itself wrote."""
    return bool(lenient.mapping(item.get("message")).get("is_echo"))


def messaging_event(item: Any) -> str:
    """Name what a messaging item tells: its event's key, or `message_echo`."""
    item = lenient.mapping(item)
    for name in MESSAGING_EVENTS:
        if name in item:
            return "message_echo" if name == "message" and is_echo(item) else name
    return unknown_event(item)


def unknown_event(item: dict[str, Any]) -> str:
    """Name the event of a messaging item by the first key that is not part of its surroundings."""
    return next((lenient.label(name, "unknown") for name in item if name not in _MESSAGING_SURROUNDINGS), "unknown")


def parts(webhook: Webhook, found: list[Leaf], companions: Companions | None = None) -> list[Part]:
    """Make one part of all the pieces that share an owner, in the order of their first pieces.

    companions: adds to each share's paths what must travel with them when a body is divided.
    """
    if not found:
        return [_part(Share(Owner(ignored="no entries"), "entry"), "entry", webhook.text)]
    first = found[0]
    if len(found) == 1:
        return [_part(first.share, first.event_type, webhook.text)]
    event_types: dict[Share, str] = {}
    shares: dict[Share, list[Path]] = {}
    for path, share, event_type in found:
        event_types.setdefault(share, event_type)
        shares.setdefault(share, []).append(path)
    if len(shares) == 1:
        return [_part(first.share, first.event_type, webhook.text)]
    if companions is not None:
        companions(webhook, shares)
    whole = Slice(webhook.text.encode())
    return [_part(share, event_types[share], cut(whole, _selection(paths)).decode()) for share, paths in shares.items()]


def _part(share: Share, event_type: str, payload: str) -> Part:
    owner = share.owner
    return Part(
        event_type=event_type,
        payload=payload,
        address=owner.address,
        fallback=owner.fallback,
        external_account_id=owner.external_account_id,
        ordering=share.contact or f"field:{share.field}",
        contact=share.contact,
        ignored=owner.ignored,
        unsupported=owner.unsupported,
    )


def _selection(paths: Iterable[Path]) -> Selection:
    chosen: Selection = {}
    for path in paths:
        below = chosen
        for step in path:
            below = below.setdefault(step, {})
    return chosen
