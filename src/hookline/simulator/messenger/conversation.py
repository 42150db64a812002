"""What Messenger and Instagram do alike with a message that is well formed: find the person, hold to the window.

Source: protocol reference 6.1 (refusals), 7.2, 7.3, 8.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.simulator.errors import Refusal
from hookline.simulator.messenger import events
from hookline.simulator.messenger.envelope import HUMAN_AGENT, Action, Outgoing
from hookline.simulator.records import Comment, Contact, Direction, Message, Reachability
from hookline.simulator.simulator import Simulator
from hookline.simulator.threads import HUMAN_AGENT_SECONDS, WINDOW_SECONDS
from hookline.simulator.world import Kind

TYPING_SECONDS = 20
PRIVATE_REPLY_SECONDS = 7 * 24 * 3600
# The reactions that have a name, and the sign that is shown for each.
REACTIONS: Mapping[str, str] = {
    "smile": "😆",
    "angry": "😡",
    "sad": "😢",
    "wow": "😮",
    "love": "❤️",
    "like": "👍",
    "dislike": "👎",
}


class Manners(msgspec.Struct, frozen=True):
    """Where the two differ: the subcodes for a closed window and for nobody, and how a mid begins."""

    window_subcode: int
    unknown_subcode: int
    mid_prefix: str


MESSENGER = Manners(window_subcode=2018278, unknown_subcode=2018001, mid_prefix="m_")
INSTAGRAM = Manners(window_subcode=2534022, unknown_subcode=2534014, mid_prefix="aWdf")


def find_person(sim: Simulator, manners: Manners, account_id: str, person_id: str) -> Contact:
    """Find somebody by their id for this account, who can be written to.

    Raises: Refusal (100 for nobody, 551 for somebody who is not available).
    """
    contact = sim.world.contact_of(account_id, person_id)
    if contact is None:
        raise Refusal(100, subcode=manners.unknown_subcode)
    if account_id in contact.blocks or contact.reachability is Reachability.UNREACHABLE:
        raise Refusal(551, subcode=1545041)
    return contact


def find_commenter(sim: Simulator, manners: Manners, account_id: str, comment_id: str) -> tuple[Contact, Comment]:
    """Find who made a comment that can still be replied to in private: once, within seven days.

    Raises: Refusal.
    """
    node = sim.world.node(comment_id)
    if node is None or node.kind is not Kind.COMMENT or node.as_(Comment).account_id != account_id:
        raise Refusal(100, subcode=manners.unknown_subcode)
    comment = node.as_(Comment)
    if comment.answered:
        raise Refusal(100, subcode=2534025)
    if sim.world.clock.now() - comment.made_at > PRIVATE_REPLY_SECONDS:
        raise Refusal(10, subcode=manners.window_subcode)
    return sim.world.records.contacts[comment.contact_id], comment


def deliver(
    sim: Simulator, manners: Manners, account_id: str, outgoing: Outgoing, app_id: str
) -> tuple[Contact, Message]:
    """Take a message to a person, or a private reply to a comment; whom it went to, and what was kept.

    Raises: Refusal.
    """
    if not outgoing.comment_id:
        contact = find_person(sim, manners, account_id, outgoing.person_id)
        check_window(sim, manners, account_id, contact, outgoing.tag)
        return contact, _keep(sim, manners, account_id, contact, outgoing, app_id)
    contact, comment = find_commenter(sim, manners, account_id, outgoing.comment_id)
    message = _keep(sim, manners, account_id, contact, outgoing, app_id)
    comment.answered = True
    return contact, message


def check_window(sim: Simulator, manners: Manners, account_id: str, contact: Contact, tag: str) -> None:
    """Hold to the window: a day after the person last wrote; a week for a human agent; other tags at any time.

    Raises: Refusal (10).
    """
    if not sim.conduct.windows or (tag and tag != HUMAN_AGENT):
        return
    thread = sim.threads.of(account_id, contact.id)
    seconds = HUMAN_AGENT_SECONDS if tag == HUMAN_AGENT else WINDOW_SECONDS
    if not thread.window_open(sim.world.clock.now(), seconds):
        raise Refusal(10, subcode=manners.window_subcode)


def _keep(
    sim: Simulator, manners: Manners, account_id: str, contact: Contact, outgoing: Outgoing, app_id: str
) -> Message:
    """Take a message: count it, put it into the conversation, and have its webhooks told.

    Raises: Refusal, if it answers a message that is not there.
    """
    if outgoing.reply_to and sim.threads.message(account_id, outgoing.reply_to) is None:
        raise Refusal(100, "Param reply_to['mid'] is not the id of a message in this conversation.")
    message = Message(
        id=sim.world.ids.mid(manners.mid_prefix),
        account_id=account_id,
        contact_id=contact.id,
        direction=Direction.OUTBOUND,
        type=outgoing.kind,
        content=dict(outgoing.message),
        sent_at=sim.world.clock.now(),
        sender_app_id=app_id,
        callback_data=outgoing.own_id,
        reply_to=outgoing.reply_to,
    )
    sim.counters.sends[outgoing.own_id or message.id] += 1
    sim.threads.add(message).typing_until = 0.0
    events.plan(sim, message, contact)
    return message


def act(sim: Simulator, account_id: str, contact: Contact, action: Action) -> Mapping[str, Any]:
    """Carry out a sender action.

    Raises: Refusal, if it is about a message that is not there.
    """
    thread = sim.threads.of(account_id, contact.id)
    match action.name:
        case "typing_on":
            thread.typing_until = sim.world.clock.now() + TYPING_SECONDS
        case "typing_off":
            thread.typing_until = 0.0
        case "mark_seen":
            thread.seen_by_business_at = sim.world.clock.now()
            for message in sim.threads.messages(thread):
                if message.direction is Direction.INBOUND:
                    message.status = "read"
        case _:
            _react(sim, account_id, action)
    sim.threads.changed(thread)
    return {"recipient_id": action.person_id}


def _react(sim: Simulator, account_id: str, action: Action) -> None:
    message = sim.threads.message(account_id, action.message_id)
    if message is None:
        raise Refusal(100, "Param payload['message_id'] is not the id of a message in this conversation.")
    if action.name == "unreact":
        message.reactions.pop(Direction.OUTBOUND, None)
    else:
        message.reactions[Direction.OUTBOUND] = REACTIONS.get(action.reaction.lower(), action.reaction)
