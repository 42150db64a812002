"""`hookline doctor`: what is wrong with the installation and its accounts, and how to mend it."""

import asyncio
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from hookline.bootstrap import WorkerContext, database, make_examiner, read_platforms, read_secrets, worker_context
from hookline.cli.operate import print_json
from hookline.domain.account import IntegrationProvider
from hookline.domain.errors import InvalidRequest, NotFound, StartupError
from hookline.domain.health import Finding, Severity, problem, worst
from hookline.domain.ids import parse_id
from hookline.services import installation, shapes
from hookline.services.health import Examiner
from hookline.services.report import Report
from hookline.settings import Settings, read_settings
from hookline.store import examination

_SIDE_BY_SIDE = 4
_UNUSABLE = ("database", "schema")
_SHOWN = {Severity.OK: "ok", Severity.WARNING: "WARNING", Severity.PROBLEM: "PROBLEM"}
_MOST_COLUMNS = 120


class _Examined(msgspec.Struct):
    """What was found, as far as it went. Of the installation nothing, if one account is asked about and all is well."""

    installation: list[Finding] = []
    accounts: list[Report] = []

    @property
    def status(self) -> Severity:
        return worst([*self.installation, *(finding for report in self.accounts for finding in report.findings)])


async def examine_all(account: str | None, *, as_json: bool) -> int:
    """Examine one account; or the installation, and every account that is live. Exit code 1 on a problem."""
    account_id = None if account is None else parse_id(account)
    if account is not None and account_id is None:
        raise InvalidRequest("--account takes our own id of an account, a UUID")
    found = _Examined()
    await _examine(found, account_id)
    if as_json:
        print_json(_shape(found))
    else:
        print("\n".join(_lines(found)))
    return 1 if found.status is Severity.PROBLEM else 0


async def _examine(found: _Examined, account_id: UUID | None) -> None:
    try:
        settings = read_settings()
        read_secrets(settings)
    except StartupError as failure:
        mend = "Set what is missing or does not fit; .env.example lists all."
        found.installation.append(problem("settings", str(failure), mend))
        return
    if account_id is None:
        found.installation += installation.settings_findings(settings, read_platforms(settings))
        found.installation += installation.disk_findings(settings)
    try:
        async with database(settings) as url:
            await _with_database(found, settings, url, account_id)
    except StartupError as failure:
        mend = "Look at HOOKLINE_DATABASE_URL, and at what is said here."
        found.installation.append(problem("database", str(failure), mend))


async def _with_database(found: _Examined, settings: Settings, url: str, account_id: UUID | None) -> None:
    told = await installation.database_findings(url)
    unusable = any(one.name in _UNUSABLE and one.severity is Severity.PROBLEM for one in told)
    if account_id is None or unusable:
        found.installation += told
    if unusable:
        return
    async with worker_context(settings, url) as context:
        examiner = make_examiner(settings, context.pool, context.vault, context.http, context.platforms)
        if account_id is None:
            found.installation += await installation.work_findings(context.pool, context.vault)
            found.installation += await _handshakes(examiner)
        found.accounts += await _accounts(context, examiner, account_id)


async def _handshakes(examiner: Examiner) -> list[Finding]:
    """Try the platforms' handshake with each of our callbacks. What holds for all is said once."""
    made = await asyncio.gather(*(examiner.handshake(provider) for provider in IntegrationProvider))
    return list(dict.fromkeys(made))


async def _accounts(context: WorkerContext, examiner: Examiner, account_id: UUID | None) -> list[Report]:
    async with context.pool.acquire() as connection:
        named = await examination.accounts(connection, account_id)
    if account_id is not None and not named:
        raise NotFound(f"there is no account {account_id}")
    turns = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def examine(organization_id: str, one: UUID) -> Report | None:
        async with turns:
            try:
                return await examiner.examine(organization_id, one)
            except NotFound:  # it was deleted meanwhile
                return None

    reports = await asyncio.gather(*(examine(organization_id, one) for organization_id, one in named))
    return [report for report in reports if report is not None]


# -- telling


def _shape(found: _Examined) -> dict[str, Any]:
    return {
        "status": found.status,
        "installation": [shapes.finding(one) for one in found.installation],
        "accounts": [
            {
                "organizationId": report.account.organization_id,
                "provider": report.account.provider,
                "displayName": report.account.display_name,
                **shapes.health(report),
            }
            for report in found.accounts
        ],
    }


def _lines(found: _Examined) -> Iterator[str]:
    width = min(shutil.get_terminal_size((_MOST_COLUMNS, 24)).columns, _MOST_COLUMNS)
    if found.installation:
        yield "The installation"
        yield from _table(found.installation, width)
    for report in found.accounts:
        account = report.account
        name = f" {account.display_name}" if account.display_name else ""
        yield ""
        yield _plain(f"{account.provider}{name} ({account.external_account_id}) of {account.organization_id}")
        yield f"  {account.id}"
        yield from _table(report.findings, width)
    yield ""
    yield _summary(found)


def _table(findings: Sequence[Finding], width: int) -> Iterator[str]:
    """One finding a line or more: how bad, its name, what was seen; below it the mend."""
    longest = max((len(one.name) for one in findings), default=0)
    indent = " " * (2 + 9 + longest + 2)
    for one in findings:
        head = f"  {_SHOWN[one.severity]:9}{one.name:{longest}}  "
        yield from _wrapped(head, indent, one.found, width)
        if one.mend:
            yield from _wrapped(indent + "→ ", indent + "  ", one.mend, width)


def _wrapped(head: str, indent: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        max(width, len(indent) + 40),
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]


def _plain(text: str) -> str:
    """Leave out what could command a terminal: some of it is the platform's, or a customer's."""
    return "".join(character if character.isprintable() else " " for character in text)


def _summary(found: _Examined) -> str:
    counted = [one.severity for one in found.installation]
    counted += [one.severity for report in found.accounts for one in report.findings]
    parts = [f"{counted.count(Severity.PROBLEM)} problems", f"{counted.count(Severity.WARNING)} warnings"]
    return f"{', '.join(parts)} in {len(counted)} findings; {len(found.accounts)} accounts examined"
