"""Half-written files whose process has ended, known by what their names carry, and removed; never those of living ones."""

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

_PARTIAL = re.compile(r".*\.partial-(?P<process>\d+)-(?P<started>\d+)-(?P<place>[0-9a-f]{8})-[0-9a-f]+", re.DOTALL)
_MAY_ASK = 0x1000       # Windows' PROCESS_QUERY_LIMITED_INFORMATION


def process_mark() -> str:
    """What a partial file's name carries of this process: its number, when it started (0 where unknown), where it runs."""
    return f"{os.getpid()}-{_started(os.getpid()) or 0}-{_place()}"


def remove_left_behind(folders: Iterable[Path | str]) -> None:
    """Remove the partial files in these folders of processes that ran on this machine and have ended.

    Those of other machines stay, as do those of a process of which one cannot tell. What cannot be removed stays too.
    """
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                found = _PARTIAL.fullmatch(entry.name)
                if found and found["place"] == _place() and not _lives(int(found["process"]), int(found["started"])):
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)


@functools.cache        # of the machine, which does not change
def _place() -> str:
    """The machine, and of its containers the one whose process numbers these are: eight digits."""
    try:
        numbers_of = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers_of = ""
    return hashlib.blake2b(f"{platform.node()} {numbers_of}".encode(), digest_size=4).hexdigest()


def _lives(process: int, started: int) -> bool:
    """Whether a process still runs; one that has got its number later is another. True when one cannot tell."""
    if os.name == "nt":
        return _lives_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):    # another user's
        pass
    now = _started(process)
    return now is None or now == started or (not started and now > 0)


def _started(process: int) -> int | None:
    """When a process started, in ticks since boot; -1 of one that has ended, None where the system does not say."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        words = status.rpartition(")")[2].split()             # the name before the bracket may hold anything
        return -1 if words[0] in "ZX" else int(words[19])   # a zombie has only its number left
    except (OSError, ValueError, IndexError):
        return None


def _lives_on_windows(process: int) -> bool:
    """`os.kill(process, 0)` would end it there."""
    handle = ctypes.windll.kernel32.OpenProcess(_MAY_ASK, False, process)
    if handle:
        ctypes.windll.kernel32.CloseHandle(handle)
    return bool(handle)
