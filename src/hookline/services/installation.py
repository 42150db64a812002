"""The installation's health: settings, database, keys, queue, workers, what failed or waits; each with its mend.

Only what can be told honestly: of another machine's disk, say, nothing is known here.
"""

import shutil
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from hookline.domain.errors import HooklineError, StartupError
from hookline.domain.health import Finding, Severity, ok, problem, warning
from hookline.providers.health import THIS_MACHINE, clock_finding, shown_url
from hookline.security.master_key import FILE_URI
from hookline.security.vault import Vault
from hookline.services import keys
from hookline.services.presence import LEASE
from hookline.settings import Settings
from hookline.store import examination, keysets, migrate, roles
from hookline.store.pool import API_ROLE, INGEST_ROLE, Connection, check_role, database_time, open_pool

LATELY: Final = timedelta(days=1)
_LAG_NOTED: Final = timedelta(minutes=1)
_LAG_WRONG: Final = timedelta(minutes=10)
_LEAST_FREE: Final = 0.05
_LOW_FREE: Final = 0.15


# -- settings


def settings_findings(settings: Settings, platforms: Mapping[str, str]) -> list[Finding]:
    """Judge the settings as they are in force. What production refuses to start with is not repeated here."""
    return [_doors(settings), _public_url(settings), *_return_urls(settings), _app(settings, platforms)]


def _doors(settings: Settings) -> Finding:
    name = "environment"
    if settings.production:
        return ok(name, "production: webhooks must be signed, and accounts proved")
    open_doors = "webhooks without a signature are taken, and accounts are connected without proof"
    mend = "Set HOOKLINE_ENVIRONMENT=production before anybody else can reach this installation."
    if settings.public_url and _host(settings.public_url) not in THIS_MACHINE:
        return problem(
            name, f"development, under a public address ({shown_url(settings.public_url)}): {open_doors}", mend
        )
    if settings.host not in THIS_MACHINE:
        return warning(name, f"development, listening on {settings.host}: {open_doors}", mend)
    return ok(name, f"development, on this machine only: {open_doors}")


def _public_url(settings: Settings) -> Finding:
    name, url = "public-url", settings.base_url
    if url is None:
        return problem(name, "no public URL is set: nobody can connect an account", "Set HOOKLINE_PUBLIC_URL.")
    if urlsplit(url).scheme != "https" and _host(url) not in THIS_MACHINE:
        return problem(name, f"{shown_url(url)} is not https, and the platforms call nothing else", "Use https.")
    return ok(name, f"the platforms and browsers come to {shown_url(url)}")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _return_urls(settings: Settings) -> list[Finding]:
    if not settings.production or settings.return_urls:
        return []
    found = "no address of the CRM is allowed: browsers cannot be sent back to it"
    return [warning("return-urls", found, "Set HOOKLINE_RETURN_URLS.")]


def _app(settings: Settings, platforms: Mapping[str, str]) -> Finding:
    if settings.simulator_url is not None:
        return ok("platforms", f"the platforms are simulated, at {settings.simulator_url}")
    if not platforms["META_APP_ID"]:
        found = "there is no app id: no account can be connected by the platforms' dialogs"
        return warning("platforms", found, "Set HOOKLINE_META_APP_ID.")
    return ok("platforms", f"the platforms are the real ones; our app is {platforms['META_APP_ID']}")


# -- database


async def database_findings(url: str) -> list[Finding]:
    """Look at the database before anything is done with it: it answers, its schema is ours, its roles bind."""
    try:
        connection = await roles.connect(url)
    except StartupError as failure:
        return [problem("database", str(failure), "Look at HOOKLINE_DATABASE_URL, and whether the server runs.")]
    try:
        before = datetime.now(UTC)
        theirs = await database_time(connection)
        version = ".".join(map(str, connection.get_server_version()[:2]))
        bound = await roles.inspect(connection)
    finally:
        await connection.close()
    return [
        ok("database", f"PostgreSQL {version} answers"),
        clock_finding("database-clock", "the database's", theirs, before),
        await _schema(url),
        await _roles(url, bound),
    ]


