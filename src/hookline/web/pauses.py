"""Pause and resume: an organization's jobs, or one account's, do not run for a while."""

from uuid import UUID

from fastapi import APIRouter

from hookline.services import pause as pausing
from hookline.services import shapes
from hookline.store import accounts
from hookline.web import examples, models
from hookline.web.answers import Json
from hookline.web.caller import Context, Manager, Member
from hookline.web.described import answers
from hookline.web.records import Records

jobs_router = APIRouter(prefix="/api/jobs", tags=["Jobs"])
accounts_router = APIRouter(prefix="/api/integrations", tags=["Integrations"])

_ACCOUNTS = Records("account", accounts.get)


@jobs_router.get(
    "/pauses",
    summary="List pauses",
    responses=answers(200, list[models.Pause], [examples.PAUSE], "What is paused"),
    response_class=Json,
)
async def list_pauses(context: Context, caller: Member) -> Json:
    """List what of the organization is paused: all of it (`connectedAccountId` null), or single accounts."""
    return Json([shapes.pause(row) for row in await pausing.paused(context.pool, caller.organization_id)])


@jobs_router.post(
    "/pause",
    summary="Pause all jobs",
    responses=answers(200, models.PauseState, examples.PAUSED, "Paused"),
    response_class=Json,
)
async def pause_jobs(context: Context, caller: Manager) -> Json:
    """Let no job of the organization run until it is resumed. Needs the role OWNER, ADMIN or MANAGER.

    What runs already goes on. Webhooks are taken in and wait; nothing is lost, and each key's order holds. Pausing
    twice changes nothing. `putAside` counts the jobs that workers have met since: it grows to as many as are due.
    """
    return await _pause(context, caller.organization_id, None)


@jobs_router.post(
    "/resume",
    summary="Resume all jobs",
    responses=answers(200, models.PauseState, examples.RESUMED, "Resumed"),
    response_class=Json,
)
async def resume_jobs(context: Context, caller: Manager) -> Json:
    """Let the organization's jobs run again, but those of accounts that are paused by themselves.

    Needs the role OWNER, ADMIN or MANAGER. `putAside` jobs come back now, oldest first.
    """
    return await _resume(context, caller.organization_id, None)


@accounts_router.post(
    "/{accountId}/pause",
    summary="Pause an account's jobs",
    responses=answers(200, models.PauseState, examples.PAUSED_ACCOUNT, "Paused", 404),
    response_class=Json,
)
async def pause_account(accountId: str, context: Context, caller: Manager) -> Json:
    """Let no job of the account run until it is resumed. Needs the role OWNER, ADMIN or MANAGER.

    What runs already goes on; what comes in waits. Pausing twice changes nothing.
    """
    account = await _ACCOUNTS.read(context, caller, accountId)
    return await _pause(context, caller.organization_id, account.id)


@accounts_router.post(
    "/{accountId}/resume",
    summary="Resume an account's jobs",
    responses=answers(200, models.PauseState, examples.PAUSED_ACCOUNT | {"paused": False}, "Resumed", 404),
    response_class=Json,
)
async def resume_account(accountId: str, context: Context, caller: Manager) -> Json:
    """Let the account's jobs run again, unless the whole organization is paused, which ends by itself.

    Needs the role OWNER, ADMIN or MANAGER.
    """
    account = await _ACCOUNTS.read(context, caller, accountId)
    return await _resume(context, caller.organization_id, account.id)


async def _pause(context: Context, organization_id: str, account_id: UUID | None) -> Json:
    aside = await pausing.pause(context.pool, organization_id, account_id)
    return Json({"connectedAccountId": account_id, "paused": True, "putAside": aside})


async def _resume(context: Context, organization_id: str, account_id: UUID | None) -> Json:
    aside = await pausing.resume(context.pool, organization_id, account_id)
    return Json({"connectedAccountId": account_id, "paused": False, "putAside": aside})
