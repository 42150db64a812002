"""Webhooks in: how many an API process takes, how soon it answers, and how fast a worker reads them."""

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from statistics import median

from bench import plain
from bench.load import Order
from bench.loading import Round
from bench.machine import Others, wait_for_quiet
from bench.plan import Plan
from bench.processes import BenchmarkError, Server
from bench.samples import ORGANIZATION
from bench.stage import Stage
from bench.table import Row, latency_row, rate_row, ratio_row, whole

CONNECTIONS = 64
OPEN_CONNECTIONS = 256
_PROCESSED = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at, count(*) AS events
FROM webhook_events WHERE status = 'PROCESSED' GROUP BY 1 ORDER BY 1
"""
_OURS = f"organization_id = '{ORGANIZATION}'"
_UNDONE = f"SELECT EXISTS(SELECT FROM integration_jobs WHERE {_OURS} AND status <> 'DONE')"
_EVENTS = f"SELECT count(*) FROM webhook_events WHERE {_OURS} AND status = 'PROCESSED'"
_MESSAGES = f"SELECT count(*) FROM messages WHERE {_OURS}"
_series = count()


def order_for(server: Server, requests: float, *, rate: float = 0) -> Order:
    """Make an order of webhooks that none before had."""
    connections = OPEN_CONNECTIONS if rate else CONNECTIONS
    return Order(port=server.port, series=str(next(_series)), count=int(requests), connections=connections, rate=rate)


async def generator(stage: Stage, plan: Plan) -> list[Row]:
    """What the load generator can do against a server that does nothing: no row can exceed it."""
    done = []
    async with stage.server("bench.trivial", "READY") as server:
        for _ in range(plan.rounds):
            wait_for_quiet(plan.patience_seconds)
            done.append(await stage.load(server, order_for(server, plan.webhooks), counted=False))
    return [_cost_row("generator ceiling", "generator", done, "against a server that only reads and answers")]


async def ingest(stage: Stage, plan: Plan) -> list[Row]:
    """Signed webhooks through one API process, the bare application, and a plain service, by turns."""
    ours: list[Round] = []
    bare: list[Round] = []
    usual: list[Round] = []
    async with (
        stage.api() as api,
        stage.server("bench.bare", "READY") as limit,
        stage.server("bench.plain", "READY") as service,
    ):
        await stage.connect_account(api)
        for server in (api, limit):
            await saturate(stage, server, plan, plan.webhooks // 10)
        await _saturate_plain(stage, service, plan)
        for _ in range(plan.rounds):
            ours.append(await saturate(stage, api, plan, plan.webhooks))
            bare.append(await saturate(stage, limit, plan, plan.webhooks))
            usual.append(await _saturate_plain(stage, service, plan))
    rates, limits, others = ([one.rate for one in rounds] for rounds in (ours, bare, usual))
    return [
        _cost_row("ingest: signed webhooks, durable, one API process", "ingest", ours),
        _cost_row("bare limit: signature, event and job in one insert, nothing else", "ingest", bare),
        ratio_row("ingest / bare limit", "ingest", rates, limits),
        _cost_row(f"plain service: {plain.VERSIONS}", "ingest", usual, f"{whole(plan.few_webhooks)} a round"),
        ratio_row("ingest / plain service", "ingest", rates, others),
    ]


async def saturate(stage: Stage, server: Server, plan: Plan, requests: int) -> Round:
    """Send as fast as answers come, into emptied tables."""
    await stage.empty()
    wait_for_quiet(plan.patience_seconds)
    return await stage.load(server, order_for(server, requests))


async def _saturate_plain(stage: Stage, service: Server, plan: Plan) -> Round:
    await stage.database.execute(plain.EMPTY)
    await stage.database.execute("CHECKPOINT")
    wait_for_quiet(plan.patience_seconds)
    round_ = await stage.load(service, order_for(service, plan.few_webhooks), counted=False)
    await stage.require_stored(round_.answered.received, plan.few_webhooks, stored=plain.STORED, jobs=plain.JOBS)
    return round_


def _cost_row(name: str, row: str, rounds: Sequence[Round], remark: str = "") -> Row:
    """A rate, with what one webhook costs each side."""
    spent = {
        "server": [one.server_cpu for one in rounds],
        "database": [one.database_cpu for one in rounds],
        "generator": [one.answered.cpu_seconds for one in rounds],
    }
    micros = [
        f"{side} {median(cpu / one.answered.received for cpu, one in zip(each, rounds, strict=True)) * 1e6:.0f} µs"
        for side, each in spent.items()
    ]
    detail = "; ".join(filter(None, [f"processor time each: {', '.join(micros)}", remark]))
    return rate_row(name, row, [one.rate for one in rounds], detail=detail, others=[one.others for one in rounds])


async def latency(stage: Stage, plan: Plan) -> list[Row]:
    """How long an answer takes at a fixed rate, from the moment the schedule says."""
    rows = []
    async with stage.api() as api:
        await stage.connect_account(api)
        await saturate(stage, api, plan, plan.webhooks // 20)
        for rate in plan.rates:
            rounds = []
            for _ in range(plan.few_rounds):
                await stage.empty()
                wait_for_quiet(plan.patience_seconds)
                rounds.append(await stage.load(api, order_for(api, rate * plan.seconds, rate=rate)))
            name = f"latency at {rate:,}/s: signed webhook to 200"
            latencies = [one.answered.latencies for one in rounds]
            rows.append(latency_row(name, "latency", latencies, others=[one.others for one in rounds]))
    return rows


async def process(stage: Stage, plan: Plan) -> list[Row]:
    """How fast one worker process works off a backlog, by the commits of its first and its last event."""
    done: list[float] = []
    cpu: list[float] = []
    others: list[float] = []
    async with stage.api() as api:
        await stage.connect_account(api)
        for _ in range(plan.rounds):
            await saturate(stage, api, plan, plan.backlog)
            await stage.database.execute("VACUUM ANALYZE webhook_events, integration_jobs")
            busy = Others()
            async with stage.worker() as worker:
                done.append(await _processing_rate(stage, plan.backlog))
                cpu.append(worker.cpu_seconds / plan.backlog * 1e6)
            others.append(busy.cores())
    detail = f"processor time each: worker {median(cpu):.0f} µs (start included); backlog {whole(plan.backlog)}"
    return [
        rate_row("processing: webhooks to messages, one worker process", "process", done, detail=detail, others=others)
    ]


async def all_processed(stage: Stage, webhooks: int, seconds: float) -> None:
    """Wait until no job is left; every webhook must be PROCESSED and have its message.

    Raises: BenchmarkError, if it takes longer, or a count differs.
    """
    until = time.monotonic() + seconds
    while await stage.database.fetchval(_UNDONE):
        if time.monotonic() > until:
            raise BenchmarkError("the worker did not finish the backlog")
        await asyncio.sleep(0.1)
    processed = await stage.database.fetchval(_EVENTS)
    messages = await stage.database.fetchval(_MESSAGES)
    if not (processed == messages == webhooks):
        raise BenchmarkError(f"of {webhooks} webhooks {processed} were processed, into {messages} messages")


async def _processing_rate(stage: Stage, backlog: int) -> float:
    """Wait until nothing is pending; events a second from the first commit (not counting its events) to the last."""
    await all_processed(stage, backlog, 60 + backlog / 200)
    commits = await stage.database.fetch(_PROCESSED)
    seconds = commits[-1]["at"] - commits[0]["at"]
    return float((backlog - commits[0]["events"]) / seconds) if seconds else 0.0
