"""A worker process for the chaos test: its handlers leave a trace, fail at random, and take their time.

JOB handlers write their effect and the end of their job in one transaction. PLAIN handlers just return.
"""

import asyncio
import os
import random
import signal
import sys
from datetime import timedelta

import structlog

from hookline import Hookline, Worker
from hookline.domain.errors import PermanentFailure, WaitRequested
from hookline.domain.job import ENDED, Ended
from hookline.services import presence, upkeep
from hookline.settings import read_settings
from hookline.store import claims
from hookline.store.jobs import Job
from hookline.worker import loop

# Long enough to be taken over while it runs, and to be running still when the former owner comes back.
LONG_SECONDS = 2.0

_EFFECT = "INSERT INTO chaos_effects (job_id, ordering_key, number, lease) VALUES ($1, $2, $3, $4)"
_REFUSED = "INSERT INTO chaos_refused (job_id, lease) VALUES ($1, $2)"


def hurry(times: float) -> None:
    """Let everything that has to do with a worker's life go faster."""
    presence.HEARTBEAT_SECONDS /= times
    presence._CLAIMS_STAND_SECONDS /= times
    presence.LEASE /= times
    upkeep.LEASE = presence.LEASE
    loop.UPKEEP_SECONDS /= times


async def fail_at_random() -> None:
    """Take a moment; now and then fail in one of the ways there are."""
    await asyncio.sleep(random.choices((0, 0.01, 0.1, LONG_SECONDS), weights=(30, 30, 30, 1))[0])
    chance = random.random()
    if chance < 0.05:
        raise WaitRequested("throttled", timedelta(milliseconds=random.randint(0, 200)))
    if chance < 0.09:
        raise RuntimeError("by chance")
    if chance < 0.1:
        raise PermanentFailure("by chance")


async def main(database_url: str, times: float) -> None:
    """Work until told to stop."""
    hurry(times)
    async with Hookline.open(read_settings(database_url=database_url)) as hookline:
        pool = hookline.context.pool

        async def in_one_transaction(job: Job) -> Ended:
            await fail_at_random()
            async with pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                await connection.execute(_EFFECT, job.id, job.ordering_key, job.payload, job.lease)
                if await claims.finish(connection, [job]) == {job.id}:
                    await transaction.commit()
                    return ENDED
                await transaction.rollback()
                await connection.execute(_REFUSED, job.id, job.lease)
                raise RuntimeError("the claim was lost")

        async def plain(job: Job) -> None:
            await fail_at_random()

        worker = Worker(hookline.context, {"JOB": in_one_transaction, "PLAIN": plain})
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        print("ready", flush=True)
        await worker.run()


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
asyncio.run(main(os.environ["CHAOS_DATABASE_URL"], float(sys.argv[1])))
