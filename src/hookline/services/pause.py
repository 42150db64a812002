"""Pause and resume: an organization's jobs, or one account's, do not run for a while. Both may be said repeatedly.

What runs goes on, and new jobs are taken in. Workers honour a pause from their next look on, for jobs of every type,
and bring the waiting jobs back when it ends (services/upkeep.py). The order of every key holds throughout.
"""

from uuid import UUID

import asyncpg

from hookline.store import pauses
from hookline.store.pauses import Pause
from hookline.store.pool import organization_transaction


async def pause(pool: asyncpg.Pool, organization_id: str, account_id: UUID | None = None) -> int:
    """Let an organization's jobs, or one account's, run no more; how many are put aside for that so far.

    Jobs are put aside as workers meet them: right after the first pause that is none, and later as many as were due.
    """
    owner = Pause(organization_id, account_id)
    async with organization_transaction(pool, organization_id) as connection:
        await pauses.pause(connection, owner)
        return await pauses.count_aside(connection, owner)


async def resume(pool: asyncpg.Pool, organization_id: str, account_id: UUID | None = None) -> int:
    """Let them run again; how many come back now. An organization's pause and an account's are two: each ends alone."""
    owner = Pause(organization_id, account_id)
    async with organization_transaction(pool, organization_id) as connection:
        await pauses.resume(connection, owner)
        return await pauses.count_aside(connection, owner)


async def paused(pool: asyncpg.Pool, organization_id: str) -> list[Pause]:
    """What of an organization is paused."""
    async with organization_transaction(pool, organization_id) as connection:
        return await pauses.list_of(connection, organization_id)
