"""The table job_lane_marks: how far claims have come in each lane, for a worker that starts (see store/lanes.py).

Whoever wrote last is right enough: marks are where to begin, and what lies before them is found by sweeps.
"""

from collections.abc import Mapping

from hookline.store.lanes import Place
from hookline.store.pool import Connection

_READ = "SELECT lane, slice, tenant, seq FROM job_lane_marks WHERE lane = ANY ($1::smallint[])"


async def read(connection: Connection, lanes: range) -> dict[int, Place] | None:
    """Read where to begin in each of the lanes; None if that is not known of all."""
    records = await connection.fetch(_READ, list(lanes))
    marks: dict[int, Place] = {lane: (slice_, tenant, seq) for lane, slice_, tenant, seq in records}
    return marks if len(marks) == len(lanes) else None


# In the order of the lanes: two workers that write at once wait for each other once.
_WRITE = """
INSERT INTO job_lane_marks (lane, slice, tenant, seq)
SELECT * FROM unnest($1::smallint[], $2::timestamptz[], $3::bigint[], $4::bigint[]) AS m(lane, slice, tenant, seq)
ORDER BY lane
ON CONFLICT (lane) DO UPDATE SET slice = excluded.slice, tenant = excluded.tenant, seq = excluded.seq
"""


async def write(connection: Connection, marks: Mapping[int, Place]) -> None:
    """Write down where to begin."""
    await connection.execute(_WRITE, list(marks), *zip(*marks.values(), strict=True))
