"""A file appears whole or not at all, whatever stops the program while it is written."""

import contextlib
import os
import secrets
from pathlib import Path

NAME_LENGTH = 50  # of a partial file's stem: with its suffix it stays under 255 bytes in any alphabet


def write_whole(path: str | os.PathLike, *parts: bytes) -> Path:
    """The path, now holding these bytes in a row; raises OSError and leaves what was there before if that fails.

    The bytes go to `<name>.partial-<pid>-<random>` beside it, reach the disk, and only then take the name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name[:NAME_LENGTH]}.partial-{os.getpid()}-{secrets.token_hex(3)}")
    try:
        with open(partial, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)
    return path


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut; systems other than POSIX do not let a folder be synced."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
