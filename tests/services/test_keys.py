"""The vault's keys: fetched when needed, held while something is encrypted, rotated under load."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from tests.security.kms import LocalKms, kms
from tests.services.desk import Desk
from tests.services.tokens_of import kept

from hookline.domain.errors import StartupError, Unavailable
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.security.keyset import Undecryptable
from hookline.security.master_key import MasterKeys
from hookline.security.vault import Vault, key_of
from hookline.services import keys, rotate, sealed
from hookline.services.tokens import access_token, credentials

__all__ = ["kms"]

TOKEN = "EAAG-a-token-of-the-test"


@pytest.fixture
def masters(tmp_path: Path) -> MasterKeys:
    """Development's master key."""
    return MasterKeys(None, tmp_path)


async def token_of(pool: asyncpg.Pool, vault: Vault, account_id: UUID, organization: str = "org-1") -> str:
    async with pool.acquire() as connection:
        return await access_token(connection, vault, account_id, organization)


async def test_a_token_is_kept_encrypted_and_given_out(pool: asyncpg.Pool, desk: Desk, masters: MasterKeys) -> None:
    """A token comes back from a vault of another process, and stands nowhere in the database."""
    account = await desk.connect()
    row = await kept(pool, Vault(masters), account.id, TOKEN, refresh_token="EAAG-another")
    assert await token_of(pool, Vault(masters), account.id) == TOKEN
    stored = await pool.fetchrow("SELECT * FROM oauth_tokens")
    assert TOKEN not in str(stored)
    assert "another" not in str(stored)
    assert stored["key_id"] == key_of(row.access_token_encrypted)
    async with pool.acquire() as connection:
        found = await credentials(connection, Vault(masters), "org-1", account.id)
    assert found is not None
    assert found[1].refresh_token == "EAAG-another"


async def test_processes_that_begin_together_share_one_keyset(
    pool: asyncpg.Pool, desk: Desk, masters: MasterKeys
) -> None:
    """However many processes encrypt first at once, there is one keyset, and each reads what the others wrote."""
    accounts = [await desk.connect(f"phone-{number}") for number in range(6)]
    vaults = [Vault(masters) for _ in accounts]
    await asyncio.gather(*(kept(pool, vault, one.id, TOKEN) for vault, one in zip(vaults, accounts, strict=True)))
    assert await pool.fetchval("SELECT count(*) FROM encryption_keysets") == 1
    for vault in vaults:
        for one in accounts:
            assert await token_of(pool, vault, one.id) == TOKEN


async def test_without_a_token_nobody_can_act(pool: asyncpg.Pool, desk: Desk, masters: MasterKeys) -> None:
    """Where there is no token, no account, or no live one, the owner has to connect again."""
    account = await desk.connect()
    for name, organization in ((account.id, "org-1"), (account.id, "org-2"), (UUID(int=7), "org-1")):
        with pytest.raises(ProviderError) as raised:
            await token_of(pool, Vault(masters), name, organization)
        assert raised.value.error_class is ErrorClass.REAUTHORIZE
    await kept(pool, Vault(masters), account.id, TOKEN)
    with pytest.raises(ProviderError):
        await token_of(pool, Vault(masters), account.id, "org-2")
    await desk.disconnect(account)
    with pytest.raises(ProviderError):
        await token_of(pool, Vault(masters), account.id)


async def test_a_ciphertext_moved_to_another_row_does_not_decrypt(
    pool: asyncpg.Pool, desk: Desk, masters: MasterKeys
) -> None:
    """Whoever can write the table still cannot use one account's token for another."""
    mine, theirs = await desk.connect("phone-1"), await desk.connect("phone-2", "org-2")
    await kept(pool, Vault(masters), mine.id, TOKEN, refresh_token="EAAG-another")
    await kept(pool, Vault(masters), theirs.id, "EAAG-theirs", "org-2")
    await pool.execute(
        "UPDATE oauth_tokens SET access_token_encrypted ="
        " (SELECT access_token_encrypted FROM oauth_tokens WHERE connected_account_id = $1)"
        " WHERE connected_account_id = $2",
        mine.id,
        theirs.id,
    )
    with pytest.raises(Undecryptable):
        await token_of(pool, Vault(masters), theirs.id, "org-2")
    await pool.execute(
        "UPDATE oauth_tokens SET access_token_encrypted = refresh_token_encrypted WHERE connected_account_id = $1",
        mine.id,
    )
    with pytest.raises(Undecryptable):
        await token_of(pool, Vault(masters), mine.id)


