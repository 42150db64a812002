"""Where a person is known across all organizations: the accounts that they gave us, those that they wrote to.

The worker's view: nothing here is bound to one organization.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.store.pool import Connection


class Known(msgspec.Struct, frozen=True):
    """An account at which somebody is known. `metadata` is JSON text."""

    id: UUID
    organization_id: str
    provider: IntegrationProvider
    external_account_id: str
    metadata: str
    status: ConnectedAccountStatus


_COLUMNS = "a.id, a.organization_id, a.provider, a.external_account_id, a.metadata, a.status"


def _known(record: Any) -> Known:
    return msgspec.convert(dict(record), Known, strict=False)


_GRANTED = f"""
SELECT {_COLUMNS} FROM connected_accounts a
WHERE a.id IN (
    SELECT connected_account_id FROM oauth_tokens WHERE app_scoped_user_id = $1
    UNION ALL
    SELECT connected_account_id FROM account_routes WHERE provider = ANY ($2::text[]) AND address = $1)
ORDER BY a.id
"""  # noqa: S608 - constants only, here and below


async def granted_by(connection: Connection, user_id: str, providers: Sequence[IntegrationProvider]) -> list[Known]:
    """List the accounts whose tokens a person gave us, and those that bear the person's own id."""
    return [_known(record) for record in await connection.fetch(_GRANTED, user_id, list(providers))]


# Whoever wrote has a conversation or at least a message; whoever only read, a mark; and what could not be processed yet
# says by itself whom it is of.
_AT = "connected_account_id = a.id AND contact = $1"
_WROTE_TO = f"""
SELECT {_COLUMNS} FROM connected_accounts a
WHERE a.id IN (
    SELECT a.id FROM connected_accounts a CROSS JOIN LATERAL (
        (SELECT FROM conversations WHERE {_AT} LIMIT 1)
        UNION ALL (SELECT FROM messages WHERE {_AT} LIMIT 1)
        UNION ALL (SELECT FROM contact_watermarks WHERE {_AT} LIMIT 1)
        UNION ALL (SELECT FROM contact_ids WHERE connected_account_id = a.id AND external_id = $1 LIMIT 1)
    ) AS known
    UNION ALL
    SELECT e.connected_account_id FROM webhook_events e WHERE e.status <> 'PROCESSED' AND e.contact = $1)
ORDER BY a.id
"""  # noqa: S608


async def known_to(connection: Connection, contact: str) -> list[Known]:
    """List the accounts at which an id is a contact's. Asks each account: for the background."""
    return [_known(record) for record in await connection.fetch(_WROTE_TO, contact)]


_SCRUB = """
WITH routes AS (
    DELETE FROM account_routes WHERE connected_account_id = $1 AND address = $2
)
UPDATE connected_accounts SET metadata = $3, display_name = NULL, updated_at = now() WHERE id = $1
"""


async def scrub(connection: Connection, account_id: UUID, user_id: str, metadata: str) -> None:
    """Take out of an account what it says of the person whose own it is: names, picture, the address by their id."""
    await connection.execute(_SCRUB, account_id, user_id, metadata)


_TOKENS_LEFT = """
SELECT count(*) FROM oauth_tokens t JOIN connected_accounts a ON a.id = t.connected_account_id
WHERE t.app_scoped_user_id = $1 AND t.connected_account_id = ANY ($2::uuid[]) AND a.status = 'DISCONNECTED'
"""


async def tokens_left(connection: Connection, user_id: str, account_ids: Sequence[UUID]) -> int:
    """Count a person's tokens of accounts that are disconnected."""
    return int(await connection.fetchval(_TOKENS_LEFT, user_id, list(account_ids)))


_DELETE_TOKENS = """
DELETE FROM oauth_tokens t USING connected_accounts a
WHERE a.id = t.connected_account_id AND t.app_scoped_user_id = $1 AND t.connected_account_id = ANY ($2::uuid[])
  AND a.status = 'DISCONNECTED'
"""


async def delete_tokens(connection: Connection, user_id: str, account_ids: Sequence[UUID]) -> None:
    """Delete a person's tokens of accounts that are disconnected."""
    await connection.execute(_DELETE_TOKENS, user_id, list(account_ids))
