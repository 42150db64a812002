"""`hookline pause` and `hookline resume`: an organization's jobs, or one account's, do not run for a while."""

from uuid import UUID

import asyncpg

from hookline.cli.operate import operating, print_json
from hookline.domain.errors import InvalidRequest, NotFound
from hookline.domain.ids import parse_id
from hookline.services.pause import pause, resume
from hookline.settings import Settings
from hookline.store import accounts


async def pause_now(settings: Settings, organization_id: str, account: str | None, *, as_json: bool) -> int:
    """Pause, and say how many jobs are put aside already."""
    async with operating(settings) as context:
        account_id = await _account(context.pool, organization_id, account)
        aside = await pause(context.pool, organization_id, account_id)
    _print(organization_id, account_id, paused=True, aside=aside, as_json=as_json)
    return 0


async def resume_now(settings: Settings, organization_id: str, account: str | None, *, as_json: bool) -> int:
    """Resume, and say how many jobs come back."""
    async with operating(settings) as context:
        account_id = await _account(context.pool, organization_id, account)
        aside = await resume(context.pool, organization_id, account_id)
    _print(organization_id, account_id, paused=False, aside=aside, as_json=as_json)
    return 0


async def _account(pool: asyncpg.Pool, organization_id: str, account: str | None) -> UUID | None:
    """Make sure that the organization is one that has accounts, and that a named account is its own."""
    account_id = None if account is None else parse_id(account)
    if account is not None and account_id is None:
        raise InvalidRequest(f"{account} is not a UUID")
    async with pool.acquire() as connection:
        known = {row.id for row in await accounts.list_all(connection, organization_id)}
    if not known:
        raise NotFound(f"no account was ever connected for an organization {organization_id!r}")
    if account_id is not None and account_id not in known:
        raise NotFound(f"the organization has no account {account_id}")
    return account_id


def _print(organization_id: str, account_id: UUID | None, *, paused: bool, aside: int, as_json: bool) -> None:
    if as_json:
        shape = {"organizationId": organization_id, "connectedAccountId": account_id}
        print_json(shape | {"paused": paused, "putAside": aside})
        return
    whose = "all jobs" if account_id is None else f"jobs of account {account_id}"
    state = "paused" if paused else "running again"
    print(f"{whose} of {organization_id}: {state}; {aside} were put aside")
