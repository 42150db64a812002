"""Readers that take any value and never raise."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.providers.meta import lenient

AT = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS: list[tuple[Any, datetime | None]] = [
    (1767225600, AT),
    (1767225600.9, AT),
    ("1767225600", AT),
    (1767225600000, AT),
    ("1767225600123", AT.replace(microsecond=123000)),
    ("2026-01-01T01:00:00+0100", AT),
    ("2026-01-01T00:00:00Z", AT),
    ("2026-01-01T00:00:00", None),
    ("0001-01-01T00:00:00+23:59", None),
    (0, None),
    (-5, None),
    (12341, None),
    (10**30, None),
    ("9" * 400, None),
    ("²", None),
    ("١٢٣٤٥٦٧٨٩٠", None),
    ("soon", None),
    ("", None),
    (True, None),
    (None, None),
    ([], None),
    ({}, None),
]


@pytest.mark.parametrize(("value", "expected"), MOMENTS)
def test_times_come_in_every_shape(value: Any, expected: datetime | None) -> None:
    """Seconds, milliseconds, digits and ISO texts are times; what is absurd is none."""
    assert lenient.moment(value) == expected


IDS: list[tuple[Any, str | None]] = [
    ("wamid.x", "wamid.x"),
    (12345654332, "12345654332"),
    (10**30, "1" + "0" * 30),
    (0, "0"),
    ("", None),
    (1.5, None),
    (True, None),
    (None, None),
    ([], None),
    ({"id": 1}, None),
]


@pytest.mark.parametrize(("value", "expected"), IDS)
def test_ids_are_texts_or_integers(value: Any, expected: str | None) -> None:
    """An integer is an id too; a float, a truth value and the empty text are none."""
    assert lenient.identifier(value) == expected


def test_a_long_id_is_stored_as_its_hash() -> None:
    """Ids over 512 bytes stay distinct and short."""
    one, other = lenient.identifier("x" * 10_000), lenient.identifier("x" * 9_999 + "y")
    assert one is not None
    assert other is not None
    assert one != other
    assert one.startswith("sha256:")
    assert len(one) == 71


@pytest.mark.parametrize(
    ("value", "expected"), [("+1 (555) 078-3881", "15550783881"), (15, "15"), (-1, ""), ("٣", ""), (None, ""), ([], "")]
)
def test_digits_of_a_phone_number(value: Any, expected: str) -> None:
    """A number as people write it is its digits."""
    assert lenient.digits(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3), ("3", 3), (3.0, 3), (2**31 - 1, 2**31 - 1), (2**31, None), (1769262486134, None), (-1, None), ("x", None)],
)
def test_a_count_fits_its_column(value: Any, expected: int | None) -> None:
    """What the database could not hold as a count is none, rather than an error for ever."""
    assert lenient.counter(value) == expected


def test_the_same_content_has_the_same_fingerprint() -> None:
    """The order of keys does not count; any difference does."""
    assert lenient.fingerprint({"a": 1, "b": [2]}) == lenient.fingerprint({"b": [2], "a": 1})
    assert lenient.fingerprint({"a": 1}) != lenient.fingerprint({"a": "1"})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(ANYTHING)
def test_no_reader_raises(value: Any) -> None:
    """Every reader takes every JSON value."""
    for read in (
        lenient.mapping,
        lenient.sequence,
        lenient.string,
        lenient.optional_string,
        lenient.identifier,
        lenient.first_identifier,
        lenient.integer,
        lenient.counter,
        lenient.moment,
        lenient.digits,
        lenient.fingerprint,
    ):
        read(value)
    assert len(lenient.label(value, "none")) <= lenient.MAX_LABEL_CHARACTERS


@given(ANYTHING)
def test_decoding_agrees_with_pythons_parser(value: Any) -> None:
    """Apart from what no database takes, JSON means what Python's parser says it means."""
    text = json.dumps(value)
    decoded = lenient.decode(text)
    if "\\u0000" not in text and "\\ud" not in text:
        assert decoded == json.loads(text)
