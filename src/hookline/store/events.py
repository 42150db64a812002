"""The table webhook_events: every part of every webhook, as it was signed, and what became of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Signature, WebhookEventStatus
from hookline.store.arrays import joined
from hookline.store.pages import Filter, Listed, fetch_page
from hookline.store.pool import Connection


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What processing needs of an event."""

    id: UUID
    organization_id: str
    connected_account_id: UUID
    provider: IntegrationProvider
    payload_json: str | None
    received_at: datetime
    result: str | None  # of an earlier processing, when this is a replay


_READ = """
SELECT e.id, e.organization_id, e.connected_account_id, e.provider, e.payload_json, e.received_at, e.result
FROM unnest(string_to_array($2, $1)::uuid[], string_to_array($3, $1)) AS c(id, organization_id)
JOIN webhook_events e ON e.id = c.id AND e.organization_id = c.organization_id
"""


async def read(connection: Connection, wanted: Sequence[tuple[UUID, str]]) -> dict[UUID, StoredEvent]:
    """Read events by (id, organization); what is not there, or another organization's, is left out."""
    if not wanted:
        return {}
    columns = joined([str(one) for one, _ in wanted], [owner for _, owner in wanted])
    records: Sequence[Any] = await connection.fetch(_READ, *columns)
    return {record[0]: event_from(record) for record in records}


def event_from(columns: Sequence[Any]) -> StoredEvent:
    """Read id, organization_id, connected_account_id, provider, payload_json, received_at and result."""
    return StoredEvent(
        id=columns[0],
        organization_id=columns[1],
        connected_account_id=columns[2],
        provider=IntegrationProvider[columns[3]],
        payload_json=columns[4],
        received_at=columns[5],
        result=columns[6],
    )


_FINISH = """
UPDATE webhook_events e
SET status = c.status, result = c.result::json, error = c.error, processed_at = now()
FROM unnest(
    string_to_array($2, $1)::uuid[], string_to_array($3, $1), string_to_array($4, $1), string_to_array($5, $1),
    string_to_array($6, $1, '')
) AS c(id, organization_id, status, result, error)
WHERE e.organization_id = c.organization_id AND e.id = c.id
"""


class Ending(msgspec.Struct, frozen=True):
    """What became of an event; `result` is JSON text."""

    id: UUID
    organization_id: str
    status: WebhookEventStatus
    result: str
    error: str | None


async def finish(connection: Connection, endings: Sequence[Ending]) -> None:
    """Record what became of events."""
    if not endings:
        return
    columns = joined(
        [str(one.id) for one in endings],
        [one.organization_id for one in endings],
        [one.status for one in endings],
        [one.result for one in endings],
        [one.error or "" for one in endings],
    )
    await connection.execute(_FINISH, *columns)


_FAIL = """
UPDATE webhook_events
SET retries = $3, error = $4, status = $5, processed_at = CASE WHEN $5 = 'PENDING' THEN NULL ELSE now() END
WHERE organization_id = $1 AND id = $2
"""


async def fail(
    connection: Connection,
    organization_id: str,
    event_id: UUID,
    *,
    retries: int,
    error: str,
    status: WebhookEventStatus,
) -> None:
    """Record a processing attempt that failed; the event stays PENDING while its job will run again."""
    await connection.execute(_FAIL, organization_id, event_id, retries, error, status)


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A row, as people inspect it. `payload_json` and `result` are JSON text."""

    id: UUID
    organization_id: str | None
    connected_account_id: UUID | None
    provider: IntegrationProvider
    event_type: str
    payload_json: str | None
    body: bytes | None
    external_account_id: str | None
    contact: str | None
    ordering: str
    signature: Signature
    status: WebhookEventStatus
    retries: int
    result: str | None
    error: str | None
    received_at: datetime
    processed_at: datetime | None


_COLUMNS = ", ".join(WebhookEvent.__struct_fields__)


def _event(record: Any) -> WebhookEvent:
    return msgspec.convert(dict(record), WebhookEvent, strict=False)


_GET = f"SELECT {_COLUMNS} FROM webhook_events WHERE id = $1 AND organization_id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, event_id: UUID) -> WebhookEvent | None:
    """Read one event of an organization."""
    record = await connection.fetchrow(_GET, event_id, organization_id)
    return None if record is None else _event(record)


_ORGANIZATION_OF = "SELECT organization_id FROM webhook_events WHERE id = $1"


async def organization_of(connection: Connection, event_id: UUID) -> str | None:
    """Find who owns an event; None if nobody does, or it is not there (for operators)."""
    organization_id: str | None = await connection.fetchval(_ORGANIZATION_OF, event_id)
    return organization_id


class EventFilter(Filter, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What events are narrowed to; times are `received_at`."""

    status: WebhookEventStatus | None = None
    event_type: str | None = None
    replayable: bool | None = None


LISTED = Listed(
    "webhook_events",
    {
        "provider": "provider = {}",
        "status": "status = {}",
        "event_type": "event_type = {}",
        "replayable": "(payload_json IS NOT NULL) = {}",
        "account_id": "connected_account_id = {}",
        "since": "received_at >= {}",
        "until": "received_at < {}",
    },
    indexed=frozenset({WebhookEventStatus.PENDING, WebhookEventStatus.FAILED}),
)


async def list_page(
    connection: Connection, organization_id: str, chosen: EventFilter, *, before: UUID | None, limit: int
) -> list[WebhookEvent]:
    """List an organization's events, newest first, before the event `before`."""
    records = await fetch_page(
        connection, LISTED, _COLUMNS, chosen, organization_id=organization_id, before=before, limit=limit
    )
    return [_event(record) for record in records]


