"""Tokens of accounts, for tests: written and read as the services do it."""

from typing import Any
from uuid import UUID

import asyncpg

from hookline.providers.accounts import Credentials
from hookline.security.vault import Vault
from hookline.services import keys, tokens
from hookline.store import accounts
from hookline.store.tokens import OAuthToken


async def kept(
    pool: asyncpg.Pool, vault: Vault, account_id: UUID, token: str, organization: str = "org-1", **more: Any
) -> OAuthToken:
    """Store a token of an account, as connecting does."""
    await keys.prepare(pool, vault)
    async with pool.acquire() as connection, connection.transaction():
        account = await accounts.get(connection, organization, account_id)
        assert account is not None
        return await tokens.keep(connection, vault, account, Credentials(access_token=token, **more))
