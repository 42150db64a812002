"""`POST /{instagram-id|me}/messages` by Instagram Login; by Facebook Login the page's endpoint leads here, too.

Source: protocol reference 7.3.
"""

from collections.abc import Mapping
from typing import Any

from hookline.simulator import access
from hookline.simulator.instagram.body import read_body
from hookline.simulator.messenger.conversation import INSTAGRAM, act, check_window, find_person, keep
from hookline.simulator.messenger.envelope import Action, unfold
from hookline.simulator.records import InstagramAccount, TokenKind
from hookline.simulator.routes import GRAPH, INSTAGRAM_GRAPH, Answer, Asked, Route
from hookline.simulator.simulator import Simulator
from hookline.simulator.world import Kind


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
    contact = find_person(sim, INSTAGRAM, account_id, read.person_id)
    check_window(sim, INSTAGRAM, account_id, contact, read.tag)
    message = keep(sim, INSTAGRAM, account_id, contact, read, app_id)
    return {"recipient_id": read.person_id, "message_id": message.id}


ROUTES = (Route("POST", Kind.INSTAGRAM, "messages", send, hosts=(GRAPH, INSTAGRAM_GRAPH)),)
