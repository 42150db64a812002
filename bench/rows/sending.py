"""Sending: a worker process against the fake platforms, beside pywa's client and one that does nothing but call."""

from collections.abc import Sequence

from bench.machine import versions, wait_for_quiet
from bench.outgoing import NUMBERS, PEOPLE, Outgoing, Sent, outgoing
from bench.plan import Plan
from bench.senders import Client
from bench.stage import Stage
from bench.table import Row, rate_row, ratio_row, whole

# How many calls the others have on their way.
AT_ONCE = 32
SENT = ("SENT", "DELIVERED", "READ")
READ = ("READ",)


async def sending(stage: Stage, plan: Plan) -> list[Row]:
    """Without statuses: what a worker sends, and others; all take turns."""
    ours: list[Sent] = []
    theirs: dict[str, list[Sent]] = {"bare": [], "one": [], "many": []}
    async with outgoing(stage) as (town, _):
        for _ in range(plan.few_rounds):
            wait_for_quiet(plan.patience_seconds)
            ours.append(await _ours(stage, town, plan.messages, SENT))
            theirs["bare"].append(await _theirs(town, "aiohttp", plan.messages, AT_ONCE))
            theirs["one"].append(await _theirs(town, "pywa", plan.few_messages, 1))
            theirs["many"].append(await _theirs(town, "pywa", plan.messages, AT_ONCE))
    pywa = versions("pywa")
    rates = {name: [one.rate for one in sent] for name, sent in theirs.items()}
    about = f"{whole(plan.messages)} messages, {NUMBERS} numbers, {whole(PEOPLE)} people; each taken once, none refused"
    return [
        _row("sending: Hookline, one worker process", "sending", ours, f"{about}, order checked"),
        _row(f"sending: bare client, {AT_ONCE} calls at once, nothing recorded", "sending", theirs["bare"]),
        _row(f"sending: {pywa}, one by one", "sending", theirs["one"]),
        _row(f"sending: {pywa}, {AT_ONCE} calls at once", "sending", theirs["many"]),
        ratio_row("sending: Hookline to the bare client", "sending", [one.rate for one in ours], rates["bare"]),
        ratio_row("sending: Hookline to pywa one by one", "sending", [one.rate for one in ours], rates["one"]),
        ratio_row("sending: Hookline to pywa at once", "sending", [one.rate for one in ours], rates["many"]),
    ]


async def sending_statuses(stage: Stage, plan: Plan) -> list[Row]:
    """With the three statuses of each message, which the API takes in and the same worker records."""
    sent: list[Sent] = []
    async with outgoing(stage) as (town, api):
        await town.subscribe(api)
        for _ in range(plan.few_rounds):
            wait_for_quiet(plan.patience_seconds)
            sent.append(await _ours(stage, town, plan.told_messages, READ, statuses=True))
    detail = f"{whole(plan.told_messages)} messages, to the last one read: sent, delivered and read each in a POST"
    return [_row("sending with three statuses each: one API, one worker process", "sending_statuses", sent, detail)]


async def _ours(stage: Stage, town: Outgoing, count: int, ends: Sequence[str], *, statuses: bool = False) -> Sent:
    await town.afresh(statuses=statuses)
    await town.queue(count)
    async with stage.worker(town.settings) as worker:
        sent = await town.worked(count, worker, ends)
    await town.require_clean(count)
    await town.require_order(count)
    return sent


async def _theirs(town: Outgoing, client: Client, count: int, at_once: int) -> Sent:
    await town.afresh()
    sent = await town.sent_by(client, count, at_once)
    await town.require_clean(count)
    return sent


def _row(name: str, row: str, sent: Sequence[Sent], about: str = "") -> Row:
    middle = sorted(sent, key=lambda one: one.rate)[len(sent) // 2]
    detail = "; ".join(filter(None, [about, middle.costs]))
    return rate_row(name, row, [one.rate for one in sent], detail=detail, others=[one.others for one in sent])
