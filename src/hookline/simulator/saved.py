"""The world in a file, so that tokens and conversations of development outlive a restart."""

import asyncio
import os
from pathlib import Path

import msgspec
import structlog

from hookline.simulator.default import default_app
from hookline.simulator.options import Options
from hookline.simulator.records import Records
from hookline.simulator.simulator import Simulator

SAVE_SECONDS = 2.0
MESSAGES_SAVED = 1000
# Ids that may have been given since the file was last written are never given again.
_IDS_SKIPPED = 10_000

log = structlog.get_logger(__name__)


def load(options: Options) -> Records | None:
    """Read the world that was saved; None if there is none, or none that this version can read.

    The app is that of the options, whose secrets may have changed.
    """
    path = options.state_path
    if path is None or not path.exists():
        return None
    try:
        records = msgspec.json.decode(path.read_bytes(), type=Records)
    except (OSError, msgspec.DecodeError) as error:
        log.warning("the saved world cannot be read; a new one begins", file=str(path), error=type(error).__name__)
        return None
    for kind in records.ids:
        records.ids[kind] += _IDS_SKIPPED
    known = records.apps.get(options.app_id)
    app = default_app(options)
    if known is not None:
        app.subscriptions, app.configs = known.subscriptions, {**app.configs, **known.configs}
    records.apps[app.id] = app
    return records


def written(sim: Simulator) -> bytes:
    """The world as it is saved: with its newest messages only."""
    records = sim.world.records
    records.clock_offset_seconds = sim.world.clock.offset_seconds
    newest = list(records.messages.items())[-MESSAGES_SAVED:]
    return msgspec.json.encode(msgspec.structs.replace(records, messages=dict(newest)))


def save(path: Path, content: bytes) -> None:
    """Write beside and move into place; readable by the owner only, since it holds tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)


async def keep_saved(sim: Simulator, path: Path) -> None:
    """Save the world whenever it has changed, until cancelled."""
    last = b""
    while True:
        content = written(sim)
        if content != last:
            save(path, content)
            last = content
        await asyncio.sleep(SAVE_SECONDS)
