"""Our ids, and the form in which the platforms' ids are stored."""

import hashlib

import pytest

from hookline.domain.ids import new_id, parse_id, stored_external_id


def test_ids_are_version_7_and_in_order_within_a_process() -> None:
    """Newest first is the order of ids, as lists rely on."""
    made = [new_id() for _ in range(1000)]
    assert {one.version for one in made} == {7}
    assert made == sorted(made)
    assert len(set(made)) == 1000


def test_the_canonical_form_is_read() -> None:
    """What we print is what we read, in either case."""
    one = new_id()
    assert parse_id(str(one)) == one
    assert parse_id(str(one).upper()) == one


@pytest.mark.parametrize(
    "text", ["", "x", "job-1", "0" * 32, "{" + "0" * 34 + "}", "0" * 36, "urn:uuid:" + "0" * 27, "😀" * 36]
)
def test_anything_else_is_no_id(text: str) -> None:
    """A text of another form is None, never an exception."""
    assert parse_id(text) is None


def test_short_ids_are_stored_as_they_are() -> None:
    """Up to 512 bytes of UTF-8 an id is itself."""
    for value in ("", "wamid.1", "x" * 512, "é" * 256, "😀" * 128):
        assert stored_external_id(value) == value


def test_long_ids_are_stored_by_their_hash() -> None:
    """Past 512 bytes it is the hash: small, and different for different ids."""
    for value in ("x" * 513, "é" * 257, "😀" * 129):
        assert stored_external_id(value) == "sha256:" + hashlib.sha256(value.encode()).hexdigest()
    assert stored_external_id("x" * 513) != stored_external_id("x" * 514)
