"""The rows of the table, a file a subject: each says what it measures, in rounds, and counts what was completed."""

from collections.abc import Awaitable, Callable

from bench.plan import Plan
from bench.rows import backlog, drain, end_to_end, endurance, fairness, job_latency, memory, sending, webhooks
from bench.stage import Stage
from bench.table import Row

Measure = Callable[[Stage, Plan], Awaitable[list[Row]]]

# In the order of the table.
ROWS: dict[str, Measure] = {
    "generator": webhooks.generator,
    "ingest": webhooks.ingest,
    "latency": webhooks.latency,
    "process": webhooks.process,
    "end_to_end": end_to_end.end_to_end,
    "highest_rate": end_to_end.highest_rate,
    "minute": end_to_end.minute,
    "sending": sending.sending,
    "sending_statuses": sending.sending_statuses,
    "drain": drain.drain,
    "job_latency": job_latency.job_latency,
    "hot_key": fairness.hot_key,
    "fairness": fairness.fairness,
    "backlog": backlog.backlog,
    "memory": memory.memory,
    "endurance": endurance.endurance,
}

# Too long for every day: they run where they are named.
LONG = {"endurance"}
