"""`python -m bench [--quick] [ROW …]`: run the benchmarks, print the table, write docs/benchmarks.md."""

import argparse
import asyncio
import os
import sys

from bench.machine import cpu_model, file_system, python_version, say, sync_milliseconds, versions
from bench.rows import CONNECTIONS, FULL, OPEN_CONNECTIONS, QUICK, ROWS, Plan
from bench.samples import CONTACTS
from bench.stage import ROOT, BenchmarkError, Stage
from bench.table import Row, page, table

PAGE_FILE = ROOT / "docs" / "benchmarks.md"
PACKAGES = ("uvicorn", "uvloop", "httptools", "asyncpg", "msgspec", "fastapi")

NOTES = (
    "Everything is on one machine and shares its cores: load generator, server, database. Processor time each is what"
    " one webhook costs each of them.",
    f"Webhooks are WhatsApp text messages with distinct ids from {CONTACTS:,} contacts to one connected number, made"
    " and signed before the clock starts, sent by a process of its own over keep-alive HTTP/1.1 connections"
    f" ({CONNECTIONS} where the rate is sought, {OPEN_CONNECTIONS} where it is given).",
    "Every round ends with a count: each webhook sent was answered 200, its message id is in webhook_events, and it has"
    " a job. A difference stops the benchmark.",
    "The bare limit is bench/bare.py: the same server and options, signature check, tables, batch size and writers, but"
    " nothing is read of the body, nothing routed, and no row-level security. The two take turns on emptied tables.",
    "Latency is measured from the moment the schedule says, not from when a connection came free, so that a pause"
    " counts for every request that it delayed. The schedule is looked at once a millisecond, which is included.",
    "Processing is timed by the commit timestamps of the rows (track_commit_timestamp): from the first commit of a"
    " batch, whose events do not count, to the last. Every event must be PROCESSED and have its message.",
    "End to end: a second connection asks every 2 ms for the messages that are due, and notes the time after each"
    " answer: an upper bound, which includes the commit and half such a pause.",
    "Rounds begin when other programs leave the machine alone, or after half a minute. There are no timed assertions.",
)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks, into one table.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="short rounds, to try; writes no page")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    try:
        asyncio.run(_run(options.rows or list(ROWS), QUICK if options.quick else FULL, quick=options.quick))
    except BenchmarkError as error:
        sys.exit(f"bench: {error}")


async def _run(names: list[str], plan: Plan, *, quick: bool) -> None:
    """Run rows; the page is written when all of them ran in full."""
    rows: list[Row] = []
    async with Stage() as stage:
        facts = await _facts(stage)
        for name in names:
            say(f"{name} …")
            made = await ROWS[name](stage, plan)
            say("\n".join(f"    {row.name}: {row.result} ({' · '.join(row.rounds)})" for row in made))
            rows += made
    for name, value in facts:
        print(f"{name}: {value}")
    print(table(rows))
    if names == list(ROWS) and not quick:
        PAGE_FILE.write_text(page(rows, facts, NOTES, quick=quick))
        say(f"written to {PAGE_FILE.relative_to(ROOT)}")


async def _facts(stage: Stage) -> list[tuple[str, str]]:
    disk = f"{file_system(stage.folder)}, {sync_milliseconds(stage.folder):.2f} ms to make 8 KB durable (fdatasync)"
    return [
        ("processor", f"{cpu_model()}, {os.cpu_count()} cores"),
        ("disk", disk),
        ("Python", python_version()),
        ("database", f"{await stage.postgres_version()}, embedded; {await stage.durability()}"),
        ("packages", versions(*PACKAGES)),
    ]


if __name__ == "__main__":
    main()
