"""Control over what happens: acts, happenings, faults, delivery, the clock, counters, and beginning anew."""

from typing import Any

import msgspec

from hookline.simulator.control.acting import Given, Unfit
from hookline.simulator.control.asking import Ask, ControlRoute, Missing
from hookline.simulator.control.happenings import happen
from hookline.simulator.control.perform import perform
from hookline.simulator.deliveries import newest
from hookline.simulator.faults import Fault
from hookline.simulator.files import keep
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import Destination

_MOST_LISTED = 10_000
_LARGEST_BYTES = 64 * 1024 * 1024


async def act(ask: Ask) -> dict[str, Any]:
    """`contact` does something (`do`) to `account`; the rest are the act's particulars.

    With `times`, so often; the answer is then that of the last time.
    """
    times = Given(ask.sim, ask.body).count("times", 1)
    came: dict[str, Any] = {}
    for _ in range(times):
        came = perform(ask.sim, ask.text("account"), ask.text("contact"), ask.text("do"), ask.body)
    return came


async def happening(ask: Ask) -> dict[str, Any]:
    """The platform does something (`what`) by itself; the rest are its particulars."""
    return happen(ask.sim, ask.text("what"), ask.body)


async def raw_webhook(ask: Ask) -> dict[str, Any]:
    """Send bytes as they are, signed: `text`, or `bytes` of a valid body that is so large. `object`: whose callback."""
    object_name = ask.text("object", "whatsapp_business_account")
    size = ask.body.get("bytes")
    if isinstance(size, int) and size > _LARGEST_BYTES:
        raise Unfit(f"bytes: at most {_LARGEST_BYTES}")
    body = _large(object_name, size) if isinstance(size, int) else ask.text("text").encode("utf-8", "surrogatepass")
    sent = 0
    for app in ask.sim.world.records.apps.values():
        subscription = app.subscriptions.get(object_name)
        if subscription is not None:
            ask.sim.outbox.put_raw(Destination(app.id, subscription.callback_url, app.secret), body)
            sent += 1
    return {"told": sent, "bytes": len(body)}


def _large(object_name: str, size: int) -> bytes:
    """A valid body of this size: entries of nobody, with a filler that no field knows."""
    empty = {"object": object_name, "entry": [{"id": "0", "changes": [{"field": "filler", "value": {"filler": ""}}]}]}
    outline = msgspec.json.encode(empty)
    head, _, tail = outline.rpartition(b'""')
    return head + b'"' + b"x" * max(0, size - len(outline)) + b'"' + tail


async def media(ask: Ask) -> dict[str, Any]:
    """Upload the body as a file of `account`, for acts to send by `mediaId`; its Content-Type is the file's."""
    account = ask.sim.world.node(ask.query.get("account", ""))
    if account is None:
        raise Unfit("account: there is no such account")
    kept = keep(
        ask.sim.world,
        ask.sim.files,
        account.record_id,
        await ask.request.read(),
        ask.request.headers.get("Content-Type", "application/octet-stream"),
        filename=ask.query.get("filename", ""),
        days=ask.sim.conduct.upload_days,
    )
    return {"mediaId": kept.id}


# -- faults


async def faults(ask: Ask) -> list[Any]:
    """The faults in force."""
    return [msgspec.to_builtins(fault) for fault in ask.sim.faults.active]


async def add_fault(ask: Ask) -> Any:
    """Put a fault in force: `effect`, which calls it hits, and how often."""
    return msgspec.to_builtins(ask.sim.faults.add(_convert(ask, Fault)))


async def remove_faults(ask: Ask) -> dict[str, Any]:
    """End all faults."""
    return {"removed": ask.sim.faults.remove()}


async def remove_fault(ask: Ask) -> dict[str, Any]:
    """End one fault."""
    return {"removed": ask.sim.faults.remove(ask.names["id"])}


# -- switches


def _switches(sim: Simulator) -> dict[str, msgspec.Struct]:
    return {
        "behaviour": sim.behaviour,
        "budgets": sim.usage.budgets,
        "conduct": sim.conduct,
        "rates": sim.limits.rates,
        "webhooks": sim.outbox.manner,
    }


async def switches(ask: Ask) -> dict[str, Any]:
    """All switches, by group."""
    return {name: msgspec.to_builtins(group) for name, group in _switches(ask.sim).items()}


