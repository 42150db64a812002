"""Rows that may name a person and are in no index by them: an organization's jobs and facts, walked over.

SQL looks for an id as a text, so as to pass few rows on; who is really named is read here, as JSON. Events are in
store/personal_events.py.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from hookline.domain.mention import names, same_id
from hookline.domain.privacy import Person
from hookline.store.personal_rows import BATCH, START, Found, Sweep
from hookline.store.pool import Connection

_JOBS = """
WITH walked AS MATERIALIZED (
    SELECT id, connected_account_id, ordering_key, payload_json FROM integration_jobs
    WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $6
)
SELECT id, payload_json, coalesce(ordering_key = ANY ($5::text[]), false) AS own, false AS is_end
FROM walked
WHERE (connected_account_id = $4 OR connected_account_id IS NULL)
  AND (ordering_key = ANY ($5::text[])
       OR EXISTS (SELECT FROM unnest($3::text[]) AS k(id) WHERE strpos(payload_json::text, k.id) > 0))
UNION ALL
SELECT (array_agg(id ORDER BY id DESC))[1], NULL, NULL, true FROM walked HAVING count(*) = $6
"""


async def find_jobs(connection: Connection, person: Person, after: str | None) -> Found:
    """Find the jobs of a person's webhooks and messages, and those whose payload names them."""
    keys = [f"{way}:{person.account_id}:{one}" for way in ("in", "out") for one in person.ids]
    place = START if after is None else UUID(after)
    records = await connection.fetch(
        _JOBS, person.organization_id, place, list(person.ids), person.account_id, keys, BATCH
    )
    doomed = [
        record["id"]
        for record in records
        if not record["is_end"] and (record["own"] or names(json.loads(record["payload_json"]), person.ids))
    ]
    return Found(doomed=doomed, following=next((str(one["id"]) for one in records if one["is_end"]), None))


# Whoever runs a job just now is let end.
_ERASE_JOBS = """
WITH free AS MATERIALIZED (
    SELECT id FROM integration_jobs
    WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND status <> 'PROCESSING' FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM integration_jobs WHERE organization_id = $1 AND id = ANY (ARRAY(SELECT id FROM free))
    RETURNING ordering_key
)
SELECT count(*) AS gone, array_agg(DISTINCT ordering_key) FILTER (WHERE ordering_key IS NOT NULL) AS keys FROM gone
"""
# What was put aside behind a job that is gone goes on.
_LET_FOLLOW = "SELECT let_jobs_follow($1, $2::text[])"


async def erase_jobs(connection: Connection, person: Person, found: Found) -> int:
    """Delete jobs that nobody runs."""
    return await delete_jobs(connection, person.organization_id, found.doomed)


async def delete_jobs(connection: Connection, organization_id: str, ids: Sequence[UUID]) -> int:
    """Delete those of an organization's jobs that nobody runs; how many that were."""
    (record,) = await connection.fetch(_ERASE_JOBS, organization_id, ids)
    if record["keys"]:
        await connection.execute(_LET_FOLLOW, organization_id, record["keys"])
    return int(record["gone"])


_FACTS = """
WITH walked AS MATERIALIZED (
    SELECT tx_id, seq, id, connected_account_id, data FROM outbox
    WHERE organization_id = $1 AND (tx_id, seq) > ($2::text::xid8, $3) ORDER BY tx_id, seq LIMIT $6
)
SELECT tx_id::text AS tx_id, seq, data, false AS is_end
FROM walked
WHERE connected_account_id = $5 AND EXISTS (SELECT FROM unnest($4::text[]) AS k(id) WHERE strpos(data::text, k.id) > 0)
UNION ALL
(SELECT tx_id::text, seq, NULL, true FROM walked WHERE (SELECT count(*) FROM walked) = $6
 ORDER BY walked.tx_id DESC, seq DESC LIMIT 1)
"""


async def find_facts(connection: Connection, person: Person, after: str | None) -> Found:
    """Find the facts of the feed that are about a person."""
    tx_id, _, seq = ("0:0" if after is None else after).partition(":")
    records = await connection.fetch(
        _FACTS, person.organization_id, tx_id, int(seq), list(person.ids), person.account_id, BATCH
    )
    doomed = [
        (record["tx_id"], record["seq"])
        for record in records
        if not record["is_end"] and _is_about(json.loads(record["data"]), person.ids)
    ]
    following = next((f"{one['tx_id']}:{one['seq']}" for one in records if one["is_end"]), None)
    return Found(doomed=doomed, following=following)


def _is_about(data: Any, ids: Collection[str]) -> bool:
    """A fact about somebody else stays, though it may name the person: what a neighbour wrote is the neighbour's."""
    message = data.get("message")
    whose = data.get("contact") if message is None else message.get("contact")
    if isinstance(whose, dict):
        whose = whose.get("externalId")
    return names(data, ids) if whose is None else same_id(whose, ids)


_ERASE_FACTS = """
WITH gone AS (
    DELETE FROM outbox o USING unnest($2::text[], $3::bigint[]) AS k(tx_id, seq)
    WHERE o.organization_id = $1 AND o.tx_id = k.tx_id::xid8 AND o.seq = k.seq RETURNING 1
)
SELECT count(*) FROM gone
"""


async def erase_facts(connection: Connection, person: Person, found: Found) -> int:
    """Delete facts. A reader of the feed passes over them."""
    tx_ids, seqs = [one[0] for one in found.doomed], [one[1] for one in found.doomed]
    return int(await connection.fetchval(_ERASE_FACTS, person.organization_id, tx_ids, seqs))


JOBS: Final = Sweep("integration_jobs", find_jobs, erase_jobs)
FACTS: Final = Sweep("outbox", find_facts, erase_facts)
