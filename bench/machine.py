"""What the numbers were made on: processor, disk, versions; and how busy others kept the machine meanwhile."""

import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

_TICKS = os.sysconf("SC_CLK_TCK")
_QUIET_CORES = 0.15
_SAMPLE_SECONDS = 0.5


def cpu_model() -> str:
    """Name the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def versions(*packages: str) -> str:
    """List packages with their versions."""
    return ", ".join(f"{name} {version(name)}" for name in packages)


def python_version() -> str:
    """Name the interpreter."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def file_system(folder: Path) -> str:
    """Name the type of the file system under a folder; a memory file system would make durability free."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return max((len(at), kind) for at, kind in mounts if folder.is_relative_to(at))[1]


def sync_milliseconds(folder: Path) -> float:
    """Measure what a commit waits for: the median time to append 8 KB and make it durable."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"x" * 8192)
            file.flush()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took) * 1000


def cpu_seconds(pid: int) -> float:
    """Tell how much processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_megabytes(pid: int) -> float:
    """Tell how much memory a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Others:
    """How many cores others keep busy, from `__init__` until asked: all but idle, less this process's tree."""

    def __init__(self) -> None:
        self._at, self._all, self._ours = time.monotonic(), _busy_seconds(), tree_seconds()

    def cores(self) -> float:
        """Give the mean number of cores that others used since."""
        seconds = time.monotonic() - self._at
        return max(0.0, (_busy_seconds() - self._all) - (tree_seconds() - self._ours)) / seconds


def wait_for_quiet(patience_seconds: float) -> None:
    """Wait until others leave the machine alone, but not for ever."""
    until = time.monotonic() + patience_seconds
    while time.monotonic() < until:
        others = Others()
        time.sleep(_SAMPLE_SECONDS)
        if others.cores() < _QUIET_CORES:
            return


def _busy_seconds() -> float:
    """All processor time that was not idle, time stolen by the host included."""
    user, nice, system, _idle, _iowait, *rest = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(rest)) / _TICKS


def tree_seconds() -> float:
    """Tell the processor time of this process and all below it, those that ended included."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            used[int(entry.name)] = sum(map(int, fields[11:15])) / _TICKS
    total, below = 0.0, [os.getpid()]
    while below:
        pid = below.pop()
        total += used.get(pid, 0.0)
        below += children.get(pid, [])
    return total


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)
