"""Whose a WhatsApp change is, and how it is divided over contacts. What it says is not read here."""

from collections.abc import Iterable, Mapping
from typing import Any

from hookline.providers.meta import lenient
from hookline.providers.meta.envelope import Webhook
from hookline.providers.meta.routing import TEST_SAMPLE, Leaf, Owner, Path, Share

OBJECT = "whatsapp_business_account"
MESSAGES = "messages"

# The arrays of a change that are divided over contacts, and the fields whose changes have them.
CONVERSATION_ARRAYS = ("messages", "statuses", "message_echoes")
_ARRAYS = (*CONVERSATION_ARRAYS, "contacts")
CONVERSATION_FIELDS = frozenset({MESSAGES, "smb_message_echoes"})

_LONG_NUMBER_CHARACTERS = 512
_CONTACT_NAMES = ("wa_id", "user_id")
_PERSON_NAMES = ("from", "from_user_id", "to", "to_user_id", "recipient_id", "recipient_user_id")
_VALUE_STEPS = len(("entry", 0, "changes", 0, "value"))


def waba_owner(waba_id: str) -> Owner:
    """Every live account of a WhatsApp Business Account."""
    return Owner(f"waba:{waba_id}", None, waba_id)


def change_leaves(path: Path, owner: Owner, change: Any) -> Iterable[Leaf]:
    """List the pieces of one change: one per message, status or echo, or else the change as a whole.

    {"field": …, "value": {"metadata": {"phone_number_id", "display_phone_number"}, "contacts"?, "messages"?, …}}
    Source: protocol reference 2.1 to 2.4.
    """
    if not isinstance(change, dict):
        return [Leaf(path, Share(owner, "changes"), "changes")]
    field = lenient.label(change.get("field"), "changes")
    value = change.get("value")
    if not isinstance(value, dict):
        return [Leaf(path, Share(owner, field), field)]
    metadata = lenient.mapping(value.get("metadata"))
    if owner is not TEST_SAMPLE:
        owner = _change_owner(value, metadata, owner)
    if field in CONVERSATION_FIELDS and _is_divisible(value, metadata):
        divided = _conversation_leaves(path, field, owner, value, metadata)
        if divided:
            return divided
    return [Leaf(path, Share(owner, field), field)]


def _change_owner(value: dict[str, Any], metadata: dict[str, Any], owner: Owner) -> Owner:
    """Name the owner: the phone number by its id; else by its digits, or the WABA; else the WABA.

    On partner events the entry's id is the business portfolio, and the value names the WABA.
    Source: protocol reference 0.2, 2.4.
    """
    phone_number_id = lenient.identifier(metadata.get("phone_number_id"))
    if phone_number_id is not None:
        return Owner(phone_number_id, None, phone_number_id)
    waba = lenient.identifier(lenient.mapping(value.get("waba_info")).get("waba_id"))
    if waba is not None:
        owner = waba_owner(waba)
    number = lenient.digits(value.get("display_phone_number") or metadata.get("display_phone_number"))
    if not number:
        return owner
    number = lenient.identifier(number) or number
    return Owner(f"phone:{number}", owner.address, number)


def _is_divisible(value: dict[str, Any], metadata: dict[str, Any]) -> bool:
    """Say whether all arrays are arrays, and what tells the owner, which each part must repeat, is short."""
    for name in _ARRAYS:
        if name in value and not isinstance(value[name], list):
            return False
    for naming in (metadata.get("phone_number_id"), metadata.get("display_phone_number")):
        if isinstance(naming, str) and len(naming) > _LONG_NUMBER_CHARACTERS:
            return False
    return not ("display_phone_number" in value or "waba_info" in value)


def _conversation_leaves(
    path: Path, field: str, owner: Owner, value: dict[str, Any], metadata: dict[str, Any]
) -> list[Leaf]:
    own_number = lenient.digits(metadata.get("display_phone_number"))
    only_contact = sole_contact(value)
    found = []
    for array, items in value.items():
        contact_of = _CONTACT_OF.get(array)
        if contact_of is None:
            continue
        for at, item in enumerate(items):
            contact = contact_of(item, own_number, only_contact) if isinstance(item, dict) else None
            found.append(Leaf((*path, "value", array, at), Share(owner, field, contact, array), field))
    return found


