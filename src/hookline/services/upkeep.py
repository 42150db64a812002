"""Upkeep: what must be looked after now and then, by whichever process gets to it; never by two at a time."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import asyncpg
import structlog

from hookline.services.presence import LEASE
from hookline.services.prune import Retention, prune_a_little
from hookline.services.record import settle_held
from hookline.services.refresh import enqueue_due
from hookline.store import (
    accounts,
    claims,
    events,
    flows,
    held,
    media,
    messages,
    notices,
    paces,
    pauses,
    secrets,
    workers,
)
from hookline.store.objects import Objects
from hookline.store.pool import Connection, is_away

ADOPT_BATCH = 500
EXPIRE_BATCH = 1000
FORGET_PERCENT = 1.0
CLEAR_BATCH = 50
# The platforms deliver again for up to seven days (protocol reference 1.4).
REDELIVERED_FOR = timedelta(days=8)
_LOCKS = 0x75706B70  # the first half of our advisory locks' keys; the second is the step's place
RETURN_BATCH = 2000
SORT_IN_SECONDS = 1.0
STRAYS = 500
# A stalled worker finds within this time that it is given up; later it finds that nobody knows it, which is the same.
_FORGET_WORKERS_AFTER = timedelta(minutes=2)
# For so long somebody who comes back late is told so.
_FORGET_FLOWS_AFTER = timedelta(days=1)

log = structlog.get_logger(__name__)


async def keep_up(
    pool: asyncpg.Pool, *, unowned_for: timedelta, retention: Retention | None = None, objects: Objects | None = None
) -> bool:
    """Do one round of what no other process is at; returns whether there is more to do at once.

    Rescues dead workers' jobs, brings back what was put aside for a pause that ends, or for nothing any more, gives
    unowned events to accounts that connected since, matches held changes whose message is there, lets what waited in
    vain expire, keeps the search's index in order, has tokens that are due looked after, forgets connections that
    nobody ended, prunes a little, and deletes the files of what is gone. Each is a transaction of its own: one that
    fails is logged, and the others go on.
    """
    more = False
    for place, step in enumerate(
        (_rescue, _adopt, _settle, _expire, _bring_back, _tend_tokens, _forget_flows, _sort_in, _return_strays)
    ):
        try:
            more |= await _alone(pool, place, step, unowned_for)
        except Exception as error:  # whatever it is, the rescue of the next round must not depend on it
            _tell(step.__name__, error)
    try:
        if retention is not None:
            await prune_a_little(pool, retention)
    except Exception as error:
        _tell("prune", error)
    try:
        if objects is not None:
            more |= await _clear_away(pool, objects)
    except Exception as error:
        _tell("clear away", error)
    return more


async def _clear_away(pool: asyncpg.Pool, objects: Objects) -> bool:
    """Delete some files whose rows are gone; they are forgotten when that has worked. No transaction waits for it."""
    async with pool.acquire() as connection:
        found = await media.garbage(connection, CLEAR_BATCH)
    if found:
        await objects.delete([key for key, _ in found])
        async with pool.acquire() as connection:
            await media.forget_garbage(connection, found)
    return len(found) == CLEAR_BATCH


def _tell(step: str, error: Exception) -> None:
    log.log(30 if is_away(error) else 40, "upkeep failed", step=step, exc_info=None if is_away(error) else error)


_Step = Callable[[Connection, timedelta], Awaitable[bool]]


async def _alone(pool: asyncpg.Pool, place: int, step: _Step, unowned_for: timedelta) -> bool:
    """Take a step, unless another process is at it. A lock of its own: nobody passes over what nobody is at."""
    async with pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", _LOCKS, place):
            return False
        return await step(connection, unowned_for)


async def _rescue(connection: Connection, _: timedelta) -> bool:
    rescued = await claims.rescue(connection, LEASE)
    if rescued:
        log.warning("rescued jobs of workers that are gone", jobs=rescued)
    await workers.prune(connection, _FORGET_WORKERS_AFTER)
    return False


async def _bring_back(connection: Connection, _: timedelta) -> bool:
    owners = await pauses.list_resuming(connection)
    if owners:
        await pauses.bring_back(connection, random.choice(owners), RETURN_BATCH)  # noqa: S311
    return bool(owners)


async def _return_strays(connection: Connection, _: timedelta) -> bool:
    if strays := await pauses.return_strays(connection, STRAYS):
        log.warning("returned jobs that were put aside for nothing", jobs=strays)
    return False


async def _sort_in(connection: Connection, _: timedelta) -> bool:
    """While much comes in there is always more to sort: for a moment only, the next rescue must not wait for it."""
    with suppress(asyncpg.QueryCanceledError):
        await messages.sort_in(connection, SORT_IN_SECONDS)
    return False


async def _adopt(connection: Connection, _: timedelta) -> bool:
    adopted = await events.adopt_unowned(connection, ADOPT_BATCH)
    if adopted:
        log.info("webhook events found their account", events=adopted)
    else:
        await accounts.settle_routes(connection)
    return adopted > 0


async def _settle(connection: Connection, _: timedelta) -> bool:
    await settle_held(connection, await held.matched(connection, ADOPT_BATCH))
    return False


async def _expire(connection: Connection, unowned_for: timedelta) -> bool:
    await held.expire(connection, unowned_for, EXPIRE_BATCH)
    await paces.forget_pairs(connection, FORGET_PERCENT)
    await notices.forget(connection, REDELIVERED_FOR, EXPIRE_BATCH)
    expired = await events.expire_unowned(connection, unowned_for, EXPIRE_BATCH)
    if expired:
        log.warning("unowned webhook events expired", events=expired)
    return False


async def _tend_tokens(connection: Connection, _: timedelta) -> bool:
    return await enqueue_due(connection) > 0


async def _forget_flows(connection: Connection, _: timedelta) -> bool:
    ended = await flows.ended_with_secrets(connection, EXPIRE_BATCH)
    if ended:
        await secrets.forget(connection, ended)
    await flows.prune(connection, _FORGET_FLOWS_AFTER, EXPIRE_BATCH)
    return False
