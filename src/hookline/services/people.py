"""People: what webhooks say of them is compared with the contacts, and what is new is recorded.

In the transaction of the webhooks, set by set. Whoever is known as described costs a share of one statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from hookline.domain.event import Contact, ContactItem, Item, MessageItem, StatusItem
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobType
from hookline.domain.message import MessageDirection, MessageType
from hookline.domain.text import to_json
from hookline.providers import PROVIDERS
from hookline.services import facts
from hookline.services.register import Change, Register, Said, keys_of
from hookline.store import contacts, jobs
from hookline.store.contacts import Claim, Key, Known, Sighting
from hookline.store.events import StoredEvent
from hookline.store.jobs import NewJob
from hookline.store.messages import Message
from hookline.store.outbox import Fact
from hookline.store.pool import Connection

_ATTEMPTS: Final = 3
_SAVED, _LINKS, _PREFERENCE = "contact", "identity", "preference"
_NOTICES: Final = frozenset({_SAVED, _LINKS, _PREFERENCE})


class Recorded(msgspec.Struct, frozen=True):
    """What came of a batch: what is to be told, by the place of what said so, and the names to show."""

    facts: dict[int, list[Fact]]
    names: dict[Key, str | None]

    def name_of(self, row: Message, item: Item) -> str | None:
        """Name the person of a message: as the contact has it, or, where that says the same, as the webhook does."""
        said = item.contact.name if isinstance(item, MessageItem) else None
        return self.names.get((row.connected_account_id, row.contact or ""), said)


NOBODY: Final = Recorded({}, {})


class PeopleKeepChanging(Exception):
    """Others changed the same people at every attempt; it is all tried again."""


async def record(connection: Connection, items: Iterable[tuple[StoredEvent, Item]]) -> Recorded:
    """Record what items say of people, in order. In the caller's transaction, before anything else is locked."""
    said = _gathered(items)
    recorded = Recorded({}, {})
    plain = [place for place, one in said.items() if not (one.links or one.saved or one.wants_marketing is not None)]
    met = await contacts.meet(connection, [_sighting(said[place]) for place in plain])
    news = said.keys() - set(plain)
    for one in met:
        place = plain[one.place]
        if one.is_news:
            news.add(place)
        recorded.names[_named(said[place])] = one.display_name
    if news:
        await _take_in(connection, {place: said[place] for place in sorted(news)}, recorded)
    return recorded


def _gathered(items: Iterable[tuple[StoredEvent, Item]]) -> dict[int, Said]:
    """List what is said, by the place of the item; what is said again only once, as of the latest time."""
    found: dict[int, Said] = {}
    first: dict[tuple[UUID, Contact, bool], int] = {}
    for place, (event, item) in enumerate(items):
        if isinstance(item, ContactItem):
            if item.kind in _NOTICES and item.contact.external_id:
                found[place] = _noticed(event, item)
            continue
        if isinstance(item, MessageItem):
            contact, at, talks = _other_side(item), item.sent_at, item.type is not MessageType.COMMENT
        elif isinstance(item, StatusItem):
            contact, at, talks = item.contact, item.at, False
        else:
            continue
        if not contact.external_id:
            continue
        at = at or event.received_at
        known = first.setdefault((event.connected_account_id, contact, talks), place)
        if known == place:
            found[place] = _said(event, contact, at, talks=talks)
        elif at > found[known].at:
            found[known] = msgspec.structs.replace(found[known], at=at)
    return found


def _other_side(item: MessageItem) -> Contact:
    """Say whom a message is from or to; one that describes nobody still names somebody."""
    if item.contact.external_id:
        return item.contact
    named = item.sender if item.direction is MessageDirection.INBOUND else item.recipient
    return msgspec.structs.replace(item.contact, external_id=named)


def _said(event: StoredEvent, contact: Contact, at: datetime, *, talks: bool = False) -> Said:
    return Said(
        organization_id=event.organization_id,
        connected_account_id=event.connected_account_id,
        provider=event.provider,
        contact=contact,
        at=at,
        talks=talks,
    )


