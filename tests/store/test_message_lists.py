"""Lists of messages of a large organization: what is rare is found by an index, what is common at the newest end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from hookline.domain.account import IntegrationProvider
from hookline.domain.ids import new_id
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.store import messages
from hookline.store.messages import Filter
from hookline.store.pool import API_ROLE, Connection, open_pool, organization_transaction

LARGE, RARE = new_id(), new_id()
ROWS = 20_000
DAYS = 100
_ACCOUNT = """
INSERT INTO connected_accounts (id, organization_id, provider, external_account_id, status)
VALUES ($1, 'org-1', $2, $2, 'CONNECTED')
"""
# Rows over a hundred days; every 5,000th is rare in each respect, and one in two says "common".
_MESSAGES = """
INSERT INTO messages (
    id, organization_id, connected_account_id, provider, direction, type, origin, external_id, contact, sender,
    recipient, text, status, failed_at, created_at)
SELECT id_of_moment(gen_random_uuid(), at), 'org-1', CASE WHEN rare THEN $2::uuid ELSE $1::uuid END,
       CASE WHEN rare THEN 'INSTAGRAM' ELSE 'WHATSAPP' END, CASE WHEN rare THEN 'OUTBOUND' ELSE 'INBOUND' END,
       CASE WHEN rare THEN 'order' ELSE 'text' END, 'live', 'wamid.' || n, 'person-' || n % 500, 's', 'r',
       CASE WHEN rare THEN 'common needle' WHEN n % 2 = 0 THEN 'something common' ELSE 'else' END,
       CASE WHEN rare THEN 'FAILED' ELSE 'RECEIVED' END, CASE WHEN rare THEN at END, at
FROM (SELECT n, n % 5000 = 17 AS rare, $3::timestamptz + n * $4::interval AS at FROM generate_series(1, $5) AS n) AS row
"""
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A transaction of the API's over a large organization."""
    owner = await asyncpg.connect(database_url)
    await owner.execute(_ACCOUNT, LARGE, "WHATSAPP")
    await owner.execute(_ACCOUNT, RARE, "INSTAGRAM")
    await owner.execute(_MESSAGES, LARGE, RARE, START, timedelta(days=DAYS) / ROWS, ROWS)
    await owner.execute("VACUUM ANALYZE messages, connected_accounts")
    await owner.close()
    async with (
        await open_pool(database_url, role=API_ROLE, size=1, application_name="tests") as pool,
        organization_transaction(pool, "org-1") as connection,
    ):
        yield connection


async def scans(connection: Connection, index: str) -> int:
    """How often this transaction has asked an index."""
    number: int = await connection.fetchval("SELECT pg_stat_get_xact_numscans($1::text::regclass)", index)
    return number


RARELY = {
    "status": (Filter(status=MessageStatus.FAILED), "messages_failed"),
    "type": (Filter(type=MessageType.ORDER), "messages_typed"),
    "provider": (Filter(provider=IntegrationProvider.INSTAGRAM), "messages_conversation"),
    "account": (Filter(account_id=RARE), "messages_conversation"),
}


@pytest.mark.parametrize("case", RARELY)
async def test_what_is_rare_is_found_by_an_index(connection: Connection, case: str) -> None:
    """However often it is asked, no plan reads all of the organization's messages for a few."""
    chosen, index = RARELY[case]
    for asked in range(1, 8):
        rows = await messages.list_page(connection, "org-1", chosen, before=None, limit=51)
        assert len(rows) == ROWS // 5000
        assert await scans(connection, index) == asked


async def test_what_is_common_is_found_at_the_newest_end(connection: Connection) -> None:
    """The same question about much is answered in the order of ids, without looking at all of it."""
    for chosen in (
        Filter(provider=IntegrationProvider.WHATSAPP),
        Filter(account_id=LARGE),
        Filter(direction=MessageDirection.INBOUND),
    ):
        rows = await messages.list_page(connection, "org-1", chosen, before=None, limit=51)
        assert len(rows) == 51
        assert [row.id for row in rows] == sorted((row.id for row in rows), reverse=True)
    assert await scans(connection, "messages_conversation") == 0
    assert await scans(connection, "messages_pkey") == 3


async def found(connection: Connection, query: str, chosen: Filter, before: UUID | None = None) -> list[str]:
    """Search; the external ids."""
    rows = await messages.search_page(connection, "org-1", query, chosen, before=before, limit=10)
    return [row.external_id or "" for row in rows]


async def test_a_search_keeps_to_its_times(connection: Connection) -> None:
    """Old times are searched at once, without the index: what is newer and older is not looked at."""
    day = START + timedelta(days=20)
    window = Filter(since=day, until=day + timedelta(hours=1))
    some = await found(connection, "common", window)
    assert some == [f"wamid.{n}" for n in (4008, 4006, 4004, 4002, 4000)]
    assert await found(connection, "needle", window) == []
    assert await scans(connection, "messages_search") == 0


async def test_a_search_goes_on_beyond_the_newest(connection: Connection) -> None:
    """What does not stand in the newest 5,000 messages is found by the index, narrowed by whatever is asked."""
    everything = [f"wamid.{n}" for n in (15017, 10017, 5017, 17)]
    assert await found(connection, "needle", Filter()) == everything
    for chosen in (
        Filter(status=MessageStatus.FAILED),
        Filter(provider=IntegrationProvider.INSTAGRAM),
        Filter(type=MessageType.ORDER),
        Filter(until=START + timedelta(days=DAYS)),
        Filter(since=START),
        Filter(since=datetime(1, 1, 1, tzinfo=UTC), until=datetime(9999, 12, 31, tzinfo=UTC)),
    ):
        assert await found(connection, "needle", chosen) == everything
    assert await found(connection, "needle", Filter(since=START + timedelta(days=30))) == everything[:2]
    assert await found(connection, "needle", Filter(until=START + timedelta(days=30))) == everything[2:]
    assert await found(connection, "common", Filter(status=MessageStatus.FAILED)) == everything


async def test_a_search_goes_on_from_a_cursor(connection: Connection) -> None:
    """The next page begins before the last one's end, whether that or the times are the nearer bound."""
    first = await messages.search_page(connection, "org-1", "needle", Filter(), before=None, limit=2)
    assert await found(connection, "needle", Filter(), before=first[-1].id) == ["wamid.5017", "wamid.17"]
    bounded = Filter(until=START + timedelta(days=10))
    assert await found(connection, "needle", bounded, before=first[-1].id) == ["wamid.17"]
