"""Connection pools: who we are to the database, and transactions bound to one organization."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from operator import methodcaller
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from hookline.domain.errors import StartupError

# What every store function takes: a connection, pooled or not.
Connection = asyncpg.Connection | PoolConnectionProxy


class _Planning(asyncpg.Connection):
    """A connection that knows how old its plans may become."""

    __slots__ = ("_plans_age", "_plans_until")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._plans_age = _FIRST_PLANS_SECONDS
        self._plans_until = time.monotonic() + self._plans_age

    async def plan_anew(self) -> None:
        """Drop the plans that are kept, if they are too old."""
        if (now := time.monotonic()) < self._plans_until:
            return
        await self.execute("DISCARD PLANS")
        self._plans_age = min(2 * self._plans_age, _LAST_PLANS_SECONDS)
        self._plans_until = now + self._plans_age


class Pool(asyncpg.Pool):
    """A pool that also opens single connections, set up as its own are, which do not count among them."""

    connect_alone: Callable[[], Awaitable[asyncpg.Connection]]


# How the driver says that the database cannot be reached, is going away, is full, or gave up on us. Nothing is wrong
# with the data then, and it can be tried again.
DATABASE_AWAY: tuple[type[Exception], ...] = (
    OSError,  # time-outs too
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke in the middle of a COPY
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,  # idle for too long; read-only after a fail-over
)


def is_away(error: BaseException) -> bool:
    """Say whether an error means that the database is away. What the driver cannot encode is our mistake instead."""
    return isinstance(error, DATABASE_AWAY) and not isinstance(error, ValueError)


# A request that gets no connection for so long is better told to come back.
ACQUIRE_SECONDS = 5

API_ROLE = "hookline_api"
INGEST_ROLE = "hookline_ingest"

# A plan that is made while a table is empty, and kept, reads the whole table once it is large: until statistics come,
# a minute later, every batch would. Batches go from their values through an index, always.
# Nor may it collect and sort what an index has in order.
# For a table that was empty when it was last analyzed all of this is not enough, since any index seems as good as any
# other, read from end to end. So plans are also made anew after a second, and then after twice the time each: what has
# come into the table meanwhile counts.
_BY_INDEX = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
}
_FIRST_PLANS_SECONDS = 1.0
_LAST_PLANS_SECONDS = 60.0
# What people ask is planned for what they ask: a large account's list is read another way than a small one's, and a
# plan that is kept would be for neither.
_AS_ASKED = {"plan_cache_mode": "force_custom_plan"}

_SET_ORGANIZATION = "SELECT set_config('hookline.organization_id', $1, true)"


async def open_pool(
    database_url: str,
    *,
    role: str | None = None,
    size: int,
    application_name: str,
    statement_seconds: float = 30,
    batches: bool = False,
) -> Pool:
    """Open a pool whose connections act as `role` (None: the owner).

    The role is a start-up parameter, so that no forgotten statement can run as the owner.
    batches: for statements that a batch of values drives through indices; see `_BY_INDEX`.
    """
    server_settings = {
        "application_name": application_name,
        "timezone": "UTC",
        "statement_timeout": str(int(statement_seconds * 1000)),
        # A process that is stopped in the middle of a transaction must not hold its locks for long.
        "idle_in_transaction_session_timeout": "10000",
        "jit": "off",
        # An acknowledged webhook is on disk, whatever the server's default is.
        "synchronous_commit": "on",
    }
    if role is not None:
        server_settings["role"] = role
    server_settings |= _BY_INDEX if batches else _AS_ASKED
    options: dict[str, Any] = {"server_settings": server_settings, "command_timeout": statement_seconds + 5}
    pool = Pool(
        database_url,
        min_size=0,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        init=_prepare,
        setup=methodcaller("plan_anew") if batches else None,
        reset=_reset,
        loop=None,
        connection_class=_Planning if batches else asyncpg.Connection,
        record_class=asyncpg.Record,
        **options,
    )
    pool.connect_alone = partial(_connect_alone, database_url, options)
    await pool
    return pool


async def _connect_alone(database_url: str, options: dict[str, Any]) -> asyncpg.Connection:
    connection: asyncpg.Connection = await asyncpg.connect(database_url, **options)
    await _prepare(connection)
    return connection


def own_connection(pool: asyncpg.Pool) -> Awaitable[asyncpg.Connection]:
    """Open a connection of one's own, set up as the pool's are: for what must not wait for a free one, or listens.

    It belongs to the event loop that awaits this, whichever the pool's is.
    """
    if not isinstance(pool, Pool):
        raise TypeError("the pool must come from hookline.store.pool.open_pool")
    return pool.connect_alone()


async def part_with(connection: asyncpg.Connection) -> None:
    """Close a connection of one's own, politely if that is possible."""
    try:
        await connection.close(timeout=1)
    except DATABASE_AWAY:
        connection.terminate()


async def check_role(pool: asyncpg.Pool, role: str) -> None:
    """Make sure that a pool's connections act as `role`: a pooler on the way may refuse start-up parameters, or drop
    them, and then nobody would be bound by anything.

    Raises: StartupError.
    """
    try:
        acts_as = await pool.fetchval("SELECT current_user")
    except asyncpg.PostgresConnectionError as error:
        raise StartupError(f"The database, or a pooler before it, refuses the connection: {error}") from None
    if acts_as != role:
        raise StartupError(
            f"The connection does not act as the role {role}: a pooler drops the start-up parameter `role`. "
            "The API must connect directly."
        )


async def _prepare(connection: asyncpg.Connection) -> None:
    """Pass JSON as text in both directions, in the binary format: COPY knows no other."""
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=str.encode, decoder=bytes.decode, format="binary"
    )


async def _reset(connection: asyncpg.Connection) -> None:
    """Reset a connection that comes back only where something may be left on it: it costs a round trip.

    What this program sets, it sets for a transaction.
    """
    if connection.is_in_transaction():
        await connection.reset()


@asynccontextmanager
async def organization_transaction(pool: asyncpg.Pool, organization_id: str) -> AsyncIterator[Connection]:
    """Open a transaction that sees and writes one organization's rows only (under the API's role).

    Raises: TimeoutError, if no connection becomes free.
    """
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
        await connection.execute(_SET_ORGANIZATION, organization_id)
        yield connection


async def database_time(connection: Connection) -> datetime:
    """Tell the time by the clock that all processes share."""
    moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return moment
