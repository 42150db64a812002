"""A platform's refusals: every code of the reference ends in its class, and no answer's shape is too odd to read."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from hookline.domain.provider_error import ErrorClass, LimitScope, ProviderError
from hookline.providers.meta.errors import read_error, read_failure

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "payloads"

RETRY, WAIT, REAUTHORIZE, WINDOW, RECIPIENT, PERMANENT, ACCOUNT, DEFER = ErrorClass

# Protocol reference 6.1 and 6.2, row by row.
BY_CODE: dict[ErrorClass, list[int]] = {
    RETRY: [1, 2, 1200, 131000, 131016, 133004, 131057, 2494100],
    WAIT: [4, 17, 32, 613, 341, 80001, 80002, 80006, 80007, 130429, 131048, 131056, 131064, 133016, 132069, 134101],
    REAUTHORIZE: [0, 10, 102, 190, 200, 230, 299, 131005],
    WINDOW: [131047, 470],
    RECIPIENT: [551, 130472, 131026, 131050, 472],
    PERMANENT: [
        *(3, 100, 10303, 130497, 131008, 131009, 131020, 131041, 131200, 131299, 131021, 131030, 131051, 131053),
        *(131055, 134100, 134102, 131062, 131063, 132000, 132001, 132005, 132007, 132008, 132012, 132018, 132015),
        *(132016, 132068, 135000, 136024, 136025, 137000, 138000, 139000, 147000, 2593107, 2593108, 2593109, 131014),
    ],
    ACCOUNT: [33, 368, 131031, 131037, 131042, 131044, 131045, 133000, 133005, 133006, 133010, 134011],
    DEFER: [131049, 2300052],
}
BY_PAIR: dict[tuple[int, int], ErrorClass] = {
    (1, 99): RETRY,
    (1, 1357046): RETRY,
    (2, 1545133): PERMANENT,
    (2, 2018344): PERMANENT,
    (2, 1545012): RETRY,
    (4, 2018354): WAIT,
    (4, 2018022): WAIT,
    (10, 2018278): WINDOW,
    (10, 2534022): WINDOW,
    (10, 2018065): WINDOW,
    (10, 2018108): WINDOW,
    (10, 1893063): ACCOUNT,
    (10, 999): REAUTHORIZE,
    (100, 33): PERMANENT,
    (100, 2018001): RECIPIENT,
    (100, 2534014): RECIPIENT,
    (100, 2018109): PERMANENT,
    (100, 2018034): PERMANENT,
    (190, 458): REAUTHORIZE,
    (190, 463): REAUTHORIZE,
    (200, 1545041): RECIPIENT,
    (200, 2018028): PERMANENT,
    (200, 2018027): PERMANENT,
    (200, 2018021): PERMANENT,
    (551, 1545041): RECIPIENT,
    (1200, 2018024): RETRY,
    (100, 2534001): PERMANENT,
    (4, 2534013): WAIT,
    (10, 2534025): PERMANENT,
}


def envelope(code: Any, subcode: Any = None, **more: Any) -> bytes:
    """A Graph error."""
    error = {"message": "(#1) no", "type": "OAuthException", "code": code, **more}
    return json.dumps({"error": error if subcode is None else {**error, "error_subcode": subcode}}).encode()


def read(code: Any, subcode: Any = None, *, status: int = 400, headers: Any = None, **more: Any) -> ProviderError:
    """Read a Graph error."""
    return read_error(status, headers or {}, envelope(code, subcode, **more))


@pytest.mark.parametrize(("code", "expected"), [(code, kind) for kind, codes in BY_CODE.items() for code in codes])
@pytest.mark.parametrize("status", [400, 500])
def test_every_code_of_the_reference_has_its_class(code: int, expected: ErrorClass, status: int) -> None:
    """The code decides, whatever the HTTP status; as a number or as text."""
    assert read(code, status=status).error_class is expected
    assert read(str(code), status=status).error_class is expected
    failure = read_failure(str(code), "no")
    assert failure is not None
    assert (failure.error_class, failure.code, failure.text) == (expected, str(code), "no")


@pytest.mark.parametrize(("pair", "expected"), BY_PAIR.items())
def test_a_subcode_decides_where_the_code_means_several_things(pair: tuple[int, int], expected: ErrorClass) -> None:
    """One code, two consequences: the window, or a missing permission."""
    found = read(*pair)
    assert found.error_class is expected
    assert found.code == f"{pair[0]}/{pair[1]}"


SAMPLES = {
    "100_2018001": RECIPIENT,
    "190_458_app_removed": REAUTHORIZE,
    "190_460_password_changed": REAUTHORIZE,
    "190_463_expired": REAUTHORIZE,
    "4_app_rate": WAIT,
    "551_1545041": RECIPIENT,
    "613_rate": WAIT,
    "error_data_as_string": PERMANENT,
    "wa_131056": WAIT,
    "phoneNumberNotFoundError": PERMANENT,
    "oauthExampleError": RETRY,
    "response400_invalid_fields": PERMANENT,
    "response400_invalid_phone_id": PERMANENT,
    "response401_expired_token": REAUTHORIZE,
    "response401_invalid_token": REAUTHORIZE,
    "response403_insufficient_permissions": REAUTHORIZE,
    "response403_not_linked_to_waba": REAUTHORIZE,
    "response404_deleted_phone": PERMANENT,
    "response422_temporarily_unavailable": PERMANENT,
    "response429_rate_limit_exceeded": WAIT,
    "response429_user_rate_limit": WAIT,
    "response500_internal_error": RETRY,
    "response400_invalid_command_name": PERMANENT,
    "response422_phone_not_verified": PERMANENT,
    "response400_phone_not_registered": PERMANENT,
    "response400_smb_account_error": PERMANENT,
    "response400_invalid_language": PERMANENT,
    "response400_invalid_method": PERMANENT,
    "response422_rate_limited": WAIT,
    "response400_invalid_code_format": PERMANENT,
    "response422_already_verified": PERMANENT,
}


def shared_errors() -> list[Path]:
    """The shared samples that are refusals."""
    paths = [path for path in sorted(FOLDER.rglob("*.json")) if "webhooks" not in path.parts]
    found = [(path, json.loads(path.read_text())) for path in paths]
    return [path for path, value in found if isinstance(value, dict) and isinstance(value.get("error"), dict)]


@pytest.mark.parametrize(
    "path",
    shared_errors() or [pytest.param(None, marks=pytest.mark.skip(reason="the shared payload samples are not here"))],
    ids=lambda path: path.stem if path else "none",
)
def test_every_shared_error_ends_in_the_references_class(path: Path) -> None:
    """Each is expected by name, so that none is passed over."""
    error = read_error(400, {}, path.read_bytes())
    assert error.error_class is SAMPLES[path.stem]
    assert error.text


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", RETRY),
        (503, b"", RETRY),
        (500, b"\xff\xfe", RETRY),
        (500, b"[1, 2]", RETRY),
        (500, b'{"error": null}', RETRY),
        (429, b"slow down", WAIT),
        (401, b"{}", REAUTHORIZE),
        (404, b"not here", PERMANENT),
        (400, b"[" * 100_000, PERMANENT),
        (400, b'{"error": {"code": null}}', PERMANENT),
        (400, b'{"error": {"code": {"a": 1}, "message": ["x"], "error_subcode": true}}', PERMANENT),
        (400, b'{"error": {"code": 1e400, "error_subcode": -1e400}}', PERMANENT),
        (400, b'{"error": {"code": 99999999999999999999999999}}', PERMANENT),
        (400, b'{"error": "invalid_request", "error_description": "no"}', PERMANENT),
        (400, b'{"error_type": "OAuthException", "code": 400, "error_message": "Invalid code"}', REAUTHORIZE),
        (400, b'{"error_type": "OAuthRateLimitException", "code": 429, "error_message": "Slow"}', WAIT),
    ],
)
def test_any_answer_can_be_read(status: int, body: bytes, expected: ErrorClass) -> None:
    """HTML, nothing, another shape, nonsense: the status then says what to do, and there is always a text."""
    error = read_error(status, {}, body)
    assert (error.error_class, error.http_status) == (expected, status)
    assert error.text


def test_a_code_nobody_knows_is_temporary_only_if_the_platform_says_so() -> None:
    """A new code must not be tried again and again."""
    assert read(777001).error_class is PERMANENT
    assert read(777001, is_transient=True).error_class is RETRY
    assert read(777001, status=503).error_class is RETRY


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (131056, None),
        (133016, timedelta(hours=72)),
        (132069, timedelta(hours=1)),
        (134101, timedelta(minutes=10)),
        (131049, timedelta(hours=24)),
        (131057, timedelta(minutes=1)),
        (190, None),
    ],
)
def test_the_tables_waits_hold_where_the_platform_names_none(code: int, expected: timedelta | None) -> None:
    """The pair limit's wait grows with each time, which only the caller counts."""
    assert read(code).wait == expected


