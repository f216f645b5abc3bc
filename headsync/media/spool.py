"""Numbers that were read once and are gone through again: the first of them in memory, many in a file without a name.

Shapes: n items.
"""

import tempfile
import threading
import weakref
from collections.abc import Iterator

import numpy as np

HELD_BYTES = 1 << 20        # that stay in memory: 16 seconds of sound, 50 of landmarks
_NUMBER = np.dtype("<f4")


class Spool:
    """Items of one shape, float32, written one after another and read in any order; several may read side by side.

    Its file goes with this object.
    """

    def __init__(self, shape: tuple[int, ...] = ()):
        """`shape` is an item's; () for numbers."""
        self._shape, self._count, self._lock = shape, 0, threading.Lock()
        self._bytes = _NUMBER.itemsize * int(np.prod(shape, dtype=int))
        self._file = tempfile.SpooledTemporaryFile(max_size=HELD_BYTES)
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._count

    def append(self, items: np.ndarray) -> None:
        """Write items (n, ...) behind those that are there."""
        with self._lock:
            self._file.seek(self._count * self._bytes)
            self._file.write(np.ascontiguousarray(items, _NUMBER).data.cast("B") if len(items) else b"")
            self._count += len(items)

    def part(self, start: int, stop: int) -> np.ndarray:
        """Items `start` to `stop` - 1, (n, ...) float32, one's own copy."""
        with self._lock:
            self._file.seek(start * self._bytes)
            found = bytearray(self._file.read((stop - start) * self._bytes))
        return np.frombuffer(found, _NUMBER).reshape(-1, *self._shape)

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """All items in arrays (size, ...), the last one shorter."""
        for start in range(0, self._count, size):
            yield self.part(start, min(start + size, self._count))