def _noticed(event: StoredEvent, item: ContactItem) -> Said:
    said = _said(event, item.contact, item.at or event.received_at)
    data: Mapping[str, Any] = item.data if isinstance(item.data, dict) else {}
    match item.kind:
        case "contact":
            return msgspec.structs.replace(said, saved=True, removed=data.get("action") == "remove")
        case "identity":
            return msgspec.structs.replace(said, links=True)
    # {category: "marketing_messages", value: stop|resume|signup}. Source: protocol reference 2.4.
    if data.get("category", "marketing_messages") != "marketing_messages":
        return said
    return msgspec.structs.replace(said, wants_marketing=data.get("value") != "stop")


def _sighting(said: Said) -> Sighting:
    named = said.contact
    return Sighting(
        said.connected_account_id,
        named.external_id or "",
        named.name,
        named.username,
        named.phone,
        named.user_id,
        named.parent_user_id,
    )


def _named(said: Said) -> Key:
    return said.connected_account_id, said.contact.external_id or ""


async def _take_in(connection: Connection, said: Mapping[int, Said], recorded: Recorded) -> None:
    """Take news into the contacts, under their locks, and write what came of it."""
    register = await _locked(connection, list(said.values()))
    asked: dict[UUID, contacts.Contact] = {}
    for place, one in said.items():
        contact = register.meet(one, place)
        if contact is None:
            continue
        recorded.names[_named(one)] = contact.display_name
        if PROVIDERS[contact.provider].tells_profiles and register.ask(contact, talks=one.talks):
            asked[contact.id] = contact
    await contacts.insert(connection, register.new())
    await contacts.update(connection, register.changed())
    await contacts.move_ids(connection, register.moved)
    await contacts.delete(connection, register.gone)
    await jobs.enqueue_all(connection, [_profile_job(one) for one in asked.values()])
    for change in register.changes.values():
        if change.is_told:
            recorded.facts.setdefault(change.place, []).append(_fact(change))


def _fact(change: Change) -> Fact:
    return facts.contact_changed(change.contact, is_new=change.is_new, taken_in=change.taken_in)


def _profile_job(contact: contacts.Contact) -> NewJob:
    return NewJob(
        id=new_id(),
        organization_id=contact.organization_id,
        provider=contact.provider,
        job_type=IntegrationJobType.FETCH_PROFILE,
        payload_json=to_json({"accountId": contact.connected_account_id, "contactId": contact.id}),
        connected_account_id=contact.connected_account_id,
    )


async def _locked(connection: Connection, said: Sequence[Said]) -> Register:
    """Lock whoever is spoken of, and claim the ids that are new.

    Between reading an id and locking whom it names, that contact may have been merged or deleted: then once more.
    Raises: PeopleKeepChanging.
    """
    owners = {one.connected_account_id: one.organization_id for one in said}
    keys = keys_of(said)
    needed = keys_of(one for one in said if not one.removed).keys()
    claimed: dict[Key, UUID] = {}
    ids = await contacts.read_ids(connection, keys)
    for _ in range(_ATTEMPTS):
        claims = _claims(said, ids, claimed)
        added = await contacts.claim_ids(connection, claims)
        claimed |= {one.key: one.contact_id for one in claims if one.key in added}
        if len(added) < len(claims):
            ids |= await contacts.read_ids(connection, [one.key for one in claims if one.key not in added])
        locked = await contacts.lock(connection, {known.contact_id: owners[key[0]] for key, known in ids.items()})
        found = await contacts.ids_of(connection, locked)
        ids = {key: known for key, known in found.items() if key not in claimed}
        missing = needed - ids.keys() - claimed.keys()
        if not missing:
            return Register(ids, locked, claimed)
        ids |= await contacts.read_ids(connection, missing)
    raise PeopleKeepChanging


def _claims(said: Iterable[Said], ids: Mapping[Key, Known], claimed: Mapping[Key, UUID]) -> list[Claim]:
    """Name the ids that are not there yet, each with whose it is likely to become."""
    likely = {**{key: known.contact_id for key, known in ids.items()}, **claimed}
    claims: list[Claim] = []
    for one in said:
        if one.removed:
            continue
        keys = list(one.ids())
        contact_id = next((likely[key] for key in keys if key in likely), None) or new_id()
        claims += [Claim(*key, one.organization_id, contact_id) for key in keys if key not in likely]
        likely |= {key: contact_id for key in keys if key not in likely}
    return claims
