"""Where in a picture a person is: hair, neck and shoulders too, which no landmark tells.

Shapes: H W picture.
"""

from typing import Protocol

import numpy as np

from headsync.landmarks.detection.mediapipe_detector import has_solutions


class Segmenter(Protocol):
    """What the person finder needs of an installed MediaPipe."""

    def share(self, picture: np.ndarray) -> np.ndarray:
        """How sure each pixel of a picture (H, W, 3) uint8 RGB shows a person: (H, W) float32 from 0 to 1."""

    def close(self) -> None:
        """Free what the segmenter holds."""


class PersonFinder:
    """MediaPipe's selfie segmentation by whichever of its interfaces is installed; each picture is looked at alone."""

    def __init__(self):
        self._segmenter = _load_segmenter()

    def person(self, picture: np.ndarray) -> np.ndarray:
        """How sure each pixel of a picture (H, W, 3) uint8 RGB shows a person: (H, W) uint8, 255 for sure."""
        return np.rint(255 * self._segmenter.share(picture)).astype(np.uint8)     # (H, W)

    def close(self) -> None:
        """Release the network."""
        self._segmenter.close()


def _load_segmenter() -> Segmenter:
    if has_solutions():
        from headsync.landmarks.detection.mediapipe_solutions import SolutionsSegmenter

        return SolutionsSegmenter()
    from headsync.landmarks.detection.mediapipe_tasks import TasksSegmenter

    return TasksSegmenter()
