"""Jobs in forked processes that are killed at chosen moments or find the disk full, and what they leave behind.

For tests/test_kill.py and benchmarks/kill.py.

A moment is so much processor time, the number of a file operation, or the size that a file may reach: the last two lie in
saving. Whoever forks must have imported everything and run nothing, for threads do not survive a fork.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

OPERATIONS = ("replace", "fsync", "unlink", "open")     # of `os`: what atomic writing consists of
TICKS = os.sysconf("SC_CLK_TCK")


class Moment(NamedTuple):
    """When a process dies; what is None does not matter."""

    cpu_s: float | None = None
    operation: int | None = None
    bytes: int | None = None


class Extent(NamedTuple):
    """How long a job is in each of these measures."""

    cpu_s: float
    operations: int
    bytes: int


class Died(NamedTuple):
    """How a process ended."""

    code: int               # its exit code, negative: the signal's number
    said: str
    extent: Extent


def run(job: Callable[[], int | None], folder: Path, moment: Moment | None = None) -> Died:
    """What became of the job in a process of its own that dies at the moment, if it comes to that."""
    folder.mkdir(parents=True, exist_ok=True)
    words, counted = folder / "said", folder / "counted"
    counted.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        code = 99
        try:
            handle = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, 1), os.dup2(handle, 2)
            count = count_operations(moment.operation if moment else None)
            if moment and moment.bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)       # Python ignores it; left alone it kills
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                resource.setrlimit(resource.RLIMIT_FSIZE, (moment.bytes, resource.RLIM_INFINITY))
            code = job() or 0
            counted.write_text(str(count[0]))
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    while moment and moment.cpu_s is not None and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if used_cpu_s(child) >= moment.cpu_s:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.002)
    _, status, usage = os.wait4(child, 0)
    operations = int(counted.read_text()) if counted.exists() else 0
    return Died(os.waitstatus_to_exitcode(status), words.read_text(), Extent(usage.ru_utime + usage.ru_stime, operations, 0))


def warm_optimisers() -> None:
    """Have torch import what its optimisers need when first used: 2 s that forks need not spend."""
    weight = torch.nn.Parameter(torch.ones(1))
    for kind in (torch.optim.Adam, torch.optim.AdamW):
        weight.grad = torch.ones(1)
        kind([weight]).step()


def count_operations(fatal: int | None) -> list[int]:
    """A counter, in a list, of file operations from now on; before number `fatal` the process kills itself."""
    count = [0]

    def counted(operation: Callable) -> Callable:
        def done(*arguments, **options):
            count[0] += 1
            if count[0] == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*arguments, **options)
        return done

    for name in OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))
    return count


def used_cpu_s(process: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(job: Callable[[], int | None], folder: Path, made: Path) -> Extent:
    """How long the job is that makes a folder, undisturbed; AssertionError with its words when it fails."""
    done = run(job, folder)
    assert done.code == 0, done.said
    largest = max(path.stat().st_size for path in made.rglob("*") if path.is_file())
    return done.extent._replace(bytes=largest)


def draw_moments(count: int, extent: Extent, *, seed: int) -> list[Moment]:
    """Moments anywhere in the job: of each three one by processor time, one by operation, one by size."""
    draw = random.Random(seed)
    kinds = (lambda: Moment(cpu_s=draw.uniform(0, extent.cpu_s)), lambda: Moment(operation=draw.randint(1, extent.operations)),
             lambda: Moment(bytes=draw.randrange(extent.bytes)))
    return [kinds[number % 3]() for number in range(count)]


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[bool]:
    """A file system of so many bytes at the place, which is made; False, and none, where one cannot be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    mounted = shutil.which("mount") is not None and subprocess.run(mounting, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


def limit_files(size: int) -> None:
    """From now on no file of this process grows beyond so many bytes: writing fails as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def partial_files(folder: Path) -> list[Path]:
    """Half-written files in a folder and those below."""
    return [path for path in folder.rglob("*") if ".partial" in path.name]
