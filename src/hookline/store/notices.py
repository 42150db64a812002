"""The table told_notices: which notices of the platform have been told, for as long as it may deliver them again."""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from hookline.store.arrays import joined
from hookline.store.pool import Connection


class Notice(NamedTuple):
    """What tells a notice from every other: whose it is, and a fingerprint of what was said and when."""

    organization_id: str
    connected_account_id: UUID
    fingerprint: UUID


# Sorted, so that two batches with the same notices wait for each other and never in a circle.
_TELL = """
INSERT INTO told_notices (organization_id, connected_account_id, fingerprint)
SELECT organization_id, account, fingerprint
FROM unnest(string_to_array($2, $1), string_to_array($3, $1)::uuid[], string_to_array($4, $1)::uuid[])
    AS n(organization_id, account, fingerprint)
ORDER BY account, fingerprint
ON CONFLICT DO NOTHING
RETURNING organization_id, connected_account_id, fingerprint
"""


async def tell(connection: Connection, notices: Collection[Notice]) -> set[Notice]:
    """Note that these notices are told now; returns those that have not been told before."""
    if not notices:
        return set()
    columns = joined(
        [one.organization_id for one in notices],
        [str(one.connected_account_id) for one in notices],
        [str(one.fingerprint) for one in notices],
    )
    return {Notice(record[0], record[1], record[2]) for record in await connection.fetch(_TELL, *columns)}


_FORGET = """
DELETE FROM told_notices WHERE (connected_account_id, fingerprint) IN (
    SELECT connected_account_id, fingerprint FROM told_notices WHERE told_at < now() - $1::interval LIMIT $2)
"""


async def forget(connection: Connection, older_than: timedelta, limit: int) -> None:
    """Forget up to `limit` notices that the platform does not deliver again any more."""
    await connection.execute(_FORGET, older_than, limit)
