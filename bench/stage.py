"""Where the benchmarks play: a database of their own with durable settings, and the processes under test."""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import asyncpg
import msgspec

from bench.load import START_DELAY_SECONDS, Answered, Order
from bench.machine import Others, cpu_seconds, resident_megabytes, tree_seconds
from bench.samples import APP_SECRET, MESSAGE_ID_PATH, ORGANIZATION, PHONE_NUMBER_ID
from hookline.store.embedded import EmbeddedPostgres
from hookline.store.migrate import migrate

ROOT = Path(__file__).parent.parent
_STOP_SECONDS = 30
_EMPTY = "TRUNCATE webhook_events, integration_jobs, messages, held_changes, contact_watermarks, outbox"
_STORED = f"SELECT count(DISTINCT payload_json #>> '{MESSAGE_ID_PATH}') FROM webhook_events"
_JOBS = "SELECT count(*) FROM integration_jobs"


class BenchmarkError(Exception):
    """A result that would be no result: an answer without a stored event, a process that does not come up."""


class Server(msgspec.Struct, frozen=True):
    """A process under test; `port` is 0 if it listens on none."""

    process: Process
    port: int

    @property
    def resident_megabytes(self) -> float:
        """How much memory it holds."""
        return resident_megabytes(self.process.pid)

    @property
    def cpu_seconds(self) -> float:
        """How much processor time it has used."""
        return cpu_seconds(self.process.pid)


class Round(msgspec.Struct, frozen=True):
    """One series of requests, with the processor time it took of each side, and how many cores others used."""

    answered: Answered
    server_cpu: float
    database_cpu: float
    others: float

    @property
    def rate(self) -> float:
        """Requests a second that were answered 200."""
        return self.answered.received / self.answered.seconds


