"""The second wall between tenants: row-level security, under whatever the API asks."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.conftest import SettingsFor
from tests.web.rows import Rows

from hookline import bootstrap
from hookline.domain.errors import StartupError
from hookline.store.pool import API_ROLE, INGEST_ROLE, open_pool, organization_transaction

TENANT_TABLES = """
SELECT DISTINCT c.relname FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
WHERE c.relkind IN ('r', 'p') ORDER BY c.relname
"""
UNPROTECTED = """
SELECT c.relname FROM pg_class c
WHERE c.relname = ANY ($1::text[]) AND (
    NOT c.relrowsecurity
    OR NOT EXISTS (
        SELECT FROM pg_policies p
        WHERE p.tablename = c.relname AND 'hookline_api' = ANY (p.roles)
          AND p.qual LIKE '%organization_id = %hookline.organization_id%'))
"""
# A partition is not reached by its parent's policy when it is asked directly: nobody may ask it.
READABLE_PARTITIONS = """
SELECT c.relname FROM pg_class c
WHERE c.relispartition AND has_table_privilege('hookline_api', c.oid, 'SELECT') AND NOT c.relrowsecurity
"""


@pytest.fixture
async def api_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections as the API has them."""
    async with await open_pool(database_url, role=API_ROLE, size=2, application_name="walls") as pool:
        yield pool


@pytest.fixture
async def readable(api_pool: asyncpg.Pool, owner: asyncpg.Connection) -> list[str]:
    """Every table of organizations that the API's role may read, each holding rows of two organizations."""
    for organization in ("org-1", "org-2"):
        rows = Rows(owner)
        account_id = await rows.account(organization, external_id=organization)
        await rows.event(organization)
        await rows.job(organization)
        await rows.message(organization, connected_account_id=account_id)
        await rows.contact(organization, connected_account_id=account_id)
        await rows.fact(organization)
        await owner.execute(
            "INSERT INTO account_routes (provider, address, connected_account_id, organization_id, exclusive, live)"
            " VALUES ('WHATSAPP', $1, $2, $1, true, true)",
            organization,
            account_id,
        )
    tables = [row["relname"] for row in await owner.fetch(TENANT_TABLES)]
    async with api_pool.acquire() as connection:
        return [
            table for table in tables if await connection.fetchval("SELECT has_table_privilege($1, 'SELECT')", table)
        ]


async def test_every_table_of_organizations_is_under_row_level_security(owner: asyncpg.Connection) -> None:
    """Whatever has an organization_id has a policy that binds the API's role to one organization."""
    tables = [row["relname"] for row in await owner.fetch(TENANT_TABLES)]
    assert {"connected_accounts", "webhook_events", "integration_jobs", "messages", "outbox"} <= set(tables)
    partitions = {row["relname"] for row in await owner.fetch("SELECT relname FROM pg_class WHERE relispartition")}
    assert await owner.fetch(UNPROTECTED, [table for table in tables if table not in partitions]) == []
    assert await owner.fetch(READABLE_PARTITIONS) == []


async def test_the_roles_are_bound(owner: asyncpg.Connection) -> None:
    """Neither role may pass the walls, own a table, or log in."""
    found = await owner.fetch(
        "SELECT rolname FROM pg_roles r WHERE rolname = ANY ($1::text[]) AND (rolsuper OR rolbypassrls OR rolcanlogin"
        " OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid))",
        [API_ROLE, INGEST_ROLE],
    )
    assert found == []


async def test_without_an_organization_there_is_nothing(api_pool: asyncpg.Pool, readable: list[str]) -> None:
    """A query that forgot its organization finds no row, before any transaction named one and after."""
    async with api_pool.acquire() as connection:
        for _ in range(2):
            for table in readable:
                assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
            async with connection.transaction():
                await connection.execute("SELECT set_config('hookline.organization_id', 'org-1', true)")


async def test_with_an_organization_there_is_only_its_own(api_pool: asyncpg.Pool, readable: list[str]) -> None:
    """A query without a condition finds the rows of the transaction's organization, and no others."""
    async with organization_transaction(api_pool, "org-1") as connection:
        for table in readable:
            found = await connection.fetch(f"SELECT DISTINCT organization_id FROM {table}")
            assert {row[0] for row in found} <= {"org-1"}, table
        found_in = ("connected_accounts", "webhook_events", "integration_jobs", "messages", "contacts", "outbox")
        for table in (*found_in, "contact_ids"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 1, table


@pytest.mark.parametrize("table", ["connected_accounts", "account_routes", "webhook_events", "integration_jobs"])
async def test_nothing_of_others_can_be_changed(api_pool: asyncpg.Pool, readable: list[str], table: str) -> None:
    """An update without a condition changes the organization's own rows, and gives none of them away."""
    async with organization_transaction(api_pool, "org-1") as connection:
        assert await connection.execute(f"UPDATE {table} SET provider = 'FACEBOOK'") == "UPDATE 1"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with organization_transaction(api_pool, "org-1") as connection:
            await connection.execute(f"UPDATE {table} SET organization_id = 'org-2'")


async def test_nothing_can_be_written_for_others(api_pool: asyncpg.Pool) -> None:
    """A row for another organization is refused."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with organization_transaction(api_pool, "org-1") as connection:
            await Rows(connection).account("org-2")  # type: ignore[arg-type]


async def test_an_odd_organization_is_only_a_name(api_pool: asyncpg.Pool, readable: list[str]) -> None:
    """Quotes and patterns in an organization's id are characters, nothing more."""
    for name in ("", "%", "org-%", "' OR true --", "org-1,org-2"):
        async with organization_transaction(api_pool, name) as connection:
            assert await connection.fetchval("SELECT count(*) FROM messages") == 0


async def test_the_api_does_not_start_where_it_would_not_be_bound(
    database_url: str, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler that drops the role from the connection's start would take the wall away: the API refuses to start."""

    async def dropping(url: str, *, role: str | None = None, **options: Any) -> asyncpg.Pool:
        return await open_pool(url, **options)

    monkeypatch.setattr(bootstrap, "open_pool", dropping)
    with pytest.raises(StartupError, match="does not act as the role hookline_api"):
        async with bootstrap.api_context(settings_for(database_url), database_url):
            raise AssertionError("it started")
