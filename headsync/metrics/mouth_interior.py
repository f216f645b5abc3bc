"""What is seen between open lips, and how sharp parts of a face are: numbers of one picture and its landmarks.

Shapes: H W pixels, 68 landmarks in pixels. Pictures are (H, W, 3) uint8 RGB.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

LEAST_PIXELS = 24           # of an inside that is measured
PALE, DULL = 0.5, 0.65      # teeth: so light (share of the skin's value) and so little saturated (share of the skin's)
DARK = 0.35                 # dark: under so much of the skin's value
CHEEKS = ((1, 31, 48), (15, 35, 54))    # landmarks of triangles of plain skin
ENLARGED = 4                # the inside is measured on a picture enlarged by so much, so that its edge is not half lip


class MouthInterior(NamedTuple):
    """Of the pixels between the lips."""

    teeth: float        # share that is pale and hardly coloured
    dark: float         # share that is much darker than skin
    contrast: float     # deviation of the luma, 0 to 1
    pixels: float       # how many there are


def mouth_interior(picture: np.ndarray, points: np.ndarray) -> MouthInterior | None:
    """What is seen inside the inner lips of a face; None where they are too close together."""
    inner = np.asarray(points, np.float64)[60:68, :2]
    low, high = np.floor(inner.min(0)).astype(int) - 2, np.ceil(inner.max(0)).astype(int) + 3
    low, high = np.maximum(low, 0), np.minimum(high, picture.shape[1::-1])
    if (high - low).min() < 3:
        return None
    part = picture[low[1] : high[1], low[0] : high[0]]
    part = cv2.resize(part, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint((inner - low) * ENLARGED - 0.5).astype(np.int32)], 1)
    inside = mask.astype(bool)
    pixels = inside.sum() / ENLARGED**2
    if pixels < LEAST_PIXELS:
        return None
    value, saturation = _hsv(part[inside])
    skin_value, skin_saturation = (np.median(one) for one in _hsv(_skin(picture, points)))
    pale = (value > PALE * skin_value) & (saturation < DULL * skin_saturation)
    luma = part[inside] @ np.array([0.299, 0.587, 0.114]) / 255
    return MouthInterior(float(pale.mean()), float((value < DARK * skin_value).mean()), float(luma.std()), float(pixels))


def _skin(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Pixels (n, 3) of the cheeks."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for triangle in CHEEKS:
        cv2.fillPoly(mask, [np.rint(np.asarray(points)[list(triangle), :2]).astype(np.int32)], 1)
    return picture[mask.astype(bool)] if mask.any() else picture.reshape(-1, 3)


def _hsv(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and saturation (n,), 0 to 1, of colours (n, 3)."""
    hsv = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2HSV)[0] / 255.0
    return hsv[:, 2], hsv[:, 1]


def laplacian_variance(picture: np.ndarray, points: np.ndarray, landmarks: Sequence[int], *, margin: float = 0.2) -> float:
    """Variance of the Laplacian of luma in the box round some landmarks, enlarged by a share of its width."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    flat = np.asarray(points)[list(landmarks), :2]
    low, high = flat.min(0), flat.max(0)
    room = margin * (high - low)[0]
    left, top = np.maximum(np.floor(low - room), 0).astype(int)
    right, bottom = np.ceil(high + room).astype(int)
    return float(cv2.Laplacian(grey, cv2.CV_64F)[top:bottom, left:right].var())
