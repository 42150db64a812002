"""The one place where everything is put together: settings in, a process's parts out; and `Hookline`, for Python."""

import gc
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Self
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import StartupError
from hookline.domain.health import Finding
from hookline.domain.outbound import read_message
from hookline.domain.provider_error import ProviderError
from hookline.providers import PROVIDERS, SETTINGS
from hookline.providers.accounts import AccountsClient
from hookline.providers.base import Provider
from hookline.providers.http import HttpClient
from hookline.providers.templates import TemplatesClient
from hookline.security.auth import Authenticator, AuthOptions
from hookline.security.development import made_secrets
from hookline.security.master_key import MasterKeys
from hookline.security.vault import Vault
from hookline.services.failure import RetryPolicy
from hookline.services.handshake import Handshakes, callback_url, shake_hands
from hookline.services.health import Examiner, RecentReports
from hookline.services.ingest import Ingest
from hookline.services.jobs import IntegrationJobs
from hookline.services.media_links import MediaLinks
from hookline.services.prune import Retention
from hookline.services.refusal import note_refusal
from hookline.services.send import accept
from hookline.services.tokens import access_token
from hookline.services.wakeup import Bell, Work
from hookline.settings import Settings, read_provider_settings, read_settings, split_commas
from hookline.store.embedded import EmbeddedPostgres
from hookline.store.jobs import Job
from hookline.store.messages import Message
from hookline.store.migrate import check
from hookline.store.objects import Objects
from hookline.store.pool import API_ROLE, INGEST_ROLE, Connection, check_role, open_pool

INGEST_CONNECTIONS = 2
_INGEST_SECONDS = 4  # the platforms wait five
_CALM = 50_000


def calm_collector() -> None:
    """Let the cycle collector look less often from now on, unless this process has seen to that itself.

    A batch makes thousands of objects and hardly a cycle; with the default thresholds each is looked at many times.
    """
    if 0 < gc.get_threshold()[0] < _CALM:
        gc.set_threshold(_CALM, 20, 20)


class Secrets(msgspec.Struct, frozen=True):
    """What proves who somebody is. Never logged, never shown."""

    webhook: Mapping[IntegrationProvider, Sequence[str]]
    callbacks: Mapping[IntegrationProvider, Sequence[str]]
    verify_token: str
    auth: AuthOptions


def read_platforms(settings: Settings) -> Mapping[str, str]:
    """Gather what the providers' folders declare, by name; in development, make once what is not set.

    Raises: StartupError, which names what production is missing.
    """
    values = read_provider_settings(SETTINGS, production=settings.production, simulator_url=settings.simulator_url)
    wanted = [field.name for field in SETTINGS if field.made and not values[field.name]]
    return values if settings.production else values | made_secrets(settings.data_dir, wanted)


def read_secrets(settings: Settings) -> Secrets:
    """Gather the secrets from the environment; in development, make once what is not set.

    Raises: StartupError, which names what production is missing.
    """
    values = read_platforms(settings)
    jwt_secret = settings.jwt_secret
    if not settings.production and jwt_secret is None and settings.jwt_jwks_url is None:
        jwt_secret = made_secrets(settings.data_dir, ["JWT_SECRET"])["JWT_SECRET"]

    def secrets(fields: Sequence[str]) -> list[str]:
        return [secret for field in fields for secret in split_commas(values[field])]

    return Secrets(
        webhook={name: secrets(provider.secret_settings) for name, provider in PROVIDERS.items()},
        callbacks={name: secrets(provider.callbacks.secret_settings) for name, provider in PROVIDERS.items()},
        verify_token=values["META_VERIFY_TOKEN"],
        auth=AuthOptions(jwt_secret, settings.jwt_jwks_url, settings.jwt_audience, settings.jwt_issuer),
    )


