"""Motion to look at: a sequence drawn on an even background, with its sound; and where the results of several sounds go.

Shapes: t frames of a block, L = 68 landmarks, H W canvas.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import media
from landmarks import draw_landmarks, read_blocks, read_header

GROUND = 24     # grey level behind the landmarks


def write_preview(sequence: str | Path, out: str | Path, *, audio: str | Path) -> None:
    """`out` (.mp4), the landmarks of a `landmarks/1` file drawn, with the sound, in constant memory. ValueError as both."""
    size = read_header(sequence).size
    ground = np.full((*size, 3), GROUND, np.uint8)                          # (H, W, 3)
    with media.VideoWriter(out, size=size, audio=audio) as writer:
        for block in read_blocks(sequence):                                 # (t, L, 3)
            for points in block:
                writer.write(draw_landmarks(ground, points))


def named(place: str | Path | None, sources: Sequence[str | Path], suffix: str) -> list[Path | None]:
    """A file for each source's result: `place` itself for one, else files in the folder `place`, named after them.

    Without a place there are none. The folder is made. ValueError when two sources have the same name.
    """
    if place is None or len(sources) == 1:
        return [place if place is None else Path(place)] * len(sources)
    names = [Path(source).stem for source in sources]
    again = [name for name, count in Counter(names).items() if count > 1]
    if again:
        raise ValueError(f"several files are called {again[0]}; their results would overwrite each other, so run them apart")
    Path(place).mkdir(exist_ok=True)
    return [Path(place) / (name + suffix) for name in names]
