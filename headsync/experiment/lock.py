"""One run to a folder: a lock that the system lets go of when its holder ends, however it ends.

It is a POSIX lock on a byte of `.lock`, which stays behind, empty of meaning. Processes that the holder forks do not keep
it, so a killed run can be gone on with at once. Systems without such locks (Windows, some network disks) go unguarded.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:     # Windows
    fcntl = None

FILE_NAME = ".lock"


@contextlib.contextmanager
def only_run(folder: str | Path) -> Iterator[None]:
    """Around everything that writes into a run's folder, which is made: no other process is inside meanwhile.

    ValueError, one line, when one is. Nothing keeps this same process from coming in twice.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / FILE_NAME, "a+", encoding="utf-8") as file:
        if fcntl is not None and not taken(file.fileno()):
            file.seek(0)
            holder = file.read(20).strip()
            raise ValueError(f"{folder} is in use by another run{f' (process {holder})' * bool(holder)}; wait until it has "
                             "ended, or give another folder")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def taken(handle: int) -> bool:
    """Whether the lock is now this process's; also True where the file system knows no locks."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