def usage(*minutes: Any) -> str:
    """The header with the minutes until access is regained."""
    return json.dumps({"1": [{"type": "messenger", "estimated_time_to_regain_access": one} for one in minutes]})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "17"}, timedelta(seconds=17)),
        ({"retry-after": " 17 "}, timedelta(seconds=17)),
        ({"X-Business-Use-Case-Usage": usage(3, 12, 0)}, timedelta(minutes=12)),
        ({"x-business-use-case-usage": usage("12"), "Retry-After": "60"}, timedelta(minutes=12)),
        ({"Retry-After": "99999999999999999"}, timedelta(hours=24)),
        ({"Retry-After": "-5"}, timedelta(minutes=5)),
        ({"Retry-After": "soon"}, timedelta(minutes=5)),
        ({"Retry-After": "NaN"}, timedelta(minutes=5)),
        ({"X-Business-Use-Case-Usage": "{"}, timedelta(minutes=5)),
        ({"X-Business-Use-Case-Usage": "[[]]"}, timedelta(minutes=5)),
        ({"X-Business-Use-Case-Usage": '{"1": {"a": 1}, "2": [null, 3], "3": [{}]}'}, timedelta(minutes=5)),
        ({"X-Business-Use-Case-Usage": usage({}, None, "x", 1e300, True)}, timedelta(hours=24)),
    ],
)
def test_what_the_platform_asks_for_counts_more_than_the_table(headers: dict[str, str], expected: timedelta) -> None:
    """Seconds or minutes, the longer of both; a header that makes no sense says nothing."""
    assert read(613, headers=headers).wait == expected