_LIST_UNOWNED = f"""
SELECT {_COLUMNS} FROM webhook_events
WHERE organization_id IS NULL AND status = $2 ORDER BY id DESC LIMIT $1
"""  # noqa: S608


async def list_unowned(connection: Connection, status: WebhookEventStatus, limit: int) -> list[WebhookEvent]:
    """List nobody's events, newest first (for operators; the API never shows them).

    PENDING ones wait for an account; FAILED ones could not be read, and so never be given to anybody.
    """
    return [_event(record) for record in await connection.fetch(_LIST_UNOWNED, limit, status)]


_REOPEN = """
UPDATE webhook_events SET status = 'PENDING', processed_at = NULL, error = NULL
WHERE organization_id = $1 AND id = $2 AND status <> 'PENDING' RETURNING id
"""


async def reopen(connection: Connection, organization_id: str, event_id: UUID) -> bool:
    """Make an ended event PENDING again; False if it already is."""
    return await connection.fetchval(_REOPEN, organization_id, event_id) is not None


# The address of an event that names no account, before the organization that it names, if it names one.
LATEST = "latest:"

# An unowned event goes to the account that answers to its address now, unless another organization ever did. Only
# routes opened a short while ago are asked (`adopts`): later events are routed as they come.
_ADOPT = f"""
WITH candidate AS MATERIALIZED (
    SELECT e.id AS event_id, a.connected_account_id, a.organization_id, a.address
    FROM account_routes a
    JOIN webhook_events e ON e.provider = a.provider AND e.address = a.address
    WHERE a.live AND a.adopts AND e.organization_id IS NULL AND e.status = 'PENDING'
    UNION ALL
    SELECT e.id, a.connected_account_id, a.organization_id, a.address
    FROM account_routes a
    JOIN webhook_events e ON e.provider = a.provider AND e.fallback_address = a.address
    WHERE a.live AND a.adopts AND e.organization_id IS NULL AND e.status = 'PENDING'
      AND NOT EXISTS (SELECT FROM account_routes b WHERE b.provider = e.provider AND b.address = e.address AND b.live)
    UNION ALL
    (SELECT DISTINCT ON (e.id) e.id, a.connected_account_id, a.organization_id, e.address
     FROM account_routes a
     JOIN webhook_events e ON e.provider = a.provider AND e.address IN ('{LATEST}', '{LATEST}' || a.organization_id)
     WHERE a.live AND a.adopts AND e.organization_id IS NULL AND e.status = 'PENDING' AND e.external_account_id IS NULL
     ORDER BY e.id, a.connected_at DESC, a.connected_account_id)
),
chosen AS MATERIALIZED (
    SELECT event_id FROM candidate GROUP BY event_id ORDER BY event_id LIMIT $1
),
adopted AS MATERIALIZED (
    SELECT e.*, c.connected_account_id AS account, c.organization_id AS organization,
           row_number() OVER (PARTITION BY e.id ORDER BY c.connected_account_id) AS copy
    FROM candidate c
    JOIN chosen USING (event_id)
    JOIN webhook_events e ON e.organization_id IS NULL AND e.id = c.event_id
    WHERE NOT EXISTS (
        SELECT FROM account_routes other
        WHERE other.provider = e.provider AND other.address = c.address AND other.organization_id <> c.organization_id)
    ORDER BY e.received_at, e.id
),
owned AS (
    UPDATE webhook_events e SET organization_id = a.organization, connected_account_id = a.account
    FROM adopted a WHERE e.organization_id IS NULL AND e.id = a.id AND a.copy = 1
),
copied AS (
    INSERT INTO webhook_events (
        id, organization_id, connected_account_id, provider, event_type, payload_json, address, fallback_address,
        external_account_id, contact, ordering, signature, status, received_at)
    SELECT sibling_id(id, account), organization, account, provider, event_type, payload_json, address,
           fallback_address, external_account_id, contact, ordering, signature, status, received_at
    FROM adopted WHERE copy > 1
),
job AS (
    INSERT INTO integration_jobs (
        id, organization_id, provider, job_type, payload_json, connected_account_id, ordering_key, lane)
    SELECT id_of_moment(sibling_id(id, account), now()), organization, provider, 'PROCESS_WEBHOOK',
           ('{{"webhookEventId":"' || CASE WHEN copy = 1 THEN id ELSE sibling_id(id, account) END || '"}}')::json,
           account, 'in:' || account || ':' || ordering,
           job_lane('PROCESS_WEBHOOK', organization, 'in:' || account || ':' || ordering)
    FROM adopted ORDER BY received_at, id, copy
)
SELECT count(*) FROM adopted
"""  # noqa: S608 - constants only


async def adopt_unowned(connection: Connection, limit: int) -> int:
    """Give up to `limit` unowned events, with jobs, to the accounts that have connected since. One caller a time."""
    return int(await connection.fetchval(_ADOPT, limit))


_EXPIRE_UNOWNED = """
WITH expired AS (
    SELECT id FROM webhook_events
    WHERE organization_id IS NULL AND status = 'PENDING' AND received_at < now() - $1::interval
    LIMIT $2
)
DELETE FROM webhook_events WHERE organization_id IS NULL AND id IN (SELECT id FROM expired) RETURNING id
"""


async def expire_unowned(connection: Connection, older_than: timedelta, limit: int) -> int:
    """Delete unowned events that waited for longer than `older_than`; returns how many."""
    return len(await connection.fetch(_EXPIRE_UNOWNED, older_than, limit))
