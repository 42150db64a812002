"""`hookline forget` as a real command."""

import json
import re
from pathlib import Path
from uuid import UUID

import asyncpg
from tests.connecting.test_secrecy import dump
from tests.journeys.processes import run
from tests.services import bodies
from tests.services.desk import Desk

TEXT = "what-ann-wrote"


async def test_an_operator_forgets_one_person(database_url: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """A dry run counts and changes nothing; then it is done, and nothing is left of them, their number least of all."""
    desk = Desk(pool)
    account = await desk.connect()
    for person, text in ((bodies.ANN, TEXT), ("491709999999", "what-bob-wrote")):
        await desk.take_in(bodies.messages(bodies.text_message(f"wamid.{person}", text, person)))
    settings = {"DATABASE_URL": database_url}
    named = ["forget", "--org", "org-1", "--account", str(account.id), "--contact", f"+{bodies.ANN}"]
    counted = run([*named, "--dry-run", "--json"], tmp_path, settings)
    assert (counted.returncode, counted.stderr) == (0, "")
    assert TEXT in await dump(pool)
    done = run([*named, "--json"], tmp_path, settings)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == json.loads(counted.stdout)["rows"]
    assert json.loads(done.stdout)["rows"]["messages"] == 1
    left = await dump(pool)
    assert not re.search(f"{TEXT}|{bodies.ANN}", left)
    assert "what-bob-wrote" in left
    assert bodies.ANN not in done.stdout + done.stderr
    again = run([*named[:2], "org-1", "--account", str(account.id), "--contact", "nobody"], tmp_path, settings)
    assert "0 messages" in again.stdout


async def test_whom_it_cannot_find_it_says(database_url: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """An id that is none, and another organization's account: one line, code 2."""
    account = await Desk(pool).connect()
    for organization, named in (("org-1", "x"), ("org-2", str(account.id)), ("org-1", str(UUID(int=1)))):
        for more in ([], ["--dry-run"]):
            arguments = ["forget", "--org", organization, "--account", named, "--contact", "1", *more]
            done = run(arguments, tmp_path, {"DATABASE_URL": database_url})
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith("hookline: ")
    nobody = ["forget", "--org", "org-1", "--account", str(account.id), "--contact", " "]
    assert run(nobody, tmp_path, {"DATABASE_URL": database_url}).returncode == 2
    assert await pool.fetchval("SELECT count(*) FROM privacy_requests") == 0
