"""Who finds faces in a picture: one small interface, two detectors behind it.

Shapes: N faces, L = 68 landmarks, V = 468 mesh vertices. Boxes are x0, y0, x1, y1; all is in pixels of the picture.
"""

from typing import NamedTuple, Protocol

import numpy as np

DETECTORS = ("mediapipe", "face-alignment")


class Face(NamedTuple):
    """One face in one picture."""

    points: np.ndarray        # (L, 3) float32, layout ibug68, x right, y down, z smaller = nearer
    mesh: np.ndarray | None   # (V, 3) float32 in the same unit, None where the detector knows only landmarks

    @property
    def box(self) -> np.ndarray:
        """The (4,) box round the landmarks: brow to chin."""
        return landmark_boxes(self.points)  # (4,)


def landmark_boxes(points: np.ndarray) -> np.ndarray:
    """Boxes (..., 4) round landmarks (..., L, 3)."""
    return np.concatenate([points[..., :2].min(-2), points[..., :2].max(-2)], axis=-1)  # (..., 4)


class Detector(Protocol):
    """What the tracking needs of a face detector."""

    name: str

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) of all faces in an (H, W, 3) uint8 RGB picture, any order, N may be 0."""

    def faces(self, picture: np.ndarray) -> list[Face]:
        """Landmarks of the faces in the picture; consecutive calls see consecutive frames and may track."""

    def restart(self) -> None:
        """Forget the last picture: the next one comes from another shot."""

    def close(self) -> None:
        """Free what the detector holds."""
