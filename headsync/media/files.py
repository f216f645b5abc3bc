"""Files that are whole or not there."""

import os
import secrets
from pathlib import Path

_LONGEST_NAME_BYTES = 200   # of a file name of 255, to leave room for what marks it as partial


def partial_path(path: Path) -> Path:
    """Where a file grows: beside its name, and never twice the same."""
    start = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME_BYTES])
    return path.with_name(f"{start}.partial-{os.getpid()}-{secrets.token_hex(3)}")


def put_in_place(partial: Path, path: Path) -> None:
    """Flush the finished file `partial` to the disk and give it its name. OSError as the system says."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_whole(path: Path | str, content: bytes) -> None:
    """Write aside, flush to the disk, rename: the name never stands for a part. OSError as the system says."""
    path = Path(path)
    partial = partial_path(path)
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
