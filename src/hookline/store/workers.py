"""The table job_workers: who claims jobs, and when each was last known to live."""

from datetime import timedelta
from uuid import UUID

from hookline.store.pool import Connection

_REGISTER = "INSERT INTO job_workers (id, name, heartbeat_at) VALUES ($1, $2, now())"
_HEARTBEAT = """
UPDATE job_workers SET heartbeat_at = now() WHERE id = $1 AND heartbeat_at > now() - $2::interval RETURNING id
"""
_REMOVE = "DELETE FROM job_workers WHERE id = $1"
_PRUNE = "DELETE FROM job_workers WHERE heartbeat_at < now() - $1::interval"


async def register(connection: Connection, worker_id: UUID, name: str) -> None:
    """Make a worker known before its first claim."""
    await connection.execute(_REGISTER, worker_id, name)


async def heartbeat(connection: Connection, worker_id: UUID, lease: timedelta) -> bool:
    """Renew a worker's life; False if it has been silent for its lease, so that its claims may be others' by now."""
    return await connection.fetchval(_HEARTBEAT, worker_id, lease) is not None


async def remove(connection: Connection, worker_id: UUID) -> None:
    """Forget a worker that has stopped."""
    await connection.execute(_REMOVE, worker_id)


async def prune(connection: Connection, silent_for: timedelta) -> None:
    """Forget workers that have been silent for so long; what they have claimed is rescued all the same."""
    await connection.execute(_PRUNE, silent_for)
