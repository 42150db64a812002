"""Throwaway PostgreSQL servers from any installation's binaries, for tests that need another version or cluster."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "throwaway"
# Nothing here outlives the test run, so nothing needs to reach the disk.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}


def start_server(bin_dir: Path, folder: Path) -> str:
    """Make a cluster in `folder` and start it; the URL of its database postgres, as its superuser.

    As root it runs as the user postgres, who must be able to reach `folder`: not pytest's tmp_path, but `open_folder`.
    """
    data, port = folder / "data", free_port()
    data.mkdir(parents=True, mode=0o700)
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(data, account.pw_uid, account.pw_gid)
    password = "cat | " + str(bin_dir / "initdb")
    options = [f"--pgdata={data}", "--username=owner", "--pwfile=/dev/stdin", "--auth=scram-sha-256", "--no-sync"]
    _run(["/bin/sh", "-c", password + ' "$@"', "sh", *options, "--encoding=UTF8", "--locale=C.UTF-8"], PASSWORD + "\n")
    settings = {**SETTINGS, "port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
    given = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    _run([str(bin_dir / "pg_ctl"), "start", "-w", "-D", str(data), "-l", str(data / "server.log"), "-o", given])
    return f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/postgres"


def stop_server(bin_dir: Path, folder: Path) -> None:
    """Stop what `start_server` started in `folder`, at once."""
    _run([str(bin_dir / "pg_ctl"), "stop", "-w", "-m", "immediate", "-D", str(folder / "data")])


@contextmanager
def server(bin_dir: Path) -> Iterator[str]:
    """A server for the length of a block."""
    with open_folder() as folder:
        url = start_server(bin_dir, folder)
        try:
            yield url
        finally:
            stop_server(bin_dir, folder)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder with a short path, which other users may enter (pytest's own they may not)."""
    folder = Path(tempfile.mkdtemp(prefix="hl-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: Sequence[str], text: str = "") -> None:
    user = "postgres" if os.geteuid() == 0 else None
    groups: list[int] | None = [] if user else None
    # The output goes to a file: the server keeps a pipe open, and we would wait for its end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command,
            input=text.encode(),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            cwd="/",
            user=user,
            group=user,
            extra_groups=groups,
            start_new_session=True,
        )
        output.seek(0)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {output.read().decode(errors='replace')}")
