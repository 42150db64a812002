"""The results that are kept, a file a row, and the page that is made of them.

A row that is measured again takes the place of the older one. Only results of one machine and one set of versions are
put together; the page says when each was made, and of which commit.
"""

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from textwrap import wrap

import msgspec

from bench.notes import NOTES
from bench.table import Row, table

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".benchmarks"
# The one fact that is measured anew each time.
DISK = "disk"
PAGE_FILE = ROOT / "docs" / "benchmarks.md"

PAGE = """\
<!-- Made by `make bench`; do not edit. -->
# Benchmarks

{facts}

{table}

"others" is how many cores were kept busy by programs that are not part of the benchmark, as the median and the most of
the row's rounds: where it is not near 0, the row is worse than the program.

{runs}

## How it is measured

{notes}
"""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The table's lines that one row made, on what, when, and of which commit."""

    name: str
    rows: Sequence[Row]
    facts: Mapping[str, str]
    at: datetime
    commit: str


def keep(name: str, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    """Keep what a row made."""
    result = Result(name=name, rows=rows, facts=facts, at=datetime.now(UTC), commit=_commit())
    FOLDER.mkdir(exist_ok=True)
    _file(name).write_bytes(msgspec.json.format(msgspec.json.encode(result)))


def forget(name: str) -> None:
    """Drop what a row made before: it is not true any more."""
    _file(name).unlink(missing_ok=True)


def kept(names: Sequence[str], facts: Mapping[str, str]) -> list[Result]:
    """The results there are of these rows, in this order, made on the same machine and versions."""
    found = [msgspec.json.decode(_file(name).read_bytes(), type=Result) for name in names if _file(name).exists()]
    return [result for result in found if _same(result.facts, facts)]


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return {**one, DISK: ""} == {**other, DISK: ""}


def page(results: Sequence[Result]) -> str:
    """The whole page."""
    facts = max(results, key=lambda one: one.at).facts
    return PAGE.format(
        facts="\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]),
        table=table([row for result in results for row in result.rows]),
        runs="\n".join(wrap(_runs(results), 120)),
        notes="\n".join("\n".join(wrap(f"- {note}", 120, subsequent_indent="  ")) for note in NOTES),
    )


def _runs(results: Sequence[Result]) -> str:
    """Say when the rows were made, those of one commit together."""
    told = []
    for commit, group in groupby(sorted(results, key=lambda one: (one.commit, one.at)), key=lambda one: one.commit):
        made = list(group)
        times = f"{made[0].at:%Y-%m-%d %H:%M} to {made[-1].at:%Y-%m-%d %H:%M} UTC"
        told.append(f"{', '.join(one.name for one in made)} ({times}, {commit})")
    return f"Made: {'; '.join(told)}."


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=, with changes", "--exclude=*"]
    described = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"commit {described.stdout.strip()}" if described.returncode == 0 else "no commit"


def _file(name: str) -> Path:
    return FOLDER / f"{name}.json"
