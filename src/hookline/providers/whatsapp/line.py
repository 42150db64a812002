"""The business's side of a WhatsApp change: the number it is about, and the people whom it introduces."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.domain.event import Contact
from hookline.providers.meta import lenient
from hookline.providers.whatsapp.routing import sole_contact


class Line(msgspec.Struct, frozen=True):
    """What the items of one change share.

    address: how the business appears in a message: its display number, else its id.
    own_number: the digits of the display number.
    people: the change's contacts by wa_id and by user_id.
    """

    address: str
    own_number: str
    people: dict[str, dict[str, Any]]
    only_contact: dict[str, Any]

    @classmethod
    def of(cls, value: dict[str, Any]) -> "Line":
        """Read a value's `metadata` and `contacts`.

        Contacts are joined by id, never by position. Source: protocol reference 2.1.
        """
        metadata = lenient.mapping(value.get("metadata"))
        display = metadata.get("display_phone_number")
        people: dict[str, dict[str, Any]] = {}
        for contact in lenient.sequence(value.get("contacts")):
            if isinstance(contact, dict):
                for person in (lenient.identifier(contact.get("wa_id")), lenient.identifier(contact.get("user_id"))):
                    if person is not None:
                        people[person] = contact
        return cls(
            address=lenient.identifier(display) or lenient.identifier(metadata.get("phone_number_id")) or "",
            own_number=lenient.digits(display),
            people=people,
            only_contact=sole_contact(value),
        )

    def contact(self, external_id: str | None, user_id: Any = None, parent_user_id: Any = None) -> Contact:
        """Tell what a change says of a person, named by phone or by user id."""
        return describe(self.people, external_id, user_id, parent_user_id)


def describe(
    people: Mapping[str, dict[str, Any]], external_id: str | None, user_id: Any, parent_user_id: Any
) -> Contact:
    """Tell what the people of a change, by their ids, say of one of them.

    Source: protocol reference 2.1, 2.6.
    """
    user_id = lenient.identifier(user_id)
    known = people.get(external_id or "") or people.get(user_id or "") or {}
    profile = lenient.mapping(known.get("profile"))
    phone = lenient.identifier(known.get("wa_id")) or external_id
    return Contact(
        external_id=external_id,
        name=lenient.optional_string(profile.get("name")),
        username=lenient.optional_string(profile.get("username")),
        phone=phone if phone is not None and phone.isdigit() else None,
        user_id=user_id or lenient.identifier(known.get("user_id")),
        parent_user_id=lenient.identifier(parent_user_id) or lenient.identifier(known.get("parent_user_id")),
    )
