"""Motions for renderers that draw the mouth from the sound: a head held as it is, or moving as another video's, looped.

Shapes: T frames shown, n frames of a video, L = 68 landmarks.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headsync import media
from headsync.landmarks import LandmarkSequence, SequenceHeader
from headsync.landmarks.detection import extract
from render_stage.references import ReferenceSet
from render_stage.video import Motion, canvas_frames

LOOP_FRAMES = 1500      # of a video that is shorter than the sound: as many are kept, coded, and gone through to and fro
QUALITY = 95            # of their JPEGs


class PoseSource(NamedTuple):
    """A motion, and the canvases that it was extracted from, looped like it."""

    motion: Motion
    video: Path
    length: int         # frames of the video that are used
    frames: int         # T

    def canvases(self) -> Iterator[np.ndarray]:
        """Canvases (1, 256, 256, 3) uint8 of every frame shown; memory does not grow with T."""
        stream, coded = canvas_frames(self.video, self.motion.header.crop, Fraction(media.FPS)), []
        looped = self.frames > self.length
        for number in to_and_fro(self.length, self.frames):
            if not looped:
                yield next(stream)
            elif number < len(coded):
                yield media.decode_jpeg(coded[number])[None]
            else:
                coded.append(media.encode_jpeg(next(stream)[0], QUALITY))
                yield media.decode_jpeg(coded[number])[None]


def held_motion(references: ReferenceSet, frames: int) -> Motion:
    """The first reference's landmarks, `frames` times."""
    start = references.start()
    return repeated(start, lambda: iter([0] * frames), frames)


def video_motion(video: str | Path, frames: int, *, face: str = "largest", detector: str = "mediapipe") -> PoseSource:
    """The head of a video, found frame by frame; where the video is shorter it goes to and fro, which shows no jump.

    ValueError, one line, for a video without a face.
    """
    found = extract(video, face=face, detector=detector).sequence
    length = len(found) if len(found) >= frames else min(len(found), LOOP_FRAMES)
    return PoseSource(repeated(found, lambda: to_and_fro(length, frames), frames), Path(video), length, frames)


def repeated(sequence: LandmarkSequence, order: Callable[[], Iterator[int]], frames: int) -> Motion:
    """A sequence's frames in an order (a call that gives `frames` numbers), as a motion that can be gone through again."""
    header = SequenceHeader(frames, sequence.fps, sequence.size, sequence.crop, sequence.layout, sequence.producer)

    def blocks(block_frames: int) -> Iterator[np.ndarray]:
        return media.recut((sequence.points[number][None] for number in order()), block_frames)

    return Motion(header, blocks)


def to_and_fro(length: int, frames: int) -> Iterator[int]:
    """0, 1 ... length - 1, length - 2 ... 0, 1 ..., `frames` numbers: neighbours differ by at most 1."""
    period = max(1, 2 * (length - 1))
    return (min(number % period, period - number % period) if period > 1 else number % length for number in range(frames))
