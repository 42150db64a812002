"""The register of people: what a sighting makes of what is known. No database."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from hookline.domain import event
from hookline.domain.account import IntegrationProvider
from hookline.services.people import _claims
from hookline.services.register import Register, Said
from hookline.store.contacts import Contact, Key, Known

ACCOUNT = uuid4()
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def said(minute: int = 0, *, phone: str | None = None, user: str | None = None, **more: Any) -> Said:
    """What a webhook says at a minute after noon."""
    told = {name: more.pop(name) for name in ("name", "username", "parent_user_id") if name in more}
    named = more.pop("named", phone or user)
    return Said(
        organization_id="org-1",
        connected_account_id=ACCOUNT,
        provider=IntegrationProvider.WHATSAPP,
        contact=event.Contact(external_id=named, phone=phone, user_id=user, **told),
        at=NOON + timedelta(minutes=minute),
        **more,
    )


class World:
    """What is stored: a register is opened on it for each batch, as for each transaction."""

    def __init__(self) -> None:
        self.ids: dict[Key, Known] = {}
        self.contacts: dict[UUID, Contact] = {}

    def batch(self, *sightings: Said) -> Register:
        """Take sightings in, and store what comes of it."""
        claimed = {claim.key: claim.contact_id for claim in _claims(sightings, self.ids, {})}
        register = Register(self.ids, self.contacts, claimed)
        for one in sightings:
            register.meet(one)
        assert not {one.id for one in register.new()} & self.contacts.keys(), "somebody new has an id that is taken"
        self.ids |= {key: Known(contact_id) for key, contact_id in claimed.items()} | register.moved
        self.contacts |= {one.id: one for one in [*register.new(), *register.changed()]}
        for one in register.gone:
            del self.contacts[one.id]
        assert {known.contact_id for known in self.ids.values()} <= self.contacts.keys(), "an id names nobody"
        return register

    def who(self, external_id: str) -> Contact:
        """Whom an id names."""
        return self.contacts[self.ids[ACCOUNT, external_id].contact_id]

    @property
    def only(self) -> Contact:
        """The only contact."""
        (contact,) = self.contacts.values()
        return contact


def told(register: Register) -> list[bool]:
    """What is told: True for somebody new."""
    return [change.is_new for change in register.changes.values() if change.is_told]


def test_somebody_new_begins_and_the_same_again_is_no_news() -> None:
    """The second time nothing is written and nothing told."""
    world = World()
    assert told(world.batch(said(phone="1", name="Ann"))) == [True]
    again = world.batch(said(1, phone="1", name="Ann"))
    assert (told(again), again.changed(), again.moved) == ([], [], {})
    assert (world.only.external_id, world.only.name, world.only.phone) == ("1", "Ann", "1")


def test_the_newest_name_counts() -> None:
    """In whatever order they come; and an older one fills in what nobody said since."""
    world = World()
    world.batch(said(5, phone="1", name="Ann B."))
    assert told(world.batch(said(1, phone="1", name="Ann", username="ann"))) == [False]
    assert (world.only.name, world.only.username) == ("Ann B.", "ann")
    world.batch(said(9, phone="1", name="Ann C."))
    assert world.only.name == "Ann C."


def test_two_ids_in_one_webhook_make_one_person_of_two() -> None:
    """The older contact stays, all ids name it, and the feed says which one is gone."""
    world = World()
    world.batch(said(phone="1", name="Ann"))
    world.batch(said(1, user="US.1", username="ann"))
    first, second = world.who("1"), world.who("US.1")
    merging = world.batch(said(2, phone="1", user="US.1"))
    (change,) = merging.changes.values()
    assert change.taken_in == [max(first.id, second.id)]
    assert world.only.id == min(first.id, second.id)
    assert world.who("US.1") is world.who("1") is world.only
    assert (world.only.phone, world.only.user_id) == ("1", "US.1")
    assert (world.only.name, world.only.username) == ("Ann", "ann")
    assert told(world.batch(said(2, phone="1", user="US.1"))) == []


def test_a_batch_that_shows_it_all_ends_the_same() -> None:
    """Two new people who turn out to be one in the same batch are one new contact."""
    world = World()
    register = world.batch(said(phone="1"), said(1, user="US.1"), said(2, phone="1", user="US.1"))
    assert told(register) == [True]
    assert (world.only.external_id, world.only.user_id) == ("1", "US.1")


def test_whoever_hides_the_number_is_written_to_by_it_once_it_shows() -> None:
    """The user id is the address until then."""
    world = World()
    world.batch(said(user="US.1"))
    assert world.only.external_id == "US.1"
    world.batch(said(1, phone="1", user="US.1"))
    assert world.only.external_id == "1"


def test_a_change_of_number_keeps_the_person() -> None:
    """The new number names them, and what is older still finds them by the old one."""
    world = World()
    world.batch(said(phone="1", name="Ann"))
    world.batch(said(5, named="1", phone="2", links=True))
    assert (world.only.external_id, world.only.phone, world.only.name) == ("2", "2", "Ann")
    late = world.batch(said(3, phone="1", name="Ann"))
    assert (told(late), world.only.phone) == ([], "2")


def test_a_number_given_up_is_the_next_ones() -> None:
    """Somebody who writes from it later is somebody else, and the person keeps the rest."""
    world = World()
    world.batch(said(phone="1", name="Ann"))
    world.batch(said(5, named="1", phone="2", links=True))
    world.batch(said(9, phone="1", name="Bob"))
    assert (world.who("1").name, world.who("2").name) == ("Bob", "Ann")
    assert world.who("2").phone == "2"


def test_a_number_with_another_user_id_is_another_person() -> None:
    """A number passes on without a word: nobody is given the other's history."""
    world = World()
    world.batch(said(phone="1", user="US.1", name="Ann"))
    world.batch(said(9, phone="1", user="US.2", name="Bob"))
    ann, bob = world.who("US.1"), world.who("US.2")
    assert ann.id != bob.id
    assert (ann.phone, ann.external_id, ann.name) == (None, "US.1", "Ann")
    assert (bob.phone, world.who("1").id) == ("1", bob.id)
    late = world.batch(said(1, phone="1", user="US.1", name="Ann"))
    assert told(late) == []
    assert world.who("1").id == bob.id