async def _schema(url: str) -> Finding:
    try:
        await migrate.check(url)
    except StartupError as failure:
        return problem("schema", str(failure), "Run `hookline migrate` of the version that is to run.")
    return ok("schema", "the schema is this version's")


async def _roles(url: str, bound: roles.Found) -> Finding:
    mend = "Run `hookline migrate`, which makes them or says what an administrator must run."
    if bound.unbound:
        found = f"row-level security does not bind {', '.join(bound.unbound)}: tenants are not apart"
        return problem("roles", found, mend)
    if bound.missing:
        return problem("roles", "the API's roles are missing, or the user may not act as them", mend)
    for role in (API_ROLE, INGEST_ROLE):
        try:
            async with await open_pool(url, role=role, size=1, application_name="hookline doctor") as pool:
                await check_role(pool, role)
        except StartupError as failure:
            return problem("roles", str(failure), "Let the API connect directly, without a pooler.")
    return ok("roles", "the API and the ingest act as roles that row-level security binds")


# -- at work


async def work_findings(pool: asyncpg.Pool, vault: Vault) -> list[Finding]:
    """Look at the queue, the workers, the keys, and at what failed or waits. Needs the schema of this version."""
    of_keys = await _keys(pool, vault)
    async with pool.acquire() as connection:
        return [of_keys, *[finding async for finding in _of_database(connection)]]


async def _of_database(connection: Connection) -> AsyncIterator[Finding]:
    for look in (_queue, _workers, _walls, _paused, _unowned_events, _unreadable_events, _failed_events, _failed_jobs):
        try:
            yield await look(connection)
        except asyncpg.QueryCanceledError:
            name = look.__name__.strip("_").replace("_", "-")
            yield warning(name, "there is too much of it to be counted in time", "Look at it by REST, narrowed.")


async def _keys(pool: asyncpg.Pool, vault: Vault) -> Finding:
    """Look whether the keyset opens. One that is not there yet is not made by looking."""
    async with pool.acquire() as connection:
        row = await keysets.read(connection)
        if row is None:
            return _no_keys(vault)
        try:
            await keys.reload(connection, vault)
        except HooklineError as failure:
            mend = "See that the master key's service (HOOKLINE_KMS_URI) answers and lets this installation decrypt."
            return problem("keys", f"the keyset cannot be opened: {failure}", mend)
    found = f"the keyset opens; key {vault.keyset.primary_id} encrypts, of {len(vault.keyset.key_ids)} in all"
    if row.wrapped_by != vault.masters.uri:
        mend = "`hookline keys rotate` wraps it by the new one; until then keep the right to decrypt with the old one."
        return warning("keys", f"{found}; it is wrapped by another master key than the one that is set", mend)
    return ok("keys", found)


def _no_keys(vault: Vault) -> Finding:
    found = "there is no keyset yet: the first process that encrypts makes it"
    if vault.masters.uri == FILE_URI:
        return ok("keys", found)
    mend = "Start the API or a worker: in production they make it, and so find out whether the master key serves."
    return warning("keys", f"{found}; whether the master key's service answers was not tried", mend)


async def _queue(connection: Connection) -> Finding:
    number, oldest = await examination.due(connection), await examination.oldest_due(connection)
    lag = datetime.now(UTC) - oldest if oldest else timedelta(0)
    found = f"due: {_number(number, 'job')}"
    if oldest is not None:
        found += f"; the oldest has waited for {_span(lag)}"
    if lag < _LAG_NOTED:
        return ok("queue", found)
    severity = Severity.PROBLEM if lag > _LAG_WRONG else Severity.WARNING
    return Finding("queue", severity, found, "Start more workers (`hookline worker --processes N`), or see their logs.")


