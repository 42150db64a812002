"""What the doctor finds of an installation: each thing that can be wrong with it has its name and its mend."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from tests.conftest import KMS_URI, SettingsFor, database_named
from tests.web.rows import Rows

from hookline.domain.health import Finding, Severity
from hookline.domain.ids import new_id
from hookline.security.master_key import MasterKeys
from hookline.security.vault import Vault
from hookline.services import installation, keys
from hookline.store.pool import open_pool

WALLS = "ALTER TABLE messages DISABLE ROW LEVEL SECURITY"
# case: what is done to the database, the finding, how bad it is, a piece of it
BROKEN: dict[str, tuple[str, str, Severity, str]] = {
    "no worker": ("DELETE FROM job_workers", "workers", Severity.PROBLEM, "no worker lives"),
    "a dead worker that holds a job": (
        "WITH dead AS (INSERT INTO job_workers (id, name, heartbeat_at)"
        " VALUES (gen_random_uuid(), 'dead', now() - interval '1 minute') RETURNING id),"
        " held AS (UPDATE integration_jobs j SET worker_id = dead.id, status = 'PROCESSING' FROM dead"
        " RETURNING j.organization_id, j.id, j.worker_id)"
        " INSERT INTO job_claims SELECT gen_random_uuid(), worker_id, ARRAY[organization_id], ARRAY[id] FROM held",
        *("workers", Severity.WARNING, "1 live; 1 have been silent"),
    ),
    "a queue that is late": (
        "UPDATE integration_jobs SET run_at = now() - interval '2 minutes'",
        *("queue", Severity.WARNING, "due: 1 job; the oldest has waited for 2 min"),
    ),
    "a queue that stands": (
        "UPDATE integration_jobs SET run_at = now() - interval '3 hours'",
        *("queue", Severity.PROBLEM, "waited for 3 h"),
    ),
    "a job that failed": (
        "UPDATE integration_jobs SET status = 'FAILED', updated_at = now()",
        *("failed-jobs", Severity.WARNING, ": 1 job"),
    ),
    "an event that failed": (
        "UPDATE webhook_events SET status = 'FAILED', processed_at = now()",
        *("failed-events", Severity.WARNING, ": 1 webhook event"),
    ),
    "an event of nobody": (
        "UPDATE webhook_events SET status = 'PENDING', organization_id = NULL,"
        " received_at = now() - interval '5 minutes'",
        *("unowned-events", Severity.WARNING, "of no connected account: 1 webhook event; the oldest came 5 min"),
    ),
    "an event that cannot be read": (
        "UPDATE webhook_events SET status = 'FAILED', organization_id = NULL",
        *("unreadable-events", Severity.WARNING, ": 1 webhook"),
    ),
    "a pause": (
        "INSERT INTO job_pauses (organization_id) VALUES ('org-1')",
        *("paused", Severity.WARNING, "1 owner"),
    ),
    "a wall that is down": (WALLS, "walls", Severity.PROBLEM, "messages: tenants are not apart"),
}


class Place(NamedTuple):
    pool: asyncpg.Pool
    vault: Vault

    async def found(self) -> dict[str, Finding]:
        return {one.name: one for one in await installation.work_findings(self.pool, self.vault)}


@pytest.fixture
async def place(pool: asyncpg.Pool, tmp_path: Path) -> Place:
    """A database with a worker, a job and an event, and all well."""
    async with pool.acquire() as connection:
        rows = Rows(connection)
        await rows.job()
        await rows.event()
        await connection.execute(
            "INSERT INTO job_workers (id, name, heartbeat_at) VALUES ($1, 'worker', now() + interval '1 hour')",
            new_id(),
        )
    return Place(pool, Vault(MasterKeys(None, tmp_path)))


async def test_all_is_well(place: Place) -> None:
    """A sound installation has no finding that is not ok; looking at its keys makes none."""
    found = await place.found()
    assert {one.severity for one in found.values()} == {Severity.OK}
    assert found["keys"].found.startswith("there is no keyset yet")
    assert await place.pool.fetchval("SELECT count(*) FROM encryption_keysets") == 0
    await keys.prepare(place.pool, place.vault)
    assert "the keyset opens" in (await place.found())["keys"].found


@pytest.mark.parametrize("case", BROKEN)
async def test_what_is_wrong_is_found(place: Place, case: str) -> None:
    """The finding is there under its name, as bad as it is, with a mend."""
    statement, name, severity, piece = BROKEN[case]
    await place.pool.execute(statement)
    one = (await place.found())[name]
    assert (one.severity, bool(one.mend)) == (severity, True)
    assert piece in one.found, one.found


async def test_what_failed_long_ago_is_history(place: Place) -> None:
    """Only the last day's failures are told."""
    await place.pool.execute("UPDATE webhook_events SET status = 'FAILED', processed_at = now() - interval '25 hours'")
    await place.pool.execute("UPDATE integration_jobs SET status = 'FAILED', updated_at = now() - interval '25 hours'")
    found = await place.found()
    assert found["failed-events"].severity is found["failed-jobs"].severity is Severity.OK


