"""The program as real processes: started with an environment of the test's own, watched, and ended in every way."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hookline.settings import PREFIX

PATIENCE_SECONDS = 60.0


class Program:
    """One running `hookline …`, in a process group of its own. Its output is in files."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, settings: Mapping[str, str], *, ready_fd: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.arguments = arguments
        self._out, self._err = folder / "out", folder / "err"
        command = [sys.executable, "-m", "hookline", *arguments]
        reading, writing = os.pipe()
        if ready_fd:
            command += ["--ready-fd", str(writing)]
        with self._out.open("ab") as out, self._err.open("ab") as err:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(writing,) if ready_fd else (),
                start_new_session=True,
            )
        os.close(writing)
        self._ready = reading

    @property
    def out(self) -> str:
        """What it has printed."""
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        """What it has logged."""
        return self._err.read_text(errors="replace")

    def ready(self) -> str:
        """Wait until it says that it is ready; what it says (for the API, the port)."""
        found, _, _ = select.select([self._ready], [], [], PATIENCE_SECONDS)
        text = os.read(self._ready, 100).decode().strip() if found else ""
        assert text, f"{self.arguments} did not get ready:\n{self.err}"
        return text

    def signal(self, number: int) -> None:
        """Send a signal to this process alone."""
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(seconds)

    def stop(self) -> int:
        """End it as an operator does; the exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it at once, with no chance to tidy up."""
        self.signal(signal.SIGKILL)
        self.wait()

    def close(self) -> None:
        """Whatever is left of it ends now."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._ready)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | {PREFIX + name: value for name, value in settings.items()}


@contextmanager
def program(
    arguments: Sequence[str], folder: Path, settings: Mapping[str, str], *, ready_fd: bool = False
) -> Iterator[Program]:
    """A running program for the length of a block, whatever happens in it."""
    started = Program(arguments, folder, settings, ready_fd=ready_fd)
    try:
        yield started
    finally:
        started.close()


def run(arguments: Sequence[str], folder: Path, settings: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "hookline", *arguments],
        cwd=folder,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"in {seconds:g} s it did not come true: {what}"
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def arguments_of(pid: int) -> list[str]:
    """What a process was started with; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
