"""Landmarks found again in generated canvas frames, where they are on the canvas, as LMD needs them.

Shapes: T frames, H W pixels, L = 68 landmarks.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from headsync.landmarks.detection import Detector

SETTLING_LOOKS = 4      # at the first frame, after which a tracker stands still on a still picture
LOOKS = 2               # a tracking detector's first look at a far frame starts from the last one's face
NEAR_ENOUGH = 0.5       # a face farther from the expected place than this share of its size is somebody else's


class Detected(NamedTuple):
    """What a detector found in frames."""

    points: np.ndarray      # (T, L, 3) float32 in pixels of the frames; NaN where no face was found
    visible: np.ndarray     # (T,) bool


def detect_again(frames: Iterable[np.ndarray], detector: Detector, *, expected: np.ndarray | None = None,
                 looks: int = LOOKS) -> Detected:
    """The landmarks of the face in each frame (H, W, 3) uint8, in the frame's own pixels: nothing is cropped or aligned.

    The tracker is restarted, then shown every frame `looks` times (the first one 4 times at least), of which the last
    counts: 1 is enough for consecutive frames. Of several faces the one nearest to the `expected` landmarks (T, L, 3) is
    taken, or the largest; a face whose middle is farther from them than half of their size is none. ValueError without
    frames.
    """
    detector.restart()
    found = []
    for number, frame in enumerate(frames):
        for _ in range(looks if number else max(looks, SETTLING_LOOKS)):
            faces = detector.faces(frame)
        found.append(_chosen([face.points for face in faces], None if expected is None else expected[number]))
    if not found:
        raise ValueError("there are no frames to look for a face in; give at least one")
    nothing = np.full((68, 3), np.nan, np.float32)
    points = np.stack([nothing if one is None else one for one in found])           # (T, L, 3)
    return Detected(points.astype(np.float32), np.array([one is not None for one in found]))


def _chosen(faces: list[np.ndarray], expected: np.ndarray | None) -> np.ndarray | None:
    """The wanted one of landmarks (L, 3), None when there is none."""
    if not faces:
        return None
    if expected is None:
        return max(faces, key=lambda points: float(np.prod(np.ptp(points[:, :2], axis=0))))
    middle, size = expected[:, :2].mean(0), float(np.ptp(expected[:, :2], axis=0).max())
    ways = [float(np.linalg.norm(points[:, :2].mean(0) - middle)) for points in faces]
    nearest = int(np.argmin(ways))
    return faces[nearest] if ways[nearest] <= NEAR_ENOUGH * size else None
