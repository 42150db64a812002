"""What room in a page saves: `python -m bench.updates DATABASE_URL` (an empty, migrated database; it is filled).

Thirty thousand sent messages and their statuses, as they come in: sent at once, delivered a little later, six of ten
read later still. Printed for several fill factors: updates that touched no index (HOT), and what the log grew by.
"""

import argparse
import asyncio
from uuid import UUID

import asyncpg

from hookline.domain.ids import new_id

FACTORS = (100, 90, 80, 70, 60)
BATCHES, BATCH = 60, 500
ADD = """
INSERT INTO messages (id, organization_id, connected_account_id, provider, direction, type, origin, external_id,
    contact, sender, recipient, text, status)
SELECT id, 'org-1', $2, 'WHATSAPP', 'OUTBOUND', 'text', 'live', 'wamid.' || id, 'c' || n % 300, '1', '2',
       'Hello customer number ' || n || ', your order ' || md5(id::text) || ' is on its way to you today', 'QUEUED'
FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, n)
"""
REPORT = """
UPDATE messages m SET status = $2, sent_at = now(), updated_at = now() FROM unnest($1::uuid[]) AS u(id)
WHERE m.organization_id = 'org-1' AND m.id = u.id
"""
STATUSES = (("SENT", 0, BATCH), ("DELIVERED", 3, BATCH), ("READ", 10, BATCH * 6 // 10))


async def main(url: str) -> None:
    """Do the same with each fill factor."""
    connection = await asyncpg.connect(url)
    for factor in FACTORS:
        await connection.execute("TRUNCATE messages")
        await connection.execute(f"ALTER TABLE messages SET (fillfactor = {factor})")
        before = await _counted(connection)
        await _messages(connection)
        updates, hot, wal = (now - then for now, then in zip(await _counted(connection), before, strict=True))
        size = await connection.fetchval("SELECT pg_relation_size('messages') / 1e6")
        print(f"fillfactor {factor:3}: {updates} updates, {hot / updates:.0%} HOT, {wal:.0f} MB of log, {size:.0f} MB")
    await connection.close()


async def _messages(connection: asyncpg.Connection) -> None:
    batches: list[list[UUID]] = []
    account = new_id()
    for number in range(BATCHES + 10):
        if number < BATCHES:
            batches.append([new_id() for _ in range(BATCH)])
            await connection.execute(ADD, batches[-1], account)
        for status, later, count in STATUSES:
            if 0 <= number - later < BATCHES:
                await connection.execute(REPORT, batches[number - later][:count], status)


async def _counted(connection: asyncpg.Connection) -> tuple[int, int, int]:
    await connection.execute("SELECT pg_stat_force_next_flush()")
    row = await connection.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd, pg_current_wal_insert_lsn() - '0/0' FROM pg_stat_user_tables"
        " WHERE relname = 'messages'"
    )
    assert row is not None
    return row[0], row[1], int(row[2] // 1_000_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_url")
    asyncio.run(main(parser.parse_args().database_url))
