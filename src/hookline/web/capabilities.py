"""/api/capabilities: what each platform can carry, when, and how fast."""

from typing import Any

from fastapi import APIRouter

from hookline.providers.sender import Sender
from hookline.web import examples, models
from hookline.web.answers import Json
from hookline.web.caller import Context, Member
from hookline.web.described import answers

router = APIRouter(prefix="/api/capabilities", tags=["Messages"])


@router.get(
    "",
    summary="What each platform can carry",
    responses=answers(200, models.Capabilities, examples.CAPABILITIES, "By platform"),
    response_class=Json,
)
async def list_capabilities(context: Context, caller: Member) -> Json:
    """List by platform what can be sent, named after the place in the body that uses it, with its limits.

    What is not named cannot be sent there. `window` says when a person may be written to freely.
    """
    return Json({name: _shape(provider.sender) for name, provider in context.providers.items()})


def _shape(sender: Sender) -> dict[str, Any]:
    policy = sender.policy
    return {
        "capabilities": dict(sorted(sender.capabilities.items())),
        "window": {
            "hours": policy.window.total_seconds() / 3600,
            "humanAgentDays": None if policy.human_agent is None else policy.human_agent.days,
            "templates": policy.templates,
        },
    }
