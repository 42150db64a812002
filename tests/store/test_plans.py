"""Plans that are made while tables are empty, and kept: each batch must find its rows by their own index."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from hookline.domain.job import IntegrationJobStatus
from hookline.store import (
    attempts,
    contacts,
    endings,
    events,
    held,
    intake,
    jobs,
    messages,
    paces,
    sends,
    takes,
    templates,
    walks,
)
from hookline.store import pool as pool_module
from hookline.store.jobs import JobFilter
from hookline.store.pool import API_ROLE, DATABASE_AWAY, Connection, open_pool, organization_transaction
from hookline.store.walks import Place, Walk

# Statement, the types of its arguments, and by which index it finds the rows of which table.
STATEMENTS = {
    "messages known": (messages._KNOWN, "text, text, text", {"messages": "messages_external"}),
    "messages locked": (messages._LOCK, "text, text, text", {"messages": "messages_external"}),
    "held messages matched": (held._MATCHED, "bigint", {"messages": "messages_external"}),
    "held changes taken": (held._TAKE, "text, text, text", {"held_changes": "held_changes_message"}),
    "messages sent before": (
        messages._LOCK_SENT_BEFORE,
        "uuid[], text[], timestamptz[], text[]",
        {"messages": "messages_conversation"},
    ),
    "people met": (
        contacts._MEET,
        ", ".join(["text"] * 8),
        {"contact_ids": "contact_ids_pkey", "contacts": "contacts_pkey"},
    ),
    "people read": (contacts._READ, "text, text, text", {"contact_ids": "contact_ids_pkey"}),
    "people locked": (contacts._LOCK, "text[], uuid[]", {"contacts": "contacts_pkey"}),
    "people's ids": (contacts._OF_CONTACTS, "uuid[]", {"contact_ids": "contact_ids_contact"}),
    "people written": (
        contacts._UPDATE,
        ", ".join(["uuid[]", "text[]", *(f"{one}[]" for one in contacts._WRITTEN.values())]),
        {"contacts": "contacts_pkey"},
    ),
    "people's ids moved": (
        contacts._MOVE,
        "uuid[], text[], uuid[], timestamptz[]",
        {"contact_ids": "contact_ids_pkey"},
    ),
    "events read": (events._READ, "text, text, text", {"webhook_events": "webhook_events_list"}),
    "events finished": (events._FINISH, ", ".join(["text"] * 6), {"webhook_events": "webhook_events_list"}),
    "webhooks taken": (
        takes._TAKE,
        "smallint[], timestamptz[], bigint[], bigint[], integer",
        {"webhook_events": "webhook_events_list"},
    ),
    "jobs ended in place": (endings._END_IN_PLACE, "text, text, text, text", {"integration_jobs": "Tid Scan"}),
    "jobs ended": (endings._END, "text[], uuid[], bigint[]", {"integration_jobs": "integration_jobs_pkey"}),
    "jobs released": (
        endings._RELEASE,
        "text[], uuid[], bigint[], boolean",
        {"integration_jobs": "integration_jobs_pkey"},
    ),
    "jobs woken": (sends._WAKE, "text[], uuid[]", {"integration_jobs": "integration_jobs_pkey"}),
    "messages to send locked": (sends._LOCK, "text[], uuid[]", {"messages": "messages_pkey"}),
    "messages being sent": (sends._MARK_SENDING, "text[], uuid[]", {"messages": "messages_pkey"}),
    "messages without an id": (sends._CLAIM_KEYS, "uuid[], text[], uuid[]", {"messages": "messages_pkey"}),
    "attempts ended": (
        attempts._END,
        "uuid[], text[], uuid[], timestamptz[], text[], integer[], text[], text[], text[], text[], integer[]",
        {"send_attempts": "send_attempts_pkey"},
    ),
    "paces of people": (paces._LOCK_PAIRS, "uuid[], text[]", {"pair_paces": "pair_paces_pkey"}),
    "marks of people": (held._WATERMARKS, "uuid[], text[]", {"contact_watermarks": "contact_watermarks_pkey"}),
    "templates found": (templates._FIND, "uuid[], text[], text[]", {"templates": "templates_key"}),
    "routes": (intake._INGEST, ", ".join(["text"] * 9 + ["bytea[]"]), {"account_routes": "account_routes_pkey"}),
}


def scans(plan: Any) -> Iterator[tuple[str, str]]:
    """List tables and how they are read: the index, or the kind of scan where there is none; or all of either."""
    if isinstance(plan, list):
        for one in plan:
            yield from scans(one)
    elif isinstance(plan, dict):
        if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
            how = plan.get("Index Name", plan["Node Type"])
            bound = "Index Cond" in plan or "TID Cond" in plan
            yield plan["Relation Name"], how if bound else f"all of {how}"
        for inner in plan.values():
            yield from scans(inner)


@pytest.mark.parametrize("case", STATEMENTS)
async def test_an_empty_table_is_planned_for_as_if_it_were_full(database_url: str, case: str) -> None:
    """The generic plan of an empty database goes through the index that serves a full one."""
    statement, types, wanted = STATEMENTS[case]
    arguments = ", ".join(["NULL"] * len(types.split(", ")))
    async with (
        await open_pool(database_url, size=1, application_name="tests", batches=True) as pool,
        pool.acquire() as connection,
    ):
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE statement ({types}) AS {statement}")
        text = await connection.fetchval(f"EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE statement ({arguments})")
    found = {table: set[str]() for table in wanted}
    for table, how in scans(json.loads(text)):
        if table in wanted:
            found[table].add(how)
    if case == "routes":  # the latest account is asked for in development only
        assert re.search(r"One-Time Filter\W+\w*\.?latest", text.replace("\\", "")), text
    assert found == {table: {index} for table, index in wanted.items()}


_FILL = """
INSERT INTO messages (id, organization_id, connected_account_id, provider, direction, type, origin, external_id, sender,
                      recipient, text, status)
