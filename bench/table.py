"""The table: rows with their rounds, and the page that is made of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from textwrap import wrap

import msgspec

PAGE = """\
<!-- Made by `make bench`; do not edit. -->
# Benchmarks

Made by `make bench` on {date}{mode}.

{facts}

{table}

"others" is how many cores were kept busy by programs that are not part of the benchmark, as the median and the most of
the row's rounds: where it is not near 0, the row is worse than the program.

## How it is measured

{notes}
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line. rounds: the value of each round; `result` says their median in words if `unit` does not suffice."""

    name: str
    command: str
    result: str
    rounds: Sequence[str] = ()
    detail: str = ""
    others: Sequence[float] = ()


def whole(number: float) -> str:
    """Write a number that is large enough to need no decimals."""
    return f"{number:,.0f}"


def rates(values: Sequence[float]) -> tuple[str, list[str]]:
    """Write the median and the rounds of rates."""
    return f"{whole(median(values))}/s", [whole(value) for value in values]


def line(row: Row) -> str:
    """One row as a line of a Markdown table."""
    others = f"{median(row.others):.2f}, {max(row.others):.2f}" if row.others else ""
    cells = [row.name, f"**{row.result}**", " · ".join(row.rounds), row.detail, others, f"`{row.command}`"]
    return "| " + " | ".join(cells) + " |"


def table(rows: Sequence[Row]) -> str:
    """All rows as a Markdown table."""
    head = ["| what | median | rounds | processor, remarks | others | command |", "|---|---|---|---|---|---|"]
    return "\n".join(head + [line(row) for row in rows])


def page(rows: Sequence[Row], facts: Sequence[tuple[str, str]], notes: Sequence[str], *, quick: bool) -> str:
    """The whole page."""
    return PAGE.format(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        mode=" in quick mode: short rounds, not to be quoted" if quick else "",
        facts="\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts)]),
        table=table(rows),
        notes="\n".join("\n".join(wrap(f"- {note}", 120, subsequent_indent="  ")) for note in notes),
    )
