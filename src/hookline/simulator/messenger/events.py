"""The webhooks that tell what became of a message to a page's or Instagram account's person: echo, delivery, read.

Source: protocol reference 3 (Messenger), 4 (Instagram: echoes within `messages`, seen by mid, no deliveries).
"""

from typing import Any

from hookline.simulator import cdn
from hookline.simulator.conduct import Reads
from hookline.simulator.records import Contact, Direction, Message, Reachability
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import INSTAGRAM, PAGE, Notice

# The sender of what is written in the page's own inbox (reference 3).
PAGE_INBOX_APP = "263902037430900"


def notice(sim: Simulator, account_id: str, contact: Contact, field: str, content: dict[str, Any]) -> Notice:
    """A notice about somebody's conversation with a page or an Instagram account."""
    page = account_id in sim.world.records.pages
    return Notice(
        object=PAGE if page else INSTAGRAM,
        entry_id=account_id,
        field=field,
        content=content,
        slot="messaging",
        lane=f"{account_id} {contact.id}",
        time=sim.world.clock.milliseconds(),
    )


def by_person(sim: Simulator, account_id: str, contact: Contact, **event: Any) -> dict[str, Any]:
    """A messaging item of something that the person did."""
    person_id = sim.world.scoped_id(contact, account_id)
    return {
        "sender": {"id": person_id},
        "recipient": {"id": account_id},
        "timestamp": sim.world.clock.milliseconds(),
        **event,
    }


def plan(sim: Simulator, message: Message, contact: Contact) -> None:
    """Have the echo told, and the delivery and the read that come by themselves."""
    conduct = sim.conduct
    sim.later.call(conduct.sent_seconds, tell_echo, sim, message)
    if contact.reachability is not Reachability.ONLINE:
        return
    plan_arrival(sim, message, contact)


def plan_arrival(sim: Simulator, message: Message, contact: Contact) -> None:
    """Have it told that a message has arrived, and has been read if somebody is looking."""
    conduct = sim.conduct
    if not conduct.statuses:
        return
    sim.later.call(conduct.delivered_seconds, tell_delivered, sim, message)
    reading = conduct.reads is Reads.ALWAYS
    if conduct.reads is Reads.OPEN:
        reading = sim.threads.of(message.account_id, contact.id).open_pages > 0
    if reading:
        sim.later.call(conduct.read_seconds, tell_read, sim, message.account_id, contact.id)


def tell_echo(sim: Simulator, message: Message) -> None:
    """Tell the business of its own message: with metadata and app id on Messenger, without on Instagram (7)."""
    contact = sim.world.records.contacts[message.contact_id]
    page = message.account_id in sim.world.records.pages
    content: dict[str, Any] = {"mid": message.id, "is_echo": True, **_said(sim, message)}
    if page or sim.conduct.instagram_metadata:
        content["app_id"] = int(message.sender_app_id or PAGE_INBOX_APP)
        if message.callback_data:
            content["metadata"] = message.callback_data
    item = {
        "sender": {"id": message.account_id},
        "recipient": {"id": sim.world.scoped_id(contact, message.account_id)},
        "timestamp": int(message.sent_at * 1000),
        "message": content,
    }
    if not message.status:
        message.status = "sent"
        sim.threads.changed_message(message)
    sim.outbox.put(notice(sim, message.account_id, contact, "message_echoes" if page else "messages", item))


def _said(sim: Simulator, message: Message) -> dict[str, Any]:
    """What an echo repeats: the text, or the attachment with a URL that can be fetched."""
    if message.type == "text":
        return {"text": message.content["text"]}
    if message.type == "sticker":
        return {"sticker_id": message.content["sticker_id"], "attachments": [{"type": "image", "payload": {}}]}
    attachment = dict(message.content["attachment"])
    media = sim.world.records.media.get(str(attachment.get("payload", {}).get("attachment_id")))
    if media is not None:
        attachment["payload"] = {"url": media.link or cdn.open_url(sim, media)}
    return {"attachments": [attachment]}


def tell_delivered(sim: Simulator, message: Message) -> None:
    """Tell that a message has arrived; Instagram tells no deliveries."""
    if message.status in ("delivered", "read"):
        return
    message.status = "delivered"
    sim.threads.changed_message(message)
    if message.account_id in sim.world.records.pages:
        contact = sim.world.records.contacts[message.contact_id]
        delivery = {"mids": [message.id], "watermark": int(message.sent_at * 1000)}
        item = by_person(sim, message.account_id, contact, delivery=delivery)
        sim.outbox.put(notice(sim, message.account_id, contact, "message_deliveries", item))


def tell_read(sim: Simulator, account_id: str, contact_id: str) -> None:
    """Tell that the person has read everything: up to a watermark on Messenger, by the last mid on Instagram."""
    thread = sim.threads.of(account_id, contact_id)
    unread = [
        message
        for message in sim.threads.messages(thread)
        if message.direction is Direction.OUTBOUND and message.status in ("sent", "delivered")
    ]
    if not unread:
        return
    for message in unread:
        message.status = "read"
    sim.threads.changed(thread)
    contact = sim.world.records.contacts[contact_id]
    if account_id in sim.world.records.pages:
        read = {"watermark": int(unread[-1].sent_at * 1000)}
        item = by_person(sim, account_id, contact, read=read)
        sim.outbox.put(notice(sim, account_id, contact, "message_reads", item))
    else:
        item = by_person(sim, account_id, contact, read={"mid": unread[-1].id})
        sim.outbox.put(notice(sim, account_id, contact, "messaging_seen", item))