def test_a_wait_may_be_named_as_a_date() -> None:
    """Retry-After in its other form."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    wait = read(613, headers={"Retry-After": later}).wait
    assert wait is not None
    assert timedelta(seconds=90) < wait <= timedelta(seconds=100)


def test_a_deferral_is_never_shortened() -> None:
    """A marketing cap lasts a day, whatever a header of the app's own limits says."""
    assert read(131049, headers={"Retry-After": "5"}).wait == timedelta(hours=24)


def test_a_limit_says_whom_it_stops() -> None:
    """The pair's stops one person, the app's everything."""
    assert read(131056).scope is LimitScope.PAIR
    assert read(130429).scope is LimitScope.ACCOUNT
    assert read(4).scope is LimitScope.APP


def test_the_text_holds_the_vendors_words_once() -> None:
    """Message and details, whether these come as object or as text."""
    assert read(131056, error_data={"details": "Too many"}).text == "(#1) no · Too many"
    assert read(100, error_data="plain", error_user_title="Title", error_user_msg="plain").text == (
        "(#1) no · plain · Title"
    )


def test_no_secret_is_repeated() -> None:
    """The vendor quotes a malformed token; we do not."""
    for secret in ("EAAGm0PX4ZCpsBAKZCx", "IGQVJXabcdefghijklmnop", "1234567|abcdefghijklmnopqrst"):
        error = read(190, message=f"Malformed access token {secret}, or ?access_token={secret}&x=1")
        assert secret not in error.text
        assert secret not in str(error)


def test_a_text_is_cut() -> None:
    """Ten megabytes of error are no error text."""
    assert len(read(100, message="x" * 200_000).text) == 1000
    assert read_error(400, {}, envelope(131056, message="x" * 10_000_000)).error_class is PERMANENT


def test_every_class_has_a_sentence_for_people() -> None:
    """Each says something of its own."""
    assert len({kind.sentence for kind in ErrorClass}) == len(ErrorClass)


def test_a_failure_by_a_code_nobody_knows_means_nothing() -> None:
    """Nor does one without a code."""
    for code in (None, "", "777001", "x"):
        assert read_failure(code, "no") is None
