"""Intake: a batch of webhooks, routed and stored as events with their jobs, in one statement over three tables."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Signature, WebhookEventStatus
from hookline.store.arrays import array, joined
from hookline.store.pool import Connection


class Heading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What most events of a batch have in common: it travels once for all of them.

    external_account_id: None where it is the event's address.
    latest: it names no account and goes to the provider's latest connected one, of `organization_id` if that is named;
    where there is none yet, to the next that connects (development's generic envelope). Its address is made of LATEST.
    status: PENDING, or how it ended already (nobody's, malformed); only PENDING ones are routed and get a job.
    """

    provider: IntegrationProvider
    event_type: str
    fallback_address: str | None = None
    external_account_id: str | None = None
    organization_id: str | None = None
    latest: bool = False
    signature: Signature
    status: WebhookEventStatus
    result: str | None = None
    error: str | None = None


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A part about to be stored. The job that will process it gets the same id.

    ordering: what must stay in order within the account. body: bytes that are no JSON.
    """

    id: UUID
    heading: Heading
    payload_json: str | None = None
    address: str | None = None
    contact: str | None = None
    ordering: str
    received_at: datetime
    body: bytes | None = None


# Headings are few and travel as JSON of our own making; the rest as one text a column (see arrays.py). An address that
# several accounts answer to makes an event for each: the first keeps the part's id, the others get siblings of it.
_INGEST = """
WITH heading AS MATERIALIZED (
    SELECT * FROM ROWS FROM (json_to_recordset($1::json) AS (
        provider text, event_type text, fallback_address text, external_account_id text, organization_id text,
        latest boolean, signature text, status text, result text, error text)
    ) WITH ORDINALITY AS h(
        provider, event_type, fallback_address, external_account_id, claimed_organization,
        latest, signature, status, result, error, number)
),
part AS (
    SELECT h.*, p.id AS part_id, p.payload_json, p.address, p.contact, p.body, p.position,
           coalesce(p.ordering, p.contact, '') AS ordering,
           timestamptz 'epoch' + p.received_at * interval '1 microsecond' AS received_at
    FROM unnest(
        string_to_array($3, $2)::uuid[], string_to_array($4, $2)::bigint[], string_to_array($5, $2)::bigint[],
        string_to_array($6, $2, ''), string_to_array($7, $2, ''), string_to_array($8, $2, ''),
        string_to_array($9, $2, ''), $10::bytea[]
    ) WITH ORDINALITY AS p(id, heading, received_at, payload_json, address, contact, ordering, body, position)
    JOIN heading h ON h.number = p.heading
),
routed AS MATERIALIZED (
    SELECT p.*, r.connected_account_id, r.organization_id,
           'in:' || r.connected_account_id || ':' || p.ordering AS ordering_key,
           CASE WHEN row_number() OVER (PARTITION BY p.position ORDER BY r.connected_account_id) = 1 THEN p.part_id
                ELSE sibling_id(p.part_id, r.connected_account_id) END AS id
    FROM part p
    LEFT JOIN LATERAL (
        SELECT a.connected_account_id, a.organization_id FROM account_routes a
        WHERE a.provider = p.provider AND a.address = p.address AND a.live
        UNION ALL
        SELECT a.connected_account_id, a.organization_id FROM account_routes a
        WHERE p.fallback_address IS NOT NULL AND a.provider = p.provider AND a.address = p.fallback_address AND a.live
          AND NOT EXISTS (
              SELECT FROM account_routes b WHERE b.provider = p.provider AND b.address = p.address AND b.live)
        UNION ALL
        (SELECT a.connected_account_id, a.organization_id FROM account_routes a
         WHERE p.latest AND a.provider = p.provider AND a.live
           AND (p.claimed_organization IS NULL OR a.organization_id = p.claimed_organization)
         ORDER BY a.connected_at DESC LIMIT 1)
    ) AS r ON p.status = 'PENDING'
),
event AS (
    INSERT INTO webhook_events (
        id, organization_id, connected_account_id, provider, event_type, payload_json, body, address, fallback_address,
        external_account_id, contact, ordering, signature, status, result, error, received_at, processed_at)
    SELECT id, organization_id, connected_account_id, provider, event_type, payload_json::json, body, address,
           fallback_address, CASE WHEN latest THEN NULL ELSE coalesce(external_account_id, address) END, contact,
           ordering, signature, status, result::json, error, received_at,
           CASE WHEN status = 'PENDING' THEN NULL ELSE received_at END
    FROM routed
),
job AS (
    INSERT INTO integration_jobs (
        id, organization_id, provider, job_type, payload_json, connected_account_id, ordering_key, lane)
    SELECT id, organization_id, provider, 'PROCESS_WEBHOOK', ('{"webhookEventId":"' || id || '"}')::json,
           connected_account_id, ordering_key, job_lane('PROCESS_WEBHOOK', organization_id, ordering_key)
    FROM routed WHERE connected_account_id IS NOT NULL
    ORDER BY position, connected_account_id
)
SELECT count(*) FILTER (WHERE status = 'PENDING' AND connected_account_id IS NULL) FROM routed
"""
_encode_headings = msgspec.json.Encoder().encode


async def ingest(connection: Connection, events: Sequence[NewEvent]) -> int:
    """Route and store events with their jobs, in one statement (and so, outside a transaction, one commit).

    Returns the number of events that nobody owns yet.
    Raises: UnicodeError, asyncpg.DataError or the like, if the database can never take one of them.
    """
    headings: dict[Heading, str] = {}
    numbers = [headings.setdefault(event.heading, str(len(headings) + 1)) for event in events]
    columns = joined(
        [str(event.id) for event in events],
        numbers,
        [_microseconds(event.received_at) for event in events],
        [event.payload_json or "" for event in events],
        [event.address or "" for event in events],
        [event.contact or "" for event in events],
        ["" if event.ordering == event.contact else event.ordering for event in events],
    )
    bodies = [event.body for event in events]
    written = _encode_headings(list(headings)).decode()
    return int(await connection.fetchval(_INGEST, written, *columns, array(bodies)))


def _microseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1_000_000))
