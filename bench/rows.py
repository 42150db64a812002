"""The rows of the table: each says what it measures, in rounds, and counts what was completed in the database."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median

import msgspec

from bench.load import Order
from bench.machine import Others, wait_for_quiet
from bench.samples import message_id
from bench.stage import BenchmarkError, Round, Server, Stage
from bench.table import Row, rates, whole

CONNECTIONS = 64
OPEN_CONNECTIONS = 256
POLL_SECONDS = 0.002
_PROCESSED = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at, count(*) AS events
FROM webhook_events WHERE status = 'PROCESSED' GROUP BY 1 ORDER BY 1
"""
_ARRIVED = "SELECT external_id FROM messages WHERE external_id = ANY($1::text[])"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done."""

    rounds: int
    webhooks: int
    backlog: int
    seconds: float
    patience_seconds: float


FULL = Plan(rounds=5, webhooks=40_000, backlog=20_000, seconds=15, patience_seconds=30)
QUICK = Plan(rounds=3, webhooks=15_000, backlog=5_000, seconds=4, patience_seconds=2)

_series = iter(range(10**9))


def _order(server: Server, count: int, *, rate: float = 0) -> Order:
    connections = OPEN_CONNECTIONS if rate else CONNECTIONS
    return Order(port=server.port, series=str(next(_series)), count=count, connections=connections, rate=rate)


async def generator(stage: Stage, plan: Plan) -> list[Row]:
    """What the load generator can do against a server that does nothing: no row can exceed it."""
    done = []
    async with stage.server("bench.trivial", "READY") as server:
        for _ in range(plan.rounds):
            wait_for_quiet(plan.patience_seconds)
            done.append(await stage.load(server, _order(server, plan.webhooks), counted=False))
    return [_rate_row("generator ceiling", "generator", done, "against a server that only reads and answers")]


async def ingest(stage: Stage, plan: Plan) -> list[Row]:
    """Signed webhooks through one API process, and through the bare application, by turns."""
    ours: list[Round] = []
    bare: list[Round] = []
    async with stage.api() as api, stage.server("bench.bare", "READY") as limit:
        await stage.connect_account(api)
        for server in (api, limit):
            await _saturate(stage, server, plan, plan.webhooks // 10)
        for _ in range(plan.rounds):
            ours.append(await _saturate(stage, api, plan, plan.webhooks))
            bare.append(await _saturate(stage, limit, plan, plan.webhooks))
    ratios = [one.rate / other.rate for one, other in zip(ours, bare, strict=True)]
    ratio = median(one.rate for one in ours) / median(one.rate for one in bare)
    return [
        _rate_row("ingest: signed webhooks, durable, one API process", "ingest", ours),
        _rate_row("bare limit: signature, event and job in one insert, nothing else", "ingest", bare),
        Row(
            name="ingest / bare limit",
            command="python -m bench ingest",
            result=f"{ratio:.0%}",
            rounds=[f"{one:.0%}" for one in ratios],
            detail="ratio of the medians",
        ),
    ]


async def _saturate(stage: Stage, server: Server, plan: Plan, count: int) -> Round:
    await stage.empty()
    wait_for_quiet(plan.patience_seconds)
    return await stage.load(server, _order(server, count))


def _rate_row(name: str, command: str, rounds: Sequence[Round], remark: str = "") -> Row:
    result, each = rates([one.rate for one in rounds])
    micros = [
        f"{side} {median(cpu(one) / one.answered.received for one in rounds) * 1e6:.0f} µs"
        for side, cpu in (
            ("server", lambda one: one.server_cpu),
            ("database", lambda one: one.database_cpu),
            ("generator", lambda one: one.answered.cpu_seconds),
        )
    ]
    detail = f"processor time each: {', '.join(micros)}" + (f"; {remark}" if remark else "")
    others = [one.others for one in rounds]
    return Row(
        name=name, command=f"python -m bench {command}", result=result, rounds=each, detail=detail, others=others
    )


async def latency(stage: Stage, plan: Plan) -> list[Row]:
    """How long an answer takes at a fixed rate, from the moment the schedule says."""
    rows = []
    async with stage.api() as api:
        await stage.connect_account(api)
        await _saturate(stage, api, plan, 2_000)
        for rate in (2_000, 500):
            rounds = []
            for _ in range(min(3, plan.rounds)):
                await stage.empty()
                wait_for_quiet(plan.patience_seconds)
                rounds.append(await stage.load(api, _order(api, int(rate * plan.seconds), rate=rate)))
            name = f"latency at {rate:,}/s: signed webhook to 200"
            latencies = [one.answered.latencies for one in rounds]
            rows.append(_latency_row(name, "latency", latencies, [one.others for one in rounds]))
    return rows


def _latency_row(name: str, command: str, rounds: Sequence[Sequence[float]], others: Sequence[float]) -> Row:
    each = [_milliseconds(one) for one in rounds]
    middle, late, worst = (median(one[place] for one in each) for place in range(3))
    return Row(
        name=name,
        command=f"python -m bench {command}",
        result=f"median {middle:.1f} ms, p99 {late:.1f} ms, max {worst:.0f} ms",
        rounds=[f"{one[0]:.1f} / {one[1]:.1f} / {one[2]:.0f}" for one in each],
        detail=f"{whole(len(rounds[0]))} requests a round",
        others=others,
    )


def _milliseconds(latencies: Sequence[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum."""
    ordered = sorted(latencies)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3, ordered[-1] * 1e3


