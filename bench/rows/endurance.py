"""Endurance: the same in a database that has been used for long, beside a clean one, in one run.

Worn means: millions of finished jobs with their processed events, a million jobs that wait for another day, and a
snapshot that somebody holds open meanwhile, so that nothing that changes can be cleaned up. Nothing is vacuumed between
rounds but by autovacuum. A drain ends with the last commit timestamp of its jobs: asking the worn queue again and again
whether it is empty would take longer than the last jobs do.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from bench.contenders.hookline import ORDERED, UNORDERED, HooklineQueue
from bench.machine import Others, wait_for_quiet
from bench.plan import Plan
from bench.processes import BenchmarkError
from bench.rows.drain import begun
from bench.rows.end_to_end import Passage, passage
from bench.rows.job_latency import Waits, timed
from bench.stage import Stage
from bench.table import Row, latency_row, rate_row, ratio_row, whole

LOAD_AT_ONCE = 500_000

_FINISHED_JOBS = """
INSERT INTO integration_jobs (
    id, organization_id, provider, job_type, payload_json, status, lease, lane, run_at, created_at, updated_at)
SELECT uuidv7(), 'finished-' || n % 100, 'WHATSAPP', 'PROCESS_WEBHOOK',
       ('{"webhookEventId":"' || gen_random_uuid() || '"}')::json, 'DONE', 1, n % 64, now(), now(), now()
FROM generate_series(1, $1) AS n
"""
_FINISHED_EVENTS = """
INSERT INTO webhook_events (
    id, organization_id, connected_account_id, provider, event_type, payload_json, ordering, signature, status, result,
    received_at, processed_at)
SELECT uuidv7(), 'finished-' || n % 100, '00000000-0000-7000-8000-000000000001', 'WHATSAPP', 'messages',
       ('{"object":"whatsapp_business_account","entry":[{"id":"' || n || '"}]}')::json, '', 'verified', 'PROCESSED',
       '[]', now(), now()
FROM generate_series(1, $1) AS n
"""
_WAITING_JOBS = """
INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, run_at, lane)
SELECT id, organization_id, 'WHATSAPP', 'NOTHING', '{}', now() + interval '1 day',
       job_lane('NOTHING', organization_id, id::text)
FROM (SELECT uuidv7() AS id, 'waiting-' || n % 100 AS organization_id FROM generate_series(1, $1) AS n) AS jobs
"""


_ENDED = """
SELECT count(*) AS jobs, extract(epoch FROM max(pg_xact_commit_timestamp(xmin)))::float8 AS last
FROM integration_jobs WHERE job_type = 'NOTHING' AND status = 'DONE' AND created_at >= $1
"""


class Drained(msgspec.Struct, frozen=True):
    """Jobs a second, and how many cores others used."""

    rate: float
    others: float


class State(msgspec.Struct, frozen=True):
    """What was measured in one state of the database."""

    drains: list[Drained]
    waits: Waits
    passage: Passage


async def endurance(stage: Stage, plan: Plan) -> list[Row]:
    """Throughput and latency, clean and worn."""
    async with HooklineQueue(stage) as queue:
        await stage.empty()
        clean = await _measure(stage, queue, plan, until=0)
        await stage.empty()
        await _wear(stage, plan)
        async with _snapshot(stage):
            began = time.monotonic()
            worn = await _measure(stage, queue, plan, until=began + plan.snapshot_seconds)
            held = time.monotonic() - began
        await stage.empty()
    detail = (
        f"{whole(plan.finished)} finished jobs and events, {whole(plan.waiting)} waiting, a snapshot held {held:.0f} s"
    )
    return _rows(clean, worn, plan, detail)


async def _measure(stage: Stage, queue: HooklineQueue, plan: Plan, *, until: float) -> State:
    """Drain some rounds, and further ones until a moment; then look how soon single jobs and webhooks are through."""
    drains: list[Drained] = []
    while len(drains) < plan.few_rounds or time.monotonic() < until:
        drains.append(await _drained(queue, plan))
    offsets = [0.1 + number / plan.steady_rate for number in range(int(plan.steady_rate * plan.steady_seconds))]
    waits = await timed(queue, UNORDERED, offsets)
    async with stage.api() as api, stage.worker():
        await stage.connect_account(api)
        return State(drains, waits, await passage(stage, api, plan, plan.rates[0], plan.seconds))


async def _drained(queue: HooklineQueue, plan: Plan) -> Drained:
    since = await queue.database.fetchval("SELECT now()")
    await queue.fill(plan.jobs, ORDERED)
    wait_for_quiet(plan.patience_seconds)
    busy = Others()
    async with queue.worker(ORDERED, jobs=plan.jobs) as worker:
        first = await begun(worker) + time.time() - time.monotonic()
        await worker.child.hear("all", plan.backlog_drain_seconds)
        others = busy.cores()
        await worker.dismiss()
    (ended,) = await queue.database.fetch(_ENDED, since)
    if ended["jobs"] != plan.jobs:
        raise BenchmarkError(f"{plan.jobs} jobs have been run, and {ended['jobs']} are recorded as done")
    return Drained(plan.jobs / (ended["last"] - first), others)


async def _wear(stage: Stage, plan: Plan) -> None:
    """Load what a long life leaves, the two tables side by side."""
    async with asyncio.TaskGroup() as loading:
        loading.create_task(_load(stage, (_FINISHED_JOBS, plan.finished), (_WAITING_JOBS, plan.waiting)))
        loading.create_task(_load(stage, (_FINISHED_EVENTS, plan.finished)))
    await stage.database.execute("VACUUM ANALYZE integration_jobs, webhook_events")
    await stage.database.execute("CHECKPOINT")


async def _load(stage: Stage, *inserts: tuple[str, int]) -> None:
    connection = await asyncpg.connect(stage.url)
    try:
        for statement, rows in inserts:
            for start in range(0, rows, LOAD_AT_ONCE):
                await connection.execute(statement, min(LOAD_AT_ONCE, rows - start))
    finally:
        await connection.close()


@asynccontextmanager
async def _snapshot(stage: Stage) -> AsyncIterator[None]:
    """Hold what a long report or a backup holds."""
    connection = await asyncpg.connect(stage.url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.fetchval("SELECT EXISTS(SELECT FROM integration_jobs)")
            yield
    finally:
        await connection.close()


def _rows(clean: State, worn: State, plan: Plan, detail: str) -> list[Row]:
    name, rows = f"endurance: drain of {whole(plan.jobs)} jobs, {ORDERED.label}", []
    rates = {}
    for state, measured, remark in (("clean", clean, "the same run"), ("worn", worn, detail)):
        rates[state] = [one.rate for one in measured.drains]
        others = [one.others for one in measured.drains]
        rows.append(rate_row(f"{name}, {state}", "endurance", rates[state], detail=remark, others=others))
    last = rates["worn"][-len(rates["clean"]) :]
    rows.append(ratio_row(f"{name}, worn (last rounds) / clean", "endurance", last, rates["clean"]))
    for state, measured, remark in (("clean", clean, "the same run"), ("worn", worn, detail)):
        jobs = f"endurance: jobs at {plan.steady_rate}/s, enqueued to begun, {state}"
        rows.append(latency_row(jobs, "endurance", [measured.waits.seconds], detail=remark + measured.waits.remark))
        webhooks = f"endurance: end to end at {plan.rates[0]}/s, {state}"
        others = [measured.passage.others]
        rows.append(latency_row(webhooks, "endurance", [measured.passage.seconds], detail=remark, others=others))
    return rows
