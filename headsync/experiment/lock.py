"""One run to a folder, one writer to an output: locks that the system releases when their holder ends, however it ends.

`filelock` keeps them, and takes care of processes that the holder forks. The lock's file is removed with the lock; one
that a killed process leaves means nothing, and the next run in the folder removes it. File systems that know no locks go
unguarded.
"""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from headsync.media import remove_left_behind

FILE_NAME = ".lock"
SUFFIX = ".headsync-lock"
PATIENCE_S = 0.3        # with a holder that is about to end
NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}


@contextlib.contextmanager
def only_run(folder: str | Path) -> Iterator[None]:
    """Around everything that writes into a run's folder, which is made: nobody else is inside meanwhile.

    ValueError, one line, when somebody is. Files that ended processes left half-written, there and one folder further
    down, are removed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / FILE_NAME, folder, advice="give another folder"):
        remove_left_behind([folder, *(entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))])
        yield


@contextlib.contextmanager
def output_lock(*paths: str | Path | None) -> Iterator[None]:
    """Around everything that makes these files: no other run writes one of them meanwhile; None stands for no file.

    ValueError or OSError, one line, when another run does, or when one cannot be written there; ask before long work.
    Files that ended processes left half-written in the same folders are removed.
    """
    outputs = {os.path.normcase(Path(path).absolute()): Path(path) for path in paths if path is not None}
    with contextlib.ExitStack() as locks:
        for key, path in sorted(outputs.items()):
            folder = path.absolute().parent
            if path.is_dir() or not folder.is_dir():
                raise ValueError(f"{path} cannot be written: {'it is a folder' if path.is_dir() else 'its folder is missing'}")
            name = hashlib.blake2b(os.fsencode(os.path.basename(key)), digest_size=8).hexdigest()   # as short as any
            locks.enter_context(held(folder / f".{name}{SUFFIX}", path, advice="give another name"))
        for folder in {path.absolute().parent for path in outputs.values()}:
            remove_left_behind([folder])
            remove_stale_locks(folder)
        yield


@contextlib.contextmanager
def held(place: Path, what: Path, *, advice: str) -> Iterator[None]:
    """The lock with its file at the place. ValueError when another has it, OSError about `what` when it cannot be made."""
    lock = FileLock(place, timeout=PATIENCE_S, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(poll_interval=PATIENCE_S / 5)
    except Timeout:
        raise ValueError(f"{what} is in use by another run{holder(place)}; wait until it has ended, or {advice}") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise type(error)(error.errno, error.strerror, str(what)) from None
        yield
        return
    process = os.getpid()
    try:
        with contextlib.suppress(OSError):      # Windows lets nobody write what is locked
            place.write_text(f"{process}\n", encoding="utf-8")
        yield
    finally:
        if os.getpid() == process:              # a fork holds nothing
            if os.name == "posix":              # elsewhere filelock does; whoever has it open sees that it has no name
                with contextlib.suppress(OSError):
                    place.unlink()
            lock.release()


def holder(place: Path) -> str:
    """Which process has the lock, in brackets, as far as its file tells."""
    try:
        process = place.read_text(encoding="utf-8")[:20].strip()
    except (OSError, ValueError):
        return ""
    return f" (process {process})" if process else ""


def remove_stale_locks(folder: Path) -> None:
    """Remove the files of output locks that nobody has: of killed processes."""
    for place in folder.glob(f".*{SUFFIX}"):
        with contextlib.suppress(Timeout, OSError), FileLock(place, timeout=0, fallback_to_soft=False):
            place.unlink()
