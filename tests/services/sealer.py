"""A process that encrypts and decrypts tokens as fast as it can until its input ends; run with `python -m`.

    python -m tests.services.sealer DATABASE_URL DATA_DIR ACCOUNT…
It prints how many it wrote and read, or the error that stopped it.
"""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from tests.services.tokens_of import kept

from hookline.security.master_key import MasterKeys
from hookline.security.vault import Vault
from hookline.services.tokens import access_token
from hookline.store.pool import open_pool


async def run(database_url: str, data_dir: str, accounts: list[UUID]) -> str:
    """Write and read the accounts' tokens in turn; what a read gives must be what somebody wrote for it."""
    vault = Vault(MasterKeys(None, Path(data_dir)))
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    done = 0
    async with await open_pool(database_url, size=4, application_name="sealer") as pool:
        print("ready", flush=True)
        while not ended.done():
            account = accounts[done % len(accounts)]
            await kept(pool, vault, account, f"token-{account}-{done}")
            async with pool.acquire() as connection:
                found = await access_token(connection, vault, account, "org-1")
            assert found.startswith(f"token-{account}-"), "another account's token"
            done += 1
    return f"done {done}"


if __name__ == "__main__":
    print(asyncio.run(run(sys.argv[1], sys.argv[2], [UUID(name) for name in sys.argv[3:]])), flush=True)
