"""Files that are whole or not there: they grow beside their name, reach the disk, and only then take it."""

import contextlib
import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from headsync.media.left_behind import process_mark

PATIENCE_S = 2.0                # with a name that is refused: a virus scanner may be looking at the file
_PAUSE_S = 0.05
_LONGEST_NAME_BYTES = 180       # of a file name of 255, to leave room for what marks it as partial
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES}      # of file systems that do not know it


def write_whole(path: Path | str, *parts: bytes) -> Path:
    """The path, now holding these bytes in a row; what it held before stays when that fails.

    It keeps the permissions that it had. OSError as the system says, ValueError for a device or the like.
    """
    with growing_file(path) as partial, open(partial, "wb") as file:
        for part in parts:
            file.write(part)
    return Path(path)


@contextlib.contextmanager
def growing_file(path: Path | str) -> Iterator[Path]:
    """The name under which a file grows in the `with` block: it takes `path` when that ends well, else it is removed."""
    partial = partial_path(Path(path))
    try:
        yield partial
        put_in_place(partial, Path(path))
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Where a file grows: beside its name, and never twice the same; `remove_left_behind` knows whose it is.

    ValueError where there is something that is no file, such as a device: it would be replaced by one.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError(f"{path} is a device or a pipe, which a file would replace; give the name of a file")
    start = os.fsencode(path.name)[:_LONGEST_NAME_BYTES].decode(sys.getfilesystemencoding(), "ignore")
    return path.with_name(f"{start}.partial-{process_mark()}-{secrets.token_hex(3)}")


def put_in_place(partial: Path, path: Path) -> None:
    """Flush the finished file `partial` to the disk and give it its name and permissions. OSError as the system says.

    A name that is refused is asked for again for two seconds.
    """
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    if path.is_file():
        with contextlib.suppress(OSError):      # another owner's, or a file system without permissions
            shutil.copymode(path, partial)
    _rename(partial, path)
    _sync_folder(path.absolute().parent)


def _rename(partial: Path, path: Path) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            os.replace(partial, path)
        except PermissionError as error:
            if time.monotonic() >= until_s:
                raise PermissionError(error.errno, "cannot be replaced; another program may have it open, or it is "
                                      "another user's", str(path)) from None
            time.sleep(_PAUSE_S)
        else:
            return


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut; systems other than POSIX do not let a folder be synced."""
    if os.name != "posix":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
