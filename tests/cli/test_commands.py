"""The commands as a person or a script meets them: what they print, and how they end."""

import os
from pathlib import Path

import jwt
import pytest
from tests.conftest import JWT_SECRET
from tests.journeys.processes import run
from tests.servers import free_port

NO_DATABASE = f"postgresql://nobody:pass-word-1@127.0.0.1:{free_port()}/nothing"


def one_line(text: str) -> str:
    """An error is one line with our name, and no traceback."""
    (line,) = text.strip().splitlines()
    assert line.startswith("hookline: ")
    return line


def test_token_prints_the_token_and_nothing_else(tmp_path: Path) -> None:
    """Scripts take standard output as it is: one token, with the organization and role that were asked for."""
    done = run(["token", "--org", "org-7", "--role", "manager"], tmp_path, {"JWT_SECRET": JWT_SECRET})
    assert (done.returncode, done.stderr) == (0, "")
    claims = jwt.decode(done.stdout.strip(), JWT_SECRET, algorithms=["HS256"])
    assert claims["organizations"] == {"org-7": "MANAGER"}
    assert done.stdout == done.stdout.strip() + "\n"


def test_token_works_with_nothing_set(tmp_path: Path) -> None:
    """In development the secret is made once, and every token is signed with it."""
    first, second = (run(["token", "--org", "o"], tmp_path, {}).stdout.strip() for _ in range(2))
    for one in (first, second):
        assert jwt.decode(one, options={"verify_signature": False})["organizations"] == {"o": "OWNER"}
    assert (tmp_path / ".hookline").is_dir()


PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": NO_DATABASE,
    "JWT_SECRET": JWT_SECRET,
    "META_APP_ID": "1",
    "META_APP_SECRETS": "s",
    "META_VERIFY_TOKEN": "t",
    "KMS_URI": "aws-kms://arn:aws:kms:eu-central-1:123456789012:key/none",
}


@pytest.mark.parametrize("missing", ["JWT_SECRET", "META_APP_SECRETS", "META_VERIFY_TOKEN", "DATABASE_URL", "KMS_URI"])
def test_production_names_what_is_missing(tmp_path: Path, missing: str) -> None:
    """Production does not start without what it needs, and says which setting that is."""
    settings = {name: value for name, value in PRODUCTION.items() if name != missing}
    done = run(["api", "--port", "0"], tmp_path, settings)
    assert done.returncode == 2
    assert f"HOOKLINE_{missing}" in one_line(done.stderr)
    assert JWT_SECRET not in done.stderr


def test_production_refuses_unsigned_webhooks(tmp_path: Path) -> None:
    """An open door in production is an error at the start."""
    done = run(["api"], tmp_path, PRODUCTION | {"ALLOW_UNSIGNED_WEBHOOKS": "true"})
    assert done.returncode == 2
    assert "HOOKLINE_ALLOW_UNSIGNED_WEBHOOKS" in one_line(done.stderr)


def test_production_makes_no_tokens(tmp_path: Path) -> None:
    """There tokens come from the CRM."""
    done = run(["token", "--org", "o"], tmp_path, PRODUCTION)
    assert (done.returncode, done.stdout) == (2, "")
    assert "CRM" in one_line(done.stderr)


@pytest.mark.parametrize(
    "arguments", [["api"], ["worker"], ["migrate"], ["trace", "x"], ["replay", "x"], ["events", "--unowned"], ["prune"]]
)
def test_a_database_that_is_not_there_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    """Every command says so in one line, without the password, and ends with code 2."""
    done = run(arguments, tmp_path, {"DATABASE_URL": NO_DATABASE})
    assert done.returncode == 2, done.stderr
    one_line(done.stderr)
    assert "pass-word-1" not in done.stderr


BAD_SETTINGS = {
    "PORT": "seven",
    "ENVIRONMENT": "staging",
    "MAX_WEBHOOK_BYTES": "0",
    "JWT_SECRET": "short",
    "UNOWNED_DAYS": "-1",
    "LOG_LEVEL": "LOUD",
}


@pytest.mark.parametrize(("name", "value"), BAD_SETTINGS.items())
def test_a_setting_that_does_not_fit_is_named(tmp_path: Path, name: str, value: str) -> None:
    """The text says which setting, without a traceback."""
    done = run(["api"], tmp_path, {"DATABASE_URL": NO_DATABASE, name: value})
    assert done.returncode == 2, done.stderr
    assert f"HOOKLINE_{name}" in one_line(done.stderr)


def test_operators_on_a_migrated_database(tmp_path: Path, database_url: str) -> None:
    """On an empty log: nothing traced, nothing waiting, and an id that is none is said."""
    settings = {"DATABASE_URL": database_url}
    traced = run(["trace", "wamid.1"], tmp_path, settings)
    assert (traced.returncode, "nobody has heard" in traced.stdout) == (1, True)
    waiting = run(["events", "--unowned", "--json"], tmp_path, settings)
    assert (waiting.returncode, waiting.stdout.strip()) == (0, "[]")
    assert run(["events", "--unowned"], tmp_path, settings).stdout.strip() == "0 waiting"
    for name in ("x", "01890000-0000-7000-8000-000000000000"):
        replayed = run(["replay", name], tmp_path, settings)
        assert replayed.returncode == 2
        assert name in one_line(replayed.stderr)
    assert "up to date" in run(["migrate"], tmp_path, settings).stdout


BAD_OPTIONS = [
    ["events", "--unowned", "--limit", "0"],
    ["events", "--unowned", "--limit", "-1"],
    ["events", "--failed", "--limit", "99999999999999999999"],
    ["token", "--org", ""],
    ["pause", "--org", " "],
    ["trace", ""],
    ["token", "--org", "o", "--hours", "nan"],
    ["token", "--org", "o", "--hours", "-1"],
    ["token", "--org", "o", "--hours", "1e300"],
    ["token", "--org", "o", "--role", "KING"],
    ["token", "--org", os.fsdecode(b"\xff")],
    ["trace", os.fsdecode(b"wamid.\xff")],
    ["prune", "--json", "everything"],
]


@pytest.mark.parametrize("arguments", BAD_OPTIONS, ids=lambda arguments: " ".join(map(ascii, arguments)))
def test_an_option_that_does_not_fit_is_said(tmp_path: Path, arguments: list[str]) -> None:
    """The error says what fits, with code 2 and no traceback, before anything is opened."""
    done = run(arguments, tmp_path, {"DATABASE_URL": NO_DATABASE, "JWT_SECRET": JWT_SECRET})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("hookline")
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_command_shows_what_there_is(tmp_path: Path) -> None:
    """A typing mistake ends with code 2 and the commands."""
    done = run(["rnu"], tmp_path, {})
    assert done.returncode == 2
    assert "run" in done.stderr
    assert "Traceback" not in done.stderr
