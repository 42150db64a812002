"""Upkeep: what must be looked after now and then, by whichever process gets to it; never by two at a time."""

from datetime import timedelta

import asyncpg
import msgspec
import structlog

from hookline.services.presence import LEASE
from hookline.services.record import settle_held
from hookline.store import accounts, events, held, jobs, workers
from hookline.store.pool import Connection

ADOPT_BATCH = 500
EXPIRE_BATCH = 1000
_LOCK = 0x486F6F6B_75706B70  # an advisory lock of our own
_FORGET_WORKERS_AFTER = timedelta(days=1)

log = structlog.get_logger(__name__)


class Upkeep(msgspec.Struct, frozen=True):
    """What one round did."""

    rescued: int
    adopted: int


async def keep_up(pool: asyncpg.Pool, *, unowned_for: timedelta) -> Upkeep | None:
    """Do one round; None if another process is at it.

    Rescues dead workers' jobs, gives unowned events to accounts that connected since, matches held changes whose
    message is there, and lets what waited in vain expire.
    """
    async with pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
            return None
        rescued = await jobs.rescue(connection, LEASE)
        if rescued:
            log.warning("rescued jobs of workers that are gone", jobs=rescued)
        adopted = await _adopt(connection)
        await settle_held(connection, await held.matched(connection, ADOPT_BATCH))
        await held.expire(connection, unowned_for)
        await workers.prune(connection, _FORGET_WORKERS_AFTER)
        expired = await events.expire_unowned(connection, unowned_for, EXPIRE_BATCH)
        if expired:
            log.warning("unowned webhook events expired", events=expired)
        return Upkeep(rescued, adopted)


async def _adopt(connection: Connection) -> int:
    adopted = await events.adopt_unowned(connection, ADOPT_BATCH)
    if adopted:
        log.info("webhook events found their account", events=adopted)
    else:
        await accounts.settle_routes(connection)
    return adopted
