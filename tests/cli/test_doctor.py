"""`hookline doctor` as a real command: what it prints, its exit code, and what it never prints."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import asyncpg
import pytest
from tests.conftest import JWT_SECRET, database_named
from tests.connecting.conftest import OPTIONS
from tests.journeys.processes import program, run
from tests.servers import free_port
from tests.web.tokens import token

from hookline.domain.ids import new_id
from hookline.providers import SETTINGS
from hookline.simulator import default
from hookline.simulator.background import BackgroundSimulator

SECRETS = (OPTIONS.app_secret, OPTIONS.instagram_app_secret, OPTIONS.verify_token, JWT_SECRET)


class Done(NamedTuple):
    """What the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Place(NamedTuple):
    """An API that runs at its public URL, the platforms, a page that is connected, and a worker's heartbeat."""

    folder: Path
    settings: Mapping[str, str]
    simulator: BackgroundSimulator
    account_id: str
    access_token: str

    def doctor(self, *arguments: str, **settings: str) -> Done:
        """Run it; nothing secret is in what it prints."""
        done = run(["doctor", *arguments], self.folder / "doctor", {**self.settings, **settings})
        for secret in (*SECRETS, self.access_token):
            assert secret not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def simulator() -> Iterator[BackgroundSimulator]:
    """The platforms, for all tests here."""
    with BackgroundSimulator(OPTIONS) as running:
        yield running


@pytest.fixture
async def place(
    database_url: str, pool: asyncpg.Pool, tmp_path: Path, simulator: BackgroundSimulator
) -> AsyncIterator[Place]:
    """Everything at work, and well."""
    simulator.reset(OPTIONS.seed)
    port = free_port()
    settings = {
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "JWT_SECRET": JWT_SECRET,
        "META_APP_ID": OPTIONS.app_id,
        "META_APP_SECRETS": OPTIONS.app_secret,
        "META_VERIFY_TOKEN": OPTIONS.verify_token,
        "INSTAGRAM_APP_ID": OPTIONS.instagram_app_id,
        "INSTAGRAM_APP_SECRETS": OPTIONS.instagram_app_secret,
        **{field.name: simulator.url + field.simulated for field in SETTINGS if field.simulated},
    }
    await pool.execute(
        "INSERT INTO job_workers (id, name, heartbeat_at) VALUES ($1, 'w', now() + interval '1 hour')", new_id()
    )
    with program(["api", "--port", str(port)], tmp_path / "api", settings, ready_fd=True) as api:
        api.ready()
        simulator.subscribe(settings["PUBLIC_URL"] + "/api/webhooks")
        given = simulator.connect(default.PAGE)["accessToken"]
        account_id = _connect(settings["PUBLIC_URL"], {"externalAccountId": default.PAGE, "accessToken": given})
        yield Place(tmp_path, settings, simulator, account_id, given)


def _connect(url: str, body: Any) -> str:
    headers = {
        "Authorization": f"Bearer {token(JWT_SECRET, {'org-1': 'OWNER'})}",
        "X-Organization-Id": "org-1",
        "Content-Type": "application/json",
    }
    request = Request(f"{url}/api/integrations/FACEBOOK/connect", json.dumps(body).encode(), headers)
    with urlopen(request) as answer:
        return str(json.load(answer)["id"])


def named(findings: Any, name: str) -> Any:
    """A finding by its name."""
    return next(one for one in findings if one["name"] == name)


async def test_all_is_well(place: Place) -> None:
    """Exit code 0, a table for people, and the same for machines: the installation, and every account that is live."""
    shown = place.doctor()
    assert (shown.code, shown.err) == (0, ""), shown.out
    lines = shown.out.splitlines()
    assert lines[0] == "The installation"
    assert max(map(len, lines)) <= 120
    assert f"FACEBOOK Phone Store ({default.PAGE}) of org-1" in lines
    assert lines[-1].startswith("0 problems, ")
    told = place.doctor("--json")
    assert told.code == 0
    assert told.json["status"] == "warning"
    names = {one["name"] for one in told.json["installation"]}
    assert names == {
        *("environment", "public-url", "platforms", "database", "database-clock", "schema", "roles"),
        *("keys", "queue", "workers", "walls", "paused", "unowned-events", "unreadable-events"),
        *("failed-events", "failed-jobs", "handshake"),
    }
    page = (Path(__file__).parents[2] / "docs/operating.md").read_text()
    assert not [name for name in names if f"`{name}`" not in page]
    (account,) = told.json["accounts"]
    assert (account["accountId"], account["organizationId"]) == (place.account_id, "org-1")
    assert named(account["findings"], "token")["severity"] == "ok"


