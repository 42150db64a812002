"""`hookline simulator`: the fake platforms as a process, set up for this program's app id, secrets and callbacks."""

import time

import structlog

from hookline.bootstrap import read_platforms
from hookline.cli.processes import stop_event, tell
from hookline.domain.errors import StartupError
from hookline.settings import Settings, split_commas
from hookline.simulator.options import Options
from hookline.simulator.server import serve
from hookline.simulator.simulator import Simulator

STATE_FILE = "simulator.json"
WEBHOOKS_PATH = "/api/webhooks"

log = structlog.get_logger(__name__)


def simulator_options(
    settings: Settings, *, host: str | None, port: int | None, seed: int | None, callback: str | None
) -> Options:
    """Make the options of the simulator that stands in for the platforms of these settings.

    seed: unset, a world that is new has ids of its own: those of an older one may be in the database still.
    Raises: StartupError in production.
    """
    if settings.production:
        raise StartupError("the simulator is for development: HOOKLINE_ENVIRONMENT is production")
    platforms = read_platforms(settings)
    return Options(
        host=host or "127.0.0.1",
        port=settings.simulator_port if port is None else port,
        seed=int(time.time()) if seed is None else seed,
        app_id=platforms["META_APP_ID"],
        app_secret=split_commas(platforms["META_APP_SECRETS"])[0],
        instagram_app_id=platforms["INSTAGRAM_APP_ID"],
        instagram_app_secret=split_commas(platforms["INSTAGRAM_APP_SECRETS"])[0],
        verify_token=platforms["META_VERIFY_TOKEN"],
        callback_base=(callback or f"http://127.0.0.1:{settings.port}").rstrip("/") + WEBHOOKS_PATH,
        state_path=settings.data_dir / STATE_FILE if seed is None else None,
    )


async def run_simulator(options: Options, parent_fd: int | None, ready_fd: int | None) -> int:
    """Serve the fake platforms until told to stop."""
    stop = stop_event(parent_fd)
    try:
        await serve(options, stop, listening=lambda sim: _listening(sim, ready_fd))
    except OSError as error:
        raise StartupError(
            f"cannot listen on {options.host}:{options.port}: {error.strerror}. Stop what listens there, set "
            "HOOKLINE_SIMULATOR_PORT, or HOOKLINE_SIMULATOR=false to do without the simulated platforms."
        ) from None
    log.info("simulator stopped")
    return 0


def _listening(sim: Simulator, ready_fd: int | None) -> None:
    log.info("simulated platforms listening", url=sim.url)
    tell(ready_fd, sim.url)
