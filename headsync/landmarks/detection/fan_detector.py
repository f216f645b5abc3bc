"""The 3-D FAN detector of the published systems, through the face-alignment package, for those who have its weights.

Shapes: H W picture, N faces, L = 68 landmarks. Source: Bulat & Tzimiropoulos 2017; method/detection.md#fan.
"""

from typing import Protocol

import numpy as np

from headsync.landmarks.detection.detectors import Detector, Face

FAN_LIFT = 0.12     # FAN expects boxes that reach this share of their height above those of the embedded detector


class LandmarkNetwork(Protocol):
    """The one call of `face_alignment.FaceAlignment` that is used here."""

    def get_landmarks_from_image(self, image: np.ndarray, detected_faces: list) -> list[np.ndarray] | None:
        """(68, 3) arrays, one per box (x0, y0, x1, y1), or None."""


class FanDetector:
    """Boxes from the embedded detector, landmarks from FAN with its depth network; no mesh."""

    name = "face-alignment"

    def __init__(self, network: LandmarkNetwork, finder: Detector):
        self._network, self._finder = network, finder

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) in pixels, those of the embedded detector: FAN itself has none without another download."""
        return self._finder.boxes(picture)

    def faces(self, picture: np.ndarray) -> list[Face]:
        """68 landmarks (x right, y down, z smaller = nearer) of every face found; each picture stands alone."""
        boxes = self._finder.boxes(picture)
        if not len(boxes):
            return []
        boxes[:, 1] -= FAN_LIFT * (boxes[:, 3] - boxes[:, 1])
        found = self._network.get_landmarks_from_image(picture, detected_faces=[list(box) for box in boxes])
        return [Face(self._nearer_is_smaller(np.asarray(points, np.float32)), None) for points in found or ()]

    @staticmethod
    def _nearer_is_smaller(points: np.ndarray) -> np.ndarray:
        """FAN's depth grows towards the camera; landmark sequences hold the opposite sign, centred on the face."""
        depth = points[:, 2].mean() - points[:, 2]                        # (L,)
        return np.column_stack([points[:, :2], depth]).astype(np.float32)  # (L, 3)

    def restart(self) -> None:
        """Nothing to forget: no frame depends on another."""

    def close(self) -> None:
        """Free the embedded detector."""
        self._finder.close()


def load_fan_network() -> LandmarkNetwork:
    """FAN with its published weights, from torch's cache on disk or by download.

    ValueError, one line that names the embedded default, when they cannot be had.
    """
    import face_alignment

    try:
        return face_alignment.FaceAlignment(face_alignment.LandmarksType.THREE_D, device="cpu", flip_input=False,
                                            face_detector="folder", compile=False)
    except Exception as error:  # urllib, torch and the package each raise their own kinds when weights are missing
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"face-alignment's weights cannot be had ({reason}); "
                         "put them in torch's hub cache or use the embedded detector 'mediapipe'") from error
