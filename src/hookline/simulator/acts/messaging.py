"""What people do on Messenger and Instagram, and what a business does in its inbox. Source: protocol reference 3, 4."""

from collections.abc import Mapping
from typing import Any

from hookline.simulator import cdn
from hookline.simulator.errors import Refusal
from hookline.simulator.messenger import events
from hookline.simulator.messenger.conversation import INSTAGRAM, MESSENGER, REACTIONS
from hookline.simulator.records import Contact, Direction, Media, Message, Reachability
from hookline.simulator.simulator import Simulator

_NAMES = {sign: name for name, sign in REACTIONS.items()}


def write(
    sim: Simulator,
    account_id: str,
    contact: Contact,
    kind: str,
    content: Mapping[str, Any],
    *,
    reply_to: str = "",
    message_id: str = "",
    at: float = 0.0,
) -> Message:
    """Have somebody write to a page or an Instagram account.

    content: the webhook's `message` without its mid: `{text}`, `{attachments: […]}`, `{text, quick_reply}`, …
    """
    message = _keep(sim, account_id, contact, kind, content, reply_to=reply_to, message_id=message_id, at=at)
    answered = {"reply_to": {"mid": reply_to}} if reply_to else {}
    _put(sim, account_id, contact, "messages", message={"mid": message.id, **content, **answered})
    return message


def attachment_content(sim: Simulator, kind: str, media: Media) -> dict[str, Any]:
    """What somebody's file is in a webhook."""
    return {"attachments": [{"type": kind, "payload": {"url": cdn.open_url(sim, media)}}]}


def tap(sim: Simulator, account_id: str, contact: Contact, title: str, payload: str) -> Message:
    """Have somebody tap a button: a postback, which has a mid as a message has."""
    message = _keep(sim, account_id, contact, "postback", {"title": title, "payload": payload})
    postback = {"mid": message.id, "title": title, "payload": payload}
    _put(sim, account_id, contact, "messaging_postbacks", postback=postback)
    return message


def react(sim: Simulator, account_id: str, contact: Contact, message: Message, emoji: str) -> None:
    """Have somebody react to a message; an empty emoji takes the reaction back."""
    if emoji:
        message.reactions[Direction.INBOUND] = emoji
        reaction = {"mid": message.id, "action": "react", "reaction": _NAMES.get(emoji, "other"), "emoji": emoji}
    else:
        message.reactions.pop(Direction.INBOUND, None)
        reaction = {"mid": message.id, "action": "unreact"}
    _put(sim, account_id, contact, "message_reactions", reaction=reaction)
    thread = sim.threads.of(account_id, contact.id)
    thread.last_inbound_at = sim.world.clock.now()
    sim.threads.changed(thread)


def edit(sim: Simulator, account_id: str, contact: Contact, message: Message, text: str) -> None:
    """Have somebody edit their text; the mid stays.

    Raises: Refusal, if it is no text of theirs.
    """
    if message.type != "text" or message.direction is not Direction.INBOUND:
        raise Refusal(100, "Only somebody's own text can be edited.")
    message.content = {**message.content, "text": text}
    message.edits += 1
    field = "message_edits" if account_id in sim.world.records.pages else "message_edit"
    changed = {"mid": message.id, "text": text, "num_edit": message.edits}
    _put(sim, account_id, contact, field, message_edit=changed)
    sim.threads.changed_message(message)


def take_back(sim: Simulator, account_id: str, contact: Contact, message: Message) -> None:
    """Have somebody take a message back; the mid stays."""
    message.deleted = True
    _put(sim, account_id, contact, "messages", message={"mid": message.id, "is_deleted": True})
    sim.threads.changed_message(message)


def read(sim: Simulator, account_id: str, contact: Contact) -> None:
    """Have somebody open the chat."""
    events.tell_read(sim, account_id, contact.id)


def come_online(sim: Simulator, contact: Contact) -> None:
    """Have somebody's device go on again: what was sent meanwhile arrives."""
    contact.reachability = Reachability.ONLINE
    for message in list(sim.world.records.messages.values()):
        waiting = message.contact_id == contact.id and message.status == "sent"
        if waiting and message.account_id not in sim.world.records.phone_numbers:
            events.plan_arrival(sim, message, contact)


def write_in_inbox(sim: Simulator, account_id: str, contact: Contact, kind: str, content: Mapping[str, Any]) -> Message:
    """Have the business write in its inbox: the app is told by an echo of another sender.

    content: as of a send: `{text}` or `{attachment}`.
    """
    message = _keep(sim, account_id, contact, kind, content, direction=Direction.OUTBOUND)
    events.tell_echo(sim, message)
    return message


def happen(sim: Simulator, account_id: str, contact: Contact, field: str, event: Mapping[str, Any]) -> None:
    """Tell something else that somebody did: a referral, an opt-in, a handover, whatever may come."""
    _put(sim, account_id, contact, field, **event)


def _keep(
    sim: Simulator,
    account_id: str,
    contact: Contact,
    kind: str,
    content: Mapping[str, Any],
    *,
    direction: Direction = Direction.INBOUND,
    reply_to: str = "",
    message_id: str = "",
    at: float = 0.0,
) -> Message:
    manners = MESSENGER if account_id in sim.world.records.pages else INSTAGRAM
    message = Message(
        id=message_id or sim.world.ids.mid(manners.mid_prefix),
        account_id=account_id,
        contact_id=contact.id,
        direction=direction,
        type=kind,
        content=dict(content),
        sent_at=at or sim.world.clock.now(),
        reply_to=reply_to,
    )
    sim.world.scoped_id(contact, account_id)
    sim.threads.add(message)
    return message


def _put(sim: Simulator, account_id: str, contact: Contact, field: str, **event: Any) -> None:
    item = events.by_person(sim, account_id, contact, **event)
    sim.outbox.put(events.notice(sim, account_id, contact, field, item))
