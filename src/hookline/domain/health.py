"""What an examination finds: findings with stable names, how bad each is, and how it is mended."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How bad a finding is: a warning works today, a problem does not. What could not be seen is never ok."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


_MOST_CHARACTERS = 2000


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `found` and `mend` are for people, and hold nothing secret."""

    name: str
    severity: Severity
    found: str
    mend: str | None = None


def bounded(finding: Finding) -> Finding:
    """Cut what somebody else has said at length."""
    return msgspec.structs.replace(finding, found=_cut(finding.found), mend=finding.mend and _cut(finding.mend))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"


def ok(name: str, found: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(name, Severity.OK, found)


def warning(name: str, found: str, mend: str) -> Finding:
    """Say that something works, but not for ever, or not wholly."""
    return Finding(name, Severity.WARNING, found, mend)


def problem(name: str, found: str, mend: str) -> Finding:
    """Say that something does not work."""
    return Finding(name, Severity.PROBLEM, found, mend)


def worst(findings: Iterable[Finding]) -> Severity:
    """Give the severity of the worst finding."""
    found = {finding.severity for finding in findings}
    return next((one for one in (Severity.PROBLEM, Severity.WARNING) if one in found), Severity.OK)
