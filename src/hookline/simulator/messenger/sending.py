"""`POST /{page-id|me}/messages`: to somebody on Messenger, or on the Instagram account that is linked to the page.

Source: protocol reference 7.2, 7.3.
"""

from collections.abc import Mapping
from typing import Any

from hookline.simulator import access
from hookline.simulator.errors import Refusal
from hookline.simulator.instagram import sending as instagram
from hookline.simulator.messenger.body import read_body
from hookline.simulator.messenger.conversation import MESSENGER, act, deliver, find_person
from hookline.simulator.messenger.envelope import Action, Outgoing, unfold
from hookline.simulator.records import Media, Page, TokenKind
from hookline.simulator.routes import Answer, Asked, Route
from hookline.simulator.world import Kind

_SCOPES = ("pages_messaging",)


async def send(asked: Asked) -> Answer:
    """Take a message or a sender action. Whose id the recipient's is decides the platform.

    Raises: Refusal.
    """
    page = asked.node.as_(Page)
    body = unfold(asked.call.params)
    if asked.token.kind is not TokenKind.PAGE:
        raise Refusal(190, message="A page access token is required to request this resource.")
    if page.instagram_id and _is_instagram(asked, page, body):
        access.require_scopes(asked.token, ("instagram_manage_messages",))
        return instagram.take(asked.sim, page.instagram_id, body, asked.token.app_id)
    access.require_scopes(asked.token, _SCOPES)
    read = read_body(body)
    if isinstance(read, Action):
        contact = find_person(asked.sim, MESSENGER, page.id, read.person_id)
        return act(asked.sim, page.id, contact, read)
    return _take(asked, page, read)


def _is_instagram(asked: Asked, page: Page, body: Mapping[str, Any]) -> bool:
    recipient = body.get("recipient")
    if not isinstance(recipient, dict):
        return False
    node = asked.sim.world.node(str(recipient.get("id") or recipient.get("comment_id")))
    return node is not None and node.account_id == page.instagram_id


def _take(asked: Asked, page: Page, outgoing: Outgoing) -> Mapping[str, Any]:
    sim = asked.sim
    sim.limits.page(page.id, outgoing.kind)
    _check_upload(asked, page, outgoing)
    contact, message = deliver(sim, MESSENGER, page.id, outgoing, asked.token.app_id)
    reply = {"recipient_id": sim.world.scoped_id(contact, page.id), "message_id": message.id}
    if outgoing.reusable:
        reply["attachment_id"] = _reusable(asked, page, outgoing)
    return reply


def _reusable(asked: Asked, page: Page, outgoing: Outgoing) -> str:
    """Keep where an attachment lies, to be sent again by an id."""
    payload = outgoing.message["attachment"]["payload"]
    if payload.get("attachment_id"):
        return str(payload["attachment_id"])
    media_id = asked.sim.world.ids.digits("media", 16)
    kind = "application/octet-stream"
    asked.sim.world.add_media(
        Media(id=media_id, account_id=page.id, mime_type=kind, sha256="", size=0, link=payload["url"])
    )
    return media_id


def _check_upload(asked: Asked, page: Page, outgoing: Outgoing) -> None:
    """An uploaded attachment is there, and this page's."""
    attachment = outgoing.message.get("attachment") or {}
    attachment_id = attachment.get("payload", {}).get("attachment_id")
    if attachment_id is None:
        return
    node = asked.sim.world.node(str(attachment_id))
    if node is None or node.kind is not Kind.MEDIA or node.as_(Media).account_id != page.id:
        raise Refusal(100, "The attachment_id is not that of an attachment of this page.")


ROUTES = (Route("POST", Kind.PAGE, "messages", send),)
