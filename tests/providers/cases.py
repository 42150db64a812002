"""Samples named by case, and a short way to write what is expected of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Item, Part
from hookline.providers import PROVIDERS

SAMPLES = Path(__file__).parent

Expected = tuple[type[Item], dict[str, Any]]


def body(folder: str, case: str) -> bytes:
    """Read a sample: a whole POST."""
    return (SAMPLES / folder / "samples" / f"{case}.json").read_bytes()


def cases(folder: str) -> list[str]:
    """List the samples of a provider by name."""
    return sorted(path.stem for path in (SAMPLES / folder / "samples").glob("*.json"))


def split(provider: str, case: str) -> list[Part]:
    """Split a sample of a provider's own folder."""
    return PROVIDERS[IntegrationProvider(provider.upper())].split(body(provider, case))


def read(provider: str, case: str) -> list[Item]:
    """Split a sample of a provider's own folder and parse each part."""
    parse = PROVIDERS[IntegrationProvider(provider.upper())].parse
    return [item for part in split(provider, case) for item in parse(part.payload)]


def item(cls: type[Item], **attributes: Any) -> Expected:
    """Expect an item of this class with these attributes; the others do not matter."""
    return cls, attributes


def assert_items(found: Sequence[Item], expected: Sequence[Expected]) -> None:
    """Compare items, attribute by attribute where something is expected."""
    assert [type(one) for one in found] == [cls for cls, _ in expected]
    for one, (_, attributes) in zip(found, expected, strict=True):
        assert {name: getattr(one, name) for name in attributes} == attributes
