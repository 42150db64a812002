"""Plans that are made while tables are empty, and kept: each batch must find its rows by their own index."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hookline.store import contacts, events, held, intake, messages
from hookline.store.pool import open_pool

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
    "events read": (events._READ, "text, text, text", {"webhook_events": "webhook_events_list"}),
    "events finished": (events._FINISH, ", ".join(["text"] * 6), {"webhook_events": "webhook_events_list"}),
    "routes": (intake._INGEST, ", ".join(["text"] * 9 + ["bytea[]"]), {"account_routes": "account_routes_pkey"}),
}


def scans(plan: Any) -> Iterator[tuple[str, str]]:
    """List tables and how they are read: the index, or the kind of scan where there is none."""
    if isinstance(plan, list):
        for one in plan:
            yield from scans(one)
    elif isinstance(plan, dict):
        if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
            yield plan["Relation Name"], plan.get("Index Name", plan["Node Type"])
        for inner in plan.values():
            yield from scans(inner)


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("case", STATEMENTS)
async def test_an_empty_table_is_planned_for_as_if_it_were_full(
    database_url: str, case: str, *, analyzed: bool
) -> None:
    """The generic plan of an empty database goes through the index that serves a full one."""
    statement, types, wanted = STATEMENTS[case]
    arguments = ", ".join(["NULL"] * len(types.split(", ")))
    async with (
        await open_pool(database_url, size=1, application_name="tests", batches=True) as pool,
        pool.acquire() as connection,
    ):
        if analyzed:
            await connection.execute("VACUUM ANALYZE")
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