def test_a_user_id_that_was_made_anew_is_the_same_person() -> None:
    """The notice names the one before, by number or by user id; both go on naming them."""
    world = World()
    world.batch(said(phone="1", user="US.1"))
    world.batch(said(5, named="1", phone="1", user="US.2", links=True))
    assert (world.only.user_id, world.who("US.1")) == ("US.2", world.only)
    world.batch(said(6, named="US.2", user="US.3", links=True))
    assert (world.only.user_id, world.who("US.2")) == ("US.3", world.only)
    assert told(world.batch(said(2, phone="1", user="US.1"))) == []


def test_a_notice_that_comes_late_brings_them_together() -> None:
    """They wrote from the new number before the notice came."""
    world = World()
    world.batch(said(phone="1", user="US.1"))
    world.batch(said(6, phone="2", user="US.2"))
    assert len(world.contacts) == 2
    world.batch(said(5, named="1", phone="2", user="US.2", links=True))
    assert (world.only.phone, world.only.user_id) == ("2", "US.2")


def test_a_new_number_that_was_somebody_elses_is_taken_from_them() -> None:
    """A change of number does not make one of two people with user ids of their own."""
    world = World()
    world.batch(said(phone="1", user="US.1", name="Ann"), said(phone="2", user="US.9", name="Zoe"))
    world.batch(said(5, named="1", phone="2", links=True))
    assert (world.who("2").name, world.who("US.9").name, world.who("US.9").phone) == ("Ann", "Zoe", None)


