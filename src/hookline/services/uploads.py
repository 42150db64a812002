"""Files that are uploaded, to be sent: kept here; a message names one by its id (services/media_links.py)."""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.addresses import leads_inside
from hookline.domain.capability import Files, NotSupported
from hookline.domain.errors import BodyTooLarge, InvalidRequest, Unavailable
from hookline.domain.ids import new_id, parse_id
from hookline.domain.outbound import InvalidMessage, OutboundMessage
from hookline.domain.outbound_files import files_of, with_files
from hookline.domain.outbound_media import Document
from hookline.domain.outbound_media import File as SentFile
from hookline.domain.outbound_uses import uses
from hookline.domain.provider_error import NotReached
from hookline.domain.stored_media import ANY_TYPE, MediaState, content_type, safe_filename
from hookline.providers.download import ANYWHERE, DownloadRefused, download
from hookline.providers.sender import Sender
from hookline.services.passing_bytes import Seen
from hookline.store import media
from hookline.store.media import File, StoredMedia
from hookline.store.objects import Objects
from hookline.store.pool import Connection, organization_transaction

_UNREACHED: Final = "the file could not be fetched from there; try again"


async def upload(
    pool: asyncpg.Pool,
    objects: Objects,
    organization_id: str,
    chunks: AsyncIterator[bytes],
    *,
    stated_type: str | None,
    filename: str | None,
    max_bytes: int,
) -> StoredMedia:
    """Keep a file. Raises: BodyTooLarge; InvalidRequest, if it is empty; Unavailable."""
    media_id = new_id()
    key = media.object_key(organization_id, media_id)
    async with organization_transaction(pool, organization_id) as connection:
        row = await media.add(connection, organization_id, media_id, key)
    try:
        seen = Seen(_limited(chunks, max_bytes))
        await objects.put(key, seen.chunks())
        if not seen.size:
            raise InvalidRequest("the file is empty")
        file = File(
            object_key=key,
            content_type=content_type(stated_type),
            size=seen.size,
            sha256=seen.sha256,
            filename=safe_filename(filename),
        )
        async with organization_transaction(pool, organization_id) as connection:
            kept = await media.stored(connection, row, file)
    except BaseException:
        async with organization_transaction(pool, organization_id) as connection:
            await media.discard(connection, row)
        raise
    if kept is None:
        raise Unavailable("the upload was deleted while it came in")
    return kept


async def upload_from(
    pool: asyncpg.Pool, objects: Objects, organization_id: str, url: str, *, filename: str | None, max_bytes: int
) -> StoredMedia:
    """Keep what stands at a public https address. Raises: InvalidRequest; BodyTooLarge; Unavailable."""
    try:
        async with download(url, ANYWHERE, max_bytes=max_bytes) as incoming:
            return await upload(
                pool,
                objects,
                organization_id,
                incoming.chunks,
                stated_type=incoming.content_type,
                filename=filename or url.partition("?")[0].rpartition("/")[2],
                max_bytes=max_bytes,
            )
    except DownloadRefused as error:
        raise InvalidRequest(str(error)) from None
    except NotReached:
        raise InvalidRequest(_UNREACHED) from None


async def _limited(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge(f"a file may have at most {max_bytes} bytes")
        yield chunk


def check_links(said: OutboundMessage) -> None:
    """Refuse links to files that no platform could fetch. Raises: InvalidMessage."""
    for location, file in files_of(said):
        if file.url is not None and leads_inside(urlsplit(file.url).hostname or ""):
            raise InvalidMessage(f"{location}.url", "must be an address that the platform can reach")


async def check(connection: Connection, organization_id: str, sender: Sender, said: OutboundMessage) -> OutboundMessage:
    """See that the files of ours that a message names are there, and what its platform takes; with their names.

    Raises: InvalidMessage; NotSupported.
    """
    found: dict[UUID, StoredMedia] = {}
    for location, file in files_of(said):
        media_id = parse_id(file.media_id or "")
        if media_id is None:
            continue
        row = await media.get(connection, organization_id, media_id)
        if row is None or row.state is not MediaState.STORED:
            raise InvalidMessage(f"{location}.mediaId", "names no file that is kept here")
        found[media_id] = row
    if not found:
        return said
    for use in uses(said):
        row = found.get(_ours(use.value)) if isinstance(use.value, SentFile) else None
        rule = sender.capabilities.get(use.capability)
        if row is not None and isinstance(rule, Files):
            _check_fits(rule, row, use.capability, use.location)

    def name(file: SentFile) -> SentFile:
        row = found.get(_ours(file))
        if row is None or not isinstance(file, Document):
            return file
        return msgspec.structs.replace(file, filename=file.filename or row.filename)

    return with_files(said, name)


def _ours(file: SentFile) -> UUID:
    return parse_id(file.media_id or "") or UUID(int=0)


def _check_fits(rule: Files, row: StoredMedia, capability: str, location: str) -> None:
    if row.size is not None and row.size > rule.max_bytes:
        raise NotSupported(capability, location, f"at most {rule.max_bytes} bytes here, and the file has {row.size}")
    if rule.mime_types and row.content_type not in (*rule.mime_types, ANY_TYPE):
        raise NotSupported(
            capability, location, f"{', '.join(rule.mime_types)} here, and the file is {row.content_type}"
        )
