"""The register of people, in memory: what webhooks say of them becomes new, changed and merged contacts.

Pure: whoever uses it has read and locked the contacts, and writes back what it says has changed.

A person is a set of ids. One webhook that shows two of them makes one person of two, but for a phone number that has
passed from one user to another: a user id that is not theirs tells them apart. Source: protocol reference 2.6.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from hookline.domain import event
from hookline.domain.account import IntegrationProvider
from hookline.domain.ids import new_id
from hookline.store.contacts import Contact, Key, Known

_NAMES: Final = ("name", "username")
_IDS: Final = ("phone", "user_id", "parent_user_id")
_SHOWN: Final = ("external_id", "name", "saved_name", "username", "phone", "user_id", "parent_user_id")
# Groups of fields that are as new as the moment beside them.
_DATED: Final = (
    ("named_at", _NAMES),
    ("identified_at", _IDS),
    ("saved_at", ("saved_name",)),
    ("marketing_preference_at", ("marketing_opted_out_at",)),
    ("profile_at", ("profile_status", "profile_error", "picture_url", "profile_due_at")),
)
# So long after it was asked who somebody is, they may be asked for again: the job has failed, or waits for very long.
ASK_AGAIN: Final = timedelta(days=1)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an item says of a person.

    talks: they are in a conversation, so that the platform may be asked who they are.
    links: it says so on purpose, as a change of number does: all its ids are one person's.
    saved: it is of the business's address book; `removed` from it.
    wants_marketing: what the person wants of it, if that is what is said.
    """

    organization_id: str
    connected_account_id: UUID
    provider: IntegrationProvider
    contact: event.Contact
    at: datetime
    talks: bool = False
    links: bool = False
    saved: bool = False
    removed: bool = False
    wants_marketing: bool | None = None

    def ids(self) -> Iterator[Key]:
        """Name the ids, each once."""
        named = self.contact
        ids = (named.external_id, named.phone, named.user_id, named.parent_user_id)
        return ((self.connected_account_id, one) for one in dict.fromkeys(ids) if one)


class Change(msgspec.Struct):
    """What became of a contact: it is new, or it changed, perhaps by taking in others.

    place: of what was said that changed it last.
    """

    contact: Contact
    is_new: bool
    before: tuple[Any, ...]
    place: int = 0
    taken_in: list[UUID] = msgspec.field(default_factory=list)

    @property
    def is_told(self) -> bool:
        """Whether it is another one than before to those who look at it."""
        return self.is_new or bool(self.taken_in) or _shown(self.contact) != self.before