async def set_switches(ask: Ask) -> Any:
    """Set some switches of a group."""
    group = _switches(ask.sim).get(ask.names["group"])
    if group is None:
        raise Missing(f"groups: {', '.join(_switches(ask.sim))}")
    known = {field.encode_name: field.name for field in msgspec.structs.fields(group)}
    if ask.body.keys() - known.keys():
        raise Unfit(f"known: {', '.join(known)}")
    changed = _convert(ask, type(group), {**msgspec.to_builtins(group), **ask.body})
    for name in known.values():
        setattr(group, name, getattr(changed, name))
    if group is ask.sim.outbox.manner:
        ask.sim.outbox.release()
    return msgspec.to_builtins(group)


def _convert(ask: Ask, wanted: type[Any], content: dict[str, Any] | None = None) -> Any:
    given = dict(ask.body) if content is None else content
    known = {field.encode_name for field in msgspec.structs.fields(wanted)}
    if given.keys() - known:
        raise Unfit(f"unknown: {', '.join(sorted(given.keys() - known))}; known: {', '.join(sorted(known))}")
    try:
        return msgspec.convert(given, wanted)
    except msgspec.ValidationError as error:
        raise Unfit(str(error)) from None


# -- what happened


async def deliveries(ask: Ask) -> list[Any]:
    """The newest webhooks with their attempts; `state` and `object` narrow it, `limit` says how many."""
    state, object_name = ask.query.get("state"), ask.query.get("object")
    found = [
        delivery
        for delivery in ask.sim.outbox.log
        if state in (None, delivery.state) and object_name in (None, delivery.object)
    ]
    return newest(found, _limit(ask))


async def messages(ask: Ask) -> list[Any]:
    """The newest messages, oldest first, of an `account`, a `contact`, or all."""
    account, contact = ask.query.get("account"), ask.query.get("contact")
    found = [
        message
        for message in ask.sim.world.records.messages.values()
        if account in (None, message.account_id) and contact in (None, message.contact_id)
    ]
    return [msgspec.to_builtins(message) for message in found[-_limit(ask) :]]


def _limit(ask: Ask) -> int:
    text = ask.query.get("limit", "100")
    if not text.isdecimal() or not 0 < int(text) <= _MOST_LISTED:
        raise Unfit(f"limit: 1 to {_MOST_LISTED}")
    return int(text)


async def counters(ask: Ask) -> dict[str, Any]:
    """Calls by endpoint, refusals by code, calls over a limit, and how often each message was sent."""
    return ask.sim.counters.report()


async def reset_counters(ask: Ask) -> dict[str, Any]:
    """Count anew."""
    ask.sim.counters.reset()
    return {}


async def clock(ask: Ask) -> dict[str, Any]:
    """The world's time, and how far it is from the real one."""
    return {"now": ask.sim.world.clock.now(), "offsetSeconds": ask.sim.world.clock.offset_seconds}


async def move_clock(ask: Ask) -> dict[str, Any]:
    """Move the clock by `seconds`: codes and tokens age, and redeliveries become due."""
    seconds = ask.body.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise Unfit("seconds must be a number")
    ask.sim.world.clock.advance(seconds)
    return await clock(ask)


async def settle(ask: Ask) -> dict[str, Any]:
    """Let everything happen that is still to happen, and wait until its webhooks are delivered."""
    seconds = ask.body.get("seconds", 10)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise Unfit("seconds must be a number")
    return {"settled": await ask.sim.settle(float(seconds))}


async def reset(ask: Ask) -> dict[str, Any]:
    """Begin anew with the default world; with another `seed`, with other ids."""
    seed = ask.body.get("seed", ask.sim.options.seed)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise Unfit("seed must be a whole number")
    await ask.sim.reset(seed)
    return {"seed": seed}


ROUTES = (
    ControlRoute("POST", "act", act),
    ControlRoute("POST", "happen", happening),
    ControlRoute("POST", "raw-webhook", raw_webhook),
    ControlRoute("POST", "media", media, raw_body=True),
    ControlRoute("GET", "faults", faults),
    ControlRoute("POST", "faults", add_fault),
    ControlRoute("DELETE", "faults", remove_faults),
    ControlRoute("DELETE", "faults/{id}", remove_fault),
    ControlRoute("GET", "switches", switches),
    ControlRoute("PATCH", "switches/{group}", set_switches),
    ControlRoute("GET", "deliveries", deliveries),
    ControlRoute("GET", "messages", messages),
    ControlRoute("GET", "counters", counters),
    ControlRoute("DELETE", "counters", reset_counters),
    ControlRoute("GET", "clock", clock),
    ControlRoute("POST", "clock", move_clock),
    ControlRoute("POST", "settle", settle),
    ControlRoute("POST", "reset", reset),
)
