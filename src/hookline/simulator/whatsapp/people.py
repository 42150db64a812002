"""Whom a WhatsApp number reaches by what a business writes: a number as dialled, or a business-scoped id.

Source: protocol reference 0.2 (a wa_id may differ from the dialled number), 2.6 (business-scoped ids).
"""

from hookline.simulator.errors import Refusal
from hookline.simulator.records import Contact, PhoneNumber, Reachability
from hookline.simulator.simulator import Simulator
from hookline.simulator.whatsapp.body import Outgoing
from hookline.simulator.world import World


def find_recipient(sim: Simulator, phone: PhoneNumber, outgoing: Outgoing) -> Contact:
    """Find whom a message goes to; a stranger's number is given to a new person.

    Raises: Refusal (131021, 131026, 131030).
    """
    if not outgoing.phone:
        business = sim.world.business_of_phone(phone)
        contact = sim.world.contact_of(business.id, outgoing.user_id)
        if contact is None:
            raise Refusal(131026, "The business-scoped user id is not known to this business.")
        return contact
    if outgoing.phone == phone.digits:
        raise Refusal(131021, "The recipient is the sender.")
    if sim.conduct.allowed and outgoing.phone not in sim.conduct.allowed:
        raise Refusal(131030, "Add the recipient's number to the list of allowed numbers.")
    return contact_of_dialled(sim.world, outgoing.phone) or _stranger(sim, outgoing.phone)


def contact_of_dialled(world: World, digits: str) -> Contact | None:
    """Who is reached by a number as it is dialled: with or without Brazil's ninth digit, or Mexico's 1."""
    for spelled in (digits, *_spellings(digits)):
        contact = world.contact_of_phone(spelled)
        if contact is not None:
            return contact
    return None


def _spellings(digits: str) -> list[str]:
    if digits.startswith("55") and len(digits) == 13 and digits[4] == "9":
        return [digits[:4] + digits[5:]]
    if digits.startswith("55") and len(digits) == 12:
        return [digits[:4] + "9" + digits[4:]]
    if digits.startswith("521") and len(digits) == 13:
        return ["52" + digits[3:]]
    if digits.startswith("52") and len(digits) == 12:
        return ["521" + digits[2:]]
    return []


def _stranger(sim: Simulator, digits: str) -> Contact:
    """Somebody new, who has this number; where strangers are not given one, somebody who is not on WhatsApp."""
    return sim.world.add_contact(
        Contact(
            id=f"whatsapp-{digits}",
            first_name=f"+{digits}",
            last_name="",
            username="",
            wa_id=digits,
            reachability=Reachability.ONLINE if sim.conduct.strangers else Reachability.UNREACHABLE,
        )
    )