class Stage:
    """A database, and what runs on it. Everything is in one temporary folder, which goes with it."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="hookline-bench-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)  # started as root, the database runs as another user
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        try:
            database = EmbeddedPostgres(
                self.folder / "data", state_dir=self.folder / "state", settings={"track_commit_timestamp": "on"}
            )
            self.url = await database.start()
            self._stack.push_async_callback(database.stop)
            await migrate(self.url, log=lambda _: None)
            self.database = await asyncpg.connect(self.url)
            self._stack.push_async_callback(self.database.close)
        except BaseException:
            await self._stack.aclose()
            raise

    @asynccontextmanager
    async def server(self, *command: str) -> AsyncIterator[Server]:
        """Run a Python module as a process until it is done with; entered once it says that it is ready."""
        reading, writing = os.pipe()
        with (self.folder / "processes.log").open("ab") as log:
            arguments = [part.replace("READY", str(writing)) for part in command]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *arguments, cwd=self.folder, env=self.environment(), stdin=DEVNULL,
                stdout=log, stderr=log, pass_fds=[writing],
            )  # fmt: skip
        os.close(writing)
        try:
            said = (await asyncio.to_thread(os.read, reading, 100)).decode().strip()
            if not said:
                raise BenchmarkError(f"{command[0]} did not start:\n{self._log_end()}")
            yield Server(process, int(said) if said.isdigit() else 0)
        finally:
            os.close(reading)
            await _stop(process)

    def api(self) -> AbstractAsyncContextManager[Server]:
        """`hookline api`, one process."""
        return self.server("hookline", "api", "--port", "0", "--ready-fd", "READY")

    def worker(self) -> AbstractAsyncContextManager[Server]:
        """`hookline worker`, one process."""
        return self.server("hookline", "worker", "--ready-fd", "READY")

    def environment(self) -> dict[str, str]:
        """Development's settings with this database, and nothing of the caller's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
        path = os.pathsep.join(filter(None, [kept.get("PYTHONPATH"), str(ROOT)]))
        return {
            **kept,
            "PYTHONPATH": path,
            "HOOKLINE_DATABASE_URL": self.url,
            "HOOKLINE_DATA_DIR": str(self.folder / "data"),
            "HOOKLINE_META_APP_SECRETS": APP_SECRET,
        }

    def _log_end(self) -> str:
        return (self.folder / "processes.log").read_text(errors="replace")[-2000:]

    async def empty(self) -> None:
        """Forget all webhooks, and leave the database nothing to catch up with."""
        await self.database.execute(_EMPTY)
        await self.database.execute("VACUUM ANALYZE webhook_events, integration_jobs, messages, outbox")
        await self.database.execute("CHECKPOINT")

    async def connect_account(self, api: Server) -> None:
        """Connect the one WhatsApp number that all webhooks are for, over HTTP as a user would."""
        token = await self._token()
        address = f"http://127.0.0.1:{api.port}/api/integrations/whatsapp/connect"
        body = json.dumps({"externalAccountId": PHONE_NUMBER_ID, "metadata": {"wabaId": "102290129340398"}}).encode()
        headers = {
            "authorization": f"Bearer {token}",
            "x-organization-id": ORGANIZATION,
            "content-type": "application/json",
        }
        try:
            await asyncio.to_thread(urllib.request.urlopen, urllib.request.Request(address, body, headers))
        except urllib.error.HTTPError as error:
            raise BenchmarkError(f"the account could not be connected: {error.read().decode()}") from None

    async def _token(self) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hookline", "token", "--org", ORGANIZATION, cwd=self.folder,
            env=self.environment(), stdout=PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
        return output.decode().strip()

    async def load(self, server: Server, order: Order, *, counted: bool = True) -> Round:
        """Let the generator carry out an order. counted: every answered webhook must be stored, with a job.

        Raises: BenchmarkError, if one is not.
        """
        async with self.loading(order) as loading:
            round_ = await loading.run(server)
        if counted:
            await self.require_stored(round_.answered.received, order.count)
        return round_

    @asynccontextmanager
    async def loading(self, order: Order) -> "AsyncIterator[Loading]":
        """Start the generator, with its requests made and its connections open."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.load", cwd=self.folder, env=self.environment(), stdin=PIPE, stdout=PIPE,
        )  # fmt: skip
        try:
            loading = Loading(process, self.folder)
            await loading.prepare(order)
            yield loading
        finally:
            await _stop(process)

    async def require_stored(self, answered: int, sent: int) -> None:
        """Every webhook answered 200 is in the database, and has a job; and all were answered so."""
        stored, jobs = await self.database.fetchval(_STORED), await self.database.fetchval(_JOBS)
        if not (answered == sent == stored == jobs):
            raise BenchmarkError(
                f"sent {sent}, answered 200 {answered}, stored {stored}, jobs {jobs}\n{self._log_end()}"
            )

    async def postgres_version(self) -> str:
        """Name the database server's version."""
        found = re.match(r"PostgreSQL [\d.]+", await self.database.fetchval("SELECT version()"))
        return found.group() if found else "PostgreSQL"

    async def durability(self) -> str:
        """Say what makes a commit durable, as the server has it."""
        names = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
        return ", ".join([f"{name} {await self.database.fetchval(f'SHOW {name}')}" for name in names])


class Loading:
    """A generator that waits for the word."""

    def __init__(self, process: Process, folder: Path) -> None:
        self._process, self._folder = process, folder

    async def prepare(self, order: Order) -> None:
        """Hand over the order and wait until everything is made."""
        self._answer_file = self._folder / order.answer_file
        await self._write(msgspec.json.encode(order))
        if (await self._read()).strip() != b"ready":
            raise BenchmarkError("the load generator did not start")

    async def run(self, server: Server) -> Round:
        """Let it begin; what came of it."""
        others, ours, own, used = Others(), tree_seconds(), time.process_time(), server.cpu_seconds
        await self.begin()
        answered = await self.end()
        server_cpu = server.cpu_seconds - used
        mine = time.process_time() - own
        database = tree_seconds() - ours - server_cpu - answered.cpu_seconds - mine
        return Round(answered, server_cpu, max(0.0, database), others.cores())

    async def begin(self) -> float:
        """Let it begin at a moment of the monotonic clock, which all processes share; that moment."""
        start = time.monotonic() + START_DELAY_SECONDS
        await self._write(repr(start).encode())
        return start

    async def end(self) -> Answered:
        """Wait for what came of it."""
        said = await self._read()
        if said.strip() != b"done":
            raise BenchmarkError(f"the load generator said {said!r}, exit code {self._process.returncode}")
        return msgspec.json.decode(self._answer_file.read_bytes(), type=Answered)

    async def _write(self, line: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()

    async def _read(self) -> bytes:
        assert self._process.stdout
        return await self._process.stdout.readline()


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
