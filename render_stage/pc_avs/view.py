"""Canvases as the networks see them."""

import cv2
import numpy as np


def canvas_view(picture: np.ndarray, side: int) -> np.ndarray:
    """A canvas (S, S, 3) uint8 as (side, side, 3)."""
    if len(picture) == side:
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if len(picture) > side else cv2.INTER_CUBIC)
