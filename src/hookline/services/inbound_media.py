"""The files that people send: noted with their message, fetched by a job while the platform has them, kept here."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.errors import PermanentFailure, Unavailable
from hookline.domain.event import Media, Origin
from hookline.domain.ids import new_id, parse_id
from hookline.domain.job import IntegrationJobType
from hookline.domain.provider_error import ErrorClass, NotReached, OutcomeUnknown, ProviderError
from hookline.domain.stored_media import ANY_TYPE, MediaState, content_type, safe_filename
from hookline.domain.text import to_json
from hookline.providers.base import Provider
from hookline.providers.download import Download, DownloadGone, DownloadRefused, download
from hookline.providers.files import FileSource
from hookline.providers.http import HttpClient
from hookline.services import account_jobs, facts
from hookline.services.consequence import is_last
from hookline.services.failure import RetryPolicy
from hookline.services.passing_bytes import OtherBytes, Seen
from hookline.services.refresh import ref_of
from hookline.services.sending_accounts import AccessToken, NoteRefusal
from hookline.store import accounts, jobs, media, messages, outbox
from hookline.store.accounts import ConnectedAccount
from hookline.store.jobs import Job, NewJob
from hookline.store.media import File, StoredMedia, Wanted
from hookline.store.messages import Message
from hookline.store.objects import Objects
from hookline.store.pool import Connection

# What a message of the past brings may be gone; what is sent through here is ours already.
_NOTED: Final = frozenset({Origin.LIVE, Origin.ECHO, Origin.STANDBY, Origin.HISTORY})
# Fetching a file takes memory for its pieces, and a connection.
MOST_AT_ONCE: Final = 8

Providers = Mapping[IntegrationProvider, Provider]

log = structlog.get_logger(__name__)


async def note(connection: Connection, providers: Providers, rows: Iterable[Message]) -> None:
    """Have the files of new messages fetched. Needs the transaction that records them."""
    wanted = [one for row in rows if row.media for one in _wanted(providers, row)]
    news = await media.want(connection, wanted)
    await jobs.enqueue_all(connection, [_fetch_job(one) for one in wanted if one.id in news])


def _fetch_job(wanted: Wanted) -> NewJob:
    return NewJob(
        id=new_id(),
        organization_id=wanted.organization_id,
        provider=wanted.provider,
        job_type=IntegrationJobType.FETCH_MEDIA,
        payload_json=to_json({"mediaId": wanted.id}),
        connected_account_id=wanted.connected_account_id,
    )


def _wanted(providers: Providers, row: Message) -> Iterable[Wanted]:
    if row.origin not in _NOTED:
        return
    said = msgspec.json.decode(row.media or "[]", type=list[Media])
    for position, one in enumerate(said):
        if providers[row.provider].files.is_wanted(one):
            yield Wanted(
                id=new_id(),
                organization_id=row.organization_id,
                connected_account_id=row.connected_account_id,
                message_id=row.id,
                position=position,
                provider=row.provider,
                source=to_json(one),
                content_type=None if one.mime_type is None else content_type(one.mime_type),
                filename=safe_filename(one.filename),
            )


class MediaFetch:
    """Runs the jobs of type FETCH_MEDIA."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        providers: Providers,
        http: HttpClient,
        platforms: Mapping[str, str],
        objects: Objects,
        policy: RetryPolicy,
        *,
        max_bytes: int,
        access_token: AccessToken,
        note_refusal: NoteRefusal,
    ) -> None:
        self._pool = pool
        self._providers = providers
        self._http = http
        self._platforms = platforms
        self._objects = objects
        self._policy = policy
        self._max_bytes = max_bytes
        self._access_token = access_token
        self._note_refusal = note_refusal
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def __call__(self, job: Job) -> None:
        """Fetch a file and keep it. One that cannot be had is noted as such, with the reason, and told.

        Raises: WaitRequested; what is tried again with backoff.
        """
        async with self._places:
            row, account = await self._read(job)
            if row is None or row.state is not MediaState.WAITING:
                return
            try:
                if account is None or account.status is ConnectedAccountStatus.DISCONNECTED:
                    raise DownloadRefused("the account is disconnected")
                await self._fetch(row, account)
            except DownloadGone as error:
                await self._fail(row, MediaState.GONE, str(error))
            except DownloadRefused as error:
                await self._fail(row, MediaState.FAILED, str(error))
            except (ProviderError, NotReached, OutcomeUnknown, OtherBytes, Unavailable) as error:
                await self._fail_by(job, row, error)

    async def _read(self, job: Job) -> tuple[StoredMedia | None, ConnectedAccount | None]:
        media_id = _named_file(job)
        if media_id is None or job.connected_account_id is None:
            raise PermanentFailure("the job names no file")
        async with self._pool.acquire() as connection:
            row = await media.get(connection, job.organization_id, media_id)
            account = await accounts.get(connection, job.organization_id, job.connected_account_id)
        return row, account

    async def _fetch(self, row: StoredMedia, account: ConnectedAccount) -> None:
        source = await self._locate(row, account)
        try:
            file = await self._download(row, source, account.provider)
        except DownloadGone:
            # Where the platform gives addresses anew, one that expired is no loss. Source: protocol reference 2.5.
            anew = await self._locate(row, account)
            if anew.url == source.url:
                raise
            file = await self._download(row, anew, account.provider)
        await self._keep(row, file)

    async def _locate(self, row: StoredMedia, account: ConnectedAccount) -> FileSource:
        """Find out where the file is now. A refused token is the account's matter as well."""
        async with self._pool.acquire() as connection:
            token = await self._access_token(connection, account.id, account.organization_id)
        files = self._providers[account.provider].files
        try:
            source = await files.locate(self._http, self._platforms, ref_of(account), token, row.said)
        except ProviderError as error:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._note_refusal(connection, account.id, account.organization_id, error, token)
            raise
        if source is None:
            raise DownloadGone("the platform has the file no more")
        return source

    async def _download(self, row: StoredMedia, source: FileSource, provider: IntegrationProvider) -> File:
        origins = self._providers[provider].files.origins(self._platforms)
        key = media.object_key(row.organization_id, row.id)
        async with self._pool.acquire() as connection:
            if not await media.place(connection, row, key):
                raise DownloadRefused("nobody wants the file any more")
        async with download(source.url, origins, max_bytes=self._max_bytes, headers=source.headers) as incoming:
            seen = Seen(incoming.chunks, row.said.sha256)
            await self._objects.put(key, seen.chunks())
        return _file(key, row, source, incoming, seen)

    async def _keep(self, row: StoredMedia, file: File) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            kept = await media.stored(connection, row, file)
            if kept is not None:
                await _tell(connection, kept)
            elif await media.get(connection, row.organization_id, row.id) is None:
                await media.litter(connection, file.object_key)  # the message was deleted meanwhile

    async def _fail_by(self, job: Job, row: StoredMedia, error: Exception) -> None:
        """Give the file up for good, or raise what says when it is tried again."""
        again = error
        if isinstance(error, ProviderError):
            again = account_jobs.as_job_error(error)
            # Connecting again may come in time: the platforms keep files for days.
            if isinstance(again, PermanentFailure) and error.error_class is ErrorClass.REAUTHORIZE:
                again = NotReached(str(error))
        if isinstance(again, PermanentFailure):
            await self._fail(row, MediaState.FAILED, str(error))
            return
        if is_last(again, job, self._policy):  # it must not wait for ever
            await self._fail(row, MediaState.FAILED, str(error))
        raise again

    async def _fail(self, row: StoredMedia, state: MediaState, reason: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            settled = await media.failed(connection, row, state, reason)
            if settled is not None:
                await _tell(connection, settled)
        log.warning("a file could not be fetched", media_id=str(row.id), state=state)


async def _tell(connection: Connection, row: StoredMedia) -> None:
    """Tell what became of a file. The fact names the person, as all that is theirs must be found when they go."""
    message = row.message_id and await messages.get(connection, row.organization_id, row.message_id)
    if message:
        await outbox.add(connection, facts.media_settled(message, row))


async def give_up(connection: Connection, organization_id: str, cancelled: Sequence[Job]) -> None:
    """The files of cancelled jobs are FAILED with the reason."""
    reason = cancelled[0].last_error or ""
    for row in await media.give_up(connection, organization_id, _files_of(cancelled), reason):
        await _tell(connection, row)


async def wait_again(connection: Connection, organization_id: str, retried: Sequence[Job]) -> None:
    """The files of jobs that run again are WAITING."""
    await media.wait_again(connection, organization_id, _files_of(retried))


def _files_of(some: Iterable[Job]) -> list[UUID]:
    return [media_id for job in some if (media_id := _named_file(job)) is not None]


def _named_file(job: Job) -> UUID | None:
    said = msgspec.json.decode(job.payload_json)
    return parse_id(str(said.get("mediaId"))) if isinstance(said, dict) else None


def _file(key: str, row: StoredMedia, source: FileSource, incoming: Download, seen: Seen) -> File:
    kinds = (content_type(one) for one in (incoming.content_type, source.content_type, row.content_type))
    return File(
        object_key=key,
        content_type=next((kind for kind in kinds if kind != ANY_TYPE), ANY_TYPE),
        size=seen.size,
        sha256=seen.sha256,
    )
