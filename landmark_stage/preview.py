"""Motion to look at: a sequence drawn on an even background, with its sound.

Shapes: t frames of a block, L = 68 landmarks, H W canvas.
"""

from pathlib import Path

import numpy as np

from headsync import media
from headsync.landmarks import LandmarkSequence, OpenSequence, plain_frames


def write_preview(sequence: str | Path, out: str | Path, *, audio: str | Path | media.Sound) -> None:
    """`out` (.mp4), the landmarks of a `landmarks/1` file drawn, with the sound, in constant memory. ValueError as both."""
    opened = OpenSequence(sequence)
    header = opened.header
    path, stream = (audio.path, audio.stream) if isinstance(audio, media.Sound) else (audio, None)
    with media.VideoWriter(out, size=header.size, audio=path, audio_stream=stream) as writer:
        with media.stage(f"drawing {Path(out).name}", total=header.frames, unit="frame") as step:
            for block in opened.blocks():                                  # (t, L, 3)
                for frame in plain_frames(LandmarkSequence(block, np.ones(len(block), bool), *header[1:])):
                    writer.write(frame)
                step(len(block))
