"""Webhook events that name a person: their own are deleted; of those that several people are in, their part is.

What nobody owns is among them: it waits for an account, and may name anybody.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from hookline.domain.mention import GONE, names, without
from hookline.domain.privacy import Person
from hookline.store.personal_rows import BATCH, START, Found, Sweep
from hookline.store.personal_walks import delete_jobs
from hookline.store.pool import Connection

# An event that says whose it is belongs to them alone; another one may hold many people, or bytes that are no JSON.
_NAMES = """
(contact = ANY ($3::text[])
 OR contact IS NULL AND EXISTS (
     SELECT FROM unnest($3::text[]) AS k(id)
     WHERE strpos(payload_json::text, k.id) > 0 OR position(convert_to(k.id, 'UTF8') IN body) > 0))
"""
_WALK = """
SELECT id, payload_json, contact IS NOT NULL OR payload_json IS NULL AS own, false AS is_end
FROM walked WHERE {which} AND {names}
UNION ALL
SELECT (array_agg(id ORDER BY id DESC))[1], NULL, NULL, true FROM walked HAVING count(*) = $4
"""

_EVENTS = f"""
WITH walked AS MATERIALIZED (
    SELECT id, connected_account_id, contact, payload_json, body FROM webhook_events
    WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $4
)
{_WALK.format(which="connected_account_id = $5", names=_NAMES)}
"""  # noqa: S608 - constants only, here and below


async def find_events(connection: Connection, person: Person, after: str | None) -> Found:
    """Find a person's events, and those of the account that name them among others."""
    place = START if after is None else UUID(after)
    records = await connection.fetch(_EVENTS, person.organization_id, place, list(person.ids), BATCH, person.account_id)
    return _sorted_out(records, person.ids)


_OF_ADDRESSES = """
($1::uuid IS NULL OR EXISTS (
    SELECT FROM account_routes r
    WHERE r.connected_account_id = $1 AND r.provider = walked.provider
      AND (r.address = walked.address OR r.address = walked.fallback_address)))
"""
_NOBODYS = f"""
WITH walked AS MATERIALIZED (
    SELECT id, provider, address, fallback_address, contact, payload_json, body FROM webhook_events
    WHERE organization_id IS NULL AND id > $2 ORDER BY id LIMIT $4
)
{_WALK.format(which=_OF_ADDRESSES, names=_NAMES)}
"""  # noqa: S608


async def find_nobodys(connection: Connection, person: Person, after: str | None) -> Found:
    """Find what nobody owns and names the person: under the account's addresses; under any, if there is no account."""
    place = START if after is None else UUID(after)
    return _sorted_out(await connection.fetch(_NOBODYS, person.account_id, place, list(person.ids), BATCH), person.ids)


def _sorted_out(records: Sequence[Any], ids: Collection[str]) -> Found:
    """Tell a person's own events from those that they share."""
    doomed: list[UUID] = []
    redacted: list[tuple[UUID, str]] = []
    for record in records:
        if record["is_end"]:
            continue
        said = GONE if record["own"] else json.loads(record["payload_json"])
        left = GONE if said is GONE else without(said, ids)
        if left is GONE:
            doomed.append(record["id"])
        elif names(said, ids):
            redacted.append((record["id"], json.dumps(left)))
    following = next((str(record["id"]) for record in records if record["is_end"]), None)
    return Found(doomed, redacted, following)


_ERASE_EVENTS = """
WITH gone AS (
    DELETE FROM webhook_events WHERE organization_id = $1 AND id = ANY ($2::uuid[]) RETURNING id
),
held AS (
    DELETE FROM held_changes WHERE webhook_event_id = ANY ($2::uuid[])
)
SELECT count(*) FROM gone
"""
# The results name messages, and a platform's id of a message may hold its sender's number.
_REDACT_EVENTS = """
WITH cut AS (
    UPDATE webhook_events e SET payload_json = k.payload::json, result = NULL, error = NULL
    FROM unnest($2::uuid[], $3::text[]) AS k(id, payload)
    WHERE e.organization_id = $1 AND e.id = k.id RETURNING e.id
),
held AS (
    DELETE FROM held_changes h
    WHERE h.webhook_event_id = ANY ($2::uuid[])
      AND EXISTS (SELECT FROM unnest($4::text[]) AS k(id) WHERE strpos(h.change::text, k.id) > 0)
)
SELECT count(*) FROM cut
"""


async def erase_events(connection: Connection, person: Person, found: Found) -> int:
    """Delete events, with the jobs that would process them and what is held of them; write back what is left of others.

    One that a job has in hand is not waited for: it is found again in the next pass, with what it came to.
    """
    await delete_jobs(connection, person.organization_id, found.doomed)
    gone = int(await connection.fetchval(_ERASE_EVENTS, person.organization_id, found.doomed))
    ids, payloads = [one[0] for one in found.redacted], [one[1] for one in found.redacted]
    cut = await connection.fetchval(_REDACT_EVENTS, person.organization_id, ids, payloads, list(person.ids))
    return gone + int(cut)


_ERASE_NOBODYS = """
WITH gone AS (
    DELETE FROM webhook_events WHERE organization_id IS NULL AND id = ANY ($1::uuid[]) RETURNING 1
)
SELECT count(*) FROM gone
"""
_REDACT_NOBODYS = """
WITH cut AS (
    UPDATE webhook_events e SET payload_json = k.payload::json
    FROM unnest($1::uuid[], $2::text[]) AS k(id, payload)
    WHERE e.organization_id IS NULL AND e.id = k.id RETURNING 1
)
SELECT count(*) FROM cut
"""


async def erase_nobodys(connection: Connection, person: Person, found: Found) -> int:
    """Delete or redact what nobody owns."""
    gone = int(await connection.fetchval(_ERASE_NOBODYS, found.doomed))
    ids, payloads = [one[0] for one in found.redacted], [one[1] for one in found.redacted]
    return gone + int(await connection.fetchval(_REDACT_NOBODYS, ids, payloads))


EVENTS: Final = Sweep("webhook_events", find_events, erase_events)
NOBODYS: Final = Sweep("unowned_events", find_nobodys, erase_nobodys)
