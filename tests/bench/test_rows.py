"""Every row of the benchmark still works: with tiny numbers, and without a look at what they come out as."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from bench.plan import QUICK
from bench.processes import BenchmarkError
from bench.rows import ROWS
from bench.stage import Stage
from bench.table import Row, table

from bench import results

# One database server for all of them, and one process to run them in.
pytestmark = [pytest.mark.xdist_group("bench"), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """Where the rows are run."""
    async with Stage() as stage:
        yield stage


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_is_made(stage: Stage, name: str) -> None:
    """It ends with its counts as they should be (else it raises), and its lines say how to make it alone."""
    rows = await ROWS[name](stage, QUICK)
    assert rows
    for row in rows:
        assert row.name
        assert row.result
        assert row.command == f"python -m bench {name}"
    assert len(table(rows).splitlines()) == 2 + len(rows)


async def test_a_lost_webhook_is_no_result(stage: Stage) -> None:
    """Where fewer webhooks are stored than were answered, there is no number."""
    await stage.empty()
    with pytest.raises(BenchmarkError, match="answered 200 1, stored 0"):
        await stage.require_stored(1, 1)


async def test_the_page_is_made_of_kept_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row measured again replaces the older one; results of another machine are left out."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "kept")
    here, elsewhere = {"processor": "this one", "disk": "0.1 ms"}, {"processor": "another", "disk": "0.1 ms"}
    for name, value, facts in (("drain", "1/s", here), ("drain", "2/s", here), ("ingest", "3/s", elsewhere)):
        results.keep(name, [Row(name=name, command="", result=value)], facts)
    found = results.kept(["ingest", "drain"], {**here, "disk": "0.2 ms"})
    assert [one.name for one in found] == ["drain"]
    page = results.page(found)
    assert "| processor | this one |" in page
    assert "| drain | **2/s** |" in page
    assert "1/s" not in page
    assert "Made: drain (" in page
