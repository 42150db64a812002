"""The table integration_jobs: the queue's rows. Who may run which of them, and when, is in store/claims.py."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.ids import new_id
from hookline.domain.job import IntegrationJobStatus
from hookline.store.pages import fetch_page
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
        """The payload, decoded."""
        return msgspec.json.decode(self.payload_json)


class Job(ClaimedJob, frozen=True, kw_only=True):
    """A row."""

    provider: IntegrationProvider
    last_error: str | None
    run_at: datetime
    connected_account_id: UUID | None
    created_at: datetime
    updated_at: datetime


COLUMNS = ", ".join(Job.__struct_fields__)  # what `job_from` reads


def job_from(record: Any) -> Job:
    """Read a row that holds COLUMNS."""
    return msgspec.convert(dict(record), Job, strict=False)


_ENQUEUE = f"""
INSERT INTO integration_jobs
    (id, organization_id, provider, job_type, payload_json, run_at, connected_account_id, ordering_key, max_attempts,
     lane)
VALUES ($1, $2, $3, $4, $5, coalesce($6, now()), $7, $8, $9, job_lane($4, $2, coalesce($8, $1::uuid::text)))
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


# Without the organization the index helps little: it is read whole, but where the server can skip through it.
_ORGANIZATION_OF = "SELECT organization_id FROM integration_jobs WHERE id = $1"


async def organization_of(connection: Connection, job_id: UUID) -> str | None:
    """Find whose a job is; None if it is not there."""
    organization_id: str | None = await connection.fetchval(_ORGANIZATION_OF, job_id)
    return organization_id


_RETRY = f"""
UPDATE integration_jobs
SET status = 'PENDING', run_at = now(), attempts = CASE WHEN status = 'FAILED' THEN 0 ELSE attempts END,
    updated_at = now()
WHERE id = $1 AND organization_id = $2 AND status IN ('FAILED', 'PENDING')
RETURNING {COLUMNS}
"""  # noqa: S608


async def retry(connection: Connection, organization_id: str, job_id: UUID) -> Job | None:
    """Run a FAILED job again with a fresh count of attempts, or a waiting one at once; None if it is neither."""
    record = await connection.fetchrow(_RETRY, job_id, organization_id)
    return None if record is None else job_from(record)


_GET = f"SELECT {COLUMNS} FROM integration_jobs WHERE id = $1 AND organization_id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, job_id: UUID) -> Job | None:
    """Read one job of an organization."""
    record = await connection.fetchrow(_GET, job_id, organization_id)
    return None if record is None else job_from(record)


_SELECT = f"SELECT {COLUMNS} FROM integration_jobs"  # noqa: S608
_CONDITIONS = {
    "provider": "provider = {}",
    "status": "status = {}",
    "job_type": "job_type = {}",
    "account_id": "connected_account_id = {}",
    "since": "created_at >= {}",
    "until": "created_at < {}",
}


async def list_page(
    connection: Connection,
    organization_id: str,
    *,
    before: UUID | None,
    provider: str | None,
    status: str | None,
    job_type: str | None,
    account_id: UUID | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[Job]:
    """List an organization's jobs, newest first."""
    chosen = {
        "provider": provider,
        "status": status,
        "job_type": job_type,
        "account_id": account_id,
        "since": since,
        "until": until,
    }
    records = await fetch_page(
        connection, _SELECT, _CONDITIONS, chosen, organization_id=organization_id, before=before, limit=limit
    )
    return [job_from(record) for record in records]
