"""A process that claims one job and works at it for ever: for tests to kill or stop. Prints what it does."""

import asyncio
import os
import sys

import structlog

from hookline.services.jobs import IntegrationJobs
from hookline.store.pool import open_pool


async def main() -> None:
    """Claim the job named on the command line; when told to on standard input, try to end it."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with (
        await open_pool(os.environ["CLAIMANT_DATABASE_URL"], size=3, application_name="claimant") as pool,
        IntegrationJobs(pool, name="claimant") as jobs,
    ):
        print("claimed" if await jobs.mark_processing(sys.argv[1]) else "refused", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print("done" if await jobs.mark_done(sys.argv[1]) else "lost", flush=True)


asyncio.run(main())
