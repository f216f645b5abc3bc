"""A stream cut anew: the same items in arrays of another length.

Shapes: n items of a piece, whatever an item is.
"""

from collections.abc import Iterable, Iterator

import numpy as np


def recut(pieces: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same items in arrays (size, ...), the last one shorter, each as soon as it is full; none is a view of another."""
    waiting: list[np.ndarray] = []
    held = 0
    for piece in pieces:
        waiting.append(piece)
        held += len(piece)
        if held < size:
            continue
        items = np.concatenate(waiting)
        whole = held - held % size
        for begin in range(0, whole, size):
            yield items[begin : begin + size].copy()
        waiting, held = [items[whole:].copy()], held - whole
    if held:
        yield np.concatenate(waiting)
