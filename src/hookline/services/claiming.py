"""Transactions to claim in: what is not known to be committed is given up before the next one claims."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from hookline.domain.ids import new_id
from hookline.services.presence import Presence
from hookline.store import claims
from hookline.store.claims import Hold
from hookline.store.pool import Connection


class Claiming:
    """One claimant's transactions. They may go on side by side."""

    def __init__(self, pool: asyncpg.Pool, presence: Presence) -> None:
        self._pool = pool
        self._presence = presence
        self._doubtful: list[Hold] = []  # their commit was not answered

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[tuple[Connection, Hold]]:
        """Open a transaction, and give what is to be claimed in it a name.

        Raises: what the connection raises, also where the transaction has been committed after all.
        """
        hold, doubtful = Hold(new_id(), self._presence.id), self._doubtful
        self._doubtful = []
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                for one in doubtful:
                    await claims.give_up(connection, one)
                doubtful.append(hold)
                yield connection, hold
        except BaseException:
            self._doubtful += doubtful
            raise
