"""What every provider's checks share: clocks, and URLs that are compared and shown."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from hookline.domain.health import Severity, ok, problem, warning, worst
from hookline.providers.health import callback_finding, clock_finding, platform_clock, same_url, shown_url
from hookline.providers.meta import health

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "severity", "said"),
    [
        (0, Severity.OK, "agrees"),
        (-14, Severity.OK, "agrees"),
        (16, Severity.WARNING, "16 s ahead of"),
        (-16, Severity.WARNING, "16 s behind"),
        (121, Severity.PROBLEM, "121 s ahead of"),
        (-90000, Severity.PROBLEM, "90000 s behind"),
    ],
)
def test_clocks(seconds: int, severity: Severity, said: str) -> None:
    """A clock that is off is told by how much and to which side; a little off, as a reply's way takes, is not."""
    one = clock_finding("clock", "the platform's", NOW, NOW + timedelta(seconds=seconds))
    assert (one.severity, said in one.found, one.mend is None) == (severity, True, severity is Severity.OK)


def test_the_platform_s_clock() -> None:
    """The header Date is read; one that is missing or no date leaves the clock unknown, which is not ok."""
    now = datetime.now(UTC)
    assert platform_clock(format_datetime(now, usegmt=True)).severity is Severity.OK
    assert platform_clock(format_datetime(now - timedelta(hours=1))).severity is Severity.PROBLEM
    for told in (None, "", "yesterday", "Wed, 99 Nov 2026 09:00:00 GMT"):
        assert platform_clock(told).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://h.example/api/webhooks/whatsapp", "https://H.example:443/API/Webhooks/WhatsApp", True),
        ("http://localhost:3000/a", "http://127.0.0.1:3000/a", True),
        ("http://[::1]:3000/a", "http://localhost:3000/a", True),
        ("https://h.example/a", "http://h.example/a", False),
        ("https://h.example/a", "https://h.example/a/", False),
        ("https://h.example/a", "https://h.example:8443/a", False),
        ("https://h.example/a", "https://h.example.evil/a", False),
        ("https://h.example/a?b", "https://h.example/a", False),
        ("", "", False),
        ("https://h.example:x/", "https://h.example:x/", False),
    ],
)
def test_callbacks_are_compared(one: str, other: str, same: bool) -> None:
    """Two spellings of one place are the same; two places never are, nor is what is no URL."""
    assert same_url(one, other) is same


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:password@h.example/a?token=secret#x", "https://h.example/a?…"),
        ("https://h.example/\x1b[2Ja\u202e", "https://h.example/[2Ja"),
        ("https://[::1]:3000/a", "https://[::1]:3000/a"),
        ("https://h.example:99999/", "something that is no URL"),
        ("https://[h", "something that is no URL"),
        ("javascript:alert(1)", "something that is no URL"),
        ("", "something that is no URL"),
    ],
)
def test_callbacks_are_shown_without_secrets(url: str, shown: str) -> None:
    """User, password and query are left out, and what could command a terminal."""
    assert shown_url(url) == shown


def test_a_callback_whose_right_address_is_not_known() -> None:
    """Without a public URL nobody can say whether a callback is right, so it is not called ok."""
    one = callback_finding("callback-app", "the app's callback", "https://h.example/a", None, "mend it")
    assert (one.severity, "HOOKLINE_PUBLIC_URL" in (one.mend or "")) == (Severity.WARNING, True)


def test_the_worst_counts() -> None:
    """One problem makes the whole a problem, one warning a warning, and nothing is ok."""
    fine, odd, bad = ok("a", "x"), warning("b", "x", "y"), problem("c", "x", "y")
    assert worst([]) is worst([fine]) is Severity.OK
    assert worst([fine, odd]) is Severity.WARNING
    assert worst([odd, bad, fine]) is Severity.PROBLEM


@pytest.mark.parametrize(
    ("days", "severity"),
    [(None, Severity.OK), (30, Severity.OK), (6, Severity.WARNING), (-1, Severity.PROBLEM)],
)
def test_the_end_of_a_token(days: int | None, severity: Severity) -> None:
    """A token that has ended is a problem, one that ends within a week a warning: it should be renewed by now."""
    assert health.expiry(None if days is None else datetime.now(UTC) + timedelta(days=days)).severity is severity


def test_permissions() -> None:
    """One that is needed is a problem when it is missing, one that is only wanted a warning."""
    assert health.permissions(["a", "b", "c"], ["a", "b"], ["a"]).severity is Severity.OK
    assert health.permissions(["a"], ["a", "b"], ["a"]).severity is Severity.WARNING
    assert health.permissions(["b"], ["a", "b"], ["a"]).severity is Severity.PROBLEM
