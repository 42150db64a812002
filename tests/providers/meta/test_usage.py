"""The usage headers: percentages of the app's and the account's budgets, whatever the headers hold."""

import json
from datetime import timedelta
from typing import Any

import pytest

from hookline.domain.sending import Usage
from hookline.providers.meta.usage import read_usage


def headers(app: Any = None, **cases: Any) -> dict[str, str]:
    """The two headers."""
    found = {} if app is None else {"X-App-Usage": json.dumps(app)}
    return found | ({"X-Business-Use-Case-Usage": json.dumps(cases)} if cases else {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Usage()),
        (headers({"call_count": 28, "total_time": 91, "total_cputime": 25}), Usage(app_percent=91)),
        (headers(page=[{"type": "messenger", "call_count": 81, "total_time": 3}]), Usage(account_percent=81)),
        (
            headers({"call_count": 1}, page=[{"call_count": 81}, {"call_count": 99}], other=[{"call_count": 100}]),
            Usage(app_percent=1, account_percent=99),
        ),
        (headers(other=[{"call_count": 100}]), Usage(account_percent=100)),
        (
            headers(page=[{"call_count": 100, "estimated_time_to_regain_access": "12"}]),
            Usage(account_percent=100, regain=timedelta(minutes=12)),
        ),
        (
            headers(page=[{"call_count": 100, "estimated_time_to_regain_access": 10**9}]),
            Usage(account_percent=100, regain=timedelta(days=1)),
        ),
        ({"X-App-Usage": "{", "X-Business-Use-Case-Usage": "[]"}, Usage()),
        ({"X-App-Usage": "[" * 10_000}, Usage()),
        (headers({"call_count": "high", "total_time": None, "total_cputime": -5}), Usage()),
        (headers(page={"call_count": 5}), Usage()),
        (headers(page=[None, 5, "x", []]), Usage()),
    ],
    ids=lambda value: None,
)
def test_they_are_read(given: dict[str, str], expected: Usage) -> None:
    """The highest of each; what is said of other objects only where nothing is said of ours."""
    assert read_usage(given, ("page", "None")) == expected
