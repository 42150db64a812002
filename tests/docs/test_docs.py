"""The documents say what is there: settings, commands, routes, links."""

import argparse
import re
from pathlib import Path

import pytest

from hookline.cli import _parser
from hookline.providers import SETTINGS
from hookline.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROVIDER_PAGES = sorted((ROOT / "src/hookline/providers").rglob("README.md"))


def _commands() -> list[str]:
    actions = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return list(actions[0].choices)


def test_every_setting_is_in_the_example() -> None:
    """.env.example lists every setting, and none that does not exist."""
    listed = set(re.findall(r"^#?(HOOKLINE_\w+)=", (ROOT / ".env.example").read_text(), re.M))
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {PREFIX + field.name for field in SETTINGS}
    assert listed == known


def test_no_page_names_an_unknown_setting() -> None:
    """A setting that a page names exists."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {PREFIX + field.name for field in SETTINGS}
    for page in [*PAGES, *PROVIDER_PAGES]:
        named = set(re.findall(r"HOOKLINE_[A-Z_]*[A-Z]", page.read_text()))
        assert named <= known, f"{page.name} names {named - known}"


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_documented(command: str) -> None:
    """Every command is in the operators' page or the README."""
    text = (ROOT / "README.md").read_text() + (ROOT / "docs/operating.md").read_text()
    assert f"hookline {command}" in text


def test_no_page_names_an_unknown_command() -> None:
    """A command that a page names exists."""
    known = set(_commands())
    for page in PAGES:
        named = set(re.findall(r"`(?:\.venv/bin/)?hookline ([a-z]+)", page.read_text()))
        assert named <= known, f"{page.name} names {named - known}"


@pytest.mark.parametrize("page", [*PAGES, *PROVIDER_PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link leads to a file of the project."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda page: page.name)
def test_decisions_are_numbered(page: Path) -> None:
    """A decision's heading bears its file's number."""
    assert page.read_text().startswith(f"# {int(page.name[:4])}. ")


def test_make_targets_are_documented() -> None:
    """The targets that the README promises exist."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"setup", "run", "test", "check", "bench", "lock"} <= targets
