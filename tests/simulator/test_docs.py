"""docs/simulator.md says what is there: every act, happening, effect and route."""

from pathlib import Path

import pytest

from hookline.simulator import default
from hookline.simulator.control.api import ROUTES
from hookline.simulator.control.happenings import HAPPENINGS
from hookline.simulator.control.perform import ACTS
from hookline.simulator.error_table import DEAD_TOKENS
from hookline.simulator.faults import Effect
from hookline.simulator.options import Options

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
NAMES = {*HAPPENINGS, *Effect, *DEAD_TOKENS} | {what for acts in ACTS.values() for what in acts}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_is_explained(name: str) -> None:
    """What control takes by name is in the page."""
    assert f"`{name}`" in PAGE


def test_every_route_is_named() -> None:
    """The first piece of each route's path is in the page."""
    pieces = {route.path.partition("/")[0] for route in ROUTES}
    assert {piece for piece in pieces if f"/{piece}" not in PAGE} == set()


def test_what_is_there_at_the_start_is_listed() -> None:
    """Every account and customer of the default world."""
    records = default.default_records(Options())
    ids = [*records.phone_numbers, *records.wabas, *records.pages, *records.instagram_accounts, *records.contacts]
    assert [one for one in ids if one not in PAGE] == []
