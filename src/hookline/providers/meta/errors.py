"""What a refusal of the platform means: its answer becomes a ProviderError, whatever shape the answer has.

Decided by code and subcode (error_table.py); by the HTTP status only where there is no code that we know.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.meta import lenient
from hookline.providers.meta.envelope import MAX_DEPTH, nested_beyond
from hookline.providers.meta.error_table import Rule, rule_of

MAX_TEXT_CHARACTERS: Final = 1000
MAX_WAIT: Final = timedelta(hours=24)  # a hint beyond it is taken for a mistake
_MAX_BODY_BYTES: Final = 256 * 1024

# The vendor repeats a malformed token in its message; ids of messages (wamid.…) are as long, and no secret.
_TOKEN = re.compile(r"(?<![\w.])(?:EAA|IG)[\w%-]{16,}|\b\d{5,}\|[\w-]{16,}|access_token=[^\s&\"']+")
_PAGE_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """Read a refusal: `{"error": {code, error_subcode, message, …}}`, Instagram's own shape, HTML, or anything else.

    Never raises. The wait is what the platform asks for in its headers, else the table's.
    Source: protocol reference 6, 8; the shape of api.instagram.com 5.2.
    """
    answer = _decode(body)
    error = answer.get("error")
    if isinstance(error, dict):
        return _graph_error(status, headers, error)
    if "error_message" in answer or "error_type" in answer:
        return _instagram_error(status, headers, answer)
    if isinstance(error, str):  # plain OAuth 2: {"error": "invalid_request", "error_description": …}
        text = _words(error, answer.get("error_description"))
    else:
        text = _title(body) or "the platform's answer could not be read"
    return _made(_by_status(status), None, text, status, headers)


def read_failure(code: str | None, text: str | None) -> ProviderError | None:
    """Read a failure that came in a webhook (`statuses[].errors`); None if its code is unknown.

    Source: protocol reference 2.2, 6.2.
    """
    number = lenient.integer(code)
    rule = None if number is None else rule_of(number, None)
    if rule is None:
        return None
    return ProviderError(
        rule.error_class, code, _words(text), wait=rule.wait, scope=rule.scope, retries=rule.retries, alerts=rule.alerts
    )


def _decode(body: bytes) -> dict[str, Any]:
    if len(body) > _MAX_BODY_BYTES or nested_beyond(body, MAX_DEPTH):
        return {}
    try:
        return lenient.mapping(lenient.decode(body.decode()))
    except ValueError:
        return {}


def _graph_error(status: int, headers: Mapping[str, str], error: dict[str, Any]) -> ProviderError:
    code, subcode = lenient.integer(error.get("code")), lenient.integer(error.get("error_subcode"))
    rule = None if code is None else rule_of(code, subcode or None)
    if rule is None:
        rule = Rule(ErrorClass.RETRY) if error.get("is_transient") is True and status != 429 else _by_status(status)
    data = error.get("error_data")
    details = lenient.mapping(data).get("details") if isinstance(data, dict) else data
    text = _words(error.get("message"), details, error.get("error_user_title"), error.get("error_user_msg"))
    named = None if code is None else f"{code}/{subcode}" if subcode else str(code)
    return _made(rule, named, text or "no reason given", status, headers)


def _instagram_error(status: int, headers: Mapping[str, str], answer: dict[str, Any]) -> ProviderError:
    """`{"error_type": "OAuthException", "code": 400, "error_message": …}`: the code repeats the HTTP status."""
    code = lenient.integer(answer.get("code"))
    rule = _by_status(code if code is not None and 400 <= code < 600 else status)
    if rule.error_class is ErrorClass.PERMANENT and answer.get("error_type") == "OAuthException":
        rule = Rule(ErrorClass.REAUTHORIZE)
    text = _words(answer.get("error_message"), answer.get("error_type"))
    return _made(rule, None if code is None else str(code), text or "no reason given", status, headers)


def _by_status(status: int) -> Rule:
    if status == 429:
        return Rule(ErrorClass.WAIT, timedelta(minutes=1))
    if status >= 500 or status in (408, 425):
        return Rule(ErrorClass.RETRY)
    return Rule(ErrorClass.REAUTHORIZE if status == 401 else ErrorClass.PERMANENT)


def _made(rule: Rule, code: str | None, text: str, status: int, headers: Mapping[str, str]) -> ProviderError:
    return ProviderError(
        rule.error_class,
        code,
        text,
        wait=_wait(rule, headers),
        http_status=status,
        scope=rule.scope,
        retries=rule.retries,
        alerts=rule.alerts,
    )


def _wait(rule: Rule, headers: Mapping[str, str]) -> timedelta | None:
    """What the platform asks for counts more than the table; a deferral is never shortened."""
    if rule.error_class not in (ErrorClass.WAIT, ErrorClass.RETRY, ErrorClass.DEFER):
        return rule.wait
    hint = max(_hints(headers), default=None)
    if hint is None or (rule.error_class is ErrorClass.DEFER and rule.wait is not None and hint < rule.wait):
        return rule.wait
    return hint


def _hints(headers: Mapping[str, str]) -> Iterator[timedelta]:
    """The waits that headers ask for: Retry-After, and minutes to regain access. Malformed ones say nothing."""
    for name, value in headers.items():
        match name.lower():
            case "retry-after":
                seconds = _retry_after_seconds(value)
            case "x-business-use-case-usage":
                seconds = 60 * _minutes_to_regain_access(value)
            case _:
                continue
        if math.isfinite(seconds) and seconds > 0:
            yield min(timedelta(seconds=min(seconds, 1e9)), MAX_WAIT)


def _retry_after_seconds(value: str) -> float:
    number = lenient.integer(value.strip())
    if number is not None:
        return float(number)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _minutes_to_regain_access(value: str) -> float:
    uses = _decode(value.encode(errors="replace")).values()
    minutes = [
        lenient.integer(lenient.mapping(use).get("estimated_time_to_regain_access")) or 0
        for of_object in uses
        for use in lenient.sequence(of_object)
    ]
    return float(max(minutes, default=0))


def _words(*parts: Any) -> str:
    """Join the vendor's sentences, each once, without tokens, cut to a size that is shown."""
    said: list[str] = []
    for part in parts:
        words = " ".join(lenient.string(part).split())
        if words and not any(words in earlier for earlier in said):
            said.append(words)
    return _TOKEN.sub("[hidden]", " · ".join(said))[:MAX_TEXT_CHARACTERS]


def _title(body: bytes) -> str:
    """An HTML page's title says more than nothing."""
    found = _PAGE_TITLE.search(body[:_MAX_BODY_BYTES])
    return _words(found[1].decode(errors="replace")) if found else ""
