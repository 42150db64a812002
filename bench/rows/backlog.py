"""What a job costs as the backlog grows, and what memory a worker holds when it has worked off the largest."""

from bench.contenders.hookline import ORDERED, HooklineQueue
from bench.machine import Others, wait_for_quiet
from bench.plan import Plan
from bench.rows.drain import begun, finish
from bench.stage import Stage
from bench.table import Row, command, rate_row, ratio_row, whole


async def backlog(stage: Stage, plan: Plan) -> list[Row]:
    """Drain ever larger backlogs, whole, if that does not take too long."""
    rows, rates = [], []
    async with HooklineQueue(stage) as queue:
        for jobs in plan.backlogs:
            row, memory, rate = await _drained(queue, jobs, plan)
            rows.append(row)
            rates.append(rate)
    name = f"drain with {whole(plan.backlogs[-1])} waiting / with {whole(plan.backlogs[0])}"
    return [*rows, ratio_row(name, "backlog", rates[-1:], rates[:1]), memory]


async def _drained(queue: HooklineQueue, jobs: int, plan: Plan) -> tuple[Row, Row, float]:
    await queue.empty()
    await queue.fill(jobs, ORDERED)
    await queue.settle()
    wait_for_quiet(plan.patience_seconds)
    busy = Others()
    async with queue.worker(ORDERED, jobs=jobs) as worker:
        first = await begun(worker)
        before = worker.child.resident_megabytes
        done, seconds = await finish(worker, queue, jobs, first, plan.backlog_drain_seconds)
        after = worker.child.resident_megabytes
    rate = done / seconds
    row = rate_row(
        f"drain with {whole(jobs)} waiting: {ORDERED.label}",
        "backlog",
        [rate],
        detail=f"{whole(done)} done in {seconds:.1f} s",
        others=[busy.cores()],
    )
    memory = Row(
        name=f"memory of a worker over {whole(done)} jobs",
        command=command("backlog"),
        result=f"{before:.0f} MB → {after:.0f} MB",
        detail="resident set, at the first job and after the last; one process with the benchmark's handlers",
    )
    return row, memory, rate
