"""The vendor's error codes and what follows from each. Data only; errors.py reads answers by it.

Looked up by code and subcode together, then by subcode, then by code, then by range.
Source: protocol reference 6.1 (Graph, Messenger, Instagram) and 6.2 (WhatsApp).
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from hookline.domain.provider_error import ErrorClass, LimitScope


class Rule(NamedTuple):
    """What follows from a code; see ProviderError for the fields."""

    error_class: ErrorClass
    wait: timedelta | None = None
    scope: LimitScope = LimitScope.ACCOUNT
    retries: int | None = None
    alerts: bool = False


def _each(codes: Iterable[int], rule: Rule) -> dict[int, Rule]:
    return dict.fromkeys(codes, rule)


def _wait(*, seconds: float = 0, minutes: float = 0, hours: float = 0, scope: LimitScope = LimitScope.ACCOUNT) -> Rule:
    return Rule(ErrorClass.WAIT, timedelta(seconds=seconds, minutes=minutes, hours=hours), scope)


_RETRY = Rule(ErrorClass.RETRY)
_RETRY_AFTER_A_MINUTE = Rule(ErrorClass.RETRY, timedelta(minutes=1))
_REAUTHORIZE = Rule(ErrorClass.REAUTHORIZE)
_WINDOW = Rule(ErrorClass.WINDOW)
_RECIPIENT = Rule(ErrorClass.RECIPIENT)
_PERMANENT = Rule(ErrorClass.PERMANENT)
_ACCOUNT = Rule(ErrorClass.ACCOUNT, alerts=True)
_DEFER = Rule(ErrorClass.DEFER, timedelta(hours=24))
# Called again while it lasts, the vendor lengthens it: five minutes where it names none.
_APP_LIMIT = _wait(minutes=5, scope=LimitScope.APP)
_ACCOUNT_LIMIT = _wait(minutes=5)

BY_PAIR: Final[Mapping[tuple[int, int], Rule]] = {
    (2, 1545133): _PERMANENT,  # terms for labels not accepted
    (2, 2018344): _PERMANENT,
    (4, 2018022): _ACCOUNT_LIMIT,  # too many sends to phone numbers
    (4, 2018354): _ACCOUNT_LIMIT,  # spacing of marketing
    (10, 1893063): _ACCOUNT,  # page restricted
    (10, 2018065): _WINDOW,
    (10, 2018108): _WINDOW,
    (10, 2018278): _WINDOW,
    (10, 2534022): _WINDOW,
    (100, 2018001): _RECIPIENT,  # no matching user
    (100, 2018218): _RECIPIENT,  # no profile of this person can be looked up
    (100, 2534014): _RECIPIENT,
    (200, 1545041): _RECIPIENT,
    (200, 2018021): _PERMANENT,  # the app may not write to this person
    (200, 2018027): _PERMANENT,
    (200, 2018028): _PERMANENT,
}

# Instagram gives these under various codes.
BY_SUBCODE: Final[Mapping[int, Rule]] = {
    2534001: _PERMANENT,  # the thread is archived or deleted
    2534013: _ACCOUNT_LIMIT,  # private replies
    2534025: _PERMANENT,  # the private reply was used already
}

_GRAPH: Final[Mapping[int, Rule]] = {
    0: _REAUTHORIZE,
    1: Rule(ErrorClass.RETRY, retries=2),  # unknown, perhaps the request's own fault
    2: _RETRY,
    3: _PERMANENT,
    4: _APP_LIMIT,
    10: _REAUTHORIZE,
    17: _APP_LIMIT,
    32: _ACCOUNT_LIMIT,
    33: _ACCOUNT,  # the object was deleted
    100: _PERMANENT,
    102: _REAUTHORIZE,
    190: _REAUTHORIZE,
    341: _APP_LIMIT,
    368: _ACCOUNT,  # blocked for policy
    551: _RECIPIENT,
    613: _ACCOUNT_LIMIT,
    1200: _RETRY,
    10303: _PERMANENT,
    2300052: _DEFER,
    **_each(range(80000, 80015), _ACCOUNT_LIMIT),  # business use cases: page, Instagram, Messenger, WABA, …
}

_WHATSAPP: Final[Mapping[int, Rule]] = {
    130429: _wait(seconds=1),  # throughput
    130472: _RECIPIENT,  # experiment
    130497: _PERMANENT,  # country
    131000: _RETRY,
    131005: _REAUTHORIZE,
    131016: _RETRY,
    131026: _RECIPIENT,
    131031: _ACCOUNT,
    131037: _ACCOUNT,
    131042: _ACCOUNT,
    131044: _ACCOUNT,
    131045: _ACCOUNT,
    131047: _WINDOW,
    131048: Rule(ErrorClass.WAIT, timedelta(hours=1), alerts=True),  # spam and quality
    131049: _DEFER,
    131050: _RECIPIENT,  # the person stopped marketing
    131053: Rule(ErrorClass.PERMANENT, retries=2),  # media: the format, or a link that could not be fetched just now
    131056: Rule(ErrorClass.WAIT, None, LimitScope.PAIR),  # 4^n seconds, n from 0: only the caller counts n
    131057: _RETRY_AFTER_A_MINUTE,
    131064: Rule(ErrorClass.WAIT, timedelta(hours=1), alerts=True),  # by class of template
    132069: _wait(hours=1),  # flow throttled
    133000: _ACCOUNT,
    133004: _RETRY,
    133005: _ACCOUNT,
    133006: _ACCOUNT,
    133008: _wait(hours=1),  # too many PINs; the details name the time
    133009: _wait(minutes=5),
    133010: _ACCOUNT,
    133015: _wait(minutes=5),
    133016: _wait(hours=72),
    134011: _ACCOUNT,
    134101: _wait(minutes=10),
    135000: Rule(ErrorClass.PERMANENT, retries=1),
    2494100: _RETRY_AFTER_A_MINUTE,
    # From before 2023, still seen.
    470: _WINDOW,
    472: _RECIPIENT,
    1013: _RECIPIENT,
    **_each(
        (
            *(131008, 131009, 131014, 131020, 131021, 131030, 131041, 131051, 131052, 131055, 131060, 131062, 131063),
            *(132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018, 132068),
            *(134100, 134102, 136024, 136025, 137000, 2593107, 2593108, 2593109),
        ),
        _PERMANENT,
    ),
}

BY_CODE: Final[Mapping[int, Rule]] = {**_GRAPH, **_WHATSAPP}

BY_RANGE: Final[tuple[tuple[range, Rule], ...]] = (
    (range(200, 300), _REAUTHORIZE),  # permissions
    (range(131200, 131300), _PERMANENT),  # groups
    (range(138000, 140000), _PERMANENT),  # calls, flows, blocking
    (range(147000, 148000), _PERMANENT),  # usernames
)


def rule_of(code: int, subcode: int | None) -> Rule | None:
    """Find what follows from a code and subcode; None if the table does not know them."""
    if subcode is not None:
        rule = BY_PAIR.get((code, subcode)) or BY_SUBCODE.get(subcode)
        if rule is not None:
            return rule
    return BY_CODE.get(code) or next((rule for codes, rule in BY_RANGE if code in codes), None)
