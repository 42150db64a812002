"""The table: rows with their rounds, and how rates and latencies are written."""

from collections.abc import Sequence
from statistics import median

import msgspec


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


def rate_row(name: str, row: str, rates: Sequence[float], *, detail: str = "", others: Sequence[float] = ()) -> Row:
    """Say how many a second, by the median of the rounds."""
    return Row(
        name=name,
        command=command(row),
        result=f"{whole(median(rates))}/s",
        rounds=[whole(one) for one in rates],
        detail=detail,
        others=others,
    )


def ratio_row(name: str, row: str, ours: Sequence[float], theirs: Sequence[float], *, detail: str = "") -> Row:
    """Say how one relates to the other, by the ratio of their medians, and round by round."""
    return Row(
        name=name,
        command=command(row),
        result=_ratio(median(ours) / median(theirs)),
        rounds=[_ratio(one / other) for one, other in zip(ours, theirs, strict=True)],
        detail="; ".join(filter(None, ["ratio of the medians", detail])),
    )


def latency_row(
    name: str, row: str, rounds: Sequence[Sequence[float]], *, detail: str = "", others: Sequence[float] = ()
) -> Row:
    """Say the median, the 99th percentile and the maximum of seconds, each as the median of the rounds."""
    each = [milliseconds(one) for one in rounds]
    middle, late, worst = (median(one[place] for one in each) for place in range(3))
    return Row(
        name=name,
        command=command(row),
        result=f"median {middle:.1f} ms, p99 {late:.1f} ms, max {worst:.0f} ms",
        rounds=[f"{one[0]:.1f} / {one[1]:.1f} / {one[2]:.0f}" for one in each] if len(each) > 1 else (),
        detail=detail or f"{whole(len(rounds[0]))} requests a round",
        others=others,
    )


def milliseconds(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3, ordered[-1] * 1e3


def command(row: str) -> str:
    """How a row is made alone."""
    return f"python -m bench {row}"


def _ratio(value: float) -> str:
    return f"{value:.0%}" if value < 2 else f"{value:.1f} ×"


def table(rows: Sequence[Row]) -> str:
    """All rows as a Markdown table."""
    head = ["| what | median | rounds | processor, remarks | others | command |", "|---|---|---|---|---|---|"]
    return "\n".join(head + [_line(row) for row in rows])


def _line(row: Row) -> str:
    others = f"{median(row.others):.2f}, {max(row.others):.2f}" if row.others else ""
    cells = [row.name, f"**{row.result}**", " · ".join(row.rounds), row.detail, others, f"`{row.command}`"]
    return "| " + " | ".join(cells) + " |"
