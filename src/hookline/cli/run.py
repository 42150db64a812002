"""Several processes from one command: `hookline run`, and `api` and `worker` with more than one process."""

import socket
from contextlib import closing
from datetime import timedelta
from functools import partial

import structlog

from hookline.bootstrap import database, read_secrets
from hookline.cli.processes import stop_event, tell
from hookline.cli.supervisor import Command, supervise
from hookline.domain.principal import Role
from hookline.security.auth import development_token
from hookline.settings import Settings
from hookline.store.migrate import migrate
from hookline.web.listener import listen
from hookline.web.metrics import serve_metrics

DEVELOPMENT_ORGANIZATION = "org-123"

log = structlog.get_logger(__name__)


async def run_everything(settings: Settings) -> int:
    """Run database, API, worker and simulator until Ctrl-C or SIGTERM; the database ends too if nobody else uses it."""
    stop = stop_event()
    with closing(listen(settings.host, settings.port)) as listener:
        async with database(settings, log=log.info) as url:
            await migrate(url, log=log.info)
            port = listener.getsockname()[1]
            commands = [_api("api", listener, "console", port), _worker("worker", "console")]
            if settings.simulator_url is not None:
                commands.append(_simulator(f"http://{_reachable(settings.host)}:{port}"))
            announce = partial(_announce, settings, port)
            await supervise(commands, stop, ready=announce, stopping=listener.close)
    return 0


async def run_apis(
    settings: Settings, processes: int, log_format: str, parent_fd: int | None, ready_fd: int | None
) -> int:
    """Serve HTTP by several processes that accept from one socket."""
    stop = stop_event(parent_fd)
    with closing(listen(settings.host, settings.port)) as listener:
        port = listener.getsockname()[1]
        async with database(settings, log=log.info):
            commands = [_api(f"api {number + 1}", listener, log_format, port) for number in range(processes)]
            await supervise(commands, stop, ready=lambda: tell(ready_fd, str(port)), stopping=listener.close)
    return 0


async def run_workers(
    settings: Settings,
    processes: int,
    log_format: str,
    parent_fd: int | None,
    ready_fd: int | None,
    metrics_port: int | None,
) -> int:
    """Run jobs in several processes."""
    stop = stop_event(parent_fd)

    def counting(folder: str) -> None:
        if metrics_port is not None:
            log.info("metrics", host=settings.host, port=serve_metrics(settings.host, metrics_port, folder))

    async with database(settings, log=log.info):
        commands = [_worker(f"worker {number + 1}", log_format) for number in range(processes)]
        await supervise(commands, stop, ready=lambda: tell(ready_fd, "workers"), counting=counting)
    return 0


def _api(name: str, listener: socket.socket, log_format: str, port: int) -> Command:
    """The port is in what it tells browsers and platforms; it listens where its parent does."""
    arguments = ["api", "--log-format", log_format, "--listen-fd", str(listener.fileno()), "--port", str(port)]
    return Command(name, arguments, inherits=[listener.fileno()])


def _worker(name: str, log_format: str) -> Command:
    return Command(name, ["worker", "--log-format", log_format])


def _simulator(callback: str) -> Command:
    return Command("simulator", ["simulator", "--log-format", "console", "--callback", callback])


def _announce(settings: Settings, port: int) -> None:
    url = settings.public_url or f"http://{_reachable(settings.host)}:{port}"
    lines = [
        "",
        f"  Hookline is ready at {url}",
        f"    API documentation  {url}/docs",
        f"    webhooks           {url}/api/webhooks/{{provider}}",
    ]
    if settings.simulator_url is not None:
        lines.append(f"    the fake platforms {settings.simulator_url}  (write as a customer there)")
    auth = read_secrets(settings).auth
    if not settings.production and auth.secret:
        token = development_token(
            auth.secret, DEVELOPMENT_ORGANIZATION, Role.OWNER, options=auth, valid_for=timedelta(hours=24)
        )
        lines += [f"    a token for {DEVELOPMENT_ORGANIZATION}, as OWNER, for 24 hours:", f"    {token}"]
    lines += ["  Ctrl-C stops everything.", ""]
    print("\n".join(lines), flush=True)


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - read, not listened on
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