def test_the_address_books_name_is_the_one_to_show() -> None:
    """Beside the person's own; an entry that is removed leaves the person's."""
    world = World()
    world.batch(said(phone="1", name="Ann"))
    world.batch(said(1, phone="1", name="Ann (plumber)", saved=True))
    assert (world.only.display_name, world.only.name) == ("Ann (plumber)", "Ann")
    world.batch(said(2, phone="1", saved=True, removed=True))
    assert world.only.display_name == "Ann"
    world.batch(said(1, phone="1", name="Ann (plumber)", saved=True))
    assert world.only.display_name == "Ann"


def test_an_entry_that_was_removed_makes_nobody() -> None:
    """Who was never known stays so."""
    register = Register({}, {}, {})
    assert register.meet(said(phone="7", saved=True, removed=True)) is None
    assert register.new() == []


def test_the_latest_wish_goes_with_the_person() -> None:
    """Through a merge, whichever of their ids it was said under."""
    world = World()
    world.batch(said(phone="1", wants_marketing=True))
    world.batch(said(3, user="US.1", wants_marketing=False))
    world.batch(said(4, phone="1", user="US.1"))
    assert world.only.marketing_opted_out_at == NOON + timedelta(minutes=3)
    world.batch(said(2, phone="1", wants_marketing=True))
    assert world.only.marketing_opted_out_at is not None
    world.batch(said(5, phone="1", wants_marketing=True))
    assert world.only.marketing_opted_out_at is None


def test_three_become_one() -> None:
    """Number, user id and the portfolio's id, known apart, in one webhook."""
    world = World()
    world.batch(said(phone="1"), said(user="US.1"), said(named="US.ENT.1", parent_user_id="US.ENT.1"))
    assert len(world.contacts) == 3
    world.batch(said(1, phone="1", user="US.1", parent_user_id="US.ENT.1"))
    assert (world.only.phone, world.only.user_id, world.only.parent_user_id) == ("1", "US.1", "US.ENT.1")


def test_somebody_new_does_not_get_the_id_of_one_who_is_gone() -> None:
    """Of a batch's people one takes in another, and a third takes over the number that named the other."""
    world = World()
    world.batch(said(user="US.1"))
    world.batch(said(1, phone="1"))
    world.batch(said(2, phone="1", user="US.1"), said(3, phone="1", user="US.2"))
    assert (world.who("US.1").phone, world.who("US.1").external_id) == (None, "US.1")
    assert world.who("1") is world.who("US.2")
    assert len(world.contacts) == 2


def test_an_entry_that_was_removed_takes_nothing_from_anybody() -> None:
    """It makes nobody, so an id that it names with another user's would name nobody from then on."""
    world = World()
    world.batch(said(phone="2"))
    world.batch(said(1, phone="1", user="US.1"))
    world.batch(said(2, phone="1", user="US.2", saved=True, removed=True), said(3, phone="2", user="US.1"))
    assert world.who("1") is world.who("US.1") is world.only


@pytest.mark.parametrize("seed", range(200))
def test_whatever_is_said_every_id_names_somebody(seed: int) -> None:
    """And everybody is written to by an id that names them; few people with few ids, in any order, many at a time."""
    chance, world = random.Random(seed), World()
    for _ in range(chance.randint(1, 6)):
        world.batch(*(_anything(chance) for _ in range(chance.randint(1, 5))))
        for contact in world.contacts.values():
            assert world.who(contact.external_id) is contact


def _anything(chance: random.Random) -> Said:
    phone, user = chance.choice([None, "1", "2", "3"]), chance.choice([None, "US.1", "US.2", "US.3"])
    more: dict[str, Any] = {"name": chance.choice([None, "Ann", "Bob"])}
    if chance.random() < 0.2:
        more["parent_user_id"] = chance.choice(["US.ENT.1", "US.ENT.2"])
    if chance.random() < 0.1:
        more |= {"saved": True, "removed": chance.random() < 0.5}
    elif chance.random() < 0.15:
        more["links"] = True
    return said(chance.randint(0, 30), phone=phone, user=user, named=phone or user or "somebody", **more)
