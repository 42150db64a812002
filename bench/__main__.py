"""`python -m bench [--quick] [--all-peers] [ROW …]`: run the benchmarks, print the table, write docs/benchmarks.md."""

import argparse
import asyncio
import os
import sys

from bench import results
from bench.machine import cpu_model, file_system, python_version, say, sync_milliseconds, versions
from bench.plan import FULL, QUICK, Plan
from bench.processes import BenchmarkError
from bench.rows import LONG, ROWS
from bench.stage import DURABILITY, SIZES, Stage
from bench.table import Row, table

PACKAGES = ("uvicorn", "uvloop", "httptools", "asyncpg", "msgspec", "fastapi")


def main() -> None:
    """Run what was asked for."""
    usual = [name for name in ROWS if name not in LONG]
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks, into one table.")
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; or `all` (default: the short ones)"
    )
    parser.add_argument("--quick", action="store_true", help="tiny numbers, to see that rows work; writes no page")
    parser.add_argument("--all-peers", action="store_true", help="with the peers from npm")
    options = parser.parse_args()
    names = list(ROWS) if options.rows == ["all"] else options.rows or usual
    if unknown := set(names) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    sys.exit(asyncio.run(_run(names, QUICK if options.quick else FULL, all_peers=options.all_peers)))


async def _run(names: list[str], plan: Plan, *, all_peers: bool) -> int:
    """Run rows, whatever becomes of one of them; the page is written when there is a result of every short one."""
    rows: list[Row] = []
    failed = 0
    async with Stage(all_peers=all_peers) as stage:
        facts = await _facts(stage)
        for name in names:
            try:
                rows += await _row(name, stage, plan, facts)
            except BenchmarkError as error:
                failed += 1
                say(f"bench: {name}: {error}")
    for fact, value in facts.items():
        print(f"{fact}: {value}")
    print(table(rows))
    if not plan.quick:
        _write_page(facts)
    return 1 if failed else 0


async def _row(name: str, stage: Stage, plan: Plan, facts: dict[str, str]) -> list[Row]:
    say(f"{name} …")
    if not plan.quick:
        results.forget(name)
    made = await ROWS[name](stage, plan)
    say("\n".join(f"    {row.name}: {row.result} ({' · '.join(row.rounds)})" for row in made))
    if not plan.quick:
        results.keep(name, made, facts)
    return made


def _write_page(facts: dict[str, str]) -> None:
    found = results.kept(list(ROWS), facts)
    missing = [name for name in ROWS if name not in LONG and name not in {one.name for one in found}]
    if missing:
        say(f"no page is written: there is no result of {', '.join(missing)}")
        return
    results.PAGE_FILE.write_text(results.page(found))
    say(f"written to {results.PAGE_FILE.relative_to(results.ROOT)}")


async def _facts(stage: Stage) -> dict[str, str]:
    """What the numbers were made on."""
    sync = f"{sync_milliseconds(stage.folder):.2f} ms to make 8 KB durable (fdatasync)"
    return {
        "processor": f"{cpu_model()}, {os.cpu_count()} cores",
        results.DISK: f"{file_system(stage.folder)}, {sync}",
        "Python": python_version(),
        "database": f"{await stage.postgres_version()}, embedded; {await stage.settings((*DURABILITY, *SIZES))}",
        "packages": versions(*PACKAGES),
    }


if __name__ == "__main__":
    main()
