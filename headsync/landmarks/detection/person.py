"""Where in a picture a person is: hair, neck and shoulders too, which no landmark tells.

Shapes: H W picture.
"""

import numpy as np

from headsync.landmarks.detection.mediapipe_detector import quiet_native_log, run_graph


class PersonFinder:
    """MediaPipe's selfie segmentation, whose network its wheels carry; each picture is looked at alone."""

    def __init__(self):
        from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

        with quiet_native_log():
            self._segmentation = SelfieSegmentation(model_selection=0)
            run_graph(self._segmentation, np.zeros((64, 64, 3), np.uint8))     # loads the network, and prints

    def person(self, picture: np.ndarray) -> np.ndarray:
        """How sure each pixel of a picture (H, W, 3) uint8 RGB shows a person: (H, W) uint8, 255 for sure."""
        return np.rint(255 * run_graph(self._segmentation, picture).segmentation_mask).astype(np.uint8)     # (H, W)

    def close(self) -> None:
        """Release the graph."""
        with quiet_native_log():
            self._segmentation.close()
