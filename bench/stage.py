"""Where the benchmarks play: a database server of their own with durable settings, and the processes on it."""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

from bench.load import Order
from bench.loading import Loading, Round
from bench.processes import BenchmarkError, Child, Server, log_end, stopping
from bench.samples import APP_SECRET, MESSAGE_ID_PATH, ORGANIZATION, PHONE_NUMBER_ID
from hookline.store.embedded import EmbeddedPostgres
from hookline.store.migrate import migrate

ROOT = Path(__file__).parent.parent
DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
SIZES = ("shared_buffers", "max_wal_size", "wal_compression", "checkpoint_timeout")
NOTHING: Mapping[str, str] = {}
_EMPTY = "TRUNCATE webhook_events, integration_jobs, messages, held_changes, contact_watermarks, outbox"
_OURS = f"WHERE organization_id = '{ORGANIZATION}'"
_STORED = f"SELECT count(DISTINCT payload_json #>> '{MESSAGE_ID_PATH}') FROM webhook_events {_OURS}"
_JOBS = f"SELECT count(*) FROM integration_jobs {_OURS}"


class Stage:
    """A database server, and what runs on it. Everything is in one temporary folder, which goes with it.

    `url` and `database` are Hookline's own database; other contenders get one each on the same server.
    """

    def __init__(self, *, all_peers: bool = False) -> None:
        """all_peers: whether the contenders from npm take part."""
        self.all_peers = all_peers
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="hookline-bench-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)  # started as root, the database runs as another user
        self.log_file = self.folder / "processes.log"
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

    async def create_database(self, name: str) -> str:
        """Make an empty database on the same server; its URL."""
        await self.database.execute(f"CREATE DATABASE {name}")
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    async def drop_database(self, name: str) -> None:
        """Remove it again, whoever is connected."""
        await self.database.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def server(self, *command: str, settings: Mapping[str, str] = NOTHING) -> AsyncIterator[Server]:
        """Run a Python module as a process until it is done with; entered once it says that it is ready.

        settings: beside those of `environment`, by their names without the prefix.
        """
        reading, writing = os.pipe()
        with self.log_file.open("ab") as log:
            arguments = [part.replace("READY", str(writing)) for part in command]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *arguments, cwd=self.folder, env=self.environment(settings), stdin=DEVNULL,
                stdout=log, stderr=log, pass_fds=[writing],
            )  # fmt: skip
        os.close(writing)
        try:
            async with stopping(process):
                said = (await asyncio.to_thread(os.read, reading, 100)).decode().strip()
                if not said:
                    raise BenchmarkError(f"{command[0]} did not start:\n{log_end(self.log_file)}")
                port = said.rpartition(":")[2]
                yield Server(process, int(port) if port.isdigit() else 0)
        finally:
            os.close(reading)

    def api(self, settings: Mapping[str, str] = NOTHING) -> AbstractAsyncContextManager[Server]:
        """`hookline api`, one process."""
        return self.server("hookline", "api", "--port", "0", "--ready-fd", "READY", settings=settings)

    def worker(self, settings: Mapping[str, str] = NOTHING) -> AbstractAsyncContextManager[Server]:
        """`hookline worker`, one process."""
        return self.server("hookline", "worker", "--ready-fd", "READY", settings=settings)

    def simulator(self) -> AbstractAsyncContextManager[Server]:
        """`hookline simulator`: a new world with the same ids every time."""
        return self.server("hookline", "simulator", "--port", "0", "--seed", "1", "--ready-fd", "READY")

    @asynccontextmanager
    async def child(self, command: Sequence[str], order: msgspec.Struct) -> AsyncIterator[Child]:
        """Run a process that takes an order; entered once it says that it is ready."""
        with self.log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, env=self.environment(), stdin=PIPE, stdout=PIPE, stderr=log
            )
        async with stopping(process):
            child = Child(process, 0, command[-1], self.log_file)
            await child.tell(msgspec.json.encode(order))
            await child.hear("ready")
            yield child

    def environment(self, settings: Mapping[str, str] = NOTHING) -> dict[str, str]:
        """Development's settings with this database, these besides, and nothing of the caller's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
        path = os.pathsep.join(filter(None, [kept.get("PYTHONPATH"), str(ROOT)]))
        return {
            **kept,
            "PYTHONPATH": path,
            "HOOKLINE_DATABASE_URL": self.url,
            "HOOKLINE_DATA_DIR": str(self.folder / "data"),
            "HOOKLINE_META_APP_SECRETS": APP_SECRET,
            **{f"HOOKLINE_{name}": value for name, value in settings.items()},
        }

    async def empty(self) -> None:
        """Forget all webhooks, as if none had ever come, and leave the database nothing to catch up with."""
        await self.database.execute(_EMPTY)
        await self.database.execute("CHECKPOINT")

    async def connect_account(self, api: Server) -> None:
        """Connect the one WhatsApp number that all webhooks are for, over HTTP as a user would."""
        body = {"externalAccountId": PHONE_NUMBER_ID, "metadata": {"wabaId": "102290129340398"}}
        await self.post(api, "/api/integrations/whatsapp/connect", body)

    async def post(self, api: Server, path: str, body: Mapping[str, Any]) -> Any:
        """Ask something of the API, as the benchmark's organization; the answer's JSON.

        Raises: BenchmarkError, if it refuses.
        """
        headers = {
            "authorization": f"Bearer {await self._token()}",
            "x-organization-id": ORGANIZATION,
            "content-type": "application/json",
        }
        asked = urllib.request.Request(f"http://127.0.0.1:{api.port}{path}", json.dumps(body).encode(), headers)
        try:
            return json.loads(await asyncio.to_thread(lambda: urllib.request.urlopen(asked).read()))
        except urllib.error.HTTPError as error:
            raise BenchmarkError(f"{path} was refused: {error.read().decode()}") from None

    async def _token(self) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hookline", "token", "--org", ORGANIZATION, cwd=self.folder,
            env=self.environment(), stdout=PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
        return output.decode().strip()

    @asynccontextmanager
    async def loading(self, order: Order) -> AsyncIterator[Loading]:
        """Start the generator, with its requests made and its connections open."""
        async with self.child([sys.executable, "-m", "bench.load"], order) as child:
            yield Loading(child, order, self.folder)

    async def load(self, server: Server, order: Order, *, counted: bool = True) -> Round:
        """Let the generator carry out an order. counted: every answered webhook must be stored, with a job.

        Raises: BenchmarkError, if one is not.
        """
        async with self.loading(order) as loading:
            round_ = await loading.run(server)
        if counted:
            await self.require_stored(round_.answered.received, order.count)
        return round_

    async def require_stored(self, answered: int, sent: int, *, stored: str = _STORED, jobs: str = _JOBS) -> None:
        """Every webhook answered 200 is in the database, and has a job; and all were answered so."""
        in_events, in_jobs = await self.database.fetchval(stored), await self.database.fetchval(jobs)
        if not (answered == sent == in_events == in_jobs):
            raise BenchmarkError(
                f"sent {sent}, answered 200 {answered}, stored {in_events}, jobs {in_jobs}\n{log_end(self.log_file)}"
            )

    async def postgres_version(self) -> str:
        """Name the database server's version."""
        found = re.match(r"PostgreSQL [\d.]+", await self.database.fetchval("SELECT version()"))
        return found.group() if found else "PostgreSQL"

    async def settings(self, names: Sequence[str]) -> str:
        """Say how the server has these settings."""
        return ", ".join([f"{name} {await self.database.fetchval(f'SHOW {name}')}" for name in names])