async def _workers(connection: Connection) -> Finding:
    found = await examination.workers(connection, LEASE)
    if not found.living:
        return problem("workers", "no worker lives: webhooks are kept, and nothing is done", "Start `hookline worker`.")
    if found.silent:
        said = f"{found.living} live; {found.silent} have been silent for {LEASE.seconds} s and hold jobs still"
        return warning(
            "workers", said, "Their jobs move to the others within seconds. If that is not so, see the logs."
        )
    return ok("workers", f"{found.living} live")


async def _walls(connection: Connection) -> Finding:
    found = await examination.open_tables(connection)
    if not found:
        return ok("walls", "row-level security guards every table of organizations' rows")
    mend = "Somebody has switched it off by hand: ALTER TABLE … ENABLE ROW LEVEL SECURITY, and look at what was read."
    return problem("walls", f"row-level security does not guard {', '.join(found)}: tenants are not apart", mend)


async def _paused(connection: Connection) -> Finding:
    number = await examination.paused(connection)
    if not number:
        return ok("paused", "nobody's jobs are paused")
    mend = "`hookline resume --org ORG` ends a pause (`--account ID`: of one account)."
    return warning(
        "paused", f"paused: the jobs of {_number(number, 'owner')} (organizations, or single accounts)", mend
    )


async def _unowned_events(connection: Connection) -> Finding:
    number, oldest = await examination.unowned(connection)
    if not number or oldest is None:
        return ok("unowned-events", "no webhook waits for an account")
    found = f"of no connected account: {_number(number, 'webhook event')}; the oldest came {_ago(oldest)}"
    return warning(
        "unowned-events", found, "`hookline events --unowned` lists them: connect the accounts they are for."
    )


async def _unreadable_events(connection: Connection) -> Finding:
    number = await examination.unreadable_events(connection, LATELY)
    if not number:
        return ok("unreadable-events", "every webhook of the last day could be read")
    found = f"not readable at all, in the last day: {_number(number, 'webhook')}"
    return warning("unreadable-events", found, "`hookline events --failed` lists them; their bytes are kept.")


async def _failed_events(connection: Connection) -> Finding:
    number = await examination.failed_events(connection, LATELY)
    if not number:
        return ok("failed-events", "no webhook event failed in the last day")
    mend = "GET /api/webhook-events?status=FAILED shows why; `hookline replay EVENT` processes one again, after a fix."
    return warning("failed-events", f"failed in the last day: {_number(number, 'webhook event')}", mend)


async def _failed_jobs(connection: Connection) -> Finding:
    number = await examination.failed_jobs(connection, LATELY)
    if not number:
        return ok("failed-jobs", "no job failed in the last day")
    mend = "GET /api/jobs?status=FAILED shows why; POST /api/jobs/retry runs them again, after a fix."
    return warning("failed-jobs", f"failed in the last day: {_number(number, 'job')}", mend)


def disk_findings(settings: Settings) -> list[Finding]:
    """Look at the disk of the embedded database. Of a server elsewhere nothing is known here."""
    if settings.database_url is not None:
        return []
    usage = shutil.disk_usage(_existing(settings.data_dir))
    share = usage.free / usage.total
    found = f"{usage.free / 2**30:.1f} GiB ({share:.0%}) are free where the embedded database is"
    if share >= _LOW_FREE:
        return [ok("disk", found)]
    severity = Severity.PROBLEM if share < _LEAST_FREE else Severity.WARNING
    return [Finding("disk", severity, found, "Make room: without it the database stops taking webhooks.")]


def _existing(folder: Path) -> Path:
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())


def _number(counted: int, noun: str) -> str:
    if counted == 1:
        return f"1 {noun}"
    return f"{counted}{' or more' if counted >= examination.MOST_COUNTED else ''} {noun}s"


def _ago(at: datetime) -> str:
    return f"{_span(datetime.now(UTC) - at)} ago"


def _span(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min" if minutes else f"{int(time.total_seconds())} s"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
