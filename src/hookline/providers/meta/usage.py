"""The usage headers of a reply: how much of the hourly budgets of calls is used. Source: protocol reference 8."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from hookline.domain.sending import Usage
from hookline.providers.meta import lenient
from hookline.providers.meta.envelope import MAX_DEPTH, nested_beyond

_PERCENTAGES = ("call_count", "total_time", "total_cputime")
_NOTHING = Usage()


def read_usage(headers: Mapping[str, str], own_ids: Collection[str]) -> Usage:
    """Read `X-App-Usage` and `X-Business-Use-Case-Usage`; malformed ones, and those that are missing, say nothing.

    own_ids: the account's ids, as the second header may speak of several objects.
    """
    app, cases = headers.get("X-App-Usage"), headers.get("X-Business-Use-Case-Usage")
    if app is None and cases is None:
        return _NOTHING
    uses = _uses(_decode(cases), own_ids)
    minutes = max((lenient.integer(one.get("estimated_time_to_regain_access")) or 0 for one in uses), default=0)
    return Usage(
        _percent([_decode(app)]),
        _percent(uses),
        timedelta(minutes=min(minutes, 24 * 60)) if minutes > 0 else None,
    )


def _uses(cases: dict[str, Any], own_ids: Collection[str]) -> list[dict[str, Any]]:
    """List what is said of the account; of every object, if none of them is the account."""
    chosen = [cases[name] for name in own_ids if name in cases] or list(cases.values())
    return [lenient.mapping(one) for found in chosen for one in lenient.sequence(found)]


def _percent(uses: list[dict[str, Any]]) -> int | None:
    found = [lenient.integer(use.get(name)) for use in uses for name in _PERCENTAGES]
    known = [min(one, 10_000) for one in found if one is not None and one >= 0]
    return max(known, default=None)


def _decode(header: str | None) -> dict[str, Any]:
    if header is None or nested_beyond(header.encode(errors="replace"), MAX_DEPTH):
        return {}
    try:
        return lenient.mapping(lenient.decode(header))
    except ValueError:
        return {}