@asynccontextmanager
async def database(settings: Settings, *, log: Any = None) -> AsyncIterator[str]:
    """Give the database's URL: the configured server's, or an embedded one's that runs while this is open."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    if settings.production:
        raise StartupError("production needs HOOKLINE_DATABASE_URL; the embedded database is for development")
    server = EmbeddedPostgres(settings.data_dir, log=log)
    url = await server.start()
    try:
        yield url
    finally:
        await server.stop()


def open_vault(settings: Settings) -> Vault:
    """Give the vault, closed: the keyset is fetched when it is first needed."""
    return Vault(MasterKeys(settings.kms_uri, settings.data_dir))


def media_links(settings: Settings, platforms: Mapping[str, str]) -> MediaLinks:
    """Where the platforms fetch what was uploaded here: at the public URL; in development, at this machine."""
    return MediaLinks(settings.base_url or "", split_commas(platforms.get("META_APP_SECRETS", "")))


def retry_policy(settings: Settings) -> RetryPolicy:
    """When failed jobs run again."""
    return RetryPolicy(settings.max_job_attempts, settings.backoff_cap_minutes)


def retention(settings: Settings) -> Retention:
    """How long what has ended is kept."""

    def days(number: int) -> timedelta | None:
        return timedelta(days=number) if number else None

    return Retention(
        jobs=days(settings.retain_jobs_days),
        events=days(settings.retain_events_days),
        failed=days(settings.retain_failed_days),
        messages=days(settings.retain_messages_days),
        feed=days(settings.retain_feed_days),
    )


def make_examiner(
    settings: Settings, pool: asyncpg.Pool, vault: Vault, http: HttpClient, platforms: Mapping[str, str]
) -> Examiner:
    """Make what examines accounts, and shakes hands with our own callbacks."""
    where = partial(callback_url, settings.base_url)

    def shake(provider: IntegrationProvider) -> Awaitable[Finding]:
        return shake_hands(http, where(provider), platforms["META_VERIFY_TOKEN"])

    def clients(provider: IntegrationProvider) -> AccountsClient:
        return PROVIDERS[provider].accounts(http, platforms)

    return Examiner(pool, vault, clients, where, Handshakes(shake).of)


class ApiContext(msgspec.Struct, frozen=True):
    """What the HTTP side works with. `pool` acts as the role that row-level security binds.

    platforms: what the providers' folders declare, by name; with `http` their clients are made of it. bell: to be rung
    after the commit of what makes a job due. health: examines accounts.
    """

    settings: Settings
    providers: Mapping[IntegrationProvider, Provider]
    secrets: Secrets
    authenticator: Authenticator
    pool: asyncpg.Pool
    ingest: Ingest
    http: HttpClient
    platforms: Mapping[str, str]
    bell: Bell
    vault: Vault
    objects: Objects
    links: MediaLinks
    health: RecentReports

    def accounts(self, provider: IntegrationProvider) -> AccountsClient:
        """Make the client of a platform's accounts."""
        return self.providers[provider].accounts(self.http, self.platforms)


@asynccontextmanager
async def api_context(settings: Settings, database_url: str) -> AsyncIterator[ApiContext]:
    """Open what an API process needs.

    Raises: StartupError, if the database cannot be reached, its schema is not the code's, or a pooler on the way lets
    the connections act as another role than the one that binds them.
    """
    secrets, platforms = read_secrets(settings), read_platforms(settings)
    await check(database_url)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            await open_pool(
                database_url, role=API_ROLE, size=settings.database_pool_size, application_name="hookline api"
            )
        )
        ingest_pool = await stack.enter_async_context(
            await open_pool(
                database_url,
                role=INGEST_ROLE,
                size=INGEST_CONNECTIONS,
                application_name="hookline ingest",
                statement_seconds=_INGEST_SECONDS,
                batches=True,
            )
        )
        await check_role(pool, API_ROLE)
        await check_role(ingest_pool, INGEST_ROLE)
        bell = Bell(pool, enabled=settings.notify)
        stack.push_async_callback(bell.close)
        ingest = Ingest(ingest_pool, stored=partial(bell.ring, Work.WEBHOOKS))
        stack.push_async_callback(ingest.close)
        http = await stack.enter_async_context(HttpClient())
        vault = open_vault(settings)
        health = RecentReports(make_examiner(settings, pool, vault, http, platforms))
        stack.push_async_callback(health.close)
        yield ApiContext(
            settings,
            PROVIDERS,
            secrets,
            Authenticator(secrets.auth),
            pool,
            ingest,
            http,
            platforms,
            bell,
            vault,
            Objects.of(settings.media_url, settings.data_dir),
            media_links(settings, platforms),
            health,
        )


