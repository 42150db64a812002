"""Drain: how fast one worker process empties a queue of jobs that do nothing; ours and the peers, by turns.

The clock runs from the first job's beginning to the moment when the database records the last one as done. A contender
that is not through by then is stopped, and what the database records until that moment counts.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

import msgspec

from bench.contenders.base import Configuration, Queue, Worker
from bench.contenders.hookline import ORDERED, UNORDERED
from bench.contenders.peers import contenders
from bench.machine import Others, wait_for_quiet
from bench.plan import Plan
from bench.processes import BenchmarkError, SilentError
from bench.stage import Stage
from bench.table import Row, rate_row, ratio_row, whole

POLL_SECONDS = 0.002


class Drained(msgspec.Struct, frozen=True):
    """How many jobs were done in how many seconds."""

    jobs: int
    seconds: float
    cpu_seconds: float
    others: float

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds


async def drain(stage: Stage, plan: Plan) -> list[Row]:
    """Every contender in every configuration, once a round."""
    async with AsyncExitStack() as stack:
        queues = [await stack.enter_async_context(queue) for queue in contenders(stage)]
        turns = [(queue, configuration) for queue in queues for configuration in queue.configurations]
        rounds: list[list[Drained]] = [[] for _ in turns]
        for _ in range(plan.few_rounds):
            for (queue, configuration), done in zip(turns, rounds, strict=True):
                done.append(await _round(queue, configuration, plan))
    labels = [configuration.label for _, configuration in turns]
    rows = [_row(*turn, done, plan) for turn, done in zip(turns, rounds, strict=True)]
    peers = {label: done for label, done in zip(labels, rounds, strict=True) if not label.startswith("Hookline")}
    best = max(peers, key=lambda label: median(one.rate for one in peers[label]))
    theirs = [one.rate for one in peers[best]]
    for ours in (ORDERED, UNORDERED):
        rates = [one.rate for one in rounds[labels.index(ours.label)]]
        rows.append(ratio_row(f"drain: {ours.label} / {best}", "drain", rates, theirs, detail="the fastest peer"))
    return rows


async def _round(queue: Queue, configuration: Configuration, plan: Plan) -> Drained:
    await queue.empty()
    await queue.configure(configuration)
    await queue.fill(plan.jobs, configuration)
    await queue.settle()
    wait_for_quiet(plan.patience_seconds)
    return await drained(queue, configuration, plan.jobs, plan.drain_seconds)


async def drained(queue: Queue, configuration: Configuration, jobs: int, seconds: float) -> Drained:
    """Run a worker until `jobs` are done, but for so many seconds at most."""
    busy = Others()
    async with queue.worker(configuration, jobs=jobs) as worker:
        first = await begun(worker)
        result = await finish(worker, queue, jobs, first, seconds)
        cpu, others = worker.child.cpu_seconds, busy.cores()
        if result[0] == jobs:
            await worker.dismiss()
    return Drained(*result, cpu, others)


async def begun(worker: Worker) -> float:
    """Wait for the first job to begin; the moment."""
    return float(await worker.child.hear("first"))


async def finish(worker: Worker, queue: Queue, jobs: int, first: float, seconds: float) -> tuple[int, float]:
    """Wait until the jobs are done, but for so many seconds at most; how many are, and how many seconds it took.

    Raises: BenchmarkError, if all are said to be done, and are not.
    """
    until = first + seconds
    try:
        await worker.child.hear("all", until - time.monotonic())
    except SilentError:
        now = time.monotonic()
        return await queue.done(), now - first
    while not await queue.all_done():
        if time.monotonic() > until:
            raise BenchmarkError(f"{queue.name} has run all jobs, but not all are recorded as done")
        await asyncio.sleep(POLL_SECONDS)
    took = time.monotonic() - first
    if (done := await queue.done()) != jobs:
        raise BenchmarkError(f"{queue.name} has run {jobs} jobs, and {done} are recorded as done")
    return jobs, took


def _row(queue: Queue, configuration: Configuration, rounds: Sequence[Drained], plan: Plan) -> Row:
    cost = median(one.cpu_seconds / max(1, one.jobs) for one in rounds) * 1e6
    details = [configuration.said, f"processor time each: worker {cost:.0f} µs (start included)"]
    if any(one.jobs < plan.jobs for one in rounds):
        done = whole(median(one.jobs for one in rounds))
        details.append(f"stopped after {plan.drain_seconds:g} s, when {done} were done")
    return rate_row(
        f"drain of {whole(plan.jobs)} jobs: {configuration.label}",
        f"{queue.switch}drain",
        [one.rate for one in rounds],
        detail="; ".join(details),
        others=[one.others for one in rounds],
    )
