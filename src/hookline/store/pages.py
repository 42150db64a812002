"""An organization's rows, newest first, narrowed by whatever is asked for.

Ids carry the time at which they were made, and the primary key begins with organization and id: what is narrowed to a
time reads no more of the table than that time, give or take what clocks differ by.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.ids import id_bound
from hookline.store.pool import Connection

# The clocks of the machines that make ids, and of the one that stores rows, differ by less than this.
CLOCK_SLACK = timedelta(hours=1)


class Filter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What rows are narrowed to; None does not narrow. `until` is exclusive."""

    provider: IntegrationProvider | None = None
    account_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


class Listed(msgspec.Struct, frozen=True):
    """A table of an organization's rows: SQL conditions by the filter's names, with {} for the value.

    indexed: the statuses of which there is an index by organization, provider and id. implied: what else holds of rows
    with a value, where an index of few rows says that instead.
    """

    table: str
    conditions: Mapping[str, str]
    indexed: frozenset[StrEnum] = frozenset()
    implied: Mapping[StrEnum, str] = {}


async def fetch_page(
    connection: Connection,
    listed: Listed,
    columns: str,
    chosen: Any,
    *,
    organization_id: str,
    before: UUID | None,
    limit: int,
) -> list[Any]:
    """Fetch the newest `limit` rows before the id `before` that fit `chosen`, a struct with the conditions' names.

    Only what is chosen becomes a condition: a plan made for all of them at once would serve none.
    """
    where, arguments = conditions(listed, chosen, organization_id)
    if before is not None:
        arguments.append(before)
        where += f" AND id < ${len(arguments)}"
    part = f"SELECT {columns} FROM {listed.table} WHERE {where}{{}} ORDER BY id DESC LIMIT {limit:d}"  # noqa: S608
    parts = [part.format(leg) for leg in legs(listed, chosen)]
    records: list[Any] = await connection.fetch(parts[0] if len(parts) == 1 else _united(parts, limit), *arguments)
    return records


def _united(parts: Sequence[str], limit: int) -> str:
    union = " UNION ALL ".join(f"({part})" for part in parts)
    return f"SELECT * FROM ({union}) AS part ORDER BY id DESC LIMIT {limit:d}"  # noqa: S608


def legs(listed: Listed, chosen: Any) -> list[str]:
    """Give the conditions to read under, one after another, so that an index gives each part in order of ids.

    With a status that has an index, this is a part for each provider; else all of it at once, by the primary key.
    """
    status = getattr(chosen, "status", None)
    if status not in listed.indexed:
        return [""]
    providers = IntegrationProvider if chosen.provider is None else [chosen.provider]
    said = " AND ".join([f"status = '{status.value}'", *filter(None, [listed.implied.get(status)])])
    return [f" AND {said} AND provider = '{provider.value}'" for provider in providers]


def conditions(listed: Listed, chosen: Any, organization_id: str) -> tuple[str, list[Any]]:
    """Put what is chosen into SQL, and the arguments for it; the first is the organization."""
    arguments: list[Any] = [organization_id]
    clauses = ["organization_id = $1", *times(chosen, arguments)]
    for name, value in _values(listed, chosen):
        if isinstance(value, StrEnum):  # a literal: it proves the predicate of a partial index to every plan
            clauses.append(listed.conditions[name].format(f"'{value.value}'"))
            if value in listed.implied:
                clauses.append(listed.implied[value])
        else:
            arguments.append(value)
            clauses.append(listed.conditions[name].format(f"${len(arguments)}"))
    return " AND ".join(clauses), arguments


def times(chosen: Any, arguments: list[Any]) -> Iterator[str]:
    """Give what the chosen times say of ids; their values are added to the arguments."""
    for moment, sign, slack in ((chosen.since, ">=", -CLOCK_SLACK), (chosen.until, "<", CLOCK_SLACK)):
        if moment is not None:
            arguments.append(id_bound(moment, slack))
            yield f"id {sign} ${len(arguments)}"


def _values(listed: Listed, chosen: Any) -> Iterator[tuple[str, Any]]:
    for name in listed.conditions:
        value = getattr(chosen, name)
        if value is not None:
            yield name, value