class WorkerContext(msgspec.Struct, frozen=True):
    """What the job side works with. `pool` acts as the owner: a worker serves every organization.

    platforms: what the providers' folders declare, by name; with `http` their clients are made of it.
    """

    settings: Settings
    providers: Mapping[IntegrationProvider, Provider]
    pool: asyncpg.Pool
    http: HttpClient = msgspec.field(default_factory=HttpClient)
    platforms: Mapping[str, str] = {}
    vault: Vault = msgspec.field(default_factory=lambda: Vault(MasterKeys(None, None)))
    objects: Objects = msgspec.field(default_factory=lambda: Objects("memory:///"))

    def accounts(self, provider: IntegrationProvider) -> AccountsClient:
        """Make the client of a platform's accounts."""
        return self.providers[provider].accounts(self.http, self.platforms)

    def templates(self, provider: IntegrationProvider) -> TemplatesClient | None:
        """Make the client of a platform's templates; None if it has none."""
        rules = self.providers[provider].templates
        return None if rules is None else rules.client(self.http, self.platforms)

    async def access_token(self, connection: Connection, account_id: UUID, organization_id: str) -> str:
        """Give the token by which to act for an account; see services/tokens.py."""
        return await access_token(connection, self.vault, account_id, organization_id)

    async def note_refusal(
        self, connection: Connection, account_id: UUID, organization_id: str, error: ProviderError, used: str | None
    ) -> bool:
        """Put an account into ERROR if a refusal means it; see services/refusal.py. `used`: the token refused."""
        return await note_refusal(connection, self.vault, account_id, organization_id, error, used=used)

    @property
    def links(self) -> MediaLinks:
        """Where the platforms fetch what was uploaded here."""
        return media_links(self.settings, self.platforms)

    @property
    def policy(self) -> RetryPolicy:
        """When failed jobs run again."""
        return retry_policy(self.settings)

    @property
    def unowned_for(self) -> timedelta:
        """How long webhooks of nobody wait."""
        return timedelta(days=self.settings.unowned_days)

    @property
    def retention(self) -> Retention:
        """How long what has ended is kept."""
        return retention(self.settings)


@asynccontextmanager
async def worker_context(settings: Settings, database_url: str) -> AsyncIterator[WorkerContext]:
    """Open what a worker process needs.

    Raises: StartupError, if the database cannot be reached or its schema is not the code's.
    """
    platforms = read_platforms(settings)
    await check(database_url)
    pool = await open_pool(
        database_url, size=settings.database_pool_size, application_name="hookline worker", batches=True
    )
    async with pool, HttpClient() as http:
        objects = Objects.of(settings.media_url, settings.data_dir)
        yield WorkerContext(settings, PROVIDERS, pool, http, platforms, open_vault(settings), objects)


class Hookline:
    """The public entry for Python code.

    async with Hookline.open() as hookline:
        await hookline.send("org-1", {"accountId": "…", "to": "+16505551234", "type": "text", "text": "Hello"})
        await hookline.jobs.enqueue("SYNC_ACCOUNT", "WHATSAPP", {"accountId": "…"}, organization_id="org-1")
    """

    def __init__(self, context: WorkerContext, jobs: IntegrationJobs) -> None:
        self.context = context
        self.jobs = jobs

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings | None = None) -> AsyncIterator[Self]:
        """Open from settings (default: the environment's). Without a database URL, the embedded server is started.

        Raises: StartupError.
        """
        settings = settings or read_settings()
        async with (
            database(settings) as url,
            worker_context(settings, url) as context,
            IntegrationJobs(context.pool, policy=context.policy, notify=settings.notify) as jobs,
        ):
            yield cls(context, jobs)

    async def send(
        self, organization_id: str, message: Mapping[str, Any], idempotency_key: str | None = None
    ) -> Message | Job:
        """Take a message to send, as `POST /api/messages` does; the message, or the job of what stands in no log.

        Raises: NotFound; InvalidMessage, NotSupported, SendRefused, KeyReused.
        """
        said = read_message(dict(message))
        context, inside = self.context, not self.context.settings.production
        return await accept(
            context.pool, context.providers, organization_id, said, idempotency_key, links_inside=inside
        )
