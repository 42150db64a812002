"""The table integration_jobs: the queue's rows. Who may run which of them, and when, is in store/claims.py."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobStatus
from hookline.store.arrays import columns
from hookline.store.lanes import FAILED_LANE, HOME, LATE
from hookline.store.pages import Filter, Listed, fetch_page
from hookline.store.pool import Connection


class ClaimedJob(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever runs a job needs of it. `payload_json` is JSON text; `lease` is the fence of the latest claim."""

    id: UUID
    organization_id: str
    seq: int
    job_type: str
    payload_json: str
    status: IntegrationJobStatus
    attempts: int
    max_attempts: int | None
    ordering_key: str | None
    lease: int

    @property
    def payload(self) -> Any:
        """The payload, decoded; as the standard library reads it, which knows no text that it cannot read."""
        return json.loads(self.payload_json)


class Job(ClaimedJob, frozen=True, kw_only=True):
    """A row."""

    provider: IntegrationProvider
    last_error: str | None
    run_at: datetime
    connected_account_id: UUID | None
    created_at: datetime
    updated_at: datetime


COLUMNS = ", ".join(Job.__struct_fields__)  # what `job_from` reads
_OF_J = ", ".join("j." + name for name in Job.__struct_fields__)
RETRIABLE = (IntegrationJobStatus.FAILED, IntegrationJobStatus.PENDING)
LIVE = (IntegrationJobStatus.PENDING, IntegrationJobStatus.PROCESSING)


def job_from(record: Any) -> Job:
    """Read a row that holds COLUMNS."""
    return msgspec.convert(dict(record), Job, strict=False)


_ENQUEUE = f"""
INSERT INTO integration_jobs
    (id, organization_id, provider, job_type, payload_json, run_at, connected_account_id, ordering_key, max_attempts,
     lane)
VALUES ($1, $2, $3, $4, $5, coalesce($6, now()), $7, $8, $9,
        CASE WHEN $6 < now() - interval '{LATE}' THEN job_return_lane($4, $2, coalesce($8, $1::uuid::text))
             ELSE job_lane($4, $2, coalesce($8, $1::uuid::text)) END)
RETURNING {COLUMNS}
"""  # noqa: S608 - constants only, here and below


async def enqueue(
    connection: Connection,
    *,
    organization_id: str,
    provider: IntegrationProvider,
    job_type: str,
    payload_json: str,
    run_at: datetime | None = None,
    connected_account_id: UUID | None = None,
    ordering_key: str | None = None,
    max_attempts: int | None = None,
) -> Job:
    """Add a job; `run_at` None means now."""
    return job_from(
        await connection.fetchrow(
            _ENQUEUE,
            new_id(),
            organization_id,
            provider,
            job_type,
            payload_json,
            run_at,
            connected_account_id,
            ordering_key,
            max_attempts,
        )
    )


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job of an account to be added, due at once and in no order."""

    id: UUID
    organization_id: str
    provider: IntegrationProvider
    job_type: str
    payload_json: str
    connected_account_id: UUID


_ENQUEUE_ALL = """
INSERT INTO integration_jobs
    (id, organization_id, provider, job_type, payload_json, connected_account_id, lane)
SELECT id, organization_id, provider, job_type, payload_json::json, account_id,
       job_lane(job_type, organization_id, id::text)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[])
    AS j(id, organization_id, provider, job_type, payload_json, account_id)
"""


async def enqueue_all(connection: Connection, added: Sequence[NewJob]) -> None:
    """Add jobs, in one statement."""
    if added:
        await connection.execute(_ENQUEUE_ALL, *columns(added, NewJob.__struct_fields__))


# Without the organization the index helps little: it is read whole, but where the server can skip through it.
_ORGANIZATION_OF = "SELECT organization_id FROM integration_jobs WHERE id = $1"


async def organization_of(connection: Connection, job_id: UUID) -> str | None:
    """Find whose a job is; None if it is not there."""
    organization_id: str | None = await connection.fetchval(_ORGANIZATION_OF, job_id)
    return organization_id


# Of many rows, those that somebody else has locked are left to them: waiting for one while holding others could wait
# for ever. Who asks finds out from what is returned.
_RETRY = f"""
WITH free AS MATERIALIZED (
    SELECT id FROM integration_jobs
    WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND status = ANY ($3::text[]) FOR UPDATE SKIP LOCKED
)
UPDATE integration_jobs j
SET status = 'PENDING', run_at = now(), attempts = CASE WHEN j.status = 'FAILED' THEN 0 ELSE j.attempts END,
    lane = {HOME}, updated_at = now()
