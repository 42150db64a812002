"""How soon a job begins: one at a time into an idle queue, and at a steady rate; ours and the peers.

From the moment at which the job is to be enqueued, in a process of its own, to the first line of its handler.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from bench.contenders.base import Configuration, Queue
from bench.contenders.hookline import UNORDERED, HooklineQueue
from bench.contenders.peers import contenders
from bench.machine import Others, wait_for_quiet
from bench.plan import Plan
from bench.processes import BenchmarkError, SilentError
from bench.stage import Stage
from bench.table import Row, latency_row, whole

# What comes before does not count: connections and plans are made.
WARM_UP_JOBS = 3
# A worker has said that it begins; now it listens, and looks once.
SETTLE_SECONDS = 1.0
# A job that has not begun so long after the last was enqueued counts as if it began then.
PATIENCE_SECONDS = 30.0
SOON_SECONDS = 0.1


async def job_latency(stage: Stage, plan: Plan) -> list[Row]:
    """Every contender in every configuration; but ours only once, as single jobs follow no others."""
    pairs = []
    for queue in contenders(stage):
        configurations: Sequence[Configuration] = queue.configurations
        if isinstance(queue, HooklineQueue):
            configurations = (UNORDERED,)
        async with queue:
            pairs += [await _pair(queue, configuration, plan) for configuration in configurations]
    return [idle for idle, _ in pairs] + [steady for _, steady in pairs if steady]


async def _pair(queue: Queue, configuration: Configuration, plan: Plan) -> tuple[Row, Row | None]:
    await queue.empty()
    await queue.configure(configuration)
    await queue.settle()
    wait_for_quiet(plan.patience_seconds)
    idle, steady = _schedule(configuration, plan)
    busy = Others()
    waits = await timed(queue, configuration, idle + steady)
    others = [busy.cores()]
    if (done := await queue.done()) != waits.begun:
        raise BenchmarkError(f"{queue.name}: {waits.begun} jobs have begun, and {done} are recorded as done")
    label, said = configuration.label, configuration.said
    return (
        latency_row(
            f"job into an idle queue: {label}",
            f"{queue.switch}job_latency",
            [waits.seconds[WARM_UP_JOBS : len(idle)]],
            detail=f"{len(idle) - WARM_UP_JOBS} jobs; {said}",
            others=others,
        ),
        latency_row(
            f"jobs at {plan.steady_rate}/s: {label}",
            f"{queue.switch}job_latency",
            [waits.seconds[len(idle) :]],
            detail=f"{len(steady)} jobs; {said}{waits.remark}",
            others=others,
        )
        if steady
        else None,
    )


def _schedule(configuration: Configuration, plan: Plan) -> tuple[list[float], list[float]]:
    """Single jobs at uneven distances, so that they meet a poller at any time; then many at even ones."""
    chance = random.Random(1)
    pause = plan.idle_pause_seconds + 2 * configuration.seconds_each
    jobs = plan.idle_jobs // (2 if configuration.seconds_each else 1)
    idle, at = [], 0.1
    for _ in range(WARM_UP_JOBS + jobs):
        idle.append(at)
        at += pause * chance.uniform(0.5, 1.5)
    if configuration.seconds_each:
        return idle, []
    return idle, [at + number / plan.steady_rate for number in range(int(plan.steady_rate * plan.steady_seconds))]


class Waits(msgspec.Struct, frozen=True):
    """How many seconds each job waited, in the schedule's order; for the last of them, if not all have begun, at least.

    begun: how many have.
    """

    seconds: list[float]
    begun: int

    @property
    def remark(self) -> str:
        """Say that a contender did not keep up."""
        late = len(self.seconds) - self.begun
        return f"; {whole(late)} had not begun {PATIENCE_SECONDS:g} s after the last was enqueued" if late else ""


async def timed(queue: Queue, configuration: Configuration, offsets: list[float], *, organizations: int = 1) -> Waits:
    """Enqueue by schedule beside one worker, and see how long each job waits.

    Raises: BenchmarkError, if a job was run twice.
    """
    async with queue.worker(configuration, timed=len(offsets)) as worker:
        await asyncio.sleep(SETTLE_SECONDS)
        async with queue.sender(configuration, offsets, organizations=organizations) as sender:
            start = time.monotonic() + SOON_SECONDS
            await sender.tell(repr(start).encode())
            await sender.hear("sent", offsets[-1] + PATIENCE_SECONDS)
            with suppress(SilentError):
                await worker.child.hear("timed", PATIENCE_SECONDS)
            now = time.monotonic()
            await sender.dismiss()
        pairs = (await worker.dismiss()).latencies
    latencies = {round(at - start, 4): latency for at, latency in pairs}
    if len(latencies) != len(pairs):
        raise BenchmarkError(f"{queue.name}: {len(pairs) - len(latencies)} jobs were run twice")
    return Waits([latencies.get(round(one, 4), now - start - one) for one in offsets], len(latencies))
