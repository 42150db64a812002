"""The table privacy_requests: whose data must go, how far that is, and that it was done.

What is done says of nobody any more who they were.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.privacy import PrivacyRequestKind, PrivacyRequestStatus
from hookline.store.pool import Connection


class PrivacyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `progress` and `counts` are JSON text.

    scope: within what the subject is known by its id: an app, or an account of the organization.
    subject: the platform's id of the person; None once it is done. code: who holds it may ask how far it is.
    issued_at: when the person did it, by the platform's clock. counts: how many rows went, by table.
    """

    id: UUID
    organization_id: str
    kind: PrivacyRequestKind
    provider: IntegrationProvider
    scope: str
    subject: str | None
    digest: bytes | None = None
    code: str
    status: PrivacyRequestStatus = PrivacyRequestStatus.RECEIVED
    issued_at: datetime | None = None
    progress: str | None = None
    counts: str | None = None
    received_at: datetime
    done_at: datetime | None = None


_COLUMNS = ", ".join(PrivacyRequest.__struct_fields__)


def _request(record: Any) -> PrivacyRequest:
    return msgspec.convert(dict(record), PrivacyRequest, strict=False)


_ADD = """
INSERT INTO privacy_requests (id, organization_id, kind, provider, scope, subject, digest, code, issued_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING RETURNING id
"""


async def add(connection: Connection, row: PrivacyRequest) -> bool:
    """Add a request; False if there is such a one. One that is being added at the same time is waited for."""
    added = await connection.fetchval(
        _ADD,
        row.id,
        row.organization_id,
        row.kind,
        row.provider,
        row.scope,
        row.subject,
        row.digest,
        row.code,
        row.issued_at,
    )
    return added is not None


_FIND = f"""
SELECT {_COLUMNS} FROM privacy_requests
WHERE organization_id = $1 AND kind = $2 AND (digest = $5 OR scope = $3 AND subject = $4)
ORDER BY digest = $5 DESC NULLS LAST LIMIT 1
"""  # noqa: S608 - constants only, here and below


async def find(connection: Connection, row: PrivacyRequest) -> PrivacyRequest | None:
    """Find the request that is the same as this one: of the same callback, or open for the same person."""
    record = await connection.fetchrow(_FIND, row.organization_id, row.kind, row.scope, row.subject, row.digest)
    return None if record is None else _request(record)


_LOCK = f"SELECT {_COLUMNS} FROM privacy_requests WHERE id = $1 FOR UPDATE"  # noqa: S608


async def lock(connection: Connection, request_id: UUID) -> PrivacyRequest | None:
    """Lock and read a request: one at a time gets on with it."""
    record = await connection.fetchrow(_LOCK, request_id)
    return None if record is None else _request(record)


_NOTE = "UPDATE privacy_requests SET status = 'UNDERWAY', progress = $2 WHERE id = $1"


async def note(connection: Connection, request_id: UUID, progress: str) -> None:
    """Keep how far a locked request is."""
    await connection.execute(_NOTE, request_id, progress)


_FINISH = """
UPDATE privacy_requests SET status = 'DONE', subject = NULL, progress = NULL, counts = $2, done_at = now() WHERE id = $1
"""


async def finish(connection: Connection, request_id: UUID, counts: str) -> None:
    """End a locked request, and forget whom it was about."""
    await connection.execute(_FINISH, request_id, counts)


class State(msgspec.Struct, frozen=True):
    """What may be told of a request to whoever holds its code."""

    status: PrivacyRequestStatus
    received_at: datetime
    done_at: datetime | None


_STATE = "SELECT status, received_at, done_at FROM privacy_request_state($1)"


async def state(connection: Connection, code: str) -> State | None:
    """Say how far a request is."""
    record = await connection.fetchrow(_STATE, code)
    return None if record is None else msgspec.convert(dict(record), State, strict=False)
