"""From a webhook sent to its message committed, with one API and one worker process, and the generator beside.

A message's moment is its transaction's commit timestamp, which the server notes as it writes the commit.
"""

import time
from collections.abc import Sequence
from statistics import median

import msgspec

from bench.machine import Others, wait_for_quiet
from bench.plan import Plan
from bench.processes import Server
from bench.rows.webhooks import all_processed, order_for
from bench.samples import number_of
from bench.stage import Stage
from bench.table import Row, command, latency_row, milliseconds, whole

# A rate is sustained if no more than this is late, and the usual message is not.
LATE_SECONDS = 1.0
LATE_SHARE = 0.01
MEDIAN_SECONDS = 0.1
# How the search for the highest rate goes up, and how near it has to come.
STEP = 1.3
NEAR_ENOUGH = 1.07

_COMMITS = """
SELECT external_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM messages
"""


class Passage(msgspec.Struct, frozen=True):
    """What came of one series: the seconds from schedule to commit, of every message."""

    seconds: Sequence[float]
    others: float

    @property
    def late(self) -> float:
        """The share of those that took too long."""
        return sum(one > LATE_SECONDS for one in self.seconds) / len(self.seconds)

    @property
    def sustained(self) -> bool:
        """Whether the processes kept up."""
        return self.late < LATE_SHARE and median(self.seconds) < MEDIAN_SECONDS


async def passage(stage: Stage, api: Server, plan: Plan, rate: float, seconds: float) -> Passage:
    """Send at a rate for a while; wait until everything is processed, and count it."""
    wait_for_quiet(plan.patience_seconds)
    order = order_for(api, rate * seconds, rate=rate)
    busy = Others()
    async with stage.loading(order) as loading:
        start = await loading.begin()
        start += time.time() - time.monotonic()
        answered = await loading.end()
    others = busy.cores()
    await stage.require_stored(answered.received, order.count)
    await all_processed(stage, order.count, 60 + order.count / 200)
    commits = await stage.database.fetch(_COMMITS)
    return Passage([at - start - number_of(name) / rate for name, at in commits], others)


async def _afresh(stage: Stage, api: Server, plan: Plan, rate: float, seconds: float) -> Passage:
    await stage.empty()
    return await passage(stage, api, plan, rate, seconds)


async def end_to_end(stage: Stage, plan: Plan) -> list[Row]:
    """At moderate rates."""
    rows = []
    async with stage.api() as api, stage.worker():
        await stage.connect_account(api)
        await _afresh(stage, api, plan, plan.rates[0], plan.probe_seconds / 4)
        for rate in plan.rates:
            passages = [await _afresh(stage, api, plan, rate, plan.seconds) for _ in range(plan.few_rounds)]
            name = f"end to end at {rate:,}/s: webhook sent to message committed"
            others = [one.others for one in passages]
            rows.append(latency_row(name, "end_to_end", [one.seconds for one in passages], others=others))
    return rows


async def highest_rate(stage: Stage, plan: Plan) -> list[Row]:
    """Search for the highest rate that is sustained: up until one is not, then halfway between."""
    best, worst, rate = 0.0, float("inf"), float(plan.first_rate)
    tried: list[str] = []
    others: list[float] = []
    async with stage.api() as api, stage.worker():
        await stage.connect_account(api)
        while len(tried) < plan.probes and worst > best * NEAR_ENOUGH:
            one = await _afresh(stage, api, plan, rate, plan.probe_seconds)
            best, worst = (rate, worst) if one.sustained else (best, rate)
            tried.append(f"{whole(rate)} {'✓' if one.sustained else '✗'} ({milliseconds(one.seconds)[0]:.0f} ms)")
            others.append(one.others)
            rate = min(rate * STEP, (best + worst) / 2)
    return [
        Row(
            name="end to end: highest rate sustained, API and worker one process each",
            command=command("highest_rate"),
            result=f"{whole(best)}/s",
            rounds=tried,
            detail=f"{plan.probe_seconds:g} s each; sustained: median under {MEDIAN_SECONDS * 1e3:.0f} ms,"
            f" less than {LATE_SHARE:.0%} over {LATE_SECONDS:g} s, none lost",
            others=others,
        )
    ]


async def minute(stage: Stage, plan: Plan) -> list[Row]:
    """What one number at 1,000 messages a second sends (a message and its statuses), for a minute."""
    async with stage.api() as api, stage.worker():
        await stage.connect_account(api)
        await _afresh(stage, api, plan, plan.rates[0], plan.probe_seconds / 4)
        one = await _afresh(stage, api, plan, plan.minute_rate, plan.minute_seconds)
    return [
        latency_row(
            f"end to end at {plan.minute_rate:,}/s for {plan.minute_seconds:g} s: webhook sent to message committed",
            "minute",
            [one.seconds],
            detail=f"{whole(len(one.seconds))} webhooks, none lost; {one.late:.2%} over {LATE_SECONDS:g} s",
            others=[one.others],
        )
    ]
