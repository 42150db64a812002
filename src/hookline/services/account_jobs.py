"""The jobs of connected accounts: how they are enqueued, and how a refusal ends them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.domain.job import IntegrationJobType
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.domain.text import to_json
from hookline.store import jobs
from hookline.store.jobs import Job
from hookline.store.pool import Connection

_DEFAULT_WAIT: Final = timedelta(minutes=5)


async def enqueue(
    connection: Connection,
    job_type: IntegrationJobType,
    provider: IntegrationProvider,
    organization_id: str,
    account_id: UUID,
    payload: Mapping[str, Any] | None = None,
    run_at: datetime | None = None,
) -> Job:
    """Add a job for an account, in the caller's transaction. It has no order: one that waits for a retry holds none."""
    return await jobs.enqueue(
        connection,
        organization_id=organization_id,
        provider=provider,
        job_type=job_type,
        payload_json=to_json({"accountId": account_id, **(payload or {})}),
        connected_account_id=account_id,
        run_at=run_at,
    )


def as_job_error(error: ProviderError) -> Exception:
    """Say how a refusal ends a job's attempt: it waits, is tried again, or nothing can help it."""
    match error.error_class:
        case ErrorClass.WAIT:
            return WaitRequested(str(error), error.wait or _DEFAULT_WAIT)
        case ErrorClass.RETRY:
            return error
        case _:
            return PermanentFailure(str(error))
