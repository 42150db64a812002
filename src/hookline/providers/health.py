"""What a provider can be asked about an account's health: checks, each a question to the platform.

Each provider's folder says what it checks; services/health.py asks all at once and puts the answers together.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from hookline.domain.health import Finding, Severity, ok, problem, warning

THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
_PORTS: Final = {"http": 80, "https": 443}
# What a header in whole seconds and a slow reply may be off by; and from where windows and expiries go wrong.
_CLOCK_OK: Final = timedelta(seconds=15)
_CLOCK_WRONG: Final = timedelta(minutes=2)
_SYNCHRONIZE: Final = "Let the machine's clock be synchronized (NTP): windows, expiries and limits are reckoned by it."


class Check(msgspec.Struct, frozen=True):
    """One question to the platform. `name`: what it is told as if the platform refuses or does not answer."""

    name: str
    ask: Callable[[], Awaitable[Sequence[Finding]]]


def clock_finding(name: str, whose: str, theirs: datetime, ours: datetime) -> Finding:
    """Compare another clock with ours."""
    skew = ours - theirs
    off = f"this machine's clock is {abs(skew.total_seconds()):.0f} s {'ahead of' if skew > timedelta(0) else 'behind'}"
    if abs(skew) <= _CLOCK_OK:
        return ok(name, f"{whose} clock agrees with this machine's")
    severity = Severity.PROBLEM if abs(skew) > _CLOCK_WRONG else Severity.WARNING
    return Finding(name, severity, f"{off} {whose}", _SYNCHRONIZE)


def platform_clock(date_header: str | None) -> Finding:
    """Compare the clock of a platform's reply with ours."""
    try:
        told = parsedate_to_datetime(date_header or "")
    except ValueError:
        mend = "Look at this machine's clock yourself (`timedatectl`): something on the way takes the header Date away."
        return warning("clock", "the platform's reply tells no time to compare this machine's with", mend)
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return clock_finding("clock", "the platform's", told, datetime.now(UTC))


def callback_finding(name: str, where: str, theirs: str, ours: str | None, mend: str) -> Finding:
    """Compare a callback URL that the platform has with the one that this installation answers at."""
    if ours is None:
        return warning(
            name,
            f"{where} is {shown_url(theirs)}; what it should be is not known here",
            "Set HOOKLINE_PUBLIC_URL to the address under which the platforms reach this installation.",
        )
    if same_url(theirs, ours):
        return ok(name, f"{where} is ours: {shown_url(ours)}")
    return problem(name, f"{where} is {shown_url(theirs)}, where webhooks go now, and not {shown_url(ours)}", mend)


def same_url(one: str, other: str) -> bool:
    """Say whether two URLs lead to the same place of ours, whose paths may be in either case of letters."""
    return _place(one) is not None and _place(one) == _place(other)


def _place(url: str) -> tuple[str, str, int, str, str] | None:
    parts = _split(url)
    if parts is None or parts.hostname is None:
        return None
    host = "localhost" if parts.hostname in THIS_MACHINE else parts.hostname
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return parts.scheme, host, port, parts.path.lower(), parts.query


def shown_url(url: str) -> str:
    """Show a URL without what may be secret in it: user, password, query."""
    parts = _split(url)
    if parts is None or parts.hostname is None:
        return "something that is no URL"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
    return "".join(character for character in shown[:300] if character.isprintable()) + ("?…" if parts.query else "")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it finds out whether it is one
    except ValueError:
        return None
    return parts
