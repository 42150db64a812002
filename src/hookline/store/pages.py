"""Pages of an organization's rows, newest first, narrowed by whatever is asked for."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from hookline.store.pool import Connection


async def fetch_page(
    connection: Connection,
    select: str,
    conditions: Mapping[str, str],
    chosen: Mapping[str, Any],
    *,
    organization_id: str,
    before: UUID | None,
    limit: int,
) -> list[Any]:
    """Fetch the newest `limit` rows before the id `before`.

    select: `SELECT … FROM …`. conditions: SQL by name, with {} for the value; those whose value is not None are set,
    and no others: a plan made for all of them at once would serve none.
    """
    arguments: list[Any] = [organization_id]
    clauses = ["organization_id = $1"]
    for name, condition in [*conditions.items(), ("before", "id < {}")]:
        value = before if name == "before" else chosen.get(name)
        if value is not None:
            arguments.append(value)
            clauses.append(condition.format(f"${len(arguments)}"))
    statement = f"{select} WHERE {' AND '.join(clauses)} ORDER BY id DESC LIMIT {limit:d}"
    records: list[Any] = await connection.fetch(statement, *arguments)
    return records
