"""One embedded PostgreSQL server: its settings, whether it answers, how it is started and stopped."""

import asyncio
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import quote

import asyncpg

from hookline.store.embedded_cluster import DATABASE, USER, Cluster
from hookline.store.embedded_host import FileLock

# For two cores and a few gigabytes that others use too. They are given on the command line: nothing in the data
# folder can weaken what makes a commit durable.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
}
LESS_MEMORY = {"256MB": "64MB", "64MB": "16MB"}
SOCKET_PATH_BYTES = 100  # the system allows 107 or 103, with the terminating zero
LOG_BYTES = 10 * 1024 * 1024
FAST_STOP_SECONDS = 30
IMMEDIATE_STOP_SECONDS = 15
ASK_AGAIN_SECONDS = 1.0
POLL_SECONDS = 0.02


class Answer(Enum):
    """What came back when we tried to connect."""

    READY = "ready"
    STARTING = "starting"
    STOPPING = "stopping"
    NONE = "none"


@dataclass(frozen=True)
class Probe:
    """An answer, where it came from, and what stood in the way."""

    answer: Answer
    url: str = ""
    reason: str = "nothing listens"


def address(cluster: Cluster) -> str | None:
    """The URL under which the cluster's last server listens or listened; None if it never started.

    Source: PostgreSQL's documentation, "Database File Layout", postmaster.pid.
    """
    try:
        lines = (cluster.path / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 4 or not lines[3].strip().isdigit():
        return None
    port, folder = lines[3].strip(), lines[4].strip() if len(lines) > 4 else ""
    login = f"postgresql://{USER}:{quote(cluster.password, safe='')}@"
    if folder:
        return f"{login}/{DATABASE}?host={quote(folder, safe='/')}&port={port}"
    return f"{login}127.0.0.1:{port}/{DATABASE}"


async def probe(cluster: Cluster) -> Probe:
    """Try to connect. Only this tells whether the server lives; process ids are used again."""
    url = address(cluster)
    if url is None:
        return Probe(Answer.NONE)
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except asyncpg.CannotConnectNowError as error:
        stopping = "shutting down" in str(error)
        return Probe(Answer.STOPPING if stopping else Answer.STARTING, url, str(error))
    except asyncpg.TooManyConnectionsError:
        return Probe(Answer.READY, url)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Probe(Answer.NONE, url, str(error) or type(error).__name__)
    try:
        folder = await connection.fetchval("SHOW data_directory")
    finally:
        await connection.close()
    if folder != str(cluster.path):  # a copy of our folder is being served on that port
        return Probe(Answer.NONE, url, f"the server there serves {folder}")
    return Probe(Answer.READY, url)


def is_serving(cluster: Cluster) -> bool:
    """Whether any process of a server that we started is still there, answering or not."""
    lock = FileLock(cluster.serving_lock)
    try:
        return not lock.exclude()
    finally:
        lock.close()


@dataclass
class Attempt:
    """A server that was just started, and what it has logged since."""

    process: subprocess.Popen[bytes]
    log_file: Path
    log_start: int

    def ended(self) -> bool:
        return self.process.poll() is not None

    def complaint(self) -> str:
        """What it logged."""
        with self.log_file.open("rb") as file:
            file.seek(self.log_start)
            return file.read(64 * 1024).decode(errors="replace")


def spawn(cluster: Cluster, settings: Mapping[str, str]) -> Attempt:
    """Start the server. Its processes inherit a lock, so that they can be told from others that got their ids."""
    _rotate(cluster.log_file)
    lock = FileLock(cluster.serving_lock)
    try:
        lock.exclude()
        with cluster.log_file.open("ab") as output:
            start = output.tell()
            arguments = ["-D", str(cluster.path)]
            for name, value in settings.items():
                arguments += ["-c", f"{name}={value}"]
            process = cluster.host.popen("postgres", arguments, output=output.fileno(), keep=lock.fd)
        return Attempt(process, cluster.log_file, start)
    finally:
        lock.close()


def _rotate(log_file: Path) -> None:
    """Keep one older log. The file itself stays, so that its owner does."""
    if log_file.exists() and log_file.stat().st_size > LOG_BYTES:
        shutil.copyfile(log_file, log_file.with_name(log_file.name + ".1"))
        with log_file.open("r+b") as file:
            file.truncate(0)


def first_settings(cluster: Cluster, extra: Mapping[str, str]) -> dict[str, str]:
    """The settings to try first: a free port, and a socket in the cluster's own folder if its path is short enough."""
    folder = str(cluster.path)
    fits = len(folder.encode()) + len("/.s.PGSQL.65535") <= SOCKET_PATH_BYTES and re.fullmatch(
        r"[\w./+@=-]+", folder, re.ASCII
    )
    lz4 = "--with-lz4" in cluster.host.run("pg_config", "--configure").stdout
    return {
        **SETTINGS,
        "wal_compression": "lz4" if lz4 else "off",
        "unix_socket_directories": folder if fits else "",
        "port": str(free_port()),
        **extra,
    }


def amended(settings: Mapping[str, str], complaint: str) -> dict[str, str] | None:
    """The settings to try next after this complaint; None if no other setting would help."""
    if "shared memory" in complaint and "pre-existing" not in complaint and settings["shared_buffers"] in LESS_MEMORY:
        return {**settings, "shared_buffers": LESS_MEMORY[settings["shared_buffers"]]}
    if "could not create any Unix-domain sockets" in complaint and settings["unix_socket_directories"]:
        return {**settings, "unix_socket_directories": ""}
    if "could not create any TCP/IP sockets" in complaint:
        return {**settings, "port": str(free_port())}
    return None


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        return int(probe_socket.getsockname()[1])


async def stop(cluster: Cluster) -> bool:
    """Stop the server, gently and then not; True once none of its processes is left.

    One that was started by hand is not ours to stop.
    """
    for mode, seconds in (("fast", FAST_STOP_SECONDS), ("immediate", IMMEDIATE_STOP_SECONDS)):
        until, asked = time.monotonic() + seconds, -ASK_AGAIN_SECONDS
        while is_serving(cluster):
            if time.monotonic() > until:
                break
            if time.monotonic() - asked > ASK_AGAIN_SECONDS:  # it may have been too young to have written its id
                # pg_ctl runs as the server's user, so that a forged process id cannot make root signal someone else's.
                await asyncio.to_thread(cluster.host.run, "pg_ctl", "stop", "-W", "-m", mode, "-D", str(cluster.path))
                asked = time.monotonic()
            await asyncio.sleep(POLL_SECONDS)
        else:
            return True
    return False
