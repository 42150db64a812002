"""Taking webhooks: their effects are all in the database, so the transaction that records these is the claim itself.

They are marked DONE first, which locks them, and everything is undone if the transaction does not commit.
"""

from operator import attrgetter
from typing import Any

from hookline.domain.job import IntegrationJobStatus
from hookline.store.events import StoredEvent, event_from
from hookline.store.jobs import ClaimedJob
from hookline.store.lanes import CLEARINGS, PAUSED, WEBHOOK_LANES, Lanes, is_paused, of_key
from hookline.store.pool import Connection
from hookline.store.seen import SEEN, share_of, untouched


class Taken(ClaimedJob, frozen=True, kw_only=True):
    """A webhook's job that is taken. event: the event of the same id, which nearly always is the one that it names."""

    event: StoredEvent | None


# No webhook holds another: none is ever claimed beyond its transaction, and one that waits for a retry lets others go.
# Only while somebody is paused or resumed it is asked whether an earlier one of the key is still put aside.
_TAKE = f"""
WITH RECURSIVE {SEEN},
looked_at AS MATERIALIZED (
    SELECT s.*, {is_paused("s")} OR (
        (SELECT EXISTS (SELECT FROM job_pauses)) AND EXISTS (
            SELECT FROM integration_jobs e WHERE {of_key("e", "s")} AND e.seq < s.seq AND e.lane = {PAUSED})) AS paused
    FROM seen s WHERE {untouched("s", "seen")}
),
paused AS (
    UPDATE integration_jobs j SET lane = {PAUSED} FROM looked_at s
    WHERE j.ctid = s.ctid AND s.paused AND j.status = 'PENDING'
    RETURNING 1
),
taken AS (
    UPDATE integration_jobs j SET status = 'DONE', lease = j.lease + 1, updated_at = now()
    WHERE j.ctid = ANY (ARRAY(SELECT ctid FROM looked_at WHERE NOT paused)) AND j.status = 'PENDING'
    RETURNING j.id, j.organization_id, j.seq, j.job_type, j.payload_json, j.attempts, j.max_attempts, j.ordering_key,
              j.lease
)
SELECT t.*, (SELECT count(*) FROM paused) AS put_aside,
       e.connected_account_id, e.provider, e.payload_json AS payload, e.received_at, e.result
FROM (VALUES (1)) AS one
LEFT JOIN taken t ON true
LEFT JOIN webhook_events e ON e.organization_id = t.organization_id AND e.id = t.id
"""  # noqa: S608


async def take(connection: Connection, *, limit: int, lanes: Lanes | None = None) -> list[Taken]:
    """Take about `limit` due webhook jobs, in order of seq, as DONE: the caller's transaction is the claim.

    Their lanes stay locked until it ends; jobs whose event fails are put back by `fail` before it commits. What belongs
    to somebody paused is put aside. lanes: the caller's, kept from one time to the next.
    """
    lanes = lanes or Lanes(WEBHOOK_LANES)
    for _ in range(CLEARINGS):
        locked = await lanes.lock(connection)
        if not locked.lanes:
            break
        records = await connection.fetch(_TAKE, *locked.columns, share_of(limit, locked))
        if records[0][0] is not None:
            return sorted(map(_taken_from, records), key=attrgetter("seq"))
        if not records[0]["put_aside"]:
            break
    return []


_DONE = IntegrationJobStatus.DONE


def _taken_from(record: Any) -> Taken:
    is_there = record[11] is not None
    return Taken(
        id=record[0],
        organization_id=record[1],
        seq=record[2],
        job_type=record[3],
        payload_json=record[4],
        status=_DONE,
        attempts=record[5],
        max_attempts=record[6],
        ordering_key=record[7],
        lease=record[8],
        event=event_from((record[0], record[1], *record[10:15])) if is_there else None,
    )