class Register:
    """Contacts as far as they are known, and what of them is to be written.

    ids: whom the ids name. contacts: theirs, locked. claimed: ids that are new, and whose they may become.
    """

    def __init__(self, ids: Mapping[Key, Known], contacts: Mapping[UUID, Contact], claimed: Mapping[Key, UUID]) -> None:
        self._ids = dict(ids)
        self._contacts = dict(contacts)
        self._used = set(contacts)  # ids of contacts, also of those that are gone by now
        self._claimed = claimed
        self.changes: dict[UUID, Change] = {}
        self.touched: dict[UUID, Contact] = {}
        self.moved: dict[Key, Known] = {}
        self.gone: list[Contact] = []
        self._place = 0

    def new(self) -> list[Contact]:
        """List the contacts to be added."""
        return [change.contact for change in self.changes.values() if change.is_new]

    def changed(self) -> list[Contact]:
        """List the contacts to be written back."""
        now = datetime.now(UTC)
        for change in self.changes.values():
            if change.is_told:
                change.contact.updated_at = now
        return [one for one in self.touched.values() if not self.changes[one.id].is_new]

    def meet(self, said: Said, place: int = 0) -> Contact | None:
        """Take in what is said of a person; gives their contact. None if it is of nobody, or no reason to keep them.

        Somebody else may change by it as well: whoever had one of the ids before.
        """
        self._place = place
        found = self._whoever(said)
        if not found and said.removed:
            return None
        contact = found[0] if found else self._begin(said)
        if contact is None:
            return None
        for other in found[1:]:
            contact = self._unite(contact, other)
        self._name(contact, said)
        self._describe(contact, said)
        return contact

    def ask(self, contact: Contact, *, talks: bool) -> bool:
        """Say whether the platform is to be asked now who this is, where it does not say so by itself."""
        now = datetime.now(UTC)
        change = self.changes.get(contact.id)
        if change is not None and change.is_new and contact.profile_due_at is None:
            contact.profile_due_at = now
        if not talks or contact.profile_due_at is None or contact.profile_due_at > now:
            return False
        self._touch(contact)
        contact.profile_due_at = now + ASK_AGAIN
        return True

    def _whoever(self, said: Said) -> list[Contact]:
        """List whom the ids name, but for those who have given one up."""
        by_key = {key: known for key in said.ids() if (known := self._named(key, said)) is not None}
        anchor = self._anchor(said, by_key)
        found: dict[UUID, Contact] = {} if anchor is None else {anchor.id: anchor}
        for key, contact in by_key.items():
            if not self._is_another(contact, anchor, said):
                found[contact.id] = contact
            elif not said.removed and said.at >= (contact.identified_at or _NEVER):
                self._take_from(contact, key)
        return list(found.values())

    def _named(self, key: Key, said: Said) -> Contact | None:
        known = self._ids.get(key)
        if known is None or (known.former_at is not None and said.at > known.former_at):
            return None
        return self._contacts.get(known.contact_id)

    def _anchor(self, said: Said, by_key: Mapping[Key, Contact]) -> Contact | None:
        """Choose who it is first of all: by user id, which is nobody else's; where ids change, by the one before."""
        account, named = said.connected_account_id, said.contact
        first = named.external_id if said.links else named.user_id
        return by_key.get((account, first or ""))

    def _is_another(self, contact: Contact, anchor: Contact | None, said: Said) -> bool:
        if anchor is not None and contact.id == anchor.id:
            return False
        mine = said.contact.user_id or (anchor.user_id if anchor else None)
        return None not in (mine, contact.user_id) and mine != contact.user_id

    def _take_from(self, contact: Contact, key: Key) -> None:
        """Take an id from somebody who had it before."""
        self._touch(contact)
        for name in _IDS:
            if getattr(contact, name) == key[1]:
                setattr(contact, name, None)
        if contact.external_id == key[1]:
            contact.external_id = contact.phone or contact.user_id or contact.external_id
        self._ids.pop(key)

    def _begin(self, said: Said) -> Contact | None:
        keys = list(said.ids())
        if not keys:
            return None
        known = next((self._claimed[key] for key in keys if key in self._claimed), None)
        now = datetime.now(UTC)
        contact = Contact(
            id=known if known is not None and known not in self._used else new_id(),
            organization_id=said.organization_id,
            connected_account_id=said.connected_account_id,
            provider=said.provider,
            external_id=keys[0][1],
            created_at=now,
            updated_at=now,
        )
        self._contacts[contact.id] = contact
        self._used.add(contact.id)
        self.changes[contact.id] = Change(contact, is_new=True, before=(), place=self._place)
        self.touched[contact.id] = contact
        return contact

    def _unite(self, one: Contact, other: Contact) -> Contact:
        """Make one contact of two; the older one stays, with whatever is newer of either."""
        kept, gone = (one, other) if one.id < other.id else (other, one)
        self._touch(kept)
        for moment, names in _DATED:
            mine, theirs = getattr(kept, moment) or _NEVER, getattr(gone, moment) or _NEVER
            for name in (*names, moment):
                first, second = (gone, kept) if theirs > mine else (kept, gone)
                chosen = getattr(first, name)
                if chosen is None and name in _SHOWN:
                    chosen = getattr(second, name)
                setattr(kept, name, chosen)
        for key, known in list(self._ids.items()):
            if known.contact_id == gone.id:
                self._assign(key, Known(kept.id, known.former_at))
        self._discard(kept, gone)
        return kept

    def _discard(self, kept: Contact, gone: Contact) -> None:
        del self._contacts[gone.id]
        self.touched.pop(gone.id, None)
        before = self.changes.pop(gone.id, None)
        change = self.changes[kept.id]
        if before is not None:
            change.taken_in += before.taken_in
        if before is None or not before.is_new:
            change.taken_in.append(gone.id)
            self.gone.append(gone)

    def _name(self, contact: Contact, said: Said) -> None:
        """Let the ids name the contact, where they name nobody."""
        for key in said.ids():
            known = self._ids.get(key)
            if known is None or (known.former_at is not None and said.at > known.former_at):
                self._assign(key, Known(contact.id))

    def _assign(self, key: Key, known: Known) -> None:
        self._ids[key] = known
        if self._claimed.get(key) == known.contact_id and known.former_at is None:
            self.moved.pop(key, None)
        else:
            self.moved[key] = known

    def _describe(self, contact: Contact, said: Said) -> None:
        if said.wants_marketing is not None:
            self._note_preference(contact, said)
        if said.saved:
            self._save_name(contact, said)
        else:
            self._set(contact, "named_at", {name: getattr(said.contact, name) for name in _NAMES}, said.at)
        # Of several ids only those count that name this person, and that they have not given up.
        mine = {name: self._mine(contact, getattr(said.contact, name)) for name in _IDS}
        former = contact.phone
        if self._set(contact, "identified_at", mine, said.at) and former not in (None, contact.phone):
            self._give_up((contact.connected_account_id, former or ""), contact, said.at)
        written_to = contact.phone or contact.user_id or contact.external_id
        if written_to != contact.external_id:
            self._touch(contact)
            contact.external_id = written_to

    def _mine(self, contact: Contact, external_id: str | None) -> str | None:
        known = self._ids.get((contact.connected_account_id, external_id or ""))
        is_theirs = known is not None and known.contact_id == contact.id and known.former_at is None
        return external_id if is_theirs else None

    def _set(self, contact: Contact, moment: str, said: Mapping[str, str | None], at: datetime) -> bool:
        """Take over what is said as of `at`: where something newer is known, only what was not."""
        is_newer = at >= (getattr(contact, moment) or _NEVER)
        news = {
            name: value
            for name, value in said.items()
            if value and value != (known := getattr(contact, name)) and (is_newer or known is None)
        }
        if not news:
            return False
        self._touch(contact)
        for name, value in news.items():
            setattr(contact, name, value)
        if is_newer:
            setattr(contact, moment, at)
        return True

    def _save_name(self, contact: Contact, said: Said) -> None:
        name = None if said.removed else said.contact.name
        if said.at >= (contact.saved_at or _NEVER) and name != contact.saved_name:
            self._touch(contact)
            contact.saved_name, contact.saved_at = name, said.at

    def _note_preference(self, contact: Contact, said: Said) -> None:
        opted_out_at = None if said.wants_marketing else said.at
        known = contact.marketing_preference_at
        if known is None or said.at > known:
            self._touch(contact)
            contact.marketing_opted_out_at, contact.marketing_preference_at = opted_out_at, said.at

    def _give_up(self, key: Key, contact: Contact, at: datetime) -> None:
        known = self._ids.get(key)
        if known is not None and known.contact_id == contact.id:
            self._assign(key, Known(contact.id, at))

    def _touch(self, contact: Contact) -> None:
        if contact.id not in self.changes:
            self.changes[contact.id] = Change(contact, is_new=False, before=_shown(contact))
        self.changes[contact.id].place = self._place
        self.touched[contact.id] = contact


def _shown(contact: Contact) -> tuple[Any, ...]:
    return (*(getattr(contact, name) for name in _SHOWN), contact.marketing_opted_out_at)


def keys_of(said: Iterable[Said]) -> dict[Key, None]:
    """List all ids that are named, each once, in order."""
    return dict.fromkeys(key for one in said for key in one.ids())