async def process(stage: Stage, plan: Plan) -> list[Row]:
    """How fast one worker process works off a backlog, by the commits of its first and its last event."""
    done: list[float] = []
    cpu: list[float] = []
    others: list[float] = []
    async with stage.api() as api:
        await stage.connect_account(api)
        for _ in range(plan.rounds):
            await _saturate(stage, api, plan, plan.backlog)
            await stage.database.execute("VACUUM ANALYZE webhook_events, integration_jobs")
            busy = Others()
            async with stage.worker() as worker:
                rate = await _processing_rate(stage, plan.backlog)
                cpu.append(worker.cpu_seconds / plan.backlog * 1e6)
            done.append(rate)
            others.append(busy.cores())
    result, each = rates(done)
    return [
        Row(
            name="processing: webhooks to messages, one worker process",
            command="python -m bench process",
            result=result,
            rounds=each,
            detail=f"processor time each: worker {median(cpu):.0f} µs (start included); backlog {whole(plan.backlog)}",
            others=others,
        )
    ]


async def _processing_rate(stage: Stage, backlog: int) -> float:
    """Wait until nothing is pending; events a second from the first commit (not counting its events) to the last."""
    until = time.monotonic() + 60 + backlog / 200
    while await stage.database.fetchval("SELECT EXISTS(SELECT FROM integration_jobs WHERE status <> 'DONE')"):
        if time.monotonic() > until:
            raise BenchmarkError("the worker did not finish the backlog")
        await asyncio.sleep(0.1)
    commits = await stage.database.fetch(_PROCESSED)
    messages = await stage.database.fetchval("SELECT count(*) FROM messages")
    processed = sum(one["events"] for one in commits)
    if not (processed == messages == backlog):
        raise BenchmarkError(f"of {backlog} webhooks {processed} were processed, into {messages} messages")
    return (processed - commits[0]["events"]) / (commits[-1]["at"] - commits[0]["at"])


async def end_to_end(stage: Stage, plan: Plan) -> list[Row]:
    """From a webhook's scheduled moment to the moment another connection can read its message."""
    rate = 500
    rounds: list[list[float]] = []
    others: list[float] = []
    async with stage.api() as api, stage.worker():
        await stage.connect_account(api)
        for _ in range(min(3, plan.rounds)):
            await stage.empty()
            wait_for_quiet(plan.patience_seconds)
            order = _order(api, int(rate * plan.seconds), rate=rate)
            busy = Others()
            async with stage.loading(order) as loading:
                start = await loading.begin()
                seen = await _watch(stage, order, start)
                await loading.end()
            others.append(busy.cores())
            rounds.append([at - start - number / rate for number, at in enumerate(seen)])
    return [_latency_row(f"end to end at {rate}/s: webhook sent to message readable", "end_to_end", rounds, others)]


async def _watch(stage: Stage, order: Order, start: float) -> list[float]:
    """Ask again and again for the messages that should be there by now; when each was first read."""
    missing = {message_id(order.series, number): number for number in range(order.count)}
    due: list[str] = []
    names = iter(missing.copy())
    seen = [0.0] * order.count
    sent = 0
    until = start + order.count / order.rate + 30
    while missing and time.monotonic() < until:
        scheduled = min(order.count, int((time.monotonic() - start) * order.rate) + 1)
        while sent < scheduled:
            due.append(next(names))
            sent += 1
        found = {record[0] for record in await stage.database.fetch(_ARRIVED, due)}
        now = time.monotonic()
        for name in found:
            seen[missing.pop(name)] = now
        due = [name for name in due if name not in found]
        await asyncio.sleep(POLL_SECONDS)
    if missing:
        raise BenchmarkError(f"{len(missing)} messages never came")
    return seen


async def memory(stage: Stage, plan: Plan) -> list[Row]:
    """What an idle API and an idle worker process hold."""
    async with stage.api() as api, stage.worker() as worker:
        await stage.connect_account(api)
        await asyncio.sleep(min(2.0, plan.seconds))
        held = {"API": api.resident_megabytes, "worker": worker.resident_megabytes}
    return [
        Row(
            name="memory of idle processes",
            command="python -m bench memory",
            result=", ".join(f"{name} {value:.0f} MB" for name, value in held.items()),
            detail="resident set, one process each, after connecting an account",
        )
    ]


ROWS: dict[str, Callable[[Stage, Plan], Awaitable[list[Row]]]] = {
    "generator": generator,
    "ingest": ingest,
    "latency": latency,
    "process": process,
    "end_to_end": end_to_end,
    "memory": memory,
}