async def test_rotating_encrypts_everything_anew(pool: asyncpg.Pool, desk: Desk, masters: MasterKeys) -> None:
    """After a rotation every row is of the new key, the old one is gone, and everything still reads the same."""
    vault, elsewhere = Vault(masters), Vault(masters)
    accounts = [await desk.connect(f"phone-{number}") for number in range(rotate.BATCH // 40)]
    for one in accounts:
        await kept(pool, vault, one.id, f"token-{one.id}", refresh_token=f"refresh-{one.id}")
    async with pool.acquire() as connection, connection.transaction():
        await sealed.put(connection, vault, UUID(int=1), "pin", "org-1", "123456")
    await keys.prepare(pool, elsewhere)
    (old,) = await rotate.list_keys(pool, vault)
    done = await rotate.rotate(pool, vault)
    assert (done.resealed, done.unreadable, done.dropped) == (len(accounts) + 1, 0, [old.id])
    (new,) = await rotate.list_keys(pool, vault)
    assert (new.id, new.primary, new.rows) == (done.key_id, True, len(accounts) + 1)
    assert new.made_at is not None
    assert old.made_at is not None
    assert new.made_at > old.made_at
    for reader in (elsewhere, Vault(masters)):
        for one in accounts:
            async with pool.acquire() as connection:
                found = await credentials(connection, reader, "org-1", one.id)
            assert found is not None
            assert (found[1].access_token, found[1].refresh_token) == (f"token-{one.id}", f"refresh-{one.id}")
        async with pool.acquire() as connection:
            assert await sealed.get(connection, reader, UUID(int=1), "pin", "org-1") == "123456"


async def test_who_encrypts_late_uses_the_new_key(pool: asyncpg.Pool, desk: Desk, masters: MasterKeys) -> None:
    """A process that has not heard of a rotation learns the new key before it encrypts."""
    late, account = Vault(masters), await desk.connect()
    await kept(pool, late, account.id, "token-1")
    await rotate.rotate(pool, Vault(masters))
    row = await kept(pool, late, account.id, "token-2")
    assert [key_of(row.access_token_encrypted)] == [one.id for one in await rotate.list_keys(pool, late)]


async def test_a_rotation_waits_for_who_is_encrypting(pool: asyncpg.Pool, desk: Desk, masters: MasterKeys) -> None:
    """A transaction that has begun to encrypt with the old key ends before the new one is in force."""
    vault, account = Vault(masters), await desk.connect()
    await kept(pool, vault, account.id, "token-1")
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await keys.hold(connection, vault)
        rotating = asyncio.create_task(rotate.rotate(pool, Vault(masters)))
        await asyncio.wait([rotating], timeout=0.3)
        assert not rotating.done()
        await sealed.put(connection, vault, UUID(int=1), "pin", "org-1", "123456")
        await transaction.commit()
    assert (await rotating).resealed == 2
    assert len(await rotate.list_keys(pool, vault)) == 1


async def test_what_no_key_reads_keeps_the_old_keys(pool: asyncpg.Pool, desk: Desk, masters: MasterKeys) -> None:
    """A row that cannot be decrypted is told, is left as it is, and no key is dropped for it."""
    vault, account = Vault(masters), await desk.connect()
    await kept(pool, vault, account.id, "token-1")
    await pool.execute("UPDATE oauth_tokens SET organization_id = 'org-2'")
    done = await rotate.rotate(pool, vault)
    assert (done.resealed, done.unreadable, done.dropped) == (0, 1, [])
    await pool.execute("UPDATE oauth_tokens SET organization_id = 'org-1'")
    again = await rotate.rotate(pool, vault)
    assert (again.resealed, again.unreadable, len(again.dropped)) == (1, 0, 2)
    assert await token_of(pool, vault, account.id) == "token-1"


async def test_rotations_at_once_lose_nothing(pool: asyncpg.Pool, desk: Desk, masters: MasterKeys) -> None:
    """Several rotations at a time end with everything under one of their keys."""
    accounts = [await desk.connect(f"phone-{number}") for number in range(5)]
    for one in accounts:
        await kept(pool, Vault(masters), one.id, f"token-{one.id}")
    await asyncio.gather(*(rotate.rotate(pool, Vault(masters)) for _ in range(3)))
    vault = Vault(masters)
    assert sum(one.rows for one in await rotate.list_keys(pool, vault) if one.primary) == 5
    for one in accounts:
        assert await token_of(pool, vault, one.id) == f"token-{one.id}"


@contextmanager
def sealers(database_url: str, data_dir: Path, accounts: list[UUID], count: int) -> Iterator[list[str]]:
    """Run processes that encrypt and decrypt all the time; what they say in the end is in the list."""
    said: list[str] = []
    command = [sys.executable, "-m", "tests.services.sealer", database_url, str(data_dir), *map(str, accounts)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            )
            for _ in range(count)
        ]
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield said
        for process in running:
            out, err = process.communicate(timeout=60)
            said.append(out.strip() or err[-2000:])


async def test_rotation_under_load_loses_nothing(
    pool: asyncpg.Pool, desk: Desk, database_url: str, tmp_path: Path, masters: MasterKeys
) -> None:
    """While two processes write and read tokens, rotating again and again loses none and stops nobody."""
    accounts = [(await desk.connect(f"phone-{number}")).id for number in range(8)]
    vault = Vault(masters)
    for account in accounts:
        await kept(pool, vault, account, f"token-{account}-first")
    with sealers(database_url, tmp_path, accounts, 2) as said:
        for _ in range(4):
            done = await rotate.rotate(pool, vault)
            assert done.unreadable == 0
            await asyncio.sleep(0.2)
    assert all(one.startswith("done ") and int(one[5:]) > 10 for one in said), said
    await rotate.rotate(pool, vault)
    (only,) = await rotate.list_keys(pool, vault)
    assert (only.primary, only.rows) == (True, 8)
    for account in accounts:
        assert (await token_of(pool, vault, account)).startswith(f"token-{account}-")


async def test_a_keyset_wrapped_by_kms(pool: asyncpg.Pool, desk: Desk, kms: LocalKms) -> None:
    """In production the keyset is wrapped by a KMS key, and a rotation moves it to the key configured then."""
    account = await desk.connect()
    first, second = kms.new_key(), kms.new_key()
    await kept(pool, Vault(MasterKeys(first, None)), account.id, TOKEN)
    assert await pool.fetchval("SELECT wrapped_by FROM encryption_keysets") == first
    moved = Vault(MasterKeys(second, None))
    assert await token_of(pool, moved, account.id) == TOKEN
    await rotate.rotate(pool, moved)
    assert await pool.fetchval("SELECT wrapped_by FROM encryption_keysets") == second
    kms.client.schedule_key_deletion(KeyId=first.split("/")[-1], PendingWindowInDays=7)
    assert await token_of(pool, Vault(MasterKeys(second, None)), account.id) == TOKEN


async def test_a_kms_that_does_not_answer_is_told(
    pool: asyncpg.Pool, desk: Desk, kms: LocalKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the KMS nothing is encrypted or decrypted, and the error says what is missing, not what was meant."""
    account = await desk.connect()
    uri = kms.new_key()
    await kept(pool, Vault(MasterKeys(uri, None)), account.id, TOKEN)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="master key"):
        await token_of(pool, Vault(MasterKeys(uri, None)), account.id)
    with pytest.raises(Unavailable):
        await keys.prepare(pool, Vault(MasterKeys(uri, None)))


async def test_production_does_not_open_development_s_keyset(
    pool: asyncpg.Pool, desk: Desk, masters: MasterKeys, kms: LocalKms
) -> None:
    """A keyset that a key file wraps is refused where a KMS key is configured."""
    account = await desk.connect()
    await kept(pool, Vault(masters), account.id, TOKEN)
    with pytest.raises(StartupError, match="development"):
        await keys.prepare(pool, Vault(MasterKeys(kms.new_key(), None)))
