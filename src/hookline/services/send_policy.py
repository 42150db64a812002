"""Whether a person may be written to now: the window, the tag for people's late answers, templates, opted-out persons.

Pure; the platform's own numbers are in its policy.
"""

from datetime import datetime

from hookline.domain.outbound import HUMAN_AGENT, OutboundMessage
from hookline.domain.refusal import OptedOut, WindowClosed
from hookline.domain.sending import Policy
from hookline.store.conversations import Conversation


def check(said: OutboundMessage, policy: Policy, conversation: Conversation | None, now: datetime) -> None:
    """Refuse what the platform would refuse, or punish.

    Raises: WindowClosed, OptedOut.
    """
    if said.is_action:
        return
    if said.template is not None:
        _check_opt_out(said, conversation)
        return
    until = None if conversation is None else conversation.window_until
    if until is not None and now < until:
        return
    tag_until = _human_agent_until(policy, conversation)
    tag_allowed = tag_until is not None and now < tag_until
    if said.tag == HUMAN_AGENT and tag_allowed:
        return
    raise _closed(policy, until, tag_until if tag_allowed else None, said.tag is not None)


def _check_opt_out(said: OutboundMessage, conversation: Conversation | None) -> None:
    """A template that says of itself that it is marketing goes to nobody who stopped that."""
    since = None if conversation is None else conversation.marketing_opted_out_at
    if since is not None and said.template is not None and said.template.marketing is not None:
        raise OptedOut("this person has stopped marketing messages from this account; send what they asked for", since)


def _human_agent_until(policy: Policy, conversation: Conversation | None) -> datetime | None:
    if policy.human_agent is None or conversation is None or conversation.last_inbound_at is None:
        return None
    return conversation.last_inbound_at + policy.human_agent


def _closed(policy: Policy, until: datetime | None, tag_until: datetime | None, tagged: bool) -> WindowClosed:
    """Name the window's end and what may be sent instead."""
    allowed, ways = [], []
    if policy.templates:
        allowed.append("template")
        ways.append("send an approved template")
    if tag_until is not None and not tagged:
        allowed.append(f"tag:{HUMAN_AGENT}")
        ways.append(f"a person's own answer may go with the tag {HUMAN_AGENT} until {_in_words(tag_until)}")
    ended = (
        "this person has not written yet"
        if until is None
        else f"the time for free replies to this person ended {_in_words(until)}"
    )
    way = "; or ".join(ways) if ways else "wait until they write"
    return WindowClosed(f"{ended}: {way}", until, allowed)


def _in_words(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
