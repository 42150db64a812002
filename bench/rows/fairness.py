"""Order and fairness of our own queue: one hot ordering key, and a quiet organization beside a noisy one."""

from statistics import median

from bench.contenders.hookline import HOT, TIMED, UNORDERED, HooklineQueue
from bench.machine import Others, wait_for_quiet
from bench.plan import Plan
from bench.processes import BenchmarkError
from bench.rows.drain import drained
from bench.rows.job_latency import timed
from bench.stage import Stage
from bench.table import Row, latency_row, rate_row, whole

# Enough that an unlucky one shows.
QUIET_ORGANIZATIONS = 50
_TIMED_DONE = "SELECT count(*) FROM integration_jobs WHERE job_type = $1 AND status = 'DONE'"


async def hot_key(stage: Stage, plan: Plan) -> list[Row]:
    """Jobs of one ordering key, which have to run one after another, in order."""
    done = []
    async with HooklineQueue(stage) as queue:
        for _ in range(plan.few_rounds):
            await queue.empty()
            await queue.fill(plan.hot_jobs, HOT)
            await queue.settle()
            wait_for_quiet(plan.patience_seconds)
            done.append(await drained(queue, HOT, plan.hot_jobs, plan.drain_seconds))
    ended = median(one.jobs for one in done)
    detail = f"{whole(plan.hot_jobs)} waiting, {whole(ended)} done in at most {plan.drain_seconds:g} s, order checked"
    return [
        rate_row(
            "hot key: jobs of one ordering key, strictly in order",
            "hot_key",
            [one.rate for one in done],
            detail=detail,
            others=[one.others for one in done],
        )
    ]


async def fairness(stage: Stage, plan: Plan) -> list[Row]:
    """One organization has a million jobs waiting while others enqueue single ones."""
    async with HooklineQueue(stage) as queue:
        await queue.empty()
        await queue.add(plan.noisy_jobs, organizations=1, prefix="noisy")
        await queue.settle()
        wait_for_quiet(plan.patience_seconds)
        busy = Others()
        offsets = [0.1 + number / plan.quiet_rate for number in range(plan.quiet_jobs)]
        waits = await timed(queue, UNORDERED, offsets, organizations=QUIET_ORGANIZATIONS)
        others = [busy.cores()]
        if (done := await stage.database.fetchval(_TIMED_DONE, TIMED)) != waits.begun:
            raise BenchmarkError(f"{waits.begun} jobs of the quiet have begun, and {done} are recorded as done")
        noisy = await queue.done() - done
    return [
        latency_row(
            f"fairness: one organization has {whole(plan.noisy_jobs)} jobs waiting; another's job enqueued to begun",
            "fairness",
            [waits.seconds],
            detail=f"{plan.quiet_jobs} jobs of {QUIET_ORGANIZATIONS} organizations, {plan.quiet_rate} a second;"
            f" meanwhile {whole(noisy)} of the noisy one's were done{waits.remark}",
            others=others,
        )
    ]