async def test_a_master_key_that_nothing_has_tried(place: Place) -> None:
    """In production, a keyset that is not there yet leaves it open whether the KMS answers, which is not ok."""
    waiting = Place(place.pool, Vault(MasterKeys(KMS_URI, None)))
    one = (await waiting.found())["keys"]
    assert (one.severity, "was not tried" in one.found) == (Severity.WARNING, True)


async def test_a_keyset_of_another_installation(place: Place) -> None:
    """A keyset that a key file wrapped is refused by production, and the doctor says why."""
    await keys.prepare(place.pool, place.vault)
    one = (await Place(place.pool, Vault(MasterKeys(KMS_URI, None))).found())["keys"]
    assert (one.severity, "made in development" in one.found) == (Severity.PROBLEM, True)


async def test_a_keyset_that_does_not_open(place: Place, tmp_path: Path) -> None:
    """Another master key than the one that wrapped the keyset is a problem, before anybody needs a token."""
    await keys.prepare(place.pool, place.vault)
    other = Place(place.pool, Vault(MasterKeys(None, tmp_path / "other")))
    one = (await other.found())["keys"]
    assert (one.severity, "cannot be opened" in one.found) == (Severity.PROBLEM, True)


async def test_a_count_that_takes_too_long(place: Place, database_url: str) -> None:
    """What the database cannot count in time is said not to be counted, and the rest is told."""
    async with (
        place.pool.acquire() as connection,
        connection.transaction(),
        await open_pool(database_url, size=2, application_name="tests", statement_seconds=0.3) as impatient,
    ):
        await connection.execute("LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE")
        found = await Place(impatient, place.vault).found()
    for name in ("unowned-events", "failed-events", "unreadable-events"):
        assert (found[name].severity, "in time" in found[name].found) == (Severity.WARNING, True)
    assert found["workers"].severity is Severity.OK


# -- the database, before anything is done with it


async def of_database(url: str) -> dict[str, Finding]:
    return {one.name: one for one in await installation.database_findings(url)}


async def test_a_sound_database(database_url: str) -> None:
    """Version, clock, schema and roles are told."""
    found = await of_database(database_url)
    assert {one.severity for one in found.values()} == {Severity.OK}
    assert found.keys() == {"database", "database-clock", "schema", "roles"}


async def test_a_schema_of_another_version(database_url: str, pool: asyncpg.Pool) -> None:
    """An older schema, and one that is newer than the code, are problems; the mend names the command."""
    for version in ("0001", "9999"):
        await pool.execute("UPDATE alembic_version SET version_num = $1", version)
        one = (await of_database(database_url))["schema"]
        assert (one.severity, version in one.found) == (Severity.PROBLEM, True)
        assert "hookline migrate" in (one.mend or "")


async def test_a_database_that_is_not_there(database_url: str) -> None:
    """One that refuses us, or that cannot be read as an address, is a problem; its password is not told."""
    missing = database_named(database_url, "nothing_of_that_name")
    unreadable = "postgresql://user:the#password@host/name"
    for url in (missing, unreadable, "postgresql://user:the-password@127.0.0.1:9/name"):
        (one,) = (await of_database(url)).values()
        assert (one.name, one.severity) == ("database", Severity.PROBLEM)
        assert "password@" not in one.found


# -- settings and disk


@pytest.mark.parametrize(
    ("given", "name", "severity"),
    [
        ({}, "environment", Severity.OK),
        ({"host": "0.0.0.0"}, "environment", Severity.WARNING),
        ({"public_url": "https://h.example"}, "environment", Severity.PROBLEM),
        ({"environment": "production"}, "environment", Severity.OK),
        ({}, "public-url", Severity.OK),
        ({"environment": "production"}, "public-url", Severity.PROBLEM),
        ({"public_url": "http://h.example"}, "public-url", Severity.PROBLEM),
        ({"public_url": "https://h.example"}, "public-url", Severity.OK),
        ({"environment": "production"}, "return-urls", Severity.WARNING),
        ({"simulator": False}, "platforms", Severity.WARNING),
        ({}, "platforms", Severity.OK),
    ],
)
def test_settings(settings_for: SettingsFor, given: Any, name: str, severity: Severity) -> None:
    """Doors that are open where others can reach them are a problem, and so is what the platforms cannot call."""
    settings = settings_for("postgresql://nowhere", **given)
    found = {one.name: one for one in installation.settings_findings(settings, {"META_APP_ID": ""})}
    assert found[name].severity is severity


@pytest.mark.parametrize(("free", "severity"), [(80, Severity.OK), (14, Severity.WARNING), (4, Severity.PROBLEM)])
def test_disk(
    settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, severity: Severity
) -> None:
    """The embedded database's disk is looked at, and told before it is full; of a server elsewhere nothing is known."""
    usage: Callable[[Path], Any] = lambda _path: shutil._ntuple_diskusage(100 * 2**30, 0, free * 2**30)  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", usage)
    embedded = settings_for("", data_dir=tmp_path / "not" / "there").model_copy(update={"database_url": None})
    (one,) = installation.disk_findings(embedded)
    assert one.severity is severity
    assert installation.disk_findings(settings_for("postgresql://nowhere")) == []
