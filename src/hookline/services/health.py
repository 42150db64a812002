"""An account's health: what we know of it, what its platform says, and whether the two fit; each with its mend.

What is asked of a platform is in its folder (`AccountsClient.checks`). All is asked at once, outside any transaction,
and within a time limit; what was answered by then is told, and what was not is told as that, never as ok.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.errors import NotFound, StartupError, Unavailable
from hookline.domain.health import Finding, bounded, ok, problem, warning
from hookline.domain.provider_error import ErrorClass, NotReached, OutcomeUnknown, ProviderError
from hookline.providers.accounts import AccountsClient, Credentials
from hookline.providers.health import Check, clock_finding
from hookline.security.keyset import Undecryptable, UnknownKey
from hookline.security.vault import Vault
from hookline.services.refresh import ref_of
from hookline.services.report import Report
from hookline.services.tokens import credentials
from hookline.store import accounts, pauses
from hookline.store.accounts import ConnectedAccount
from hookline.store.pauses import Pause
from hookline.store.pool import Connection, database_time, organization_transaction

TIME_LIMIT_SECONDS: Final = 10.0
# The platforms count every question: whoever asks again sooner is given the last answer.
FRESH_SECONDS: Final = 15.0
# Examinations that one process makes side by side; who waits longer for a turn is told to come again.
SIDE_BY_SIDE: Final = 8
_READ_SECONDS: Final = 10.0
_QUIET_AFTER: Final = timedelta(days=7)
_CONNECT_AGAIN: Final = "Connect the account again."

Handshake = Callable[[IntegrationProvider], Awaitable[Finding]]


class Examiner(msgspec.Struct, frozen=True):
    """What an examination works with. callback_url and handshake are of the installation, by platform."""

    pool: asyncpg.Pool
    vault: Vault
    clients: Callable[[IntegrationProvider], AccountsClient]
    callback_url: Callable[[IntegrationProvider], str | None]
    handshake: Handshake
    seconds: float = TIME_LIMIT_SECONDS

    async def examine(self, organization_id: str, account_id: UUID) -> Report:
        """Look at everything there is to see of an account.

        Raises: NotFound; Unavailable and its like (TimeoutError too), if our own database does not answer.
        """
        async with asyncio.timeout(_READ_SECONDS):
            found = await self._read(organization_id, account_id)
        told = await ask_all(self._checks(found), self.seconds)
        return Report(found.account, datetime.now(UTC), [bounded(one) for one in [*found.findings, *told]])

    async def _read(self, organization_id: str, account_id: UUID) -> "_Known":
        """Read what we know ourselves, in one short transaction."""
        async with organization_transaction(self.pool, organization_id) as connection:
            account = await accounts.get(connection, organization_id, account_id)
            if account is None:
                raise NotFound("there is no such account in this organization")
            mine, token = await self._token(connection, account)
            paused = await pauses.list_of(connection, organization_id)
            theirs = await database_time(connection)
        findings = [
            _status(account),
            *token,
            *_pauses(paused, account),
            *_last_webhook(account),
            clock_finding("database-clock", "the database's", theirs, datetime.now(UTC)),
        ]
        return _Known(account, mine, findings)

    async def _token(
        self, connection: Connection, account: ConnectedAccount
    ) -> tuple[Credentials | None, list[Finding]]:
        if account.status is ConnectedAccountStatus.DISCONNECTED:
            return None, []
        try:
            found = await credentials(connection, self.vault, account.organization_id, account.id)
        except (Undecryptable, UnknownKey):
            said = "the stored access token cannot be decrypted by any key of this installation"
            return None, [
                problem("token", said, "Look at the keys (hookline keys list), or connect the account again.")
            ]
        except (Unavailable, StartupError) as failure:
            return None, [problem("token", f"the stored access token cannot be decrypted now: {failure}", _KEYS)]
        if found is None:
            said = "there is no access token: webhooks come in, and nothing can be sent or looked after"
            return None, [problem("token", said, "Connect the account by consent, or with its access token.")]
        return found[1], []

    def _checks(self, found: "_Known") -> Sequence[Check]:
        if found.account.status is ConnectedAccountStatus.DISCONNECTED:
            return []
        provider = found.account.provider

        async def handshake() -> list[Finding]:
            return [await self.handshake(provider)]

        checks = [Check("handshake", handshake)]
        if found.credentials is None:
            return checks
        url = self.callback_url(provider)
        return [*checks, *self.clients(provider).checks(ref_of(found.account), found.credentials, url)]


_KEYS: Final = "See that the master key's service (HOOKLINE_KMS_URI) answers, and lets this installation decrypt."


class _Known(msgspec.Struct, frozen=True):
    """What we know of an account ourselves."""

    account: ConnectedAccount
    credentials: Credentials | None
    findings: list[Finding]


def _status(account: ConnectedAccount) -> Finding:
    match account.status:
        case ConnectedAccountStatus.CONNECTED:
            return ok("account", f"the account is connected, since {_moment(account.connected_at)}")
        case ConnectedAccountStatus.ERROR:
            mend = "Mend what is said there; then connect the account again, or synchronize it."
            return problem("account", account.last_error or "the account is in ERROR", mend)
    return warning("account", "the account is disconnected: nothing comes in or goes out", _CONNECT_AGAIN)


def _pauses(paused: Sequence[Pause], account: ConnectedAccount) -> list[Finding]:
    found = [one for one in paused if one.connected_account_id in (None, account.id)]
    if not found:
        return [ok("pauses", "its jobs run")]
    whose = "the organization's jobs" if found[0].connected_account_id is None else "the account's jobs"
    since = f" since {_moment(found[0].paused_at)}" if found[0].paused_at else ""
    mend = "Resume them (POST /api/jobs/resume, or /api/integrations/{accountId}/resume), if that is not wanted."
    return [warning("pauses", f"{whose} are paused{since}: webhooks wait, and nothing is sent", mend)]


def _last_webhook(account: ConnectedAccount) -> list[Finding]:
    if account.status is ConnectedAccountStatus.DISCONNECTED:
        return []
    name, at = "last-webhook", account.last_webhook_at
    mend = "Write to the account from outside. If that does not arrive, mend what is said of subscription and callback."
    if at is None or at < account.connected_at:
        return [warning(name, f"no webhook has come since it was connected, at {_moment(account.connected_at)}", mend)]
    if at < datetime.now(UTC) - _QUIET_AFTER:
        return [warning(name, f"the last webhook came at {_moment(at)}: nobody writes, or nothing arrives", mend)]
    return [ok(name, f"the last webhook came at {_moment(at)}")]


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


# -- asking


async def ask_all(checks: Sequence[Check], seconds: float) -> list[Finding]:
    """Ask everything at once, for so long at most; what was answered, in order, and what was not.

    A platform that does not answer is told once, with everything that could not be looked at for it.
    """
    if not checks:
        return []
    asked = [asyncio.ensure_future(_ask(check)) for check in checks]
    try:
        await asyncio.wait(asked, timeout=seconds)
    finally:
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    findings: list[Finding] = []
    silent: dict[str, str] = {}
    for check, one in zip(checks, asked, strict=True):
        if one.cancelled():
            silent[check.name] = f"no answer within {seconds:g} s"
        elif isinstance(answer := one.result(), str):
            silent[check.name] = answer
        else:
            findings += answer
    return [*findings, *_silence(silent)]


async def _ask(check: Check) -> Sequence[Finding] | str:
    """Ask one thing: what was found, or why there was no answer."""
    try:
        return await check.ask()
    except ProviderError as refusal:
        return [_refused(check.name, refusal)]
    except (NotReached, OutcomeUnknown) as failure:
        return str(failure)


def _silence(silent: dict[str, str]) -> list[Finding]:
    if not silent:
        return []
    found = f"the platform cannot be reached ({'; '.join(dict.fromkeys(silent.values()))}): "
    mend = "Look at this machine's way to the platform, and at the platform's status page; then ask again."
    return [problem("platform", f"{found}not looked at: {', '.join(silent)}", mend)]


def _refused(name: str, refusal: ProviderError) -> Finding:
    """Say what a refusal means: it is about the account, or only about being asked."""
    match refusal.error_class:
        case ErrorClass.REAUTHORIZE:
            return problem(name, f"the platform refuses the access token: {refusal}", _CONNECT_AGAIN)
        case ErrorClass.ACCOUNT:
            return problem(name, f"the platform has restricted the account: {refusal}", "See its own business pages.")
        case ErrorClass.WAIT | ErrorClass.RETRY:
            return warning(name, f"the platform does not tell now: {refusal}", "Ask again later.")
    return problem(name, f"the platform refuses to tell: {refusal}", "See the app's settings and permissions there.")


class RecentReports:
    """Examinations on demand: one at a time for an account, and not again for some seconds; some side by side."""

    def __init__(self, examiner: Examiner, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._examiner = examiner
        self._fresh_seconds = fresh_seconds
        self._turns = asyncio.Semaphore(SIDE_BY_SIDE)
        self._reports: dict[tuple[str, UUID], tuple[float, asyncio.Task[Report]]] = {}

    async def of(self, organization_id: str, account_id: UUID) -> Report:
        """Give an account's report. Raises: as `Examiner.examine`; Unavailable, if too many are asked about."""
        now, key = time.monotonic(), (organization_id, account_id)
        self._reports = {
            name: kept for name, kept in self._reports.items() if not kept[1].done() or self._is_fresh(kept, now)
        }
        if key not in self._reports:
            asking = asyncio.create_task(self._examine(*key))
            asking.add_done_callback(_heed)
            self._reports[key] = now, asking
        return await asyncio.shield(self._reports[key][1])

    async def _examine(self, organization_id: str, account_id: UUID) -> Report:
        try:
            async with asyncio.timeout(TIME_LIMIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable("too many accounts are being examined") from None
        try:
            return await self._examiner.examine(organization_id, account_id)
        finally:
            self._turns.release()

    def _is_fresh(self, kept: tuple[float, "asyncio.Task[Report]"], now: float) -> bool:
        begun, task = kept
        return now - begun < self._fresh_seconds and not task.cancelled() and task.exception() is None

    async def close(self) -> None:
        """End what is still being asked."""
        tasks = [task for _, task in self._reports.values()]
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def _heed(task: "asyncio.Task[Report]") -> None:
    """Know of a failure that nobody waits for any more: otherwise it would be logged with its text."""
    if not task.cancelled():
        task.exception()
