"""The table media: files of messages, and files that wait to be sent. Where they are kept is store/objects.py."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Media
from hookline.domain.stored_media import MediaState
from hookline.store.arrays import columns
from hookline.store.pool import Connection


class StoredMedia(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `source` is JSON text, the platform's words; size is in bytes, sha256 in hexadecimal digits."""

    id: UUID
    organization_id: str
    connected_account_id: UUID | None
    message_id: UUID | None
    position: int
    provider: IntegrationProvider | None
    source: str | None
    state: MediaState
    reason: str | None
    content_type: str | None
    size: int | None
    sha256: str | None
    filename: str | None
    object_key: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def said(self) -> Media:
        """What the platform said of the file."""
        return msgspec.json.decode(self.source or '{"type":"unknown"}', type=Media)


_COLUMNS = ", ".join(StoredMedia.__struct_fields__)


def _media(record: Any) -> StoredMedia:
    return msgspec.convert(dict(record), StoredMedia, strict=False)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A message's file that is to be fetched."""

    id: UUID
    organization_id: str
    connected_account_id: UUID
    message_id: UUID
    position: int
    provider: IntegrationProvider
    source: str
    content_type: str | None
    filename: str | None


# A file that is known already is not wanted again.
_WANT = """
INSERT INTO media (id, organization_id, connected_account_id, message_id, position, provider, source, content_type,
                   filename, state)
SELECT w.*, 'WAITING'
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::smallint[], $6::text[], $7::json[], $8::text[],
            $9::text[]) AS w
ON CONFLICT (organization_id, message_id, position) WHERE message_id IS NOT NULL DO NOTHING
RETURNING id
"""


async def want(connection: Connection, files: Sequence[Wanted]) -> set[UUID]:
    """Note files that are to be fetched; the ids of those that were not known."""
    if not files:
        return set()
    return {record[0] for record in await connection.fetch(_WANT, *columns(files, Wanted.__struct_fields__))}


_GET = f"SELECT {_COLUMNS} FROM media WHERE organization_id = $1 AND id = $2"  # noqa: S608


async def get(connection: Connection, organization_id: str, media_id: UUID) -> StoredMedia | None:
    """Read a row."""
    record = await connection.fetchrow(_GET, organization_id, media_id)
    return None if record is None else _media(record)


_OF_MESSAGES = f"""
SELECT {_COLUMNS} FROM media WHERE organization_id = $1 AND message_id = ANY ($2::uuid[]) ORDER BY message_id, position
"""  # noqa: S608


async def of_messages(connection: Connection, organization_id: str, messages: Sequence[UUID]) -> list[StoredMedia]:
    """Read the files of messages."""
    if not messages:
        return []
    return [_media(record) for record in await connection.fetch(_OF_MESSAGES, organization_id, list(messages))]


_SETTLE = f"""
UPDATE media SET state = $3, reason = $4, content_type = coalesce($5, content_type), size = $6, sha256 = $7,
    filename = coalesce(filename, $8), object_key = coalesce($9, object_key), updated_at = now()
WHERE organization_id = $1 AND id = $2 AND state = 'WAITING'
RETURNING {_COLUMNS}
"""  # noqa: S608


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is kept."""

    object_key: str
    content_type: str
    size: int
    sha256: str
    filename: str | None = None


async def stored(connection: Connection, row: StoredMedia, file: File) -> StoredMedia | None:
    """Note that a file is kept; None if its row is gone or settled already."""
    record = await connection.fetchrow(
        *(_SETTLE, row.organization_id, row.id, MediaState.STORED, None),
        *(file.content_type, file.size, file.sha256, file.filename, file.object_key),
    )
    return None if record is None else _media(record)


async def failed(connection: Connection, row: StoredMedia, state: MediaState, reason: str) -> StoredMedia | None:
    """Note that a file cannot be had; None if its row is gone or settled already."""
    record = await connection.fetchrow(
        _SETTLE, row.organization_id, row.id, state, reason, None, None, None, None, None
    )
    return None if record is None else _media(record)


# Named before it is written: whoever deletes the row has what may be there deleted too, whenever the writer died.
_PLACE = """
UPDATE media SET object_key = $3 WHERE organization_id = $1 AND id = $2 AND state = 'WAITING' RETURNING id
"""


async def place(connection: Connection, row: StoredMedia, key: str) -> bool:
    """Note where a file is about to be kept; False if its row is gone or settled already."""
    return await connection.fetchval(_PLACE, row.organization_id, row.id, key) is not None


_ADD = f"""
INSERT INTO media (organization_id, id, state, object_key) VALUES ($1, $2, 'WAITING', $3) RETURNING {_COLUMNS}
"""  # noqa: S608


async def add(connection: Connection, organization_id: str, media_id: UUID, key: str) -> StoredMedia:
    """Add a file that is about to be uploaded, to be sent."""
    return _media(await connection.fetchrow(_ADD, organization_id, media_id, key))


async def discard(connection: Connection, row: StoredMedia) -> None:
    """Delete a row; its file follows."""
    await connection.execute("DELETE FROM media WHERE organization_id = $1 AND id = $2", row.organization_id, row.id)


_GIVE_UP = f"""
UPDATE media SET state = 'FAILED', reason = $3, updated_at = now()
WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND state = 'WAITING'
RETURNING {_COLUMNS}
"""  # noqa: S608


async def give_up(connection: Connection, organization_id: str, ids: Sequence[UUID], reason: str) -> list[StoredMedia]:
    """Note that files are not fetched any more; those of which it is news."""
    return [_media(record) for record in await connection.fetch(_GIVE_UP, organization_id, sorted(ids), reason)]


_WAIT_AGAIN = """
UPDATE media SET state = 'WAITING', reason = NULL, updated_at = now()
WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND state IN ('FAILED', 'GONE')
"""


async def wait_again(connection: Connection, organization_id: str, ids: Sequence[UUID]) -> None:
    """Note that files are to be fetched after all."""
    await connection.execute(_WAIT_AGAIN, organization_id, sorted(ids))


_GARBAGE = "SELECT object_key, added_at FROM media_garbage ORDER BY added_at LIMIT $1"


async def garbage(connection: Connection, limit: int) -> list[tuple[str, datetime]]:
    """Name files whose rows are gone, each with the moment since which it is to be deleted."""
    return [(record[0], record[1]) for record in await connection.fetch(_GARBAGE, limit)]


_FORGET_GARBAGE = """
DELETE FROM media_garbage g USING unnest($1::text[], $2::timestamptz[]) AS k(object_key, added_at)
WHERE g.object_key = k.object_key AND g.added_at = k.added_at
"""


async def forget_garbage(connection: Connection, deleted: Sequence[tuple[str, datetime]]) -> None:
    """Forget files that are deleted; one that was named again since then stays, as it may have been written again."""
    await connection.execute(_FORGET_GARBAGE, [key for key, _ in deleted], [at for _, at in deleted])


_LITTER = """
INSERT INTO media_garbage (object_key) VALUES ($1) ON CONFLICT (object_key) DO UPDATE SET added_at = clock_timestamp()
"""


async def litter(connection: Connection, key: str) -> None:
    """Have a file deleted that was written after its row had gone."""
    await connection.execute(_LITTER, key)


def object_key(organization_id: str, media_id: UUID) -> str:
    """Name a file where it is kept: never by a word of its sender's. One folder an organization."""
    folder = hashlib.sha256(organization_id.encode()).hexdigest()[:32]
    return f"{folder}/{media_id}"
