"""Files that are whole or not there."""

import os
from pathlib import Path


def write_whole(path: Path | str, content: bytes) -> None:
    """Write aside, flush to the disk, rename: the name never stands for a part. OSError as the system says."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
