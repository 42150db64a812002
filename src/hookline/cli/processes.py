"""One process of the program: the API or a worker, from settings to a clean exit."""

import asyncio
import gc
import os
import signal

import structlog

from hookline.bootstrap import ApiContext, WorkerContext, api_context, calm_collector, database, worker_context
from hookline.services.keys import prepare
from hookline.settings import Settings, metrics_folder
from hookline.web.listener import inherited
from hookline.web.metrics import serve_metrics

log = structlog.get_logger(__name__)


def stop_event(parent_fd: int | None = None) -> asyncio.Event:
    """Make the event that SIGINT, SIGTERM, or the parent's end sets.

    parent_fd: the reading end of a pipe whose other end only the parent holds; it ends when the parent does,
    however that dies.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if parent_fd is not None:
        os.set_blocking(parent_fd, False)
        loop.add_reader(parent_fd, _parent_is_gone, loop, parent_fd, stop)
    return stop


def _parent_is_gone(loop: asyncio.AbstractEventLoop, parent_fd: int, stop: asyncio.Event) -> None:
    loop.remove_reader(parent_fd)
    stop.set()


def tell(ready_fd: int | None, what: str) -> None:
    """Tell whoever started us that we are at work."""
    if ready_fd is not None:
        os.write(ready_fd, f"{what}\n".encode())
        os.close(ready_fd)


def _settle() -> None:
    """Have the cycle collector leave alone what start-up made."""
    gc.collect()
    gc.freeze()


async def _open_vault(settings: Settings, context: ApiContext | WorkerContext) -> None:
    """Let production find at its start whether the master key opens the keyset, and not when a message is to be sent.

    Development needs no keys before somebody connects an account, and no memory for their library.
    """
    if settings.production:
        await prepare(context.pool, context.vault)


async def run_api(settings: Settings, parent_fd: int | None, ready_fd: int | None, listen_fd: int | None) -> int:
    """Serve HTTP until told to stop; on the parent's socket, if it hands one down."""
    from hookline.web.server import serve

    stop = stop_event(parent_fd)
    listener = None if listen_fd is None else inherited(listen_fd)
    async with database(settings, log=log.info) as url, api_context(settings, url) as context:
        await _open_vault(settings, context)
        _settle()
        calm_collector()  # as a worker does when it runs
        await serve(context, stop, listener=listener, listening=lambda port: _listening(settings, port, ready_fd))
    log.info("api stopped")
    return 0


def _listening(settings: Settings, port: int, ready_fd: int | None) -> None:
    log.info("api listening", host=settings.host, port=port)
    tell(ready_fd, str(port))


async def run_worker(settings: Settings, parent_fd: int | None, ready_fd: int | None, metrics_port: int | None) -> int:
    """Run jobs until told to stop."""
    from hookline.worker.loop import Worker

    stop = stop_event(parent_fd)
    if metrics_port is not None:
        log.info("metrics", host=settings.host, port=serve_metrics(settings.host, metrics_port, metrics_folder()))
    async with database(settings, log=log.info) as url, worker_context(settings, url) as context:
        await _open_vault(settings, context)
        _settle()
        worker = Worker(context)
        running = asyncio.create_task(worker.run(), name="worker")
        tell(ready_fd, "worker")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        worker.stop()
        await running
    return 0