async def test_a_problem_of_an_account(place: Place) -> None:
    """An account whose token was revoked makes the exit code 1, in the table and for machines, with the mend below."""
    place.simulator.revoke(account=default.PAGE)
    shown = place.doctor()
    assert shown.code == 1
    (line,) = [line for line in shown.out.splitlines() if line.startswith("  PROBLEM  token ")]
    assert "the access token is not" in line
    assert "→ Connect the account again." in shown.out
    assert place.doctor("--json").json["status"] == "problem"


async def test_one_account(place: Place, pool: asyncpg.Pool) -> None:
    """--account looks at that one alone, disconnected too; one that is not there, or is no id, is exit code 2."""
    told = place.doctor("--account", place.account_id, "--json")
    assert (told.code, told.json["installation"], len(told.json["accounts"])) == (0, [], 1)
    await pool.execute("UPDATE connected_accounts SET status = 'DISCONNECTED'")
    assert place.doctor("--json").json["accounts"] == []
    told = place.doctor("--account", place.account_id, "--json")
    assert (told.code, named(told.json["accounts"][0]["findings"], "account")["severity"]) == (0, "warning")
    for name in (str(new_id()), "x", "\x1b[2J"):
        done = place.doctor("--account", name)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert "\x1b" not in done.err


async def test_another_verify_token(place: Place) -> None:
    """If the processes do not agree about the verify token, the handshake that is really tried finds it."""
    told = place.doctor("--json", META_VERIFY_TOKEN="another-token")
    one = named(told.json["installation"], "handshake")
    assert (told.code, one["severity"]) == (1, "problem")
    assert "refuses the verify token" in one["found"]
    assert "HOOKLINE_META_VERIFY_TOKEN" in one["mend"]
    assert "another-token" not in told.out


async def test_a_public_url_that_leads_nowhere(place: Place) -> None:
    """A callback that cannot be reached is told, and that the app has another one."""
    told = place.doctor("--json", PUBLIC_URL="http://127.0.0.1:9")
    assert told.code == 1
    assert "does not answer" in named(told.json["installation"], "handshake")["found"]
    assert named(told.json["accounts"][0]["findings"], "callback-app")["severity"] == "problem"


async def test_the_platform_is_down(place: Place) -> None:
    """The doctor ends in time and says what it could not look at."""
    nowhere = {field.name: "http://127.0.0.1:9" for field in SETTINGS if field.simulated}
    told = place.doctor("--json", **nowhere)
    one = named(told.json["accounts"][0]["findings"], "platform")
    assert (told.code, one["severity"]) == (1, "problem")
    assert "token" in one["found"]


async def test_it_goes_as_far_as_it_can(place: Place, pool: asyncpg.Pool, database_url: str) -> None:
    """Settings that do not fit, no database, a schema of another version: each is a finding, none an error."""
    told = place.doctor("--json", PORT="x")
    assert (told.code, [one["name"] for one in told.json["installation"]]) == (1, ["settings"])
    told = place.doctor("--json", ENVIRONMENT="production")
    assert (told.code, "HOOKLINE_KMS_URI" in told.out) == (1, True)
    told = place.doctor("--json", DATABASE_URL=database_named(database_url, "nothing_of_that_name"))
    assert (told.code, named(told.json["installation"], "database")["severity"]) == (1, "problem")
    await pool.execute("UPDATE alembic_version SET version_num = '0001'")
    for arguments in (["--json"], ["--json", "--account", place.account_id]):
        told = place.doctor(*arguments)
        assert (told.code, told.json["accounts"]) == (1, [])
        assert "hookline migrate" in named(told.json["installation"], "schema")["mend"]


async def test_it_changes_nothing(place: Place, pool: asyncpg.Pool) -> None:
    """Looking leaves every row as it was."""
    tables = [
        record[0]
        for record in await pool.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    ]

    async def counted() -> dict[str, str]:
        return {
            name: await pool.fetchval(f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {name} t")
            for name in tables
        }

    before = await counted()
    place.simulator.revoke(account=default.PAGE)
    place.doctor()
    assert await counted() == before


async def test_names_that_would_command_a_terminal(place: Place, pool: asyncpg.Pool) -> None:
    """What a customer or a platform has written reaches the terminal as text."""
    await pool.execute(
        "UPDATE connected_accounts SET display_name = E'Shop\\x1b[2J\\nPROBLEM', last_error = E'\\x1b]0;x'"
    )
    await pool.execute("UPDATE connected_accounts SET status = 'ERROR'")
    shown = place.doctor()
    assert shown.code == 1
    assert "\x1b" not in shown.out
    assert not [line for line in shown.out.splitlines() if line.startswith("PROBLEM")]
