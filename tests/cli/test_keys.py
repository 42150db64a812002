"""`hookline keys`, and the start of processes in production, as real commands."""

import json
from pathlib import Path

import asyncpg
from tests.conftest import JWT_SECRET
from tests.journeys.processes import program, run
from tests.security.kms import LocalKms, kms
from tests.services.desk import Desk
from tests.services.tokens_of import kept

from hookline.security.master_key import MasterKeys
from hookline.security.vault import Vault
from hookline.services.tokens import access_token

__all__ = ["kms"]


async def test_keys_are_listed_and_rotated(database_url: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """`keys list` tells which key encrypts how much; after `keys rotate` another one does, and tokens are the same."""
    vault = Vault(MasterKeys(None, tmp_path / "data"))
    account = await Desk(pool).connect()
    await kept(pool, vault, account.id, "EAAG-a-token-of-the-test")
    settings = {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path / "data")}

    def keys(*arguments: str) -> str:
        done = run(["keys", *arguments], tmp_path / "here", settings)
        assert done.returncode == 0, done.stderr
        assert "EAAG" not in done.stdout + done.stderr
        return done.stdout

    (old,) = json.loads(keys("list", "--json"))
    assert (old["id"], old["primary"], old["rows"]) == (vault.keyset.primary_id, True, 1)
    assert f"{old['id']}  encrypts" in keys("list")
    done = json.loads(keys("rotate", "--json"))
    assert (done["resealed"], done["unreadable"], done["dropped"]) == (1, 0, [old["id"]])
    assert "rows were encrypted again" in keys("rotate")
    (new,) = json.loads(keys("list", "--json"))
    assert new["id"] not in (old["id"], done["keyId"])
    async with pool.acquire() as connection:
        assert await access_token(connection, vault, account.id, "org-1") == "EAAG-a-token-of-the-test"


async def test_a_row_that_no_key_reads_is_told(database_url: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """A rotation that leaves something behind says so, and its exit code too."""
    account = await Desk(pool).connect()
    await kept(pool, Vault(MasterKeys(None, tmp_path / "data")), account.id, "EAAG-a-token-of-the-test")
    await pool.execute("UPDATE oauth_tokens SET organization_id = 'org-2'")
    settings = {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path / "data")}
    done = run(["keys", "rotate"], tmp_path / "here", settings)
    assert done.returncode == 1
    assert "1 rows cannot be decrypted" in done.stdout


def production(database_url: str, kms_uri: str) -> dict[str, str]:
    return {
        "ENVIRONMENT": "production",
        "DATABASE_URL": database_url,
        "JWT_SECRET": JWT_SECRET,
        "META_APP_ID": "1",
        "META_APP_SECRETS": "secret-of-the-test",
        "META_VERIFY_TOKEN": "verify-token-of-the-test",
        "KMS_URI": kms_uri,
    }


def key_files(folder: Path) -> list[Path]:
    return list(folder.rglob("*master-key*"))


async def test_production_starts_with_its_key(
    database_url: str, pool: asyncpg.Pool, tmp_path: Path, kms: LocalKms
) -> None:
    """API and worker unwrap the keyset by the KMS when they start, and make no key file."""
    settings = production(database_url, kms.new_key())
    with (
        program(["api", "--port", "0"], tmp_path / "api", settings, ready_fd=True) as api,
        program(["worker"], tmp_path / "worker", settings, ready_fd=True) as worker,
    ):
        assert api.ready()
        assert worker.ready()
        assert await pool.fetchval("SELECT wrapped_by FROM encryption_keysets") == settings["KMS_URI"]
        assert worker.stop() == 0
        assert api.stop() == 0
    assert not key_files(tmp_path)


def test_production_does_not_start_without_its_kms(database_url: str, tmp_path: Path, kms: LocalKms) -> None:
    """If the KMS does not know the key, or does not answer, the start fails with one line that says so."""
    settings = production(database_url, kms.new_key() + "0")
    for command in (["api", "--port", "0"], ["worker"]):
        done = run(command, tmp_path / command[0], settings)
        assert done.returncode == 2
        assert "the master key does not open the keyset" in done.stderr.splitlines()[-1]
        assert "secret-of-the-test" not in done.stderr