SELECT uuidv7(), 'org-1', $1, 'WHATSAPP', 'INBOUND', 'text', 'customer', 'wamid-' || n, 'a', 'b', '', 'RECEIVED'
FROM generate_series(1, 2000) AS n
"""


@pytest.mark.parametrize("renewed", [False, True])
async def test_plans_are_made_anew(database_url: str, monkeypatch: pytest.MonkeyPatch, *, renewed: bool) -> None:
    """What was planned when a table was empty, and known to be, is planned for what came into it since."""
    monkeypatch.setattr(pool_module, "_FIRST_PLANS_SECONDS", 0.0 if renewed else 60.0)
    async with await open_pool(database_url, size=1, application_name="tests", batches=True) as pool:
        async with pool.acquire() as connection:
            await connection.execute("VACUUM ANALYZE messages")
            await connection.execute(f"PREPARE statement (text, text, text) AS {messages._KNOWN}")
            assert await _scans_of_known(connection) == [("messages", "all of messages_external")]
            await connection.execute(_FILL, uuid4())
        async with pool.acquire() as connection:
            found = await _scans_of_known(connection)
    assert found == [("messages", "messages_external" if renewed else "all of messages_external")]


async def _scans_of_known(connection: Connection) -> list[tuple[str, str]]:
    plan = await connection.fetchval("EXPLAIN (FORMAT JSON) EXECUTE statement (NULL, NULL, NULL)")
    return list(scans(json.loads(plan)))


_MOSTLY_DONE = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, status, lane)
SELECT gen_random_uuid(), 'org-1', 'WHATSAPP', 'TEST', '{}', CASE WHEN n % 1000 = 0 THEN 'FAILED' ELSE 'DONE' END, 64
FROM generate_series(1, 20000) AS n
"""


async def test_failed_jobs_are_found_by_their_index(pool: asyncpg.Pool, database_url: str) -> None:
    """A page and a walk of the few that failed read nothing of the many that are done."""
    await pool.execute(_MOSTLY_DONE)
    await pool.execute("ANALYZE integration_jobs")
    chosen = JobFilter(status=IntegrationJobStatus.FAILED)
    async with (
        await open_pool(database_url, role=API_ROLE, size=1, application_name="api") as api,
        organization_transaction(api, "org-1") as connection,
    ):
        page = await jobs.list_page(connection, "org-1", chosen, before=None, limit=50)
        walk = Walk(jobs.LISTED, chosen, "org-1", UUID(int=2**128 - 1))
        place: Place | None = Place()
        walked = []
        while place is not None:
            step = await walks.step(connection, walk, place, 50)
            walked += step.ids
            place = step.following
        read = await connection.fetchval("SELECT pg_stat_get_xact_tuples_returned('integration_jobs_failed'::regclass)")
        others = await connection.fetchval("SELECT pg_stat_get_xact_tuples_returned('integration_jobs_pkey'::regclass)")
    assert (len(page), len(walked), read, others) == (20, 20, 40, 0)


async def test_a_connection_that_died_is_replaced_before_its_plans_are(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewing plans on a connection that the server has ended fails nobody, or one; the next has a new one."""
    monkeypatch.setattr(pool_module, "_FIRST_PLANS_SECONDS", 0.0)
    async with await open_pool(database_url, size=1, application_name="tests", batches=True) as pool:
        pid = await pool.fetchval("SELECT pg_backend_pid()")
        other = await asyncpg.connect(database_url)
        await other.execute("SELECT pg_terminate_backend($1)", pid)
        await other.close()
        with suppress(*DATABASE_AWAY):
            await pool.fetchval("SELECT 1")
        assert await pool.fetchval("SELECT pg_backend_pid()") != pid