FROM free WHERE j.organization_id = $1 AND j.id = free.id
RETURNING {_OF_J}
"""  # noqa: S608


async def retry(
    connection: Connection, organization_id: str, job_ids: Sequence[UUID], statuses: Sequence[IntegrationJobStatus]
) -> list[Job]:
    """Run FAILED jobs again with a fresh count of attempts, and PENDING ones at once; gives those in `statuses`."""
    return [job_from(record) for record in await connection.fetch(_RETRY, organization_id, job_ids, statuses)]


# The fence moves on: whoever is running the job can end it no more. Where it is the last of a run, by which it is seen
# that one of its key runs (store/claims.py), the one before it becomes the last.
_CANCEL = f"""
WITH free AS MATERIALIZED (
    SELECT id, status = 'PROCESSING' AND last_of_run AS is_last FROM integration_jobs
    WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND status = ANY ($3::text[]) FOR UPDATE SKIP LOCKED
)
UPDATE integration_jobs j
SET status = 'FAILED', last_error = $4, lease = j.lease + 1, worker_id = NULL, updated_at = now()
FROM free WHERE j.organization_id = $1 AND j.id = free.id
RETURNING {_OF_J}, free.is_last
"""  # noqa: S608
_SHORTEN_RUNS = "SELECT shorten_job_runs($1, $2::text[], $3::bigint[])"


async def cancel(
    connection: Connection,
    organization_id: str,
    job_ids: Sequence[UUID],
    reason: str,
    statuses: Sequence[IntegrationJobStatus],
) -> list[Job]:
    """End jobs that wait or run as FAILED; gives those that were in `statuses`, as they are now."""
    records = await connection.fetch(_CANCEL, organization_id, job_ids, statuses, reason)
    last = [record for record in records if record["is_last"] and record["ordering_key"] is not None]
    if last:
        keys, seqs = [record["ordering_key"] for record in last], [record["seq"] for record in last]
        await connection.execute(_SHORTEN_RUNS, organization_id, keys, seqs)
    return [job_from(record) for record in records]


_LET_FOLLOW = "SELECT let_jobs_follow($1, $2::text[])"


async def let_follow(connection: Connection, organization_id: str, ended: Sequence[ClaimedJob]) -> None:
    """Let what was put aside behind these jobs wait in a lane again, by any role. (Workers: store/endings.py.)"""
    keys = [job.ordering_key for job in ended if job.ordering_key is not None]
    if keys:
        await connection.execute(_LET_FOLLOW, organization_id, keys)


_LOCK = f"""
SELECT {COLUMNS} FROM integration_jobs WHERE organization_id = $1 AND id = $2 FOR UPDATE
"""  # noqa: S608


async def lock(connection: Connection, organization_id: str, job_id: UUID) -> Job | None:
    """Read one job of an organization, once nobody else has it locked, and lock it."""
    record = await connection.fetchrow(_LOCK, organization_id, job_id)
    return None if record is None else job_from(record)


_NOTE_PROGRESS = """
UPDATE integration_jobs SET payload_json = $4, last_error = NULL, updated_at = now()
WHERE organization_id = $1 AND id = $2 AND lease = $3 AND status = 'PROCESSING' RETURNING id
"""


async def note_progress(connection: Connection, claimed: ClaimedJob, payload_json: str) -> bool:
    """Replace the payload of a claimed job that gets on, whatever stopped it before; False if the claim is lost."""
    found = await connection.fetchval(_NOTE_PROGRESS, claimed.organization_id, claimed.id, claimed.lease, payload_json)
    return found is not None


_GET = f"SELECT {COLUMNS} FROM integration_jobs WHERE id = $1 AND organization_id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, job_id: UUID) -> Job | None:
    """Read one job of an organization."""
    record = await connection.fetchrow(_GET, job_id, organization_id)
    return None if record is None else job_from(record)


class JobFilter(Filter, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What jobs are narrowed to; times are `created_at`."""

    status: IntegrationJobStatus | None = None
    statuses: list[IntegrationJobStatus] | None = None
    job_type: str | None = None


LISTED = Listed(
    "integration_jobs",
    {
        "provider": "provider = {}",
        "status": "status = {}",
        "statuses": "status = ANY ({})",
        "job_type": "job_type = {}",
        "account_id": "connected_account_id = {}",
        "since": "created_at >= {}",
        "until": "created_at < {}",
    },
    indexed=frozenset({IntegrationJobStatus.FAILED}),
    implied={IntegrationJobStatus.FAILED: f"queue_lane = {FAILED_LANE}"},
)


async def list_page(
    connection: Connection, organization_id: str, chosen: JobFilter, *, before: UUID | None, limit: int
) -> list[Job]:
    """List an organization's jobs, newest first, before the job `before`."""
    records = await fetch_page(
        connection, LISTED, COLUMNS, chosen, organization_id=organization_id, before=before, limit=limit
    )
    return [job_from(record) for record in records]


_LIST_WAITING = f"""
SELECT {COLUMNS} FROM integration_jobs WHERE status = 'PENDING' ORDER BY seq LIMIT $1
"""  # noqa: S608


async def list_waiting(connection: Connection, limit: int = 10_000) -> list[Job]:
    """List the waiting jobs of all organizations, in the order in which they were added: for tests."""
    return [job_from(record) for record in await connection.fetch(_LIST_WAITING, limit)]
