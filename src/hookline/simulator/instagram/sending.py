"""`POST /{instagram-id|me}/messages` by Instagram Login; by Facebook Login the page's endpoint leads here, too.

Source: protocol reference 7.3.
"""

from collections.abc import Mapping
from typing import Any

from hookline.simulator import access
from hookline.simulator.errors import Refusal
from hookline.simulator.instagram.body import read_body
from hookline.simulator.messenger.conversation import INSTAGRAM, act, deliver, find_person
from hookline.simulator.messenger.envelope import Action, unfold
from hookline.simulator.records import Comment, InstagramAccount, TokenKind
from hookline.simulator.routes import GRAPH, INSTAGRAM_GRAPH, Answer, Asked, Route
from hookline.simulator.simulator import Simulator
from hookline.simulator.world import Kind

LONGEST_COMMENT = 2200


async def send(asked: Asked) -> Answer:
    """Take a message or a sender action.

    Raises: Refusal.
    """
    by_login = asked.token.kind is TokenKind.INSTAGRAM
    scope = "instagram_business_manage_messages" if by_login else "instagram_manage_messages"
    access.require_scopes(asked.token, (scope,))
    account = asked.node.as_(InstagramAccount)
    return take(asked.sim, account.id, unfold(asked.call.params), asked.token.app_id)


def take(sim: Simulator, account_id: str, body: Mapping[str, Any], app_id: str) -> Mapping[str, Any]:
    """Take what an Instagram account sends.

    Raises: Refusal.
    """
    read = read_body(body)
    if isinstance(read, Action):
        return act(sim, account_id, find_person(sim, INSTAGRAM, account_id, read.person_id), read)
    sim.limits.instagram(account_id, read.kind)
    contact, message = deliver(sim, INSTAGRAM, account_id, read, app_id)
    return {"recipient_id": sim.world.scoped_id(contact, account_id), "message_id": message.id}


async def reply_to_comment(asked: Asked) -> Answer:
    """`POST /{comment-id}/replies?message=…`: a public answer.

    Raises: Refusal.
    """
    message = asked.call.required("message")
    comment = asked.node.as_(Comment)
    if comment.account_id not in asked.sim.world.records.instagram_accounts:
        raise Refusal(100, subcode=access.NO_ACCESS_SUBCODE, message=access.unsupported(comment.id))
    if len(message) > LONGEST_COMMENT:
        raise Refusal(100, f"Param message must be at most {LONGEST_COMMENT} characters long.")
    return {"id": asked.sim.world.ids.digits("comment", 17)}


_BOTH = (GRAPH, INSTAGRAM_GRAPH)
ROUTES = (
    Route("POST", Kind.INSTAGRAM, "messages", send, hosts=_BOTH),
    Route("POST", Kind.COMMENT, "replies", reply_to_comment, hosts=_BOTH),
)