def sole_contact(value: dict[str, Any]) -> dict[str, Any]:
    """Give the one contact of a change that has exactly one: whoever wrote a message that names nobody."""
    contacts = lenient.sequence(value.get("contacts"))
    return lenient.mapping(contacts[0]) if len(contacts) == 1 else {}


def message_contact(message: dict[str, Any], own_number: str, only_contact: dict[str, Any]) -> str | None:
    """Name the person of a message: its author, or its recipient if we are the author.

    A user may hide the phone number: then `from` is missing or empty, and `from_user_id` stands in.
    Source: protocol reference 2.1, 2.6.
    """
    author = lenient.identifier(message.get("from"))
    if author is None:
        return lenient.first_identifier(
            message.get("from_user_id"), only_contact.get("wa_id"), only_contact.get("user_id")
        )
    if is_own(author, own_number):
        return echo_contact(message, own_number, only_contact)
    return author


def echo_contact(message: dict[str, Any], own_number: str, only_contact: dict[str, Any]) -> str | None:
    """Name the person to whom the business wrote.

    Source: protocol reference 2.3.
    """
    return lenient.identifier(message.get("to")) or lenient.identifier(message.get("to_user_id"))


def status_contact(status: dict[str, Any], own_number: str, only_contact: dict[str, Any]) -> str | None:
    """Name the person, or the group, that a status is about.

    Source: protocol reference 2.2.
    """
    return lenient.identifier(status.get("recipient_id")) or lenient.identifier(status.get("recipient_user_id"))


def is_own(author: str | None, own_number: str) -> bool:
    """Say whether a message's author is the business's own number."""
    return bool(author and own_number) and (author == own_number or lenient.digits(author) == own_number)


_CONTACT_OF = {"messages": message_contact, "statuses": status_contact, "message_echoes": echo_contact}


def companions(webhook: Webhook, shares: Mapping[Share, list[Path]]) -> None:
    """Let each part of a divided change take the contacts that are its own; what is nobody's goes with the first.

    The errors of a change belong to no message in particular, so they too go with the first.
    """
    people: dict[Path, dict[str | None, set[str]]] = {}
    for share, paths in shares.items():
        for path in paths:
            if len(path) > _VALUE_STEPS:
                item = lenient.mapping(_at(webhook.tree, path))
                ids = people.setdefault(path[:_VALUE_STEPS], {}).setdefault(share.contact, set())
                ids.update(_ids(item, _PERSON_NAMES) if share.contact is not None else ())
    contacts = {path: _ContactsOfValue(_at(webhook.tree, path), present) for path, present in people.items()}
    for share, paths in shares.items():
        for path in dict.fromkeys(path[:_VALUE_STEPS] for path in paths if len(path) > _VALUE_STEPS):
            paths.extend((*path, *step) for step in contacts[path].take(share.contact))


class _ContactsOfValue:
    """Which contacts of one divided change go with whom.

    present: the people whose parts the change is divided into, in order, with all the ids by which items name them.
    """

    def __init__(self, value: dict[str, Any], present: dict[str | None, set[str]]) -> None:
        self._by_person: dict[str | None, list[Path]] = {}
        self._unclaimed: list[Path] = [("errors",)] if "errors" in value else []
        # Not to a part of nobody's while there is another: its one contact would be taken for the author.
        self._heir = next((person for person in present if person is not None), None)
        people: dict[str, set[str | None]] = {}
        for person, ids in present.items():
            for external_id in ids if person is None else {*ids, person}:
                people.setdefault(external_id, set()).add(person)
        for at, contact in enumerate(value.get("contacts", ())):
            claimants = {
                person for one in _ids(lenient.mapping(contact), _CONTACT_NAMES) for person in people.get(one, ())
            }
            for person in claimants:
                self._by_person.setdefault(person, []).append(("contacts", at))
            if not claimants:
                self._unclaimed.append(("contacts", at))

    def take(self, person: str | None) -> list[Path]:
        """Hand out what goes with a person's part; what is nobody's only once."""
        taken = list(self._by_person.get(person, ()))
        if person == self._heir:
            taken.extend(self._unclaimed)
            self._unclaimed = []
        return sorted(taken, key=lambda step: (str(step[0]), int(step[1]) if len(step) > 1 else 0))


def _ids(item: dict[str, Any], names: tuple[str, ...]) -> set[str]:
    return {known for name in names if (known := lenient.identifier(item.get(name))) is not None}


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree
