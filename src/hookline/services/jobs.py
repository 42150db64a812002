"""`IntegrationJobs`, the queue's public face: the specification's five operations on the engine that workers use."""

import json
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import asyncpg

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import InvalidRequest
from hookline.domain.ids import parse_id
from hookline.domain.job import IntegrationJobType
from hookline.services.claiming import Claiming
from hookline.services.failure import DEFAULT_POLICY, RetryPolicy, record_failure
from hookline.services.presence import Presence
from hookline.services.wakeup import Bell, Work
from hookline.store import claims, jobs
from hookline.store.claims import Hold
from hookline.store.jobs import Job

MAX_FETCH = 1000
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024


class IntegrationJobs:
    """The queue, for Python code. Open it with `async with`: claims stand while it is open.

    enqueue → fetch_next → mark_processing → mark_done or mark_failed
    """

    def __init__(
        self, pool: asyncpg.Pool, *, policy: RetryPolicy = DEFAULT_POLICY, name: str = "jobs", notify: bool = True
    ) -> None:
        self._pool = pool
        self._bell = Bell(pool, enabled=notify)
        self._policy = policy
        self._presence = Presence(pool, name)
        self._claiming = Claiming(pool, self._presence)
        self._claimed: dict[UUID, tuple[Job, Hold]] = {}

    async def __aenter__(self) -> Self:
        await self._presence.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._bell.close()
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await claims.give_back(connection, self._presence.id)
        finally:
            await self._presence.__aexit__(kind, error, trace)

    async def enqueue(
        self,
        job_type: str,
        provider: IntegrationProvider | str,
        payload: Any,
        run_at: datetime | None = None,
        organization_id: str | None = None,
        connected_account_id: UUID | str | None = None,
        *,
        ordering_key: str | None = None,
    ) -> Job:
        """Add a job; it runs at `run_at` (default: now), after every earlier live job of its `ordering_key`.

        Raises: InvalidRequest, if the organization is missing, the payload is not JSON-serializable or over 4 MiB,
        `run_at` has no time zone, a name does not fit, or the key is for webhooks.
        """
        values = _checked(job_type, provider, payload, run_at, organization_id, connected_account_id, ordering_key)
        async with self._pool.acquire() as connection:
            job = await jobs.enqueue(connection, **values)
        if job.run_at <= job.created_at:
            self._bell.ring(Work.WEBHOOKS if job.job_type == IntegrationJobType.PROCESS_WEBHOOK else Work.JOBS)
        return job

    async def fetch_next(self, limit: int = 10) -> list[Job]:
        """List jobs that are ready: PENDING, due, by run_at, and not blocked by an earlier job of their key.

        Raises: InvalidRequest, unless 1 ≤ limit ≤ 1000.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_FETCH:
            raise InvalidRequest(f"limit must be a whole number from 1 to {MAX_FETCH}")
        async with self._pool.acquire() as connection:
            return await claims.fetch_next(connection, limit=limit)

    async def mark_processing(self, job: Job | UUID | str) -> bool:
        """Claim a job; False if it is not pending, somebody else has it, or an earlier job of its key is still live.

        Give the job itself where you have it: by its id alone it takes longer to find.
        """
        job_id = job.id if isinstance(job, Job) else _uuid(job, "job id")
        async with self._claiming.transaction() as (connection, hold):
            owner = job.organization_id if isinstance(job, Job) else await jobs.organization_of(connection, job_id)
            claimed = owner and await claims.claim_one(connection, owner, job_id, hold)
        if not claimed:
            return False
        self._claimed[claimed.id] = claimed, hold
        return True

    async def mark_done(self, job: Job | UUID | str) -> bool:
        """End a job that this object claimed; False if the claim is lost."""
        found = self._claim_on(job)
        if found is None:
            return False
        claimed, hold = found
        async with self._pool.acquire() as connection, connection.transaction():
            stood = claimed.id in await claims.finish(connection, [claimed])
            await claims.forget(connection, hold)
        self._forget(claimed)
        return stood

    async def mark_failed(self, job: Job | UUID | str, error: BaseException | str) -> bool:
        """Record a failed attempt of a job that this object claimed; False if the claim is lost.

        An exception's class decides what follows (see domain/job.py); a text is an ordinary failure.
        """
        found = self._claim_on(job)
        if found is None:
            return False
        claimed, hold = found
        reason = error if isinstance(error, BaseException) else RuntimeError(error)
        async with self._pool.acquire() as connection, connection.transaction():
            verdict = await record_failure(connection, claimed, reason, self._policy)
            await claims.forget(connection, hold)
        self._forget(claimed)
        return verdict is not None

    def _claim_on(self, job: Job | UUID | str) -> tuple[Job, Hold] | None:
        return self._claimed.get(job.id if isinstance(job, Job) else _uuid(job, "job id"))

    def _forget(self, claimed: Job) -> None:
        """Drop a claim once its end is recorded, and not before: an outage must not lose it."""
        if (found := self._claimed.get(claimed.id)) and found[0] is claimed:
            del self._claimed[claimed.id]


def _checked(
    job_type: str,
    provider: IntegrationProvider | str,
    payload: Any,
    run_at: datetime | None,
    organization_id: str | None,
    connected_account_id: UUID | str | None,
    ordering_key: str | None,
) -> dict[str, Any]:
    try:
        provider = IntegrationProvider(provider)
    except ValueError:
        raise InvalidRequest(f"provider must be one of {', '.join(IntegrationProvider)}") from None
    return {
        "organization_id": _name(organization_id, "organization_id"),
        "provider": provider,
        "job_type": _name(job_type, "job_type"),
        "payload_json": _payload(payload),
        "run_at": None if run_at is None else _moment(run_at),
        "connected_account_id": None
        if connected_account_id is None
        else _uuid(connected_account_id, "connected_account_id"),
        "ordering_key": None if ordering_key is None else _key(ordering_key, job_type),
    }


def _key(ordering_key: Any, job_type: str) -> str:
    """Take a key that no webhook has: they are taken whatever else of their key runs."""
    if job_type == IntegrationJobType.PROCESS_WEBHOOK:
        raise InvalidRequest(f"a {job_type} job takes no ordering_key")
    key = _name(ordering_key, "ordering_key")
    if key.startswith("in:"):
        raise InvalidRequest("an ordering_key that begins with in: is for webhooks")
    return key


# These the driver takes for infinity.
_ENDS_OF_TIME = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def _moment(run_at: Any) -> datetime:
    if not isinstance(run_at, datetime):
        raise InvalidRequest("run_at must be a datetime")
    if run_at.utcoffset() is None:
        raise InvalidRequest("run_at needs a time zone")
    try:
        moment = run_at.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest("run_at is out of range") from None
    if moment in _ENDS_OF_TIME:
        raise InvalidRequest("run_at is out of range")
    return moment


def _name(value: Any, what: str) -> str:
    """Take any text that PostgreSQL can hold in an index entry."""
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{what} is required and must be text")
    if "\x00" in value or len(value) > 512 or not _is_utf8(value):
        raise InvalidRequest(f"{what} must be at most 512 characters of valid text without NUL")
    return str(value)


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _payload(payload: Any) -> str:
    try:
        text = json.dumps(payload, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the payload must be JSON-serializable: {error}") from None
    if len(text) > MAX_PAYLOAD_BYTES:  # all of it is ASCII
        raise InvalidRequest(f"the payload may have at most {MAX_PAYLOAD_BYTES} bytes as JSON")
    return text


def _uuid(value: UUID | str, what: str) -> UUID:
    parsed = value if isinstance(value, UUID) else parse_id(str(value))
    if parsed is None:
        raise InvalidRequest(f"{what} is not a UUID")
    return parsed
