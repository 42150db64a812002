"""Doing an act by its name."""

from collections.abc import Mapping
from typing import Any

from hookline.simulator.control import (
    instagram_acts,
    messaging_acts,
    messenger_acts,
    person_acts,
    whatsapp_acts,
)
from hookline.simulator.control.acting import Act, Acting, Unfit
from hookline.simulator.errors import Refusal
from hookline.simulator.records import Contact, Message
from hookline.simulator.simulator import Simulator
from hookline.simulator.world import Kind

ACTS: dict[Kind, dict[str, Act]] = {
    Kind.PHONE_NUMBER: {**whatsapp_acts.ACTS, **person_acts.ACTS},
    Kind.PAGE: {**messaging_acts.ACTS, **messenger_acts.ACTS, **person_acts.PRESENCE},
    Kind.INSTAGRAM: {**messaging_acts.ACTS, **instagram_acts.ACTS, **person_acts.PRESENCE},
}


def perform(sim: Simulator, account_id: str, contact_id: str, what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Have a contact do something to an account; what came of it, a `messageId` if something was written.

    account_id: a phone number's, a page's, or an Instagram account's.
    Raises: Unfit.
    """
    account = sim.world.node(account_id)
    if account is None or account.kind not in ACTS:
        raise Unfit(f"account: {account_id} is no phone number, page or Instagram account")
    contact = sim.world.records.contacts.get(contact_id)
    if contact is None:
        raise Unfit(f"contact: there is no {contact_id}")
    act = ACTS[account.kind].get(what)
    if act is None:
        raise Unfit(f"do: on this platform somebody can {', '.join(sorted(ACTS[account.kind]))}")
    _require_presence(account.kind, contact)
    try:
        came = act(Acting(sim, given, account=account, contact=contact))
    except Refusal as refusal:
        raise Unfit(refusal.details or refusal.message) from None
    return {"messageId": came.id} if isinstance(came, Message) else came or {}


def _require_presence(kind: Kind, contact: Contact) -> None:
    if kind is Kind.PHONE_NUMBER and not contact.wa_id:
        raise Unfit(f"contact: {contact.id} is not on WhatsApp")
