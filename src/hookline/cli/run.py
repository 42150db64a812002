"""`hookline run`: the database, and the API and a worker as child processes that are kept running."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

import structlog

from hookline.bootstrap import database, read_secrets
from hookline.cli.processes import stop_event
from hookline.domain.errors import StartupError
from hookline.domain.principal import Role
from hookline.security.auth import development_token
from hookline.settings import Settings
from hookline.store.migrate import migrate

RESTART_PAUSE_SECONDS = 1.0
# A child that lived for less than this did not come up; so many in a row and the rest is stopped too.
SHORT_LIFE_SECONDS = 10.0
SHORT_LIVES_ALLOWED = 5
CHILD_STOP_SECONDS = 30.0
MENDABLE = 2
DEVELOPMENT_ORGANIZATION = "org-123"

log = structlog.get_logger(__name__)


async def run_everything(settings: Settings) -> int:
    """Run until Ctrl-C or SIGTERM; then stop the children, and the embedded database if nobody else uses it."""
    stop = stop_event()
    async with database(settings, log=log.info) as url:
        await migrate(url, log=log.info)
        reading, writing = os.pipe()  # ends when this process does, however it dies
        try:
            children = [
                _Child("api", ["api", *_address(settings)], reading),
                _Child("worker", ["worker"], reading),
            ]
            return await _keep(children, settings, stop)
        finally:
            os.close(reading)
            os.close(writing)


def _address(settings: Settings) -> list[str]:
    return ["--host", settings.host, "--port", str(settings.port)]


async def _keep(children: Sequence["_Child"], settings: Settings, stop: asyncio.Event) -> int:
    """Keep the children running until `stop`, or until one of them cannot be kept."""
    keeping = [asyncio.create_task(child.keep(), name=child.name) for child in children]
    stopping = asyncio.create_task(stop.wait())
    announcing = asyncio.create_task(_announce(children, settings))
    await asyncio.wait([*keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
    announcing.cancel()
    stopping.cancel()
    await asyncio.gather(*(child.stop() for child in children))
    ended = await asyncio.gather(*keeping, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    return 0


async def _announce(children: Sequence["_Child"], settings: Settings) -> None:
    ports = await asyncio.gather(*(child.ready for child in children))
    url = settings.public_url or f"http://{_reachable(settings.host)}:{ports[0]}"
    lines = [
        "",
        f"  Hookline is ready at {url}",
        f"    API documentation  {url}/docs",
        f"    webhooks           {url}/api/webhooks/{{provider}}",
    ]
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


class _Child:
    """One child process, started again when it dies."""

    def __init__(self, name: str, arguments: Sequence[str], parent_fd: int) -> None:
        self.name = name
        self.ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._arguments = arguments
        self._parent_fd = parent_fd
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def keep(self) -> None:
        """Run the child until `stop`, again and again.

        Raises: StartupError, if it cannot be kept running.
        """
        short_lives = 0
        while not self._stopping:
            started = time.monotonic()
            code = await self._live()
            if self._stopping:
                return
            if code == MENDABLE:
                raise StartupError(f"the {self.name} process could not start; it said why above")
            short_lives = short_lives + 1 if time.monotonic() - started < SHORT_LIFE_SECONDS else 0
            if short_lives >= SHORT_LIVES_ALLOWED:
                raise StartupError(f"the {self.name} process ended {short_lives} times in a row, last with code {code}")
            log.warning("a process ended and is started again", process=self.name, code=code)
            await asyncio.sleep(RESTART_PAUSE_SECONDS)

    async def _live(self) -> int:
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "hookline", *self._arguments, "--log-format", "console"]
        command += ["--parent-fd", str(self._parent_fd), "--ready-fd", str(writing)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, pass_fds=(self._parent_fd, writing), stdin=asyncio.subprocess.DEVNULL
            )
        finally:
            os.close(writing)
        if self._stopping:  # asked to stop while it was being started
            self._process.terminate()
        told = asyncio.create_task(asyncio.to_thread(_read_line, reading))
        told.add_done_callback(self._tell)
        return await self._process.wait()

    def _tell(self, told: "asyncio.Task[str]") -> None:
        if not self.ready.done() and not told.cancelled() and told.result():
            self.ready.set_result(told.result())

    async def stop(self) -> None:
        """Ask the child to stop, and insist in the end."""
        self._stopping = True
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), CHILD_STOP_SECONDS)
        except TimeoutError:
            log.error("a process did not stop and is killed", process=self.name)
            self._process.kill()


def _read_line(fd: int) -> str:
    with os.fdopen(fd) as file:
        return file.readline().strip()
