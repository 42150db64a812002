"""What is deleted when it is old: found by indices that are there anyway, a bounded number of rows a statement.

Ids carry the time at which they were made, and nothing ends before it is made: what can be old lies at the beginning of
each organization's range of the primary key. A sweep hops from one organization whose first row may be old to the next
such one, and walks over its old rows. The table retention_sweeps remembers how far a sweep is, for whichever process
goes on with it.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from hookline.domain.ids import id_bound
from hookline.store.pages import CLOCK_SLACK
from hookline.store.pool import Connection

BATCH = 1_000
HOPS = 200
START = UUID(int=0)
NEVER = datetime.min.replace(tzinfo=UTC)


class Retained(msgspec.Struct, frozen=True):
    """A table whose old rows are deleted.

    may_go: the condition of those that may go; `age.kept` is the moment before which they must have ended, `age.failed`
    that for what failed. order: the key within an organization; only rows in order of ids are walked over, of others
    the first are looked at. nobodys: whether some rows belong to no organization.
    """

    table: str
    may_go: str
    order: str = "id"
    nobodys: bool = False

    @property
    def in_order_of_ids(self) -> bool:
        """Whether rows are walked over by their ids."""
        return self.order == "id"


JOBS = Retained(
    "integration_jobs",
    "(status = 'DONE' AND updated_at < age.kept OR status = 'FAILED' AND updated_at < age.failed)",
)
EVENTS = Retained(
    "webhook_events",
    "(status = 'PROCESSED' AND processed_at < age.kept OR status = 'FAILED' AND processed_at < age.failed)",
    nobodys=True,
)
# What was sent may be reported delivered for a month yet.
MESSAGES = Retained(
    "messages",
    "created_at < age.kept AND status NOT IN ('QUEUED', 'SENDING', 'UNKNOWN')"
    " AND (status <> 'SENT' OR created_at < now() - interval '30 days')",
)
# What is kept elsewhere goes when its row is gone (store/objects.py).
MEDIA = Retained("media", "created_at < age.kept")
ATTEMPTS = Retained("send_attempts", "message_id < age.bound", order="message_id, id")
FEED = Retained("outbox", "id < age.bound", order="tx_id, seq")
TABLES = (JOBS, EVENTS, MESSAGES, MEDIA, ATTEMPTS, FEED)


class Age(msgspec.Struct, frozen=True):
    """Before which moment a row must have ended to go; NEVER keeps it for ever."""

    kept: datetime
    failed: datetime = NEVER

    @property
    def bound(self) -> UUID:
        """No row with this id or a later one can be old enough."""
        return id_bound(max(self.kept, self.failed), CLOCK_SLACK)


class Sweep(msgspec.Struct, frozen=True):
    """How far a sweep is: the organization (None: nobody's rows; "": before the first) and the last row's id there.

    deleted: rows so far. ended: whether it is through.
    """

    organization: str | None
    after: UUID = START
    deleted: int = 0
    ended: bool = False


def beginning(retained: Retained) -> Sweep:
    """Begin a sweep."""
    return Sweep(None if retained.nobodys else "")


async def advance(connection: Connection, retained: Retained, sweep: Sweep, age: Age) -> Sweep:
    """Delete the next old rows, up to 1,000; or, if this organization has no more of them, find the next that has."""
    if sweep.organization == "":
        return await _hop(connection, retained, sweep, age)
    gone, following = await _delete(connection, retained, sweep, age)
    advanced = msgspec.structs.replace(sweep, deleted=sweep.deleted + gone, after=following or START)
    if following is not None:
        return advanced
    return await _hop(connection, retained, advanced, age)


# From one organization's first row to the next one's, until a first row may be old.
_HOP = """
WITH RECURSIVE hop AS (
    (SELECT organization_id, id, 1 AS hops FROM {table} WHERE organization_id > $1
     ORDER BY organization_id, {order} LIMIT 1)
    UNION ALL
    (SELECT following.organization_id, following.id, hop.hops + 1 FROM hop CROSS JOIN LATERAL (
        SELECT organization_id, id FROM {table} WHERE organization_id > hop.organization_id
        ORDER BY organization_id, {order} LIMIT 1) AS following
     WHERE hop.id >= $2 AND hop.hops < $3)
)
SELECT organization_id FROM hop ORDER BY hops DESC LIMIT 1
"""


async def _hop(connection: Connection, retained: Retained, sweep: Sweep, age: Age) -> Sweep:
    statement = _HOP.format(table=retained.table, order=retained.order)
    found = await connection.fetchval(statement, sweep.organization or "", age.bound, HOPS)
    return msgspec.structs.replace(sweep, organization=found or "", after=START, ended=found is None)


# Deleted by its place on disk, if it is still as it was seen.
_DELETE = """
WITH age AS (SELECT $2::uuid AS after, $3::uuid AS bound, $4::timestamptz AS kept, $5::timestamptz AS failed),
seen AS MATERIALIZED (
    SELECT t.ctid AS place, t.id, {may_go} AS may_go
    FROM (SELECT ctid, * FROM {table} WHERE {among} ORDER BY {order} LIMIT {limit}) AS t CROSS JOIN age
),
gone AS (
    DELETE FROM {table} USING age
    WHERE {table}.ctid = ANY (ARRAY(SELECT place FROM seen WHERE may_go)) AND {may_go} RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM seen) AS seen,
       (SELECT id FROM seen ORDER BY id DESC LIMIT 1) AS last
"""


async def _delete(connection: Connection, retained: Retained, sweep: Sweep, age: Age) -> tuple[int, UUID | None]:
    """Delete the old ones among the organization's next rows; how many, and after which row to go on, if any."""
    among = "organization_id IS NULL AND $1::text IS NULL" if sweep.organization is None else "organization_id = $1"
    if retained.in_order_of_ids:
        among += " AND id > $2 AND id < $3"
    statement = _DELETE.format(
        table=retained.table, may_go=retained.may_go, among=among, order=retained.order, limit=BATCH
    )
    (found,) = await connection.fetch(statement, sweep.organization, sweep.after, age.bound, age.kept, age.failed)
    if retained.in_order_of_ids:
        return found["gone"], found["last"] if found["seen"] == BATCH else None
    return found["gone"], START if found["gone"] == BATCH else None


_COUNT = """
WITH age AS (SELECT $1::uuid AS bound, $2::timestamptz AS kept, $3::timestamptz AS failed)
SELECT count(*) FROM {table} CROSS JOIN age WHERE id < age.bound AND {may_go}
"""


async def count(connection: Connection, retained: Retained, age: Age) -> int:
    """Count what a sweep would delete now. Reads the whole table: for an operator who asks."""
    statement = _COUNT.format(table=retained.table, may_go=retained.may_go)
    return int(await connection.fetchval(statement, age.bound, age.kept, age.failed))


_TAKE = """
SELECT organization, after, deleted FROM retention_sweeps
WHERE table_name = $1 AND next_at <= clock_timestamp() FOR UPDATE SKIP LOCKED
"""


async def take(connection: Connection, retained: Retained) -> Sweep | None:
    """Take a table's sweep for this transaction; None if another has it, or it has to wait."""
    record = await connection.fetchrow(_TAKE, retained.table)
    return None if record is None else Sweep(record["organization"], record["after"], record["deleted"])


_KEEP = """
UPDATE retention_sweeps
SET organization = $2, after = $3, deleted = $4, next_at = clock_timestamp() + $5::interval WHERE table_name = $1
"""


async def keep(connection: Connection, retained: Retained, sweep: Sweep, pause: timedelta) -> None:
    """Remember how far a sweep is, to go on after a pause; one that has ended begins anew."""
    rest = beginning(retained) if sweep.ended else sweep
    await connection.execute(_KEEP, retained.table, rest.organization, rest.after, rest.deleted, pause)
