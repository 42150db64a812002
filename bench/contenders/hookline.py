"""Hookline's own queue, through what its users have: `Hookline`, `Worker` and the settings' defaults.

Jobs are spread over a hundred organizations, or belong to one where a row says so. They are put into the table by one
statement, which leaves what `enqueue` leaves.
"""

from bench.contenders.base import Configuration, Queue
from bench.contenders.harness import Report, main, on_schedule, run_until_told
from bench.contenders.orders import Send, Work
from bench.samples import ORGANIZATION
from hookline import Hookline, Worker
from hookline.settings import read_settings
from hookline.store.jobs import Job

KEYS = 10_000
ORGANIZATIONS = 100
ORDERED = Configuration(label=f"Hookline, in order by {KEYS:,} keys", said="default settings", keys=KEYS, best=True)
UNORDERED = Configuration(label="Hookline, unordered", said="default settings", best=True)
# All of one organization, and of one key.
HOT = Configuration(label="Hookline, one ordering key", said="default settings", keys=1)

NOTHING, NUMBERED, TIMED = "NOTHING", "NUMBERED", "TIMED"

_FILL = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, ordering_key, lane)
SELECT id, organization_id, 'WHATSAPP', $5, payload::json, key,
       job_lane($5, organization_id, coalesce(key, id::text))
FROM (
    SELECT uuidv7() AS id, $2 || n % $3 AS organization_id, '{"number": ' || n || '}' AS payload,
           CASE WHEN $4 > 0 THEN 'key-' || n % $4 END AS key
    FROM generate_series(0, $1 - 1) AS n ORDER BY n
) AS jobs
"""


class HooklineQueue(Queue):
    """The queue of this project."""

    name = "hookline"
    tables = ("integration_jobs",)
    finished = "SELECT count(*) FROM integration_jobs WHERE status = 'DONE'"
    unfinished = "SELECT EXISTS(SELECT FROM integration_jobs WHERE status IN ('PENDING', 'PROCESSING'))"
    configurations = (ORDERED, UNORDERED)

    async def __aenter__(self) -> "HooklineQueue":
        self.url, self.database = self.stage.url, self.stage.database
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.empty()

    async def fill(self, jobs: int, configuration: Configuration) -> None:
        if configuration is HOT:
            await self.add(jobs, organizations=1, keys=1, job_type=NUMBERED)
        else:
            await self.add(jobs, organizations=ORGANIZATIONS, keys=configuration.keys)

    async def add(
        self, jobs: int, *, organizations: int, keys: int = 0, prefix: str = ORGANIZATION, job_type: str = NOTHING
    ) -> None:
        """Have more jobs waiting, of so many organizations and ordering keys (0: unordered)."""
        await self.database.execute(_FILL, jobs, f"{prefix}-", organizations, keys, job_type)


async def work(order: Work, report: Report) -> None:
    """Run a worker as docs/python.md shows."""

    async def nothing(job: Job) -> None:
        report.ran()

    async def numbered(job: Job) -> None:
        report.ran_numbered(job.payload["number"])

    async def timed(job: Job) -> None:
        report.began(job.payload["at"])

    async with Hookline.open(read_settings(database_url=order.url)) as hookline:
        worker = Worker(hookline.context, {NOTHING: nothing, NUMBERED: numbered, TIMED: timed})
        await run_until_told(worker.run(), lambda _: worker.stop())


async def send(order: Send) -> None:
    """Enqueue through `IntegrationJobs`."""
    async with Hookline.open(read_settings(database_url=order.url)) as hookline:

        async def enqueue(at: float, number: int) -> None:
            await hookline.jobs.enqueue(TIMED, "WHATSAPP", {"at": at}, organization_id=f"quiet-{number}")

        await on_schedule(order, enqueue)


if __name__ == "__main__":
    main(work, send)
