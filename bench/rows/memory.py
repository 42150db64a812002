"""What idle processes hold."""

import asyncio

from bench.plan import Plan
from bench.stage import Stage
from bench.table import Row, command

SETTLE_SECONDS = 3.0


async def memory(stage: Stage, plan: Plan) -> list[Row]:
    """An API and a worker process that have nothing to do."""
    async with stage.api() as api, stage.worker() as worker:
        await stage.connect_account(api)
        await asyncio.sleep(min(SETTLE_SECONDS, plan.seconds))
        held = {"API": api.resident_megabytes, "worker": worker.resident_megabytes}
    return [
        Row(
            name="memory of idle processes",
            command=command("memory"),
            result=", ".join(f"{name} {value:.0f} MB" for name, value in held.items()),
            detail="resident set, one process each, after connecting an account",
        )
    ]
