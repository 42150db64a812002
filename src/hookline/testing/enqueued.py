"""What waits in the queue: assertions whose failure shows what is there instead."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from hookline.bootstrap import Hookline
from hookline.store import jobs
from hookline.store.jobs import Job

_SHOWN = 20
_MAX_CHARACTERS = 200


async def assert_enqueued(hookline: Hookline, job_type: str, *, count: int | None = None, **expected: Any) -> Job:
    """Assert that a job of this type waits whose fields are as expected; gives the first one that was enqueued.

    expected: any of a job's fields, such as organization_id, provider, ordering_key or run_at. A `payload` that is a
    dictionary fits one that holds at least its entries. count: how many must fit (default: one or more).
    Raises: AssertionError, which shows what waits, and what differs.
    """
    waiting = await _waiting(hookline)
    fitting = [job for job in waiting if not _differences(job, job_type, expected)]
    if len(fitting) == count or (fitting and count is None):
        return fitting[0]
    found = "no job waits" if not fitting else f"{len(fitting)} jobs wait"
    wanted = "" if count is None else f", not {count},"
    raise AssertionError(f"{found}{wanted} that fit{'s' if not fitting else ''}\n" + _told(waiting, job_type, expected))


async def refute_enqueued(hookline: Hookline, job_type: str, **expected: Any) -> None:
    """Assert that no such job waits. Raises: AssertionError, which shows those that do."""
    fitting = [job for job in await _waiting(hookline) if not _differences(job, job_type, expected)]
    if fitting:
        raise AssertionError(f"{len(fitting)} such jobs wait\n" + _told(fitting, job_type, expected))


async def _waiting(hookline: Hookline) -> list[Job]:
    async with hookline.context.pool.acquire() as connection:
        return await jobs.list_waiting(connection)


def _differences(job: Job, job_type: str, expected: Mapping[str, Any]) -> list[str]:
    found = [f"job_type: {job.job_type!r}, not {job_type!r}"] if job.job_type != job_type else []
    for name, wanted in expected.items():
        found += (
            _payload_differences("payload", job.payload, wanted)
            if name == "payload"
            else _differs(name, getattr(job, name), wanted)
        )
    return found


def _differs(name: str, value: Any, wanted: Any) -> list[str]:
    same = str(value) == str(wanted) if name.endswith("_id") else value == wanted
    return [] if same else [f"{name}: {_short(value)}, not {_short(wanted)}"]


def _payload_differences(path: str, value: Any, wanted: Any) -> list[str]:
    """A dictionary needs to hold no more than what is wanted of it; anything else is equal or not."""
    if not (isinstance(wanted, Mapping) and isinstance(value, Mapping)):
        return _differs(path, value, wanted)
    found = []
    for key, one in wanted.items():
        if key in value:
            found += _payload_differences(f"{path}.{key}", value[key], one)
        else:
            found.append(f"{path}.{key}: missing, not {_short(one)}")
    return found


def _told(waiting: list[Job], job_type: str, expected: Mapping[str, Any]) -> str:
    asked = [f"  job_type = {job_type!r}", *(f"  {name} = {_short(value)}" for name, value in expected.items())]
    lines = ["asked for:", *asked, f"waiting ({len(waiting)}):" if waiting else "nothing waits at all"]
    for job in waiting[:_SHOWN]:
        lines.append(f"  {job.job_type} of {job.organization_id}, due {job.run_at:%Y-%m-%d %H:%M:%S%z}")
        lines.append(f"    payload {_short(job.payload)}" + (f", key {job.ordering_key}" if job.ordering_key else ""))
        lines += [f"    differs in {one}" for one in _differences(job, job_type, expected)]
    if len(waiting) > _SHOWN:
        lines.append(f"  … and {len(waiting) - _SHOWN} more")
    return "\n".join(lines)


def _short(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    text = msgspec.json.encode(value).decode() if isinstance(value, dict | list) else repr(value)
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
