"""The table webhook_events, many rows at once: replayed, opened again with their jobs, or failed with them."""

from collections.abc import Sequence
from uuid import UUID

from hookline.domain.event import WebhookEventStatus
from hookline.domain.ids import new_id
from hookline.store.pool import Connection

# What holds no JSON cannot be processed. Jobs are added in the order in which the events came.
_REPLAY = """
WITH wanted AS (
    SELECT * FROM unnest($2::uuid[], $3::uuid[]) AS w(event_id, job_id)
),
free AS MATERIALIZED (
    SELECT e.id FROM webhook_events e
    WHERE e.organization_id = $1 AND e.id = ANY ($2::uuid[]) AND e.status = $4 AND e.payload_json IS NOT NULL
    FOR UPDATE SKIP LOCKED
),
opened AS (
    UPDATE webhook_events e SET status = 'PENDING', processed_at = NULL, error = NULL
    FROM free WHERE e.organization_id = $1 AND e.id = free.id
    RETURNING e.id, e.provider, e.connected_account_id, 'in:' || e.connected_account_id || ':' || e.ordering AS key
),
job AS (
    INSERT INTO integration_jobs (
        id, organization_id, provider, job_type, payload_json, connected_account_id, ordering_key, lane)
    SELECT w.job_id, $1, o.provider, 'PROCESS_WEBHOOK', ('{"webhookEventId":"' || o.id || '"}')::json,
           o.connected_account_id, o.key, job_lane('PROCESS_WEBHOOK', $1, o.key)
    FROM opened o JOIN wanted w ON w.event_id = o.id ORDER BY o.id
)
SELECT id FROM opened
"""


async def replay(
    connection: Connection, organization_id: str, event_ids: Sequence[UUID], status: WebhookEventStatus
) -> set[UUID]:
    """Put events of a status back into the queue, each with a new job; gives those that were.

    An event that somebody else has locked is left to them.
    """
    records = await connection.fetch(_REPLAY, organization_id, event_ids, [new_id() for _ in event_ids], status)
    return {record["id"] for record in records}


_REOPEN = """
UPDATE webhook_events SET status = 'PENDING', processed_at = NULL, error = NULL
WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND status <> 'PENDING'
"""


async def reopen(connection: Connection, organization_id: str, event_ids: Sequence[UUID]) -> None:
    """Make ended events PENDING again, whose jobs run again."""
    await connection.execute(_REOPEN, organization_id, event_ids)


_FAIL = """
UPDATE webhook_events SET status = 'FAILED', error = $3, processed_at = now()
WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND status = 'PENDING'
"""


async def fail(connection: Connection, organization_id: str, event_ids: Sequence[UUID], error: str) -> None:
    """Fail events whose jobs will not run."""
    await connection.execute(_FAIL, organization_id, event_ids, error)
